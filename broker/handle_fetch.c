/* Decides what a reader gets from the log: the entries of its mailbox and those that concern
 * everybody, in log order, within its credit. A fetch that finds nothing waits, one per session,
 * and is answered after the commit that brings something. It refuses to know what the entries say.
 */
#include <string.h>

#include "broker/handle.h"
#include "broker/tell.h"

enum {
    /* For what the frame holds beside its entries: a head with its proof, and framing. */
    FRAME_SLACK = LIMIT_CHECKPOINT_BYTES + PROOF_MAX * MERKLE_HASH_BYTES + 1024,
    ENTRY_SLACK = 64, /* for what an entry holds beside its envelope and proof */
    BODIES_MAX = LIMIT_FRAME_BYTES + LIMIT_ENVELOPE_BYTES,
    NOBODY = 0,
};

/* Two sorted lists of indexes read as one: the reader's mailbox and the directory. */
struct merge {
    uint64_t handle;
    struct kv_cursor *mailbox, *directory;
    bool has_mail, has_directory; /* the heads below are filled */
    uint64_t mail_index, directory_index;
    enum journal_part part;
};

/* The answer being gathered. */
struct gather {
    struct message_entries *entries;
    struct buffer bodies;                      /* envelope, proof, envelope, proof, … */
    size_t proofs_at[LIMIT_ENTRIES_PER_FRAME]; /* end of the envelope */
    size_t ends[LIMIT_ENTRIES_PER_FRAME];      /* of the proof */
    size_t used, budget;
    bool full;
};

static enum err
next_mail(struct merge *merge)
{
    struct bytes key;
    struct bytes value;
    enum err err = kv_cursor_next(merge->mailbox, &key, &value);
    merge->has_mail = false;
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    if (key.len != MAILBOX_KEY_BYTES || value.len != 1) {
        return ERR_CORRUPT;
    }
    if (kv_u64_of_key(bytes_of(key.data, 8)) == merge->handle) {
        merge->has_mail = true;
        merge->mail_index = kv_u64_of_key(bytes_of(key.data + 8, 8));
        merge->part = (enum journal_part)value.data[0];
    }
    return ERR_OK;
}

static enum err
next_directory(struct merge *merge)
{
    struct bytes key;
    struct bytes value;
    enum err err = kv_cursor_next(merge->directory, &key, &value);
    merge->has_directory = err == ERR_OK;
    if (err == ERR_OK) {
        merge->directory_index = kv_u64_of_key(key);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
merge_open(struct kv_txn *txn, uint64_t handle, uint64_t from, struct merge *merge)
{
    uint8_t key[MAILBOX_KEY_BYTES];
    *merge = (struct merge){.handle = handle};
    enum err err =
        kv_cursor_open(txn, TABLE_MAILBOX, tables_mailbox_key(handle, from, key), &merge->mailbox);
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(from, key), &merge->directory);
    }
    if (err == ERR_OK) {
        err = next_mail(merge);
    }
    return err == ERR_OK ? next_directory(merge) : err;
}

static void
merge_done(struct merge *merge)
{
    kv_cursor_closep(&merge->mailbox);
    kv_cursor_closep(&merge->directory);
}

/* The lower head of the two; false at the end. `part` is NOBODY's for directory entries. */
static bool
merge_head(const struct merge *merge, uint64_t *index_out, enum journal_part *part_out)
{
    bool mail =
        merge->has_mail && (!merge->has_directory || merge->mail_index < merge->directory_index);
    if (!mail && !merge->has_directory) {
        return false;
    }
    *index_out = mail ? merge->mail_index : merge->directory_index;
    *part_out = mail ? merge->part : (enum journal_part)NOBODY;
    return true;
}

static enum err
merge_advance(struct merge *merge, enum journal_part part)
{
    return part == (enum journal_part)NOBODY ? next_directory(merge) : next_mail(merge);
}

static enum err
gather_entry(struct broker *broker, struct kv_txn *txn, uint64_t index, bool with_sealed,
             struct gather *gather)
{
    struct proof proof;
    struct bytes inclusion = {0};
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct journal_entry entry;
    enum err err = journal_load(txn, index, &entry);
    if (err == ERR_OK && with_sealed) {
        err = journal_load_sealed(txn, &entry);
    }
    if (err == ERR_OK) {
        err = envelope_encode(&entry.envelope, &body);
    }
    if (err != ERR_OK) {
        return err == ERR_MEMORY ? ERR_MEMORY : ERR_CORRUPT;
    }
    err = tell_inclusion(broker, txn, index, &proof, &inclusion);
    if (err != ERR_OK) {
        return err;
    }
    size_t cost = body.len + inclusion.len + ENTRY_SLACK;
    size_t place = gather->entries->n;
    gather->full = place > 0 && gather->used + cost > gather->budget;
    if (gather->full) {
        return ERR_OK;
    }
    buffer_put(&gather->bodies, body.data, body.len);
    gather->proofs_at[place] = gather->bodies.len;
    buffer_put(&gather->bodies, inclusion.data, inclusion.len);
    gather->used += cost;
    gather->ends[place] = gather->bodies.len;
    gather->entries->entries[place] =
        (struct entry){.index = index, .log_time_ms = entry.log_time_ms};
    gather->entries->n++;
    return buffer_err(&gather->bodies);
}

/* The buffer of bodies moves while it grows, so the views are made last. */
static void
point_at_bodies(struct gather *gather)
{
    size_t start = 0;
    for (size_t i = 0; i < gather->entries->n; i++) {
        const uint8_t *bodies = gather->bodies.data;
        size_t middle = gather->proofs_at[i];
        size_t end = gather->ends[i];
        gather->entries->entries[i].envelope = bytes_of(bodies + start, middle - start);
        gather->entries->entries[i].inclusion = bytes_of(bodies + middle, end - middle);
        start = end;
    }
}

static enum err
gather_all(struct broker *broker, struct kv_txn *txn, struct merge *merge,
           const struct session_fetch *fetch, struct gather *gather)
{
    uint64_t index;
    enum journal_part part;
    while (merge_head(merge, &index, &part)) {
        if (gather->entries->n == LIMIT_ENTRIES_PER_FRAME) {
            gather->full = true;
            return ERR_OK;
        }
        bool with_sealed = part != JOURNAL_AUTHOR || fetch->with_own_sealed;
        enum err err = gather_entry(broker, txn, index, with_sealed, gather);
        if (err != ERR_OK || gather->full) {
            return err;
        }
        err = merge_advance(merge, part);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static size_t
budget_of(uint32_t credit_bytes)
{
    size_t most = LIMIT_FRAME_BYTES - FRAME_SLACK;
    return credit_bytes < most ? credit_bytes : most;
}

/* With the head they are proved in. */
static enum err
send_entries(struct broker *broker, struct kv_txn *txn, struct session *session,
             struct gather *gather)
{
    struct proof space;
    struct message_entries *entries = gather->entries;
    size_t last = entries->n - 1;
    enum err err = tell_head(broker, txn, session, &space, &entries->proved);
    if (err != ERR_OK) {
        return err;
    }
    point_at_bodies(gather);
    entries->head = broker->head.entries;
    entries->next = gather->full ? entries->entries[last].index + 1 : broker->head.entries;
    session->fetch.waiting = false;
    session->served.used += (int64_t)gather->used;
    session_send(&broker->sessions, session, &broker->sessions.scratch);
    return ERR_OK;
}

enum err
handle_fetch_wake(struct broker *broker, struct kv_txn *txn, struct session *session,
                  struct instant now)
{
    const struct member *member;
    struct session_fetch *fetch = &session->fetch;
    if (!fetch->waiting || broker->recover.active) {
        return ERR_OK; /* what comes back to a broker has its place when all of it is back */
    }
    enum who who = dispatch_who(broker, &session->key, state_log_time(broker, now), &member);
    if (who != WHO_MEMBER) {
        fetch->waiting = false; /* revoked or rotated away since it asked */
        if (who == WHO_REPLACED) {
            dispatch_refuse(broker, session, who);
        }
        return ERR_OK;
    }
    /* Past our end: we were restored from a backup, and what comes next must not be skipped. */
    if (fetch->cursor > broker->head.entries) {
        fetch->cursor = broker->head.entries;
    }
    CLEANUP(merge_done) struct merge merge;
    struct message *answer = &broker->sessions.scratch;
    struct gather gather = {.entries = &answer->as.entries,
                            .bodies = BUFFER_INIT(BODIES_MAX),
                            .budget = budget_of(fetch->credit_bytes)};
    answer->kind = MESSAGE_ENTRIES;
    answer->as.entries.n = 0;
    enum err err = merge_open(txn, member->handle, fetch->cursor, &merge);
    if (err == ERR_OK) {
        err = gather_all(broker, txn, &merge, fetch, &gather);
    }
    if (err == ERR_OK && gather.entries->n > 0) {
        err = send_entries(broker, txn, session, &gather);
    } else if (err == ERR_OK && fetch->cursor < broker->head.entries) {
        fetch->cursor = broker->head.entries; /* so the next look need not pass over them again */
    }
    buffer_done(&gather.bodies);
    return err;
}

/* No mailbox: whoever holds a key that was given up for lost must read no letters with it. */
enum err
handle_replaced(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    struct message *answer = &broker->sessions.scratch;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct gather gather = {.entries = &answer->as.entries,
                            .bodies = BUFFER_INIT(BODIES_MAX),
                            .budget = budget_of(UINT32_MAX)};
    uint64_t index = 0;
    if (directory_find_former_curve(broker->directory, &call->session->key, &index) == NULL) {
        return ERR_INTERNAL;
    }
    answer->kind = MESSAGE_ENTRIES;
    answer->as.entries.n = 0;
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = gather_entry(broker, txn, index, false, &gather);
    }
    if (err == ERR_OK) {
        err = send_entries(broker, txn, call->session, &gather);
    }
    buffer_done(&gather.bodies);
    return err;
}

enum err
handle_fetch(struct dispatch_call *call)
{
    const struct message_fetch *fetch = &call->message->as.fetch;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint32_t retry_ms = 0;
    /* Who reads the log over and over costs all others their turns. */
    if (!session_charge(&call->session->served, session_served, 0, call->now.boot_ms, &retry_ms)) {
        call->session->fetch.waiting = false;
        refusals_count(call->broker, call->session, ERR_QUOTA);
        session_refuse(&call->broker->sessions, call->session, ERR_QUOTA, retry_ms);
        return ERR_OK;
    }
    call->session->fetch = (struct session_fetch){
        .waiting = true,
        .cursor = fetch->cursor,
        .credit_bytes = fetch->credit_bytes,
        .with_own_sealed = fetch->with_own_sealed,
    };
    enum err err = kv_begin_read(call->broker->kv, &txn);
    return err == ERR_OK ? handle_fetch_wake(call->broker, txn, call->session, call->now) : err;
}
