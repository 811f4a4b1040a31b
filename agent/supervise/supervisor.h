/* The rules by which an agent keeps its link alive, as a pure state machine: events and time in,
 * "make a socket", "drop it" and the next deadline out. ZeroMQ stops reconnecting for good in
 * several cases and does not say so; therefore every doubt ends in a new socket, after a
 * full-jitter pause that grows from min to max. Timers run on boot time. */
#ifndef REFLOOP_AGENT_SUPERVISE_SUPERVISOR_H
#define REFLOOP_AGENT_SUPERVISE_SUPERVISOR_H

#include <stdbool.h>

#include "lib/base/clock.h"

/* What is wrong with the link, as far as can be told from outside. */
enum link_trouble {
    TROUBLE_NONE,
    TROUBLE_STARTING,     /* first attempt since start */
    TROUBLE_NO_ANSWER,    /* nobody answers at the broker's address */
    TROUBLE_NOT_A_BROKER, /* something answers that is no broker: a captive portal or proxy */
    TROUBLE_WRONG_KEY,    /* a broker answers with another key than the network's */
    TROUBLE_REFUSED,      /* the broker does not let this key in */
    TROUBLE_INTERRUPTED,  /* was connected, lost the connection */
    TROUBLE_SUSPENDED,    /* this machine slept */
    TROUBLE_COUNT
};
const char *supervisor_trouble_name(enum link_trouble trouble);

enum link_event {
    LINK_TCP_CONNECTED,
    LINK_TCP_FAILED,        /* connect refused or timed out, once per attempt */
    LINK_HANDSHAKE_DONE,    /* CURVE done: it is our broker */
    LINK_HANDSHAKE_REFUSED, /* ZAP 400 */
    LINK_HANDSHAKE_FAILED,  /* protocol error or no detail */
    LINK_CLOSED,            /* the connection ended */
    LINK_READY,             /* the core was welcomed */
    LINK_DOUBT,             /* the core says: silent for too long */
    LINK_PROBED_NOT_BROKER, /* a plain probe of the address got something that is not ZeroMQ with
                               CURVE */
    LINK_PROBED_BROKER,     /* the probe met a ZeroMQ CURVE greeting: then the key is wrong */
    LINK_EVENT_COUNT
};

enum link_phase { PHASE_WAITING, PHASE_CONNECTING, PHASE_READY };

struct supervisor_options {
    int64_t backoff_min_ms, backoff_max_ms;
    int64_t ready_within_ms; /* from a new socket to LINK_READY; else doubt */
    uint32_t (*random_below)(uint32_t bound);
};

struct supervisor {
    struct supervisor_options options;
    enum link_phase phase;
    enum link_trouble trouble;
    int64_t trouble_since_ms; /* wall: since when not ready (or ready, with TROUBLE_NONE) */
    int64_t deadline_ms;      /* boot: call supervisor_turn no later; never far off */
    int64_t last_turn_ms;     /* boot, of the last turn: a jump means the machine slept */
    unsigned attempts;        /* since the last LINK_READY */
    bool probe_wanted;        /* the edge should probe the address before the next attempt */
    int64_t due_ms;      /* boot: the next attempt, or the end of patience with the present one */
    unsigned unfinished; /* attempts in a row that reached somebody but did not shake hands */
    bool connected, greeted; /* of the present attempt: TCP is up, CURVE is done */
    bool cut_off;            /* the last attempt was ended by the other side, not by our patience */
};

enum supervisor_action { SUPERVISOR_NOTHING, SUPERVISOR_OPEN, SUPERVISOR_CLOSE };

void supervisor_init(struct supervisor *supervisor, const struct supervisor_options *options,
                     struct instant now);
/* After an event. */
enum supervisor_action
supervisor_event(struct supervisor *supervisor, enum link_event event, struct instant now);
/* When the deadline has come (or at any time). */
enum supervisor_action supervisor_turn(struct supervisor *supervisor, struct instant now);

#endif
