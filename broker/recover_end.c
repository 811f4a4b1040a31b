/* Decides when a broker that was restored is whole again, and what the administrator may say to
 * that. Going on without what is missing is refused: only members who do not come can be waived.
 * With two logs there is nothing to wait for, and the administrator's word decides. */
#include "broker/dispatch.h"
#include "broker/recover.h"

enum { INDEX_BYTES = 8, GROW_ATTEMPTS = 24 };

static bool
is_awaited(const struct member *member)
{
    return member->state == MEMBER_ACTIVE && !member->is_auditor;
}

/* While contents are missing, a member that may have them is not through with its hello. */
static bool
is_heard(const struct broker *broker, const struct member *member)
{
    const struct recover *recover = &broker->recover;
    const struct recover_voice *voice = recover_find_voice(broker, member->handle);
    bool only_contents = recover->n_bare > 0 && broker->head.entries >= recover->goal;
    return voice != NULL && (voice->done || !only_contents);
}

static size_t
count_unheard(const struct broker *broker)
{
    size_t n = 0;
    for (size_t i = 0; i < directory_count(broker->directory); i++) {
        const struct member *member = directory_at(broker->directory, i);
        n += is_awaited(member) && !is_heard(broker, member) ? 1 : 0;
    }
    return n;
}

/* A copy from before anybody joined knows nobody to wait for. Whoever has joined since is a
 * stranger to it, and without them all would be lost: somebody must show a goal, or the
 * administrator say that there is none. */
static bool
knows_nobody(const struct broker *broker)
{
    size_t n = 0;
    for (size_t i = 0; i < directory_count(broker->directory); i++) {
        n += is_awaited(directory_at(broker->directory, i)) ? 1 : 0;
    }
    return n == 0 && broker->recover.goal == 0;
}

/* All that was ever shown is back, and it is what was signed. */
static bool
is_complete(struct broker *broker)
{
    struct recover *recover = &broker->recover;
    struct merkle_hash root;
    if (broker->head.entries < recover->goal) {
        return false;
    }
    if (recover->goal == 0) {
        return broker->head.entries == recover->began_at;
    }
    tree_root(&broker->ledger.tree, &root);
    if (broker->head.entries == recover->goal &&
        memcmp(&root, &recover->goal_root, sizeof(root)) == 0) {
        return true;
    }
    recover_found_fork(broker, recover->goal - 1);
    return false;
}

/* With two logs nobody knows who holds which; those who hold ours are seen to by their next hello.
 */
static enum err
give_up(struct broker *broker)
{
    struct recover *recover = &broker->recover;
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < directory_count(broker->directory); i++) {
        const struct member *member = directory_at(broker->directory, i);
        bool heard = recover_find_voice(broker, member->handle) != NULL;
        if (is_awaited(member) && (recover->forked || !heard)) {
            err = map_put(recover->given_up, &member->handle, recover->given_up);
        }
    }
    return err;
}

/* The last checkpoint from now on. Only where the administrator goes on with a log that nobody has
 * a note for is one signed. */
static enum err
put_checkpoint(struct broker *broker, struct kv_txn *txn, bool complete, struct tree *staged,
               struct buffer *note_out)
{
    struct recover *recover = &broker->recover;
    if (broker->head.entries == recover->began_at) {
        return ERR_OK; /* as it was */
    }
    if (!complete) {
        return ledger_seal(txn, staged, &broker->network, broker->log_secret, note_out);
    }
    buffer_put(note_out, recover->goal_note.data, recover->goal_note.len);
    enum err err = buffer_err(note_out);
    return err == ERR_OK
               ? kv_put(txn, TABLE_META, bytes_of_text(META_CHECKPOINT), buffer_view(note_out))
               : err;
}

static enum err
put_end(struct broker *broker, struct kv_txn *txn, bool complete, struct tree *staged,
        struct buffer *note_out)
{
    enum err err = put_checkpoint(broker, txn, complete, staged, note_out);
    if (err == ERR_OK) {
        err = recover_put_given_up(broker, txn);
    }
    if (err == ERR_OK) {
        err = kv_clear(txn, TABLE_COPIES);
    }
    return err == ERR_OK ? kv_delete(txn, TABLE_META, bytes_of_text(RECOVER_MARK)) : err;
}

static enum err
write_end(struct broker *broker, bool complete)
{
    enum err err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        CLEANUP(kv_abort) struct kv_txn *txn = NULL;
        CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
        struct tree staged = broker->ledger.tree;
        err = kv_begin(broker->kv, &txn);
        if (err != ERR_OK) {
            return err;
        }
        enum err put = put_end(broker, txn, complete, &staged, &note);
        if (put != ERR_OK && put != ERR_TOO_LARGE && put != ERR_DISK_FULL) {
            return put;
        }
        err = kv_commit(&txn);
        err = err == ERR_OK ? put : err;
        if (err == ERR_OK) {
            ledger_take(&broker->ledger, &staged, buffer_view(&note));
        }
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}

static enum err
end(struct broker *broker, bool complete, const struct curve_public *answered)
{
    struct recover *recover = &broker->recover;
    uint64_t began_at = recover->began_at;
    enum err err = recover->waived ? give_up(broker) : ERR_OK;
    if (err == ERR_OK) {
        err = write_end(broker, complete);
    }
    if (err == ERR_DISK_FULL) {
        broker->read_only = true; /* tried again when it takes writes */
        return ERR_OK;
    }
    if (err == ERR_OK) {
        recover_let_helpers_go(broker);
        err = recover_reset(recover);
    }
    if (err != ERR_OK) {
        return err;
    }
    broker->consistency.size = 0;
    recover_send_away(broker, answered);
    logging_line(LOGGING_INFO, "recovery.ended", "entries=%llu restored=%llu given_up=%zu",
                 (unsigned long long)broker->head.entries,
                 (unsigned long long)(broker->head.entries - began_at),
                 map_count(recover->given_up));
    return ERR_OK;
}

enum err
recover_end(struct broker *broker, const struct curve_public *answered)
{
    const struct recover *recover = &broker->recover;
    if (!recover->active || broker->read_only) {
        return ERR_OK;
    }
    bool complete = is_complete(broker);
    bool all_heard = count_unheard(broker) == 0 && !knows_nobody(broker);
    if (complete ? recover->waived || all_heard : recover->waived && recover->forked) {
        return end(broker, complete, answered);
    }
    return ERR_OK;
}

enum err
recover_try_end(struct broker *broker, struct instant now)
{
    (void)now;
    return recover_end(broker, NULL);
}

/* --- what the administrator sees and says --- */

enum err
broker_recover_waive(struct broker *broker, struct instant now)
{
    struct recover *recover = &broker->recover;
    if (!recover->active) {
        return ERR_NOT_PERMITTED;
    }
    if (!is_complete(broker) && !recover->forked) {
        return ERR_SEQUENCE;
    }
    recover->waived = true;
    return recover_try_end(broker, now);
}

bool
broker_recover_has_heard(const struct broker *broker, const char *org)
{
    const struct member *member = directory_find(broker->directory, org);
    return member != NULL && is_heard(broker, member);
}

size_t
broker_recover_unheard(const struct broker *broker)
{
    return broker->recover.active ? count_unheard(broker) : 0;
}

enum err
broker_recover_gaps(struct broker *broker, struct broker_gap *gaps_out, size_t max, size_t *n_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    uint8_t from[INDEX_BYTES];
    uint64_t next = broker->head.entries;
    uint64_t goal = broker->recover.goal;
    size_t n = 0;
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, TABLE_COPIES, kv_key_u64(next, from), &cursor);
    }
    while (err == ERR_OK && n < max && next < goal) {
        err = kv_cursor_next(cursor, &key, &value);
        uint64_t held = err == ERR_OK ? kv_u64_of_key(key) : goal;
        if (held > next) {
            gaps_out[n++] = (struct broker_gap){next, held - 1};
        }
        next = held + 1;
    }
    if (err == ERR_OK || err == ERR_NOT_FOUND) {
        *n_out = n;
        return ERR_OK;
    }
    return err;
}
