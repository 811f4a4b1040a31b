/* Agents, a broker and the network between them, all in one process under one clock. The broker
 * behind it is the fake one or the real core: the rig knows three functions. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_RIG_H
#define REFLOOP_TESTS_UNIT_AGENT_RIG_H

#include "tests/unit/agent/fixture.h"

struct rig_broker {
    void *broker;
    void (*receive)(void *broker, size_t peer, struct bytes frame, struct instant now);
    bool (*take)(void *broker, size_t peer, struct buffer *frame_out);
    void (*connect)(void *broker, size_t peer); /* a new connection; the old one is gone */
    void (*tick)(void *broker, struct instant now);
};

enum { RIG_WIRE_FRAMES = 32 };

struct rig_wire { /* one direction of one connection */
    struct buffer frames[RIG_WIRE_FRAMES];
    size_t n;
};

struct rig_peer {
    struct agent *agent;
    char store[32];
    bool up;
    struct rig_wire out, in;
    unsigned said, refused; /* agent_start_loop and agent_say that were taken, and not */
};

struct rig {
    struct fixture fixture;
    struct rig_broker broker;
    struct rig_peer peer[FIXTURE_MEMBERS_MAX];
    struct instant now;
    uint64_t random;
    unsigned trouble;    /* per cent of frames lost, doubled or delayed */
    unsigned n_troubled; /* frames that were */
    unsigned serial;     /* of contents */
    enum err last;       /* what the last agent_start_loop or agent_say gave, and in words */
    struct complaint complaint;
    unsigned n_full; /* frames an agent could not take because its disk was full */
};

void rig_init(struct rig *rig, size_t n_members);
void rig_done(struct rig *rig);
uint32_t rig_random(struct rig *rig, uint32_t bound);

void rig_up(struct rig *rig, size_t peer);
void rig_down(struct rig *rig, size_t peer);
void rig_restart(struct rig *rig, size_t peer); /* close and open again, link down */
void rig_wipe(struct rig *rig, size_t peer);    /* an empty store, same keys */
/* Moves what can be moved once, with trouble; heeds agent_link_doubt. */
void rig_move(struct rig *rig, size_t peer);
/* Without trouble, all links up, until nothing moves any more. */
void rig_settle(struct rig *rig);

/* Content "serial=N"; returns N, or 0 when refused. */
unsigned rig_start(struct rig *rig, size_t from, size_t to, struct loop_id *loop_out);
unsigned rig_say(struct rig *rig, size_t peer, const struct loop_id *loop, enum loop_event event);
/* One random thing a person might do. */
void rig_act(struct rig *rig, size_t peer);

struct rig_steps {
    struct step_view view[128];
    char facts[128][64];
    size_t n;
};
void
rig_read_steps(struct rig *rig, size_t peer, const struct loop_id *loop, struct rig_steps *out);
struct loop_view rig_view(struct rig *rig, size_t peer, const struct loop_id *loop);
/* All agents agree with each other on every loop; nothing is lost, doubled or waiting; stores
 * check. */
void rig_check_agreement(struct rig *rig);

#endif
