/* Decides when a broker knows that it was restored from an old copy, and when it is whole again. It
 * goes by checkpoints alone: its own, shown by members, and by which members have been heard. It
 * refuses to know how entries come back (recover_copies.c), and never signs while it lasts.
 *
 * Everything needed to go on after a crash is in the store: the mark, with the goal in it, and the
 * entries as far as they are back. Who has been heard is not: all say hello again then. */
#include "broker/recover.h"

#include <stdlib.h>

#include "broker/dispatch.h"
#include "broker/hole.h"

enum {
    HANDLE_BYTES = 8,
    GROW_ATTEMPTS = 24,
    LINES_BURST = 10,
    LINES_WINDOW_MS = 60 * 1000,
};

struct recover_voice *
recover_find_voice(const struct broker *broker, uint64_t handle)
{
    return map_find(broker->recover.heard, &handle);
}

static enum err
note_voice(struct broker *broker, uint64_t handle)
{
    struct recover_voice *voice = recover_find_voice(broker, handle);
    if (voice != NULL) {
        voice->paused = false; /* its Welcome asks for all there is */
        voice->done = false;
        return ERR_OK;
    }
    voice = calloc(1, sizeof(*voice));
    if (voice == NULL) {
        return ERR_MEMORY;
    }
    voice->handle = handle;
    if (map_put(broker->recover.heard, &handle, voice) != ERR_OK) {
        free(voice);
        return ERR_MEMORY;
    }
    return ERR_OK;
}

static void
free_owning(struct map **map)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (*map != NULL && map_next(*map, &cursor, &key, &value)) {
        free(value);
    }
    map_free(*map);
    *map = NULL;
}

enum err
recover_reset(struct recover *recover)
{
    struct map *heard = map_new(HANDLE_BYTES);
    struct map *helpers = map_new(CURVE_KEY_BYTES);
    if (heard == NULL || helpers == NULL) {
        map_free(heard);
        map_free(helpers);
        return ERR_MEMORY;
    }
    free_owning(&recover->heard);
    free_owning(&recover->helpers);
    hole_free(recover->hole);
    buffer_done(&recover->goal_note);
    *recover = (struct recover){
        .heard = heard, .helpers = helpers, .given_up = recover->given_up, .lines = recover->lines};
    return ERR_OK;
}

void
recover_done(struct recover *recover)
{
    free_owning(&recover->heard);
    free_owning(&recover->helpers);
    hole_free(recover->hole);
    map_free(recover->given_up);
    buffer_done(&recover->goal_note);
    *recover = (struct recover){.active = false};
}

/* --- the goal --- */

/* The note as we made it: our line and no other. What else stands in a note that a member shows is
 * that member's, and must not be passed on as if it were ours. */
static enum err
keep_own_line(const struct broker *broker, struct bytes bytes, struct buffer *out)
{
    struct note note;
    struct sign_public key;
    char origin[NOTE_NAME_MAX + 1];
    uint8_t id[NOTE_KEY_ID_BYTES];
    enum err err = note_parse(bytes, &note);
    if (err != ERR_OK) {
        return err;
    }
    sign_public_of(broker->log_secret, &key);
    checkpoint_origin(&broker->network, origin);
    note_key_id(origin, NOTE_TYPE_ED25519, bytes_of(key.bytes, sizeof(key.bytes)), id);
    buffer_put(out, note.text.data, note.text.len);
    note_end_text(out);
    for (size_t i = 0; i < note.n_signatures; i++) {
        const struct note_signature *line = &note.signatures[i];
        if (bytes_equal(line->name, bytes_of_text(origin)) &&
            memcmp(line->key_id, id, sizeof(id)) == 0) {
            note_put_signature(out, origin, id, bytes_of(line->signature, line->len));
            return buffer_err(out);
        }
    }
    return ERR_SIGNATURE;
}

enum err
recover_raise_goal(struct broker *broker, const struct checkpoint *shown, struct bytes note,
                   bool *raised_out)
{
    struct recover *recover = &broker->recover;
    struct buffer own = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    *raised_out = false;
    if (shown->size <= recover->began_at || shown->size <= recover->goal ||
        shown->size < broker->head.entries) {
        return ERR_OK;
    }
    enum err err = keep_own_line(broker, note, &own);
    if (err != ERR_OK) {
        buffer_done(&own);
        return err;
    }
    buffer_done(&recover->goal_note);
    recover->goal_note = own;
    recover->goal = shown->size;
    recover->goal_root = shown->root;
    *raised_out = true;
    return ERR_OK;
}

enum err
recover_put_mark(const struct broker *broker, struct kv_txn *txn)
{
    static const uint8_t no_goal = 1;
    const struct recover *recover = &broker->recover;
    return kv_put(txn, TABLE_META, bytes_of_text(RECOVER_MARK),
                  recover->goal > 0 ? buffer_view(&recover->goal_note) : bytes_of(&no_goal, 1));
}

/* A disk that is full now does not hinder: the mark comes with the first entries, and before them
 * the store is no different from one that nobody has looked at yet. */
enum err
recover_write_mark(struct broker *broker)
{
    enum err err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        CLEANUP(kv_abort) struct kv_txn *txn = NULL;
        err = kv_begin(broker->kv, &txn);
        if (err != ERR_OK) {
            return err;
        }
        enum err put = recover_put_mark(broker, txn);
        err = kv_commit(&txn);
        err = err == ERR_OK ? put : err;
    }
    if (err == ERR_DISK_FULL) {
        broker->read_only = true;
        return ERR_OK;
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}

/* --- beginning --- */

static void
log_begin(const struct broker *broker)
{
    const struct recover *recover = &broker->recover;
    logging_line(LOGGING_WARNING, "recovery.begun", "entries=%llu goal=%llu",
                 (unsigned long long)broker->head.entries, (unsigned long long)recover->goal);
}

/* What a copy of a store says of itself. */
static enum err
read_mark(struct broker *broker, struct kv_txn *txn)
{
    struct recover *recover = &broker->recover;
    struct bytes value;
    struct bytes note;
    struct checkpoint goal;
    struct checkpoint last;
    struct sign_public key;
    bool raised;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(RECOVER_MARK), &value);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    sign_public_of(broker->log_secret, &key);
    err = ledger_read_checkpoint(txn, &broker->network, &key, &last, &note);
    if (err != ERR_OK) {
        return err;
    }
    recover->active = true;
    recover->began_at = last.size; /* nothing has been signed since */
    if (checkpoint_open(value, &broker->network, &key, &goal) == ERR_OK) {
        err = recover_raise_goal(broker, &goal, value, &raised);
    }
    return err;
}

static enum err
count_held(struct broker *broker, struct kv_txn *txn)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct recover *recover = &broker->recover;
    struct bytes key;
    struct bytes value;
    enum err err = kv_cursor_open(txn, TABLE_COPIES, bytes_of(NULL, 0), &cursor);
    while (err == ERR_OK && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        recover->n_held++;
        recover->held_bytes += value.len;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
read_given_up(struct broker *broker, struct kv_txn *txn)
{
    struct map *given_up = broker->recover.given_up;
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(RECOVER_GIVEN_UP), &value);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    struct reader reader = reader_of(value);
    while (err == ERR_OK && reader.rest.len > 0 && !reader.bad) {
        uint64_t handle = reader_u64(&reader);
        err = map_put(given_up, &handle, given_up);
    }
    return err == ERR_OK ? reader_err(&reader) : err;
}

enum err
recover_open(struct broker *broker, struct kv_txn *txn)
{
    struct recover *recover = &broker->recover;
    recover->given_up = map_new(HANDLE_BYTES);
    enum err err = recover->given_up == NULL ? ERR_MEMORY : recover_reset(recover);
    if (err == ERR_OK) {
        err = read_given_up(broker, txn);
    }
    if (err == ERR_OK) {
        err = read_mark(broker, txn);
    }
    if (err == ERR_OK && recover->active) {
        err = count_held(broker, txn);
        err = err == ERR_OK ? recover_count_bare(broker, txn) : err;
        log_begin(broker);
    }
    return err;
}

void
recover_send_away(struct broker *broker, const struct curve_public *answered)
{
    size_t cursor = 0;
    struct session *session;
    while (sessions_next(&broker->sessions, &cursor, &session)) {
        if (answered != NULL && memcmp(answered, &session->key, sizeof(*answered)) == 0) {
            continue;
        }
        session->fetch.waiting = false;
        session_refuse(&broker->sessions, session, ERR_BUSY, RECOVER_RETRY_MS);
    }
}

static enum err
begin(struct broker *broker, const struct member *member)
{
    struct recover *recover = &broker->recover;
    enum err err = recover_reset(recover);
    if (err != ERR_OK) {
        return err;
    }
    recover->active = true;
    recover->began_at = broker->head.entries;
    recover_send_away(broker, &member->keys.curve);
    return ERR_OK;
}

/* --- hearing --- */

static void
tell_other_log(struct broker *broker, const struct member *member, const struct checkpoint *shown,
               struct instant now)
{
    unsigned dropped = 0;
    if (logging_allowed(&broker->recover.lines, now.boot_ms, LINES_BURST, LINES_WINDOW_MS,
                        &dropped)) {
        logging_line(LOGGING_ERROR, "log.not-ours", "member=%s its_size=%llu our_size=%llu",
                     member->org, (unsigned long long)shown->size,
                     (unsigned long long)broker->head.entries);
    }
}

/* Was our log the one that is shown, when it was as long? */
static enum err
is_ours(struct broker *broker, const struct checkpoint *shown, bool *ours_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct merkle_hash root;
    if (shown->size == broker->ledger.tree.size) {
        tree_root(&broker->ledger.tree, &root);
    } else {
        enum err err = kv_begin_read(broker->kv, &txn);
        if (err != ERR_OK) {
            return err;
        }
        struct tree_reader reader = ledger_reader(txn, broker->ledger.cache);
        err = tree_root_at(&reader, shown->size, &root);
        if (err != ERR_OK) {
            return err == ERR_NOT_FOUND || err_is_peer(err) ? ERR_CORRUPT : err;
        }
    }
    *ours_out = memcmp(&root, &shown->root, sizeof(root)) == 0;
    return ERR_OK;
}

enum err
recover_put_given_up(const struct broker *broker, struct kv_txn *txn)
{
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(LIMIT_MEMBERS * (size_t)HANDLE_BYTES);
    size_t cursor = 0;
    const void *key;
    void *unused;
    while (map_next(broker->recover.given_up, &cursor, &key, &unused)) {
        uint64_t handle;
        memcpy(&handle, key, sizeof(handle));
        buffer_put_u64(&value, handle);
    }
    if (buffer_err(&value) != ERR_OK) {
        return ERR_MEMORY;
    }
    return value.len > 0
               ? kv_put(txn, TABLE_META, bytes_of_text(RECOVER_GIVEN_UP), buffer_view(&value))
               : kv_delete(txn, TABLE_META, bytes_of_text(RECOVER_GIVEN_UP));
}

/* It shares our log after all. Should this not reach the disk, it is seen again. */
static enum err
take_back(struct broker *broker, const struct member *member)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    if (map_remove(broker->recover.given_up, &member->handle) == NULL || broker->read_only) {
        return ERR_OK;
    }
    enum err err = kv_begin(broker->kv, &txn);
    if (err != ERR_OK) {
        return err;
    }
    err = recover_put_given_up(broker, txn);
    enum err committed = kv_commit(&txn);
    err = committed == ERR_OK ? err : committed;
    return err == ERR_TOO_LARGE || err == ERR_DISK_FULL ? ERR_OK : err;
}

/* A checkpoint of as many entries as we have, or fewer. */
static enum err
hear_within(struct broker *broker, const struct member *member, const struct checkpoint *shown,
            struct instant now)
{
    bool ours = false;
    enum err err = is_ours(broker, shown, &ours);
    if (err != ERR_OK) {
        return err;
    }
    if (!ours) {
        tell_other_log(broker, member, shown, now);
        return ERR_OK;
    }
    return take_back(broker, member);
}

/* A checkpoint beyond our end. */
static enum err
hear_beyond(struct broker *broker, const struct member *member, const struct checkpoint *shown,
            struct bytes note, struct instant now)
{
    struct recover *recover = &broker->recover;
    bool begins = !recover->active;
    bool raised = false;
    if (begins && map_find(recover->given_up, &member->handle) != NULL) {
        tell_other_log(broker, member, shown, now);
        return ERR_OK;
    }
    enum err err = begins ? begin(broker, member) : ERR_OK;
    if (err == ERR_OK) {
        err = recover_raise_goal(broker, shown, note, &raised);
    }
    if (err == ERR_OK && begins) {
        log_begin(broker);
    }
    return err == ERR_OK && raised ? recover_write_mark(broker) : err;
}

enum err
recover_hear(struct broker *broker, const struct member *member, const struct checkpoint *shown,
             struct bytes note, struct instant now)
{
    enum err err = ERR_OK;
    if (shown != NULL) {
        err = shown->size > broker->head.entries ? hear_beyond(broker, member, shown, note, now)
                                                 : hear_within(broker, member, shown, now);
    }
    if (err != ERR_OK || !broker->recover.active) {
        return err;
    }
    err = note_voice(broker, member->handle);
    return err == ERR_OK ? recover_end(broker, &member->keys.curve) : err;
}

void
recover_found_fork(struct broker *broker, uint64_t index)
{
    if (!broker->recover.forked) {
        broker->recover.forked = true;
        logging_line(LOGGING_ERROR, "recovery.forked", "entries=%llu other_from=%llu",
                     (unsigned long long)broker->head.entries, (unsigned long long)index);
    }
}
