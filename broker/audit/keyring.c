/* Decides nothing about keys: the directory does (lib/trust). This file only remembers what the
 * directory said after each entry that changed it, so that any later question about an earlier
 * place has one answer. Directory entries are few beside the log, so they are folded one after
 * another. */
#include "broker/audit/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fold.h"

enum { CAPACITY_FIRST = 8, INDEX_BYTES = 8 };

static void
org_free(struct keyring_org *org)
{
    if (org != NULL) {
        free(org->spans);
        free(org);
    }
}

void
keyring_done(struct keyring *keyring)
{
    for (size_t i = 0; i < keyring->n_orgs; i++) {
        org_free(keyring->orgs[i]);
    }
    free(keyring->orgs);
    free(keyring->entries);
    map_free(keyring->by_org);
    *keyring = (struct keyring){.by_org = NULL};
}

/* Room for one more. */
static enum err
grow(void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) {
        return ERR_OK;
    }
    size_t wanted = *capacity > 0 ? 2 * *capacity : CAPACITY_FIRST;
    void *grown = reallocarray(*array, wanted, size);
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    *array = grown;
    *capacity = wanted;
    return ERR_OK;
}

const struct keyring_org *
keyring_find(const struct keyring *keyring, const char *org)
{
    char key[ORG_ID_BYTES] = {0};
    memcpy(key, org, strnlen(org, ORG_ID_MAX));
    return map_find(keyring->by_org, key);
}

const struct keyring_org *
keyring_find_handle(const struct keyring *keyring, uint64_t handle)
{
    size_t low = 0;
    size_t high = keyring->n_orgs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (keyring->orgs[middle]->handle < handle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < keyring->n_orgs && keyring->orgs[low]->handle == handle ? keyring->orgs[low]
                                                                         : NULL;
}

const struct keyring_span *
keyring_at(const struct keyring_org *org, uint64_t index)
{
    size_t i = org->n;
    while (i > 0 && org->spans[i - 1].after >= index) {
        i--;
    }
    return i > 0 ? &org->spans[i - 1] : NULL;
}

static enum err
add_org(struct keyring *keyring, const struct member *member, struct keyring_org **org_out)
{
    void *orgs = keyring->orgs;
    enum err err = grow(&orgs, keyring->n_orgs, &keyring->capacity_orgs, sizeof(*keyring->orgs));
    keyring->orgs = orgs;
    if (err != ERR_OK) {
        return err;
    }
    struct keyring_org *org = calloc(1, sizeof(*org));
    if (org == NULL) {
        return ERR_MEMORY;
    }
    memcpy(org->org, member->org, strnlen(member->org, ORG_ID_MAX));
    org->handle = member->handle;
    err = map_put(keyring->by_org, org->org, org);
    if (err != ERR_OK) {
        org_free(org);
        return err;
    }
    org->place = keyring->n_orgs;
    keyring->orgs[keyring->n_orgs++] = org;
    *org_out = org;
    return ERR_OK;
}

static enum err
add_span(struct keyring *keyring, const struct member *member, uint64_t index)
{
    struct keyring_org *org = map_find(keyring->by_org, member->org);
    enum err err = org == NULL ? add_org(keyring, member, &org) : ERR_OK;
    if (err != ERR_OK) {
        return err;
    }
    void *spans = org->spans;
    err = grow(&spans, org->n, &org->capacity, sizeof(*org->spans));
    org->spans = spans;
    if (err == ERR_OK) {
        org->spans[org->n++] = (struct keyring_span){.after = index,
                                                     .state = member->state,
                                                     .sign = member->keys.sign,
                                                     .key_id = member->key_id};
    }
    return err;
}

/* Whose keys or state an entry of the directory changes. */
static const char *
org_concerned(const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_GENESIS:
        return statement->as.genesis.auditor_org;
    case STATEMENT_INVITE:
        return statement->as.invite.org;
    case STATEMENT_JOIN:
        return statement->as.join.org;
    case STATEMENT_REVOKE:
        return statement->as.revoke.org;
    case STATEMENT_LOOP:
    case STATEMENT_ROTATE:
    default:
        return statement->author;
    }
}

static enum err
take(struct keyring *keyring, const struct directory *directory, const struct fold_entry *entry)
{
    const struct statement *statement = &entry->statement;
    uint64_t index = entry->entry.index;
    if (!directory_concerns(statement->kind)) {
        keyring->stray = index < keyring->stray ? index : keyring->stray;
        return ERR_OK;
    }
    const struct member *member = directory_find(directory, org_concerned(statement));
    if (member == NULL) {
        return ERR_INTERNAL; /* the directory has just taken it */
    }
    void *entries = keyring->entries;
    enum err err =
        grow(&entries, keyring->n_entries, &keyring->capacity_entries, sizeof(*keyring->entries));
    keyring->entries = entries;
    if (err != ERR_OK) {
        return err;
    }
    keyring->entries[keyring->n_entries++] = index;
    return add_span(keyring, member, index);
}

/* The directory must begin with the genesis: without it nobody has a key. */
static enum err
fold_all(struct kv_txn *txn, struct keyring *keyring, struct directory *directory,
         struct complaint *complaint)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct fold fold = {.txn = txn, .directory = directory};
    struct fold_entry entry;
    struct bytes key;
    struct bytes value;
    enum err err = kv_cursor_open(txn, TABLE_DIRECTORY, bytes_of(NULL, 0), &cursor);
    while (err == ERR_OK && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        if (key.len != INDEX_BYTES) {
            return complain(complaint, ERR_CORRUPT, "table directory: a key is damaged");
        }
        err = fold_read(&fold, kv_u64_of_key(key), &entry, complaint);
        if (err == ERR_OK) {
            err = fold_apply(&fold, &entry, complaint);
        }
        if (err == ERR_OK) {
            err = take(keyring, directory, &entry);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    if (err != ERR_NOT_FOUND) {
        return complain(complaint, err, "table directory: %s", err_text(err));
    }
    return directory_genesis(directory) != NULL
               ? ERR_OK
               : complain(complaint, ERR_CORRUPT, "table directory: it does not begin the network");
}

enum err
keyring_fold(struct kv_txn *txn, const struct network_id *network, struct keyring *keyring_out,
             struct directory **directory_out, struct complaint *complaint)
{
    CLEANUP(directory_freep) struct directory *directory = NULL;
    CLEANUP(keyring_done)
    struct keyring keyring = {.by_org = map_new(ORG_ID_BYTES), .stray = UINT64_MAX};
    if (keyring.by_org == NULL) {
        return ERR_MEMORY;
    }
    enum err err = directory_new(network, &directory);
    if (err == ERR_OK) {
        err = fold_all(txn, &keyring, directory, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    *keyring_out = keyring;
    *directory_out = directory;
    keyring = (struct keyring){.by_org = NULL};
    directory = NULL;
    return ERR_OK;
}
