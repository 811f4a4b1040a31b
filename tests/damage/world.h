/* A small network of real cores with a history whose every step is known: what each damaged copy of
 * a store is held against. Everybody in it is fictional. One process, one thread; after fork() a
 * child goes on with copies of the stores. */
#ifndef REFLOOP_TESTS_DAMAGE_WORLD_H
#define REFLOOP_TESTS_DAMAGE_WORLD_H

#include "tests/unit/agent/fixture.h"

enum { WORLD_MEMBERS = 3, WORLD_LOOPS = 15, WORLD_STEPS = 512, WORLD_STORES = WORLD_MEMBERS + 1 };
enum { WORLD_BROKER = WORLD_MEMBERS }; /* stores: those of the members, then the broker's */

/* What somebody has said: the content is its number, so nothing can be taken for another. */
struct world_said {
    size_t by, loop; /* index into loops */
    enum loop_event event;
};

struct world_loop {
    struct loop_id id;
    size_t source, target;
};

struct world_peer {
    struct agent *agent;
    uint8_t route; /* of the present connection; 0: none */
};

struct world {
    struct fixture fixture;
    struct broker *broker;
    struct world_peer peer[WORLD_MEMBERS];
    struct instant now;
    uint8_t last_route;
    struct world_said said[WORLD_STEPS];
    struct world_loop loops[WORLD_LOOPS + 2];
    size_t n_said, n_loops;
    uint64_t entries;           /* of the log at the end of world_live */
    struct complaint complaint; /* of the error that a function here gave */
};

/* The network is founded and all have joined; stores are below `fixture.dir`, as 0, 1, 2, broker.
 */
void world_init(struct world *world);
void world_done(struct world *world);

/* All stores are in `dir` from now on. */
enum err world_open_broker(struct world *world, const char *dir);
enum err world_open_agent(struct world *world, const char *dir, size_t which);
void world_close(struct world *world);

/* A new connection; frames go in until nobody has anything to say. Errors are our own ones, of a
 * broker (*of_out WORLD_BROKER) or an agent: that program would have stopped. */
void world_connect(struct world *world, size_t which);
void world_disconnect(struct world *world, size_t which);
enum err world_settle(struct world *world, size_t *of_out);

/* Queues a step of the known history; the loop is new when it is world->n_loops. */
enum err world_say(struct world *world, size_t by, size_t loop, enum loop_event event);
enum err world_start(struct world *world, size_t by, size_t target);

/* Some days of work: whole and half loops; member 0 ends with a queue, and with mail waiting. Calls
 * `half` once in the middle with all stores closed. */
void world_live(struct world *world, void (*half)(void *context), void *context);

#endif
