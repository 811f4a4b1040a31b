/* Decides what is said while the log is refilled: who is asked, from where on, and when again. Each
 * Copies message is answered by the wish for more, so that a member sends one at a time. It refuses
 * to know what becomes of the copies. */
#include <stdlib.h>
#include <string.h>

#include "broker/dispatch.h"
#include "broker/hole.h"
#include "broker/recover.h"

enum {
    LINES_BURST = 10,
    LINES_WINDOW_MS = 60 * 1000,
    FALSE_COPIES_COST = 1024, /* messages of its share that a member pays: the checks were ours */
};

uint64_t
recover_from(const struct broker *broker)
{
    return broker->recover.n_bare > 0 ? broker->recover.began_at : broker->head.entries;
}

static void
recall(struct broker *broker, struct session *session, uint64_t from)
{
    struct message *answer = &broker->sessions.scratch;
    answer->kind = MESSAGE_RECALL;
    answer->as.recall.from = from > recover_from(broker) ? from : recover_from(broker);
    session_send(&broker->sessions, session, answer);
}

static enum err
refuse(struct dispatch_call *call, enum err code, uint64_t index)
{
    struct broker *broker = call->broker;
    unsigned dropped = 0;
    if (logging_allowed(&broker->recover.lines, call->now.boot_ms, LINES_BURST, LINES_WINDOW_MS,
                        &dropped)) {
        logging_line(LOGGING_WARNING, "recovery.bad-copy", "member=%s index=%llu reason=%s",
                     call->member == NULL ? "-" : call->member->org, (unsigned long long)index,
                     err_name(code));
    }
    call->session->messages.used += FALSE_COPIES_COST;
    refusals_count(broker, call->session, code);
    session_refuse(&broker->sessions, call->session, code, 0);
    return ERR_OK;
}

/* All or nothing; *code_out is the peer's fault, at copy *bad_out. */
static enum err
prove_all(struct dispatch_call *call, struct recover_copy *copies, enum err *code_out,
          uint64_t *bad_out)
{
    const struct message_copies *said = &call->message->as.copies;
    struct recover_note opened = {.note = {.len = 0}};
    *code_out = ERR_OK;
    for (size_t i = 0; i < said->n; i++) {
        bool raised;
        enum err err = recover_prove(call->broker, &said->copies[i], &opened, &copies[i]);
        if (err == ERR_OK) {
            err = recover_raise_goal(call->broker, &opened.checkpoint, opened.note, &raised);
        }
        if (err_is_peer(err)) {
            *code_out = err;
            *bad_out = said->copies[i].index;
            return ERR_OK;
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

/* What found no room is asked for later, from the first of it on. */
static void
ask_for_more(struct dispatch_call *call, struct recover_voice *voice, size_t n_kept)
{
    const struct message_copies *said = &call->message->as.copies;
    if (n_kept < said->n) {
        voice->paused = true;
        voice->from = said->copies[n_kept].index;
    } else if (said->more && said->n > 0) {
        recall(call->broker, call->session, said->copies[said->n - 1].index + 1);
    } else {
        voice->done = !voice->paused;
    }
}

/* Without room only for the next entry: whoever holds that is always asked. */
static void
ask_one(struct broker *broker, struct recover_voice *voice, const struct curve_public *key)
{
    const struct recover *recover = &broker->recover;
    struct session *session = sessions_find(&broker->sessions, key);
    bool has_room =
        recover->n_held < RECOVER_HELD_MAX / 2 && recover->held_bytes < RECOVER_HELD_BYTES / 2;
    bool wanted = voice->paused && (has_room || voice->from <= broker->head.entries);
    if (wanted && session != NULL && session->has_route) {
        voice->paused = false;
        recall(broker, session, voice->from);
    }
}

static void
ask_paused(struct broker *broker)
{
    const struct recover *recover = &broker->recover;
    size_t cursor = 0;
    const void *key;
    void *value;
    if (broker->read_only) {
        return;
    }
    while (map_next(recover->heard, &cursor, &key, &value)) {
        struct recover_voice *voice = value;
        const struct member *member = directory_find_handle(broker->directory, voice->handle);
        if (member != NULL) {
            ask_one(broker, voice, &member->keys.curve);
        }
    }
    cursor = 0;
    while (map_next(recover->helpers, &cursor, &key, &value)) {
        struct recover_helper *helper = value;
        struct curve_public helper_key;
        memcpy(helper_key.bytes, key, sizeof(helper_key.bytes));
        ask_one(broker, &helper->voice, &helper_key);
    }
}

/* NULL when nothing is asked of it: a helper that has become a member meanwhile says hello first.
 */
static struct recover_voice *
find_giver(const struct dispatch_call *call)
{
    return call->who == WHO_HELPER ? recover_find_helper(call->broker, &call->session->key)
                                   : recover_find_voice(call->broker, call->member->handle);
}

static enum err
take_message(struct dispatch_call *call, struct recover_copy *copies)
{
    enum err code;
    uint64_t bad = 0;
    size_t kept = 0;
    size_t n = call->message->as.copies.n;
    uint64_t before = call->broker->head.entries;
    enum err err = prove_all(call, copies, &code, &bad);
    if (err == ERR_OK && code != ERR_OK) {
        return refuse(call, code, bad);
    }
    if (err == ERR_OK && n > 0) {
        err = recover_take(call->broker, copies, n, &kept);
    }
    if (err == ERR_OK) {
        err = recover_append_held(call->broker);
    }
    if (err == ERR_OK) {
        struct recover_voice *voice = find_giver(call);
        if (voice != NULL) {
            ask_for_more(call, voice, kept);
        }
        if (call->broker->head.entries > before) {
            ask_paused(call->broker);
        }
        err = recover_try_end(call->broker, call->now);
    }
    return err;
}

enum err
handle_copies(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    if (!broker->recover.active) {
        return ERR_OK; /* they crossed with the end of it */
    }
    if (find_giver(call) == NULL) {
        refusals_count(broker, call->session, ERR_BUSY);
        session_refuse(&broker->sessions, call->session, ERR_BUSY, RECOVER_RETRY_MS);
        return ERR_OK; /* it has not said hello since */
    }
    struct recover_copy *copies = calloc(LIMIT_COPIES_PER_FRAME, sizeof(*copies));
    enum err err = copies == NULL ? ERR_MEMORY : take_message(call, copies);
    free(copies);
    return err;
}

enum err
recover_tend(struct broker *broker, struct instant now)
{
    if (!broker->recover.active) {
        return ERR_OK;
    }
    recover_tend_helpers(broker);
    enum err err = recover_append_held(broker);
    if (err == ERR_OK) {
        err = hole_fill(broker);
    }
    if (err == ERR_OK) {
        ask_paused(broker);
        err = recover_try_end(broker, now);
    }
    return err;
}
