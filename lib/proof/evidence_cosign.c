/* Who has vouched for the checkpoints of a file. A note may hold the broker's line and lines of
 * keys that the file's own entries give to members: a line that nobody could check would be a
 * promise of nothing, and bytes free to be anything.
 *
 * A wrong line of a known key makes the whole file false: whoever put it there shows a signature
 * made for another log. It does not judge how many witnesses are enough. */
#include <stdlib.h>
#include <string.h>

#include "lib/proof/evidence_state.h"

enum { TIME_BYTES = 8 };

enum err
evidence_keys_init(struct evidence_keys *keys, size_t n_entries)
{
    keys->n = 0;
    keys->at = calloc(n_entries > 0 ? n_entries : 1, sizeof(*keys->at));
    return keys->at != NULL ? ERR_OK : ERR_MEMORY;
}

void
evidence_keys_done(struct evidence_keys *keys)
{
    free(keys->at);
    *keys = (struct evidence_keys){0};
}

void
evidence_keys_learn(struct evidence_keys *keys, const struct statement *statement)
{
    const char *org;
    const struct sign_public *sign;
    if (statement->kind == STATEMENT_GENESIS) {
        org = statement->as.genesis.auditor_org;
        sign = &statement->as.genesis.auditor.sign;
    } else if (statement->kind == STATEMENT_JOIN) {
        org = statement->as.join.org;
        sign = &statement->as.join.keys.sign;
    } else if (statement->kind == STATEMENT_ROTATE) {
        org = statement->author;
        sign = &statement->as.rotate.keys.sign;
    } else {
        return;
    }
    struct evidence_key *key = &keys->at[keys->n++];
    memcpy(key->org, org, sizeof(key->org));
    key->sign = *sign;
}

static bool
is_line_of(const struct note_signature *line, const char *name, uint8_t type,
           const struct sign_public *key)
{
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    if (!bytes_equal(line->name, bytes_of_text(name))) {
        return false;
    }
    note_key_id(name, type, bytes_of(key->bytes, sizeof(key->bytes)), key_id);
    return memcmp(key_id, line->key_id, sizeof(key_id)) == 0;
}

const struct evidence_key *
evidence_keys_find(const struct evidence_keys *keys, const struct network_id *network,
                   const struct note_signature *line)
{
    char name[NOTE_NAME_MAX + 1];
    for (size_t i = 0; i < keys->n; i++) {
        checkpoint_member_name(network, keys->at[i].org, name);
        if (is_line_of(line, name, NOTE_TYPE_COSIGNATURE, &keys->at[i].sign)) {
            return &keys->at[i];
        }
    }
    return NULL;
}

bool
evidence_keys_is_log(const struct network_id *network, const struct sign_public *log_key,
                     const struct note_signature *line)
{
    char name[NOTE_NAME_MAX + 1];
    checkpoint_origin(network, name);
    return is_line_of(line, name, NOTE_TYPE_ED25519, log_key);
}

/* The largest checkpoint a member stands by says the most. */
static void
count(struct evidence_reading *reading, const struct member *member, uint64_t size, uint64_t time_s)
{
    size_t i = 0;
    while (i < reading->n_cosigners && strcmp(reading->cosigners[i].org, member->org) != 0) {
        i++;
    }
    struct evidence_cosigner *cosigner = &reading->cosigners[i];
    bool is_new = i == reading->n_cosigners;
    if (!is_new &&
        (size < cosigner->size || (size == cosigner->size && time_s < cosigner->time_s))) {
        return;
    }
    reading->n_cosigners += is_new;
    memcpy(cosigner->org, member->org, sizeof(cosigner->org));
    memcpy(cosigner->name, member->name, sizeof(cosigner->name));
    cosigner->size = size;
    cosigner->time_s = time_s;
}

static enum err
check_line(struct evidence_fold *fold, size_t which, const struct note_signature *line)
{
    const struct network_id *network = &fold->parts.network;
    const struct evidence_key *key = evidence_keys_find(&fold->keys, network, line);
    if (key == NULL) {
        return complain(fold->complaint, ERR_MALFORMED,
                        "checkpoint %zu: one of its signatures is by a key that no entry of the "
                        "file speaks of",
                        which + 1);
    }
    enum err err = ERR_SIGNATURE;
    uint64_t time_s = 0;
    if (line->len == TIME_BYTES + SIGN_BYTES) {
        struct reader reader = reader_of(bytes_of(line->signature, line->len));
        time_s = reader_u64(&reader);
        err = checkpoint_check_cosignature(fold->parts.checkpoints[which], time_s, &key->sign,
                                           reader.rest.data);
    }
    if (err != ERR_OK) {
        return complain(fold->complaint, err,
                        "checkpoint %zu: the cosignature of %s does not fit it", which + 1,
                        key->org);
    }
    const struct member *member = directory_find(fold->directory, key->org);
    if (member != NULL && member->state == MEMBER_ACTIVE) {
        count(&fold->reading, member, fold->checkpoints[which].checkpoint.size, time_s);
    }
    return ERR_OK;
}

static enum err
check_note(struct evidence_fold *fold, size_t which)
{
    const struct statement_genesis *genesis = directory_genesis(fold->directory);
    struct note note;
    size_t n_log = 0;
    enum err err = note_parse(fold->parts.checkpoints[which], &note);
    for (size_t i = 0; err == ERR_OK && i < note.n_signatures; i++) {
        const struct note_signature *line = &note.signatures[i];
        if (!evidence_keys_is_log(&fold->parts.network, &genesis->broker_log, line)) {
            err = check_line(fold, which, line);
        } else if (n_log++ > 0) {
            err = complain(fold->complaint, ERR_MALFORMED,
                           "checkpoint %zu: the broker's signature is in it twice", which + 1);
        }
    }
    return err;
}

enum err
evidence_cosign_check(struct evidence_fold *fold)
{
    enum err err = ERR_OK;
    fold->reading.cosigners = calloc(fold->keys.n, sizeof(*fold->reading.cosigners));
    if (fold->reading.cosigners == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; err == ERR_OK && i < fold->parts.n_checkpoints; i++) {
        err = check_note(fold, i);
    }
    return err;
}
