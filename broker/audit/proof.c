/* Decides what somebody outside needs to be shown to believe one loop: all its statements, the
 * entries from which its two organizations and the witnesses have their keys, and one checkpoint
 * that all of it is proved in. It proves from the tiles as they are; that they fit what was signed
 * is checked before a file is made. */
#include "broker/audit/audit.h"

#include <stdlib.h>
#include <string.h>

#include "broker/audit/walk.h"
#include "broker/witness.h"
#include "lib/proof/evidence.h"

enum { CACHE_TILES = 256, PARTIES_MAX = NOTE_SIGNATURES_MAX + LOOP_ROLE_COUNT };

struct proving {
    struct audit *audit;
    struct track track;
    uint64_t *indices; /* owned: of the entries to be shown */
    size_t n_indices, capacity;
    struct bytes note;
    struct checkpoint checkpoint;
    char parties[PARTIES_MAX][ORG_ID_BYTES]; /* whose keys must be known */
    size_t n_parties;
    struct tree_cache *cache; /* owned */
    struct complaint *complaint;
};

static void
proving_done(struct proving *proving)
{
    track_done(&proving->track);
    free(proving->indices);
    tree_cache_free(proving->cache);
}

/* ---- which entries ---- */

static enum err
add_index(struct proving *proving, uint64_t index)
{
    if (proving->n_indices == EVIDENCE_ENTRIES_MAX) {
        return complain(proving->complaint, ERR_TOO_LARGE,
                        "this loop and its organizations have more than %d entries, which is more "
                        "than one file may hold",
                        EVIDENCE_ENTRIES_MAX);
    }
    if (proving->n_indices == proving->capacity) {
        size_t capacity = proving->capacity == 0 ? 64 : 2 * proving->capacity;
        uint64_t *grown = realloc(proving->indices, capacity * sizeof(*grown));
        if (grown == NULL) {
            return ERR_MEMORY;
        }
        proving->indices = grown;
        proving->capacity = capacity;
    }
    proving->indices[proving->n_indices++] = index;
    return ERR_OK;
}

static enum err
take_statement(void *context, const struct walk_statement *read)
{
    return add_index(context, read->entry.index);
}

static int
compare_indices(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static enum err
find_statements(struct proving *proving)
{
    enum err err = ERR_OK;
    for (enum loop_role role = LOOP_SOURCE; err == ERR_OK && role < LOOP_ROLE_COUNT; role++) {
        err = walk_side(proving->audit, &proving->track, role, take_statement, proving);
    }
    if (err == ERR_OK && proving->n_indices == 0) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_CORRUPT) {
        return complain(proving->complaint, err,
                        "the statements of this loop do not hang together; 'refloop-admin verify' "
                        "says what is wrong with the log");
    }
    if (err == ERR_OK) {
        qsort(proving->indices, proving->n_indices, sizeof(proving->indices[0]), compare_indices);
    }
    return err;
}

/* Whose key an entry of the directory is about; the genesis is everybody's. */
static const char *
subject_of(const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_INVITE:
        return statement->as.invite.org;
    case STATEMENT_JOIN:
        return statement->as.join.org;
    case STATEMENT_REVOKE:
        return statement->as.revoke.org;
    case STATEMENT_ROTATE:
        return statement->author;
    case STATEMENT_GENESIS:
    case STATEMENT_LOOP:
    default:
        return NULL;
    }
}

static bool
is_party(const struct proving *proving, const char *org)
{
    for (size_t i = 0; i < proving->n_parties; i++) {
        if (strcmp(proving->parties[i], org) == 0) {
            return true;
        }
    }
    return false;
}

static void
add_party(struct proving *proving, const char *org)
{
    if (!is_party(proving, org) && proving->n_parties < PARTIES_MAX) {
        memcpy(proving->parties[proving->n_parties++], org, ORG_ID_BYTES);
    }
}

/* Whoever has a line under the checkpoint, right or not: the reader of the file judges it. */
static enum err
find_parties(struct proving *proving)
{
    struct note note;
    char prefix[NOTE_NAME_MAX + 1];
    enum err err = note_parse(proving->note, &note);
    for (enum loop_role role = LOOP_SOURCE; role < LOOP_ROLE_COUNT; role++) {
        add_party(proving, proving->track.side[role].org);
    }
    checkpoint_member_name(&proving->audit->network, "", prefix);
    size_t len = strlen(prefix);
    for (size_t i = 0; err == ERR_OK && i < note.n_signatures; i++) {
        const struct bytes *name = &note.signatures[i].name;
        char org[ORG_ID_BYTES] = {0};
        if (name->len > len && name->len - len < sizeof(org) &&
            memcmp(name->data, prefix, len) == 0) {
            memcpy(org, name->data + len, name->len - len);
            add_party(proving, org);
        }
    }
    return err;
}

static enum err
find_keys(struct proving *proving)
{
    const struct keyring *keyring = &proving->audit->keyring;
    struct walk_statement read;
    enum err err = find_parties(proving);
    for (size_t i = 0;
         err == ERR_OK && i < keyring->n_entries && keyring->entries[i] < proving->checkpoint.size;
         i++) {
        err = walk_read(proving->audit, keyring->entries[i], &read);
        const char *org = err == ERR_OK ? subject_of(&read.statement) : NULL;
        if (err == ERR_OK && (org == NULL || is_party(proving, org))) {
            err = add_index(proving, keyring->entries[i]);
        }
    }
    if (err == ERR_OK) {
        qsort(proving->indices, proving->n_indices, sizeof(proving->indices[0]), compare_indices);
    }
    return err;
}

/* ---- in which checkpoint ---- */

static bool
try_checkpoint(struct proving *proving, const char *word, uint64_t above)
{
    const struct audit *audit = proving->audit;
    struct bytes note;
    struct checkpoint checkpoint;
    if (state_read_meta(audit, word, &note) != ERR_OK ||
        checkpoint_open(note, &audit->network, &directory_genesis(audit->directory)->broker_log,
                        &checkpoint) != ERR_OK ||
        checkpoint.size <= above || checkpoint.size > audit->entries) {
        return false;
    }
    proving->note = note;
    proving->checkpoint = checkpoint;
    return true;
}

/* The statements are sorted: the last one is the one to be covered. */
static enum err
choose_checkpoint(struct proving *proving)
{
    uint64_t last = proving->indices[proving->n_indices - 1];
    struct merkle_hash root;
    if (!try_checkpoint(proving, META_WITNESSED, last) &&
        !try_checkpoint(proving, META_CHECKPOINT, last)) {
        return complain(proving->complaint, ERR_NOT_FOUND,
                        "the broker has not signed for all entries of this loop yet (is it being "
                        "refilled? see 'refloop-admin recover')");
    }
    const struct tree_reader reader = ledger_reader(proving->audit->txn, proving->cache);
    enum err err = tree_root_at(&reader, proving->checkpoint.size, &root);
    if (err == ERR_OK && memcmp(&root, &proving->checkpoint.root, sizeof(root)) != 0) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_CORRUPT) {
        return complain(proving->complaint, err,
                        "the checkpoint of %llu entries is not of this log; 'refloop-admin verify' "
                        "says what is wrong",
                        (unsigned long long)proving->checkpoint.size);
    }
    return err;
}

/* ---- the file ---- */

static enum err
add_entry(struct proving *proving, struct evidence_writer *writer, uint64_t index, size_t place)
{
    const struct tree_reader reader = ledger_reader(proving->audit->txn, proving->cache);
    struct walk_statement read;
    enum err err = walk_read(proving->audit, index, &read);
    struct evidence_entry entry = {.index = index, .checkpoint = place};
    if (err == ERR_OK) {
        entry.log_time_ms = read.entry.log_time_ms;
        entry.envelope = read.entry.envelope;
        err = tree_inclusion(&reader, index, proving->checkpoint.size, &entry.inclusion);
    }
    return err == ERR_OK ? evidence_add_entry(writer, &entry) : err;
}

static enum err
write_file(struct proving *proving, struct buffer *file_out)
{
    CLEANUP(evidence_writer_freep) struct evidence_writer *writer = NULL;
    size_t place = 0;
    enum err err = evidence_writer_new(&proving->audit->network, &proving->track.loop, &writer);
    if (err == ERR_OK) {
        err = evidence_add_checkpoint(writer, proving->note, &place);
    }
    for (size_t i = 0; err == ERR_OK && i < proving->n_indices; i++) {
        err = add_entry(proving, writer, proving->indices[i], place);
    }
    return err == ERR_OK ? evidence_finish(writer, file_out) : err;
}

static enum err
prove(struct proving *proving, struct buffer *file_out)
{
    enum err err = find_statements(proving);
    if (err == ERR_OK) {
        err = choose_checkpoint(proving);
    }
    if (err == ERR_OK) {
        err = find_keys(proving);
    }
    return err == ERR_OK ? write_file(proving, file_out) : err;
}

enum err
audit_evidence(struct audit *audit, const struct loop_id *loop, struct buffer *file_out,
               struct complaint *complaint)
{
    struct complaint said = {.text = ""};
    CLEANUP(proving_done) struct proving proving = {.audit = audit, .complaint = &said};
    enum err err = journal_load_track(audit->txn, loop, &proving.track);
    if (err != ERR_OK) {
        proving.track = (struct track){.n_marks = 0};
        return err == ERR_NOT_FOUND
                   ? complain(complaint, ERR_UNKNOWN_LOOP, "%s", err_text(ERR_UNKNOWN_LOOP))
                   : complain(complaint, err, "what is stored of this loop is damaged: %s",
                              err_text(err));
    }
    proving.cache = tree_cache_new(CACHE_TILES);
    err = proving.cache == NULL ? ERR_MEMORY : prove(&proving, file_out);
    if (err == ERR_OK) {
        return ERR_OK;
    }
    return said.text[0] != '\0'
               ? complain(complaint, err, "%s", said.text)
               : complain(complaint, err, "the loop cannot be proved: %s", err_text(err));
}

/* ---- short forms ---- */

static enum err
search(struct audit *audit, const struct loop_id *first, const struct loop_id *last,
       struct loop_id *loop_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct loop_id found;
    size_t n = 0;
    enum err err = kv_cursor_open(audit->txn, TABLE_LOOPS, tables_loop_key(first), &cursor);
    while (err == ERR_OK && n < 2) {
        struct bytes key;
        struct bytes value;
        err = kv_cursor_next(cursor, &key, &value);
        if (err != ERR_OK || key.len != LOOP_ID_BYTES ||
            memcmp(key.data, last->bytes, LOOP_ID_BYTES) > 0) {
            break;
        }
        memcpy(found.bytes, key.data, LOOP_ID_BYTES);
        n++;
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    if (n != 1) {
        return n == 0 ? ERR_UNKNOWN_LOOP : ERR_AMBIGUOUS;
    }
    *loop_out = found;
    return ERR_OK;
}

enum err
audit_find_loop(struct audit *audit, const char *short_form, struct loop_id *loop_out,
                struct complaint *complaint)
{
    struct loop_id first;
    struct loop_id last;
    if (!ident_prefix_range(short_form, &first, &last)) {
        return complain(complaint, ERR_INVALID,
                        "'%s' is no loop: give the first %d or more of the 32 digits (0-9, a-f) of "
                        "its id",
                        short_form, LOOP_ID_SHORT_MIN);
    }
    enum err err = search(audit, &first, &last, loop_out);
    if (err == ERR_OK) {
        return ERR_OK;
    }
    if (err == ERR_UNKNOWN_LOOP) {
        return complain(complaint, err, "no loop begins with %s; 'refloop-admin loops' lists all",
                        short_form);
    }
    return err == ERR_AMBIGUOUS
               ? complain(complaint, err, "more than one loop begins with %s: give more digits",
                          short_form)
               : complain(complaint, err, "the loops cannot be read: %s", err_text(err));
}
