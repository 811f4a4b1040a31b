/* Decides how much of the broker one peer may hold: a route, one waiting fetch, a few frames, a
 * share per minute. It refuses to know what the frames say and whether the peer is a member. Frames
 * leave in the order they were made, whoever they are for. */
#include "broker/session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct session_output {
    struct session_output *next;
    struct session *session;
    struct buffer frame;
    uint64_t told_before; /* told_size, but for the head in the frame */
};

/* Where the messages that tell a head have it. */
static const size_t heads[] = {
    [MESSAGE_WELCOME] = offsetof(struct message, as.welcome.proved),
    [MESSAGE_RECEIPTS] = offsetof(struct message, as.receipts.proved),
    [MESSAGE_ENTRIES] = offsetof(struct message, as.entries.proved),
    [MESSAGE_PONG] = offsetof(struct message, as.pong.proved),
};

static uint64_t
told_before(const struct session *session, const struct message *message)
{
    size_t place = (unsigned)message->kind < ARRAY_LEN(heads) ? heads[message->kind] : 0;
    const struct message_head *head = (const void *)((const uint8_t *)message + place);
    return place > 0 && head->present ? head->from : session->told_size;
}

enum err
sessions_init(struct sessions *sessions)
{
    sessions->by_key = map_new(CURVE_KEY_BYTES);
    sessions->first = NULL;
    sessions->last = &sessions->first;
    return sessions->by_key != NULL ? ERR_OK : ERR_MEMORY;
}

static void
output_free(struct session_output *output)
{
    buffer_done(&output->frame);
    free(output);
}

void
sessions_done(struct sessions *sessions)
{
    size_t cursor = 0;
    struct session *session;
    while (sessions->first != NULL) {
        struct session_output *output = sessions->first;
        sessions->first = output->next;
        output_free(output);
    }
    while (sessions->by_key != NULL && sessions_next(sessions, &cursor, &session)) {
        free(session);
    }
    map_free(sessions->by_key);
    sessions->by_key = NULL;
}

struct session *
sessions_find(const struct sessions *sessions, const struct curve_public *key)
{
    return map_find(sessions->by_key, key->bytes);
}

struct session *
sessions_get(struct sessions *sessions, const struct curve_public *key)
{
    struct session *session = sessions_find(sessions, key);
    if (session != NULL || map_count(sessions->by_key) >= SESSION_MAX) {
        return session;
    }
    session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return NULL;
    }
    session->key = *key;
    if (map_put(sessions->by_key, key->bytes, session) != ERR_OK) {
        free(session);
        return NULL;
    }
    return session;
}

bool
sessions_next(const struct sessions *sessions, size_t *cursor, struct session **session_out)
{
    const void *key;
    void *value;
    if (!map_next(sessions->by_key, cursor, &key, &value)) {
        return false;
    }
    *session_out = value;
    return true;
}

struct session *
sessions_find_route(const struct sessions *sessions, const struct route *route)
{
    size_t cursor = 0;
    struct session *session;
    while (sessions_next(sessions, &cursor, &session)) {
        if (session->has_route && memcmp(&session->route, route, sizeof(*route)) == 0) {
            return session;
        }
    }
    return NULL;
}

void
sessions_remove(struct sessions *sessions, struct session *session)
{
    session_drop(sessions, session);
    (void)map_remove(sessions->by_key, session->key.bytes); /* it returns the session itself */
    free(session);
}

void
session_hear(struct session *session, const struct route *route, struct instant now)
{
    session->has_route = true;
    session->route = *route;
    session->heard_wall_ms = now.wall_ms;
    session->heard_boot_ms = now.boot_ms;
    session->left = false;
}

bool
session_charge(struct session_window *window, struct session_share share, int64_t n,
               int64_t boot_ms, uint32_t *retry_ms_out)
{
    int64_t age_ms = boot_ms - window->start_ms;
    if (age_ms < 0 || age_ms >= share.window_ms || window->used == 0) {
        *window = (struct session_window){.start_ms = boot_ms};
        age_ms = 0;
    }
    if (n > share.limit - window->used) {
        *retry_ms_out = (uint32_t)(share.window_ms - age_ms);
        return false;
    }
    window->used += n;
    return true;
}

bool
session_has_share(const struct session_window *window, struct session_share share, int64_t n,
                  int64_t boot_ms)
{
    struct session_window copy = *window;
    uint32_t retry_ms = 0;
    return session_charge(&copy, share, n, boot_ms, &retry_ms);
}

void
session_follow(struct sessions *sessions, const struct session *session,
               const struct curve_public *key)
{
    struct session *next = sessions_get(sessions, key);
    if (next == NULL || next == session) {
        return;
    }
    next->statements = session->statements;
    next->messages = session->messages;
    next->stored = session->stored;
    next->served = session->served;
    next->rotations = session->rotations;
    next->heard_wall_ms = session->heard_wall_ms;
    next->heard_boot_ms = session->heard_boot_ms;
}

void
session_drop_queue(struct sessions *sessions, struct session *session)
{
    struct session_output **at = &sessions->first;
    bool first = true;
    while (session->queued_frames > 0 && *at != NULL) {
        struct session_output *output = *at;
        if (output->session != session) {
            at = &output->next;
            continue;
        }
        *at = output->next;
        if (output->next == NULL) {
            sessions->last = at;
        }
        session->queued_frames--;
        session->queued_bytes -= output->frame.len;
        session->told_size = first ? output->told_before : session->told_size;
        first = false;
        output_free(output);
    }
}

void
session_drop(struct sessions *sessions, struct session *session)
{
    session_drop_queue(sessions, session);
    session->has_route = false;
    session->fetch = (struct session_fetch){.waiting = false};
}

static bool
push(struct sessions *sessions, struct session *session, struct buffer *frame, uint64_t told)
{
    if (session->queued_frames >= SESSION_QUEUE_FRAMES ||
        session->queued_bytes + frame->len > SESSION_QUEUE_BYTES) {
        return false;
    }
    struct session_output *output = calloc(1, sizeof(*output));
    if (output == NULL) {
        return false;
    }
    output->session = session;
    output->frame = *frame;
    output->told_before = told;
    *frame = BUFFER_INIT(0);
    *sessions->last = output;
    sessions->last = &output->next;
    session->queued_frames++;
    session->queued_bytes += output->frame.len;
    return true;
}

void
session_send(struct sessions *sessions, struct session *session, const struct message *message)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    uint64_t told = told_before(session, message);
    if (!session->has_route) {
        session->told_size = told;
        return;
    }
    if (message_encode(message, &frame) != ERR_OK || !push(sessions, session, &frame, told)) {
        session->told_size = told;
        session_drop(sessions, session);
    }
}

void
session_send_receipts(struct sessions *sessions, struct session *session)
{
    struct message *answer = &sessions->scratch;
    struct message_receipts *receipts = &answer->as.receipts;
    enum err unnamed = ERR_OK;
    size_t kept = 0;
    for (size_t i = 0; i < receipts->n; i++) {
        const struct receipt *receipt = &receipts->receipts[i];
        if (!digest_is_zero(&receipt->id)) {
            receipts->receipts[kept++] = *receipt;
        } else if (unnamed == ERR_OK) {
            unnamed = receipt->refusal;
        }
    }
    receipts->n = kept;
    answer->kind = MESSAGE_RECEIPTS;
    if (kept > 0) {
        session_send(sessions, session, answer);
    }
    if (unnamed != ERR_OK) {
        session_refuse(sessions, session, unnamed, 0);
    }
}

void
session_refuse(struct sessions *sessions, struct session *session, enum err code, uint32_t retry_ms)
{
    struct message *answer = &sessions->scratch;
    answer->kind = MESSAGE_REFUSED;
    answer->as.refused = (struct message_refused){.code = code, .retry_ms = retry_ms};
    session_send(sessions, session, answer);
}

bool
sessions_take_output(struct sessions *sessions, struct route *route_out, struct buffer *frame_out)
{
    struct session_output *output = sessions->first;
    if (output == NULL) {
        return false;
    }
    sessions->first = output->next;
    if (sessions->first == NULL) {
        sessions->last = &sessions->first;
    }
    output->session->queued_frames--;
    output->session->queued_bytes -= output->frame.len;
    *route_out = output->session->route;
    *frame_out = output->frame;
    free(output);
    return true;
}
