/* Sessions: what the broker keeps per peer key while it runs. Nothing here is durable, and
 * everything is bounded: a peer can be forgotten at any time and then simply asks again. */
#ifndef REFLOOP_BROKER_SESSION_H
#define REFLOOP_BROKER_SESSION_H

#include "broker/broker.h"
#include "lib/base/map.h"

enum {
    SESSION_MAX = 2 * LIMIT_MEMBERS + 1024,
    SESSION_PENDING_JOBS = 64,
    SESSION_QUEUE_FRAMES = 2 * SESSION_PENDING_JOBS, /* receipts for all of them, and more */
    SESSION_QUEUE_BYTES = 4 * LIMIT_FRAME_BYTES,
    SESSION_MINUTE_MS = 60 * 1000,
    SESSION_HOUR_MS = 60 * SESSION_MINUTE_MS,
    SESSION_DAY_MS = 24 * SESSION_HOUR_MS,
    SESSION_ONLINE_MS = 60 * 1000,     /* three pings of an agent */
    SESSION_SILENT_MS = 3 * 60 * 1000, /* then route, fetch and queue are let go */
    SESSION_FORGET_MS =
        10 * 60 * 1000,            /* then keys that are no member's present one are forgotten */
    SESSION_STRANGE_MS = 5 * 1000, /* the same for keys that are nobody's any more */
};

/* So much in so long. */
struct session_share {
    int64_t limit, window_ms;
};

/* A fixed window of boot time, and what has been used of the share in it. */
struct session_window {
    int64_t start_ms;
    int64_t used;
};

/* What does not depend on the configuration: bytes of log read, changes of keys. */
static const struct session_share session_served = {256LL * 1024 * 1024, SESSION_MINUTE_MS};
static const struct session_share session_rotations = {8, SESSION_HOUR_MS};

struct session_fetch {
    bool waiting;
    uint64_t cursor;
    uint32_t credit_bytes;
    bool with_own_sealed;
};

struct session {
    struct curve_public key;
    bool has_route;
    struct route route; /* of the newest message */
    int64_t heard_wall_ms, heard_boot_ms;
    bool left;      /* it said BYE */
    bool is_former; /* a replaced key, of the member with this handle */
    uint64_t former_of;
    struct session_window statements, messages, stored, served, rotations;
    struct session_fetch fetch;
    uint64_t told_size; /* of the head told last on this connection (its Hello's before): the next
                           goes on from it */
    struct verified_root memory;
    size_t pending_jobs;
    size_t queued_frames, queued_bytes;
};

struct session_output;

/* Invariant: the counts in every session are those of the frames in the queue. */
struct sessions {
    struct map *by_key;
    struct session_output *first;
    struct session_output **last;
    struct message scratch; /* for answers: too large for a stack */
};

enum err sessions_init(struct sessions *sessions) MUST_CHECK;
void sessions_done(struct sessions *sessions);
/* NULL when absent. */
struct session *sessions_find(const struct sessions *sessions, const struct curve_public *key);
/* Finds or makes. NULL when there is no memory or no room. */
struct session *sessions_get(struct sessions *sessions, const struct curve_public *key);
struct session *sessions_find_route(const struct sessions *sessions, const struct route *route);
/* Walks, as map_next. */
bool sessions_next(const struct sessions *sessions, size_t *cursor, struct session **session_out);
/* Forgets one session and what is queued for it. */
void sessions_remove(struct sessions *sessions, struct session *session);

/* Notes a message: newest route, time. */
void session_hear(struct session *session, const struct route *route, struct instant now);
/* True and charged when `n` more fit into the share; else false with the time to come back. With 0
 * it asks whether the share is used up by what was added to `used` afterwards. */
bool session_charge(struct session_window *window, struct session_share share, int64_t n,
                    int64_t boot_ms, uint32_t *retry_ms_out);
/* The same question, and nothing charged. */
bool session_has_share(const struct session_window *window, struct session_share share, int64_t n,
                       int64_t boot_ms);
/* The member has other keys now: what it has used of its shares goes with it to `key`. */
void session_follow(struct sessions *sessions, const struct session *session,
                    const struct curve_public *key);
/* Queues a frame. A session that does not take its frames, and one that cannot be served for want
 * of memory, loses route and queue. */
void
session_send(struct sessions *sessions, struct session *session, const struct message *message);
/* Sends the receipts gathered in sessions->scratch. Bytes that are not even an envelope have no id,
 * and so no receipt: for them the peer is told once that it is refused, with the code of the first.
 */
void session_send_receipts(struct sessions *sessions, struct session *session);
void session_refuse(struct sessions *sessions, struct session *session, enum err code,
                    uint32_t retry_ms);
/* Drops queued frames, the waiting fetch and the route. With frames go the heads in them: told_size
 * is again what it was before the first of them, so that the chain goes on where the peer is. Set
 * told_size for a new connection after this. */
void session_drop(struct sessions *sessions, struct session *session);
void session_drop_queue(struct sessions *sessions, struct session *session);
bool
sessions_take_output(struct sessions *sessions, struct route *route_out, struct buffer *frame_out);

#endif
