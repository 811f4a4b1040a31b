/* The real cores of a broker and two organizations on real stores, with the network played in
 * between, and the story they go through. Unlike the rigs of the unit tests nothing here insists on
 * success: an error is handed up as the programs would end with it, and the story can be gone on
 * with at any point by another process, since what to do next is read from the records. */
#ifndef REFLOOP_TESTS_FAULTS_WORLD_H
#define REFLOOP_TESTS_FAULTS_WORLD_H

#include "broker/broker.h"
#include "lib/base/file.h"
#include "tests/faults/promise.h"
#include "tests/unit/agent/fixture.h"

enum { CLINIC, PANTRY, WORLD_MEMBERS, WORLD_QUEUE_MAX = 64 };

struct world_member {
    char home[FILE_PATH_MAX], store[FILE_PATH_MAX];
    struct identity identity;
    bool has_identity;
    struct agent *agent;
    bool up;
    struct route route;
    struct buffer queue[WORLD_QUEUE_MAX]; /* from the broker */
    size_t n_queued;
};

struct world {
    const struct fixture *fixture;
    struct promises *promises;
    char dir[FILE_PATH_MAX], broker_store[FILE_PATH_MAX];
    struct broker *broker;
    struct world_member member[WORLD_MEMBERS];
    struct instant now;
    struct complaint complaint; /* of whoever failed last */
    const char *doing;          /* what was under way, in a word or two */
};

/* `dir` is made; stores and homes are below it. */
void world_init(struct world *world, const struct fixture *fixture, struct promises *promises,
                const char *dir);
/* Everybody closes; nothing is removed. Fine when half open. */
void world_close(struct world *world);
void world_close_broker(struct world *world);
void world_close_agent(struct world *world, size_t which);

struct broker_options world_broker_options(const struct world *world, const char *store);
struct agent_options
world_agent_options(const struct world *world, size_t which, const char *store);
enum err world_open_broker(struct world *world) MUST_CHECK;
/* With the identity in its home. */
enum err world_open_agent(struct world *world, size_t which) MUST_CHECK;
/* An invite into the log. */
enum err world_invite(struct world *world, size_t which) MUST_CHECK;
/* As `refloop-agent join` does: keys, then the broker, then a note that it is done. */
enum err world_join(struct world *world, size_t which) MUST_CHECK;
/* As `refloop-agent rotate` does. The agent is closed and opened again. */
enum err world_rotate(struct world *world, size_t which) MUST_CHECK;

/* Connects who is not, and carries what there is to carry until everything sent has arrived. A full
 * disk of an agent drops its connection, which is made again. ERR_UNREACHABLE: it does not come to
 * rest. */
enum err world_settle(struct world *world) MUST_CHECK;

/* What people do, noted as a promise where it is taken. */
enum err world_start(struct world *world, size_t from, struct loop_id *loop_out) MUST_CHECK;
enum err world_say(struct world *world, size_t who, const struct loop_id *loop,
                   enum loop_event event) MUST_CHECK;
/* The n-th loop that the clinic began, oldest first; false when there are not so many. */
bool world_find_loop(struct world *world, size_t n, struct loop_id *loop_out);
/* Brings that loop from wherever it is, also from nowhere, to its end on both sides. */
enum err world_finish_loop(struct world *world, size_t n) MUST_CHECK;

#endif
