/* The agent's connection to the broker: one ZeroMQ DEALER at a time, with CURVE, and what its
 * monitor says about it. Opens, drops, carries frames; when to do so is the supervisor's rule.
 * A socket is never reused: every attempt is a new one with a new random routing id. */
#ifndef REFLOOP_AGENT_LINK_LINK_H
#define REFLOOP_AGENT_LINK_LINK_H

#include <poll.h>

#include "agent/supervise/supervisor.h"
#include "lib/base/bytes.h"
#include "lib/crypto/curve.h"

struct link;

struct link_options {
    const char *endpoint; /* tcp://host:port */
    const struct curve_public *own_public;
    const struct curve_secret *own_secret;
    const struct curve_public *broker; /* pinned */
    int64_t ready_within_ms; /* the supervisor's patience: our own timers stay out of it */
};

/* The first one before any thread, after secret_start. ERR_MEMORY. */
enum err link_new(struct link **link_out) MUST_CHECK;
void link_free(struct link *link); /* drops what is open */
void link_freep(struct link **link);

/* Drops the present socket, if any, and makes a new one that starts to connect; returns at once.
 * ERR_CONFIG when the endpoint is none, ERR_MEMORY when no socket can be had. */
enum err link_open(struct link *link, const struct link_options *options) MUST_CHECK;
void link_close(struct link *link);
bool link_is_open(const struct link *link);

/* ERR_BUSY when nothing more can be queued now: keep the frame and wait for room. ERR_UNREACHABLE
 * when no socket is open. */
enum err link_send(struct link *link, struct bytes frame) MUST_CHECK;
/* The next frame of the broker, appended to `frame`; *none_out when there is none. Messages that no
 * honest broker sends (several frames, too large) are dropped and counted. ERR_MEMORY. */
enum err link_receive(struct link *link, struct buffer *frame, bool *none_out) MUST_CHECK;
uint64_t link_dropped(const struct link *link);

/* The next thing the monitor saw; false when there is none. */
bool link_next_event(struct link *link, enum link_event *event_out);

/* Waits until the link or one of the descriptors has something, for at most timeout_ms (-1: for
 * ever); fills their revents. `want_room` also wakes when a frame can be sent. */
enum err link_wait(struct link *link, bool want_room, struct pollfd *fds, size_t n,
                   int timeout_ms) MUST_CHECK;

/* Asks the address, without ZeroMQ, what answers there. Takes at most 2.5 s. False when that is
 * not to be told; else *event_out is LINK_PROBED_BROKER or LINK_PROBED_NOT_BROKER. */
bool link_probe(const char *endpoint, enum link_event *event_out);

#endif
