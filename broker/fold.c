/* Decides whether an entry of the log may be believed. Its own disk is a stranger to the broker: a
 * changed byte, a missing entry or a key that was not its author's is found here, and nothing is
 * repaired by guessing. It refuses to know what entries do. */
#include "broker/fold.h"

#include <string.h>

#include "lib/wire/sealed.h"

static enum err
corrupt(struct complaint *complaint, uint64_t index, const char *what)
{
    return complain(complaint, ERR_CORRUPT, "entry %llu of the log: %s", (unsigned long long)index,
                    what);
}

/* Loop and rotate statements name the key they were signed with; the other kinds are signed by keys
 * named elsewhere. */
static bool
is_key_of_author(const struct directory *directory, const struct statement *statement)
{
    if (statement->kind != STATEMENT_LOOP && statement->kind != STATEMENT_ROTATE) {
        return true;
    }
    const struct member *member = directory_find(directory, statement->author);
    return member != NULL &&
           memcmp(&member->key_id, &statement->author_key, sizeof(member->key_id)) == 0;
}

static bool
is_sealed_part_right(const struct fold_entry *entry)
{
    struct bytes sealed = entry->entry.envelope.sealed;
    if (sealed.len == 0) {
        return true; /* there never was one, or it has been erased */
    }
    if (entry->statement.kind != STATEMENT_LOOP || !entry->statement.as.loop.has_sealed) {
        return false;
    }
    struct digest digest = sealed_digest(sealed);
    return digest_equal(&digest, &entry->statement.as.loop.sealed_digest);
}

static enum err
verify(struct fold *fold, const struct fold_entry *entry, struct complaint *complaint)
{
    const struct network_id *network = directory_network(fold->directory);
    const struct envelope *envelope = &entry->entry.envelope;
    uint64_t index = entry->entry.index;
    struct sign_public signer;
    if (memcmp(&entry->statement.network, network, sizeof(*network)) != 0) {
        return corrupt(complaint, index, "it belongs to another network");
    }
    if (directory_signer(fold->directory, &entry->statement, &signer) != ERR_OK ||
        !is_key_of_author(fold->directory, &entry->statement)) {
        return corrupt(complaint, index, "its author was no member with this key");
    }
    if (turn_check(SIGN_STATEMENTS, network, envelope->statement, &envelope->signature, &signer,
                   &fold->memory) != ERR_OK) {
        return corrupt(complaint, index, "its signature does not match");
    }
    if (!is_sealed_part_right(entry)) {
        return corrupt(complaint, index, "its sealed part is not the one that was signed");
    }
    if (index > 0 && entry->entry.log_time_ms <= fold->log_time_ms) {
        return corrupt(complaint, index, "its time is not after the one before it");
    }
    return ERR_OK;
}

enum err
fold_read(struct fold *fold, uint64_t index, struct fold_entry *entry_out,
          struct complaint *complaint)
{
    struct fold_entry entry;
    enum err err = journal_load(fold->txn, index, &entry.entry);
    if (err == ERR_OK) {
        err = journal_load_sealed(fold->txn, &entry.entry);
    }
    if (err == ERR_NOT_FOUND) {
        return corrupt(complaint, index, "it is missing");
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "entry %llu of the log: %s", (unsigned long long)index,
                        err_text(err));
    }
    err = statement_decode(entry.entry.envelope.statement, &entry.statement);
    if (err != ERR_OK) {
        return err == ERR_MEMORY ? complain(complaint, err, "%s", err_text(err))
                                 : corrupt(complaint, index, "it is not a statement");
    }
    entry.id = statement_id(entry.entry.envelope.statement);
    err = verify(fold, &entry, complaint);
    if (err == ERR_OK) {
        fold->log_time_ms = entry.entry.log_time_ms;
        *entry_out = entry;
    }
    return err;
}

enum err
fold_apply(struct fold *fold, const struct fold_entry *entry, struct complaint *complaint)
{
    if (!directory_concerns(entry->statement.kind)) {
        return ERR_OK;
    }
    enum err err = directory_apply(fold->directory, &entry->statement, entry->entry.index,
                                   entry->entry.log_time_ms);
    return err_is_peer(err) ? corrupt(complaint, entry->entry.index, err_text(err)) : err;
}

static enum err
fold_one(struct fold *fold, uint64_t index, struct complaint *complaint)
{
    struct fold_entry entry;
    enum err err = fold_read(fold, index, &entry, complaint);
    return err == ERR_OK ? fold_apply(fold, &entry, complaint) : err;
}

enum err
fold_directory(struct kv_txn *txn, const struct network_id *network,
               struct directory **directory_out, struct complaint *complaint)
{
    CLEANUP(directory_freep) struct directory *directory = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    enum err err = directory_new(network, &directory);
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, TABLE_DIRECTORY, bytes_of(NULL, 0), &cursor);
    }
    struct fold fold = {.txn = txn, .directory = directory};
    while (err == ERR_OK && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        err = fold_one(&fold, kv_u64_of_key(key), complaint);
    }
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *directory_out = directory;
    directory = NULL;
    return ERR_OK;
}
