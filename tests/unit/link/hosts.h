/* What may sit at the broker's address: a broker, a portal, something that hangs up. Each runs in a
 * thread of its own on 127.0.0.1 until it is stopped. */
#ifndef REFLOOP_TESTS_UNIT_LINK_HOSTS_H
#define REFLOOP_TESTS_UNIT_LINK_HOSTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/crypto/curve.h"

enum host_kind {
    HOST_BROKER,      /* answers "welcome" to "hello", echoes the rest */
    HOST_REFUSING,    /* a broker that lets nobody in: ZAP 400 */
    HOST_MANY_FRAMES, /* a broker that sends several frames, then too large a one, then a good one
                       */
    HOST_PLAIN,       /* ZeroMQ without CURVE */
    HOST_PORTAL,      /* answers HTTP to whatever comes and hangs up */
    HOST_WEB,         /* answers HTTP once a whole request has come */
    HOST_CLOSING,     /* accepts and hangs up */
    HOST_SILENT,      /* accepts and says nothing */
};

struct host {
    enum host_kind kind;
    int port;
    struct curve_public key;
    struct curve_secret secret;
    atomic_uint met; /* connections, of the TCP kinds */
    pthread_t thread;
    int stop[2];
    int listener;
    void *context, *socket; /* of the ZeroMQ kinds */
};

/* port 0 takes a free one. */
void host_start(struct host *host, enum host_kind kind, int port, const struct curve_secret *key);
void host_stop(struct host *host);

#endif
