/* The broker's own TCP connections, seen from the side: ZeroMQ accepts them and tells us neither
 * how many a member has nor how to close one, and keeps what it is sent until a message is whole.
 * Here they are counted and bounded. */
#ifndef REFLOOP_BROKER_SERVER_CONNECTIONS_H
#define REFLOOP_BROKER_SERVER_CONNECTIONS_H

#include <stdbool.h>

#include "lib/base/bytes.h"
#include "lib/crypto/curve.h"

enum {
    CONNECTIONS_PER_KEY = 4, /* one, and some that the other side has given up already */
    CONNECTIONS_UNHEARD_MAX = 1024,
    CONNECTIONS_SPARE = 8, /* descriptors that must stay free */
    CONNECTIONS_SILENT_MS = 20 * 1000,
    CONNECTIONS_HASTE_MS = 1000, /* the same while there are too many */
    CONNECTIONS_LOOK_MS = 100,
    CONNECTIONS_LOOK_FDS = 512, /* looked at in one look */
    CONNECTIONS_FIRST_BYTES = 1024 * 1024,
    CONNECTIONS_WAITING_FRAMES = 32, /* of one connection: the receiving high-water mark */
    /* What may wait unread and whole, and what the kernel may hold in front of it. */
    CONNECTIONS_UNFINISHED_BYTES = 16 * 1024 * 1024,
};

enum connections_reason {
    CONNECTIONS_CROWDED,    /* more with one key than are served: the oldest go */
    CONNECTIONS_SILENT,     /* nothing was ever said */
    CONNECTIONS_UNFINISHED, /* a message without an end */
    CONNECTIONS_SHORT,      /* silent, and room was needed */
    CONNECTIONS_REASONS
};
const char *connections_reason_name(enum connections_reason reason);

struct connections;

/* Those that arrive at this port. ERR_MEMORY, ERR_IO. */
enum err connections_new(uint16_t port, struct connections **connections_out) MUST_CHECK;
void connections_free(struct connections *connections);
void connections_freep(struct connections **connections);

/* A message of this key has come through the connection with this descriptor; -1 when that is not
 * known. */
void connections_heard(struct connections *connections, int fd, const struct curve_public *key,
                       int64_t boot_ms);
/* Looks at the next of them, and closes what is too much. At most once in CONNECTIONS_LOOK_MS. */
void connections_look(struct connections *connections, int64_t boot_ms);
/* Milliseconds until the next look. */
int64_t connections_wait_ms(const struct connections *connections, int64_t boot_ms);

size_t connections_open(const struct connections *connections);
uint64_t connections_closed(const struct connections *connections, enum connections_reason reason);

/* As many descriptors as this process may have; returns how many these are. */
size_t connections_raise_limit(void);

#endif
