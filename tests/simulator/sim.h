/* A whole network in one process: the broker's core and some dozens of agents' cores, the network
 * between them, their disks and clocks, and the people at the agents. Everything that happens comes
 * out of one seed, so a run can be had again exactly.
 *
 * Whatever the cores say is held against what people did and were told (account.h); the first thing
 * that does not fit ends the run and names the rule that was broken. */
#ifndef REFLOOP_TESTS_SIMULATOR_SIM_H
#define REFLOOP_TESTS_SIMULATOR_SIM_H

#include <sys/types.h>

#include "agent/agent.h"
#include "agent/identity.h"
#include "agent/supervise/supervisor.h"
#include "broker/broker.h"
#include "tests/simulator/account.h"
#include "tests/simulator/events.h"
#include "tests/support/fault_disk.h"

enum { SITES_MAX = 200, MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

/* X(symbol, word, sentence): what must hold whatever happens. */
#define RULE_TABLE(X)                                                                              \
    X(RULE_LOST, "lost", "what got a receipt stays in the log")                                    \
    X(RULE_FORGOTTEN, "forgotten", "what an agent has taken or shown stays on its disk")           \
    X(RULE_RECEIPT, "false-receipt", "a receipt means: on the disk of who gave it")                \
    X(RULE_DOUBLED, "doubled", "a statement takes effect once")                                    \
    X(RULE_INVENTED, "invented", "only people make statements, and what they said arrives")        \
    X(RULE_STUCK, "stuck", "once the faults stop, everything arrives")                             \
    X(RULE_OPEN, "silently-open", "a loop is closed or listed with the step that is missing")      \
    X(RULE_TIME, "moved-by-time", "time moves no loop")                                            \
    X(RULE_AGREE, "disagreement", "both sides and the log say the same of every loop")             \
    X(RULE_ALARM, "false-alarm", "an honest broker is accused of nothing")                         \
    X(RULE_STORE, "store", "every store opens, and passes its own check")                          \
    X(RULE_CONTRACT, "contract", "a call returns what its header says")                            \
    X(RULE_CRASH, "crash", "no assertion, no signal, no endless loop")

enum rule {
    RULE_NONE,
#define RULE_ENUM(symbol, word, sentence) symbol,
    RULE_TABLE(RULE_ENUM)
#undef RULE_ENUM
        RULE_COUNT
};
const char *rule_word(enum rule rule);
const char *rule_sentence(enum rule rule);

/* How bad this network is: drawn once for a run. */
struct profile {
    uint32_t lost, doubled, late, shuffled; /* frames of a thousand */
    int64_t latency_ms, ping_ms;
    int64_t pause_ms[32]; /* by fault: mean time between two; 0: never */
    bool office_hours;    /* machines are off at night */
};

/* A machine: of the broker or of an agent. */
struct machine {
    char dir[64];
    struct fault_disk *disk;
    bool doomed;           /* its disk is gone, and the program has not noticed yet */
    bool full, slow;       /* its disk */
    int64_t wall_ahead_ms; /* of true time */
    int64_t booted_ms;     /* true time at which its boot time was 0 */
    int64_t busy_to_ms;    /* true time: waits for its disk, or sleeps */
    uint32_t life;         /* counts its starts */
};

struct site {
    struct machine machine;
    struct identity identity;
    struct token token;
    struct buffer invite, join;
    struct agent *agent; /* NULL while it does not run */
    struct supervisor supervisor;
    uint32_t connection; /* number of the present socket */
    bool connected, greeted;
    uint32_t broker_life;            /* at the other end of it */
    int64_t last_in_ms, last_out_ms; /* arrival of the last frame either way: a connection keeps
                                        the order */
    bool mute, deaf;                 /* nothing passes from it, or to it */
    int64_t turn_ms;                 /* true time of the next turn planned */
    int64_t hold_boot_ms, tend_ms;
    uint64_t changes;
};

struct hub {
    struct machine machine;
    struct broker *broker; /* NULL while it does not run */
    int64_t turn_ms, tend_ms;
    bool has_backup;
    bool recovering; /* when last looked at */
};

struct counts {
    uint64_t frames, statements, receipted, delivered, refusals, closed, loops, entries;
    uint64_t broker_starts, agent_starts, restores, faults, refused;
};

struct sim {
    uint64_t dice, ends, disk_dice; /* the network and its people; how loops end; sectors */
    int64_t now_ms;                 /* true time */
    struct events events;
    struct profile profile;
    bool calm; /* no faults any more */
    struct network_id network;
    struct sign_secret root, log_secret;
    struct buffer genesis;
    struct hub hub;
    struct site *sites;
    size_t n_sites;
    struct account account;
    struct counts counts;
    enum rule broken;
    char what[400];
    bool talks;
    char dir[48];
};

/* --- dice.c */
/* Below `bound` (> 0). */
uint32_t sim_dice(struct sim *sim, uint32_t bound);
bool sim_chance(struct sim *sim, uint32_t per_mille);
/* A time around a mean: half of it to one and a half. */
int64_t sim_around(struct sim *sim, int64_t mean_ms);
/* Before the first use of a key: everything "unpredictable" comes from the seed from now on. */
void dice_rule_the_world(uint64_t seed);

/* --- run.c */
/* The first one counts. */
void sim_break(struct sim *sim, enum rule rule, const char *format, ...) PRINTF_LIKE(3, 4);
void sim_trace(const struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
struct result {
    enum rule broken;
    char what[400];
    struct counts counts;
    uint8_t digest[16]; /* of the final log and all records */
};
void sim_run(uint64_t seed, unsigned agents, unsigned days, bool talks, struct result *result_out);
/* Lets things happen until true time `to_ms`, or until something is broken. */
void sim_go_on(struct sim *sim, int64_t to_ms);

/* --- world.c */
void world_make(struct sim *sim, uint64_t seed, size_t n_sites);
void world_enrol(struct sim *sim);
void world_end(struct sim *sim);
/* What the process `pid` has left, however it ended. */
void world_remove(pid_t pid);
/* "site-007" */
size_t world_find(const struct sim *sim, const char *org);

/* --- machine.c */
struct instant machine_now(const struct sim *sim, const struct machine *machine);
int64_t machine_true_ms(const struct machine *machine, int64_t boot_ms);
/* After a call into a core: true when its program goes on. */
bool machine_survives(struct sim *sim, struct machine *machine, enum err err, const char *what);
/* What a machine's disk is like when it starts again. */
void machine_restart(struct sim *sim, struct machine *machine, bool power_lost);

/* --- hub.c */
void hub_start(struct sim *sim);
void hub_die(struct sim *sim, bool power_lost);
void hub_take(struct sim *sim, struct event *event);
void hub_crash(struct sim *sim); /* and it comes back by and by */
void hub_turn(struct sim *sim, int64_t planned_ms);
void hub_plan(struct sim *sim, int64_t at_ms);
void hub_back_up(struct sim *sim);
void hub_restore_backup(struct sim *sim);

/* --- site.c */
void site_start(struct sim *sim, struct site *site);
void site_die(struct sim *sim, struct site *site, bool power_lost);
void site_crash(struct sim *sim, struct site *site);
void site_turn(struct sim *sim, struct site *site, int64_t planned_ms);
/* A turn now. */
void site_wake(struct sim *sim, struct site *site);
void site_take(struct sim *sim, struct site *site, struct event *event);
void site_hear_link(struct sim *sim, struct site *site, const struct event *event);
/* After anything was done with its core: looks at what changed, and plans the next turn. */
bool site_did(struct sim *sim, struct site *site, enum err err, const char *what);
size_t site_number(const struct sim *sim, const struct site *site);

/* --- wire.c */
void wire_open(struct sim *sim, struct site *site);
void wire_close(struct sim *sim, struct site *site);
void wire_up(struct sim *sim, struct site *site, struct buffer *frame);
/* False when there is no such connection. */
bool wire_down(struct sim *sim, const struct route *route, struct buffer *frame);
void wire_route(const struct sim *sim, const struct site *site, struct route *route_out);
void wire_reset(struct sim *sim, struct site *site);

/* --- people.c */
void people_begin(struct sim *sim);
void people_act(struct sim *sim, struct site *site);
/* Everybody whose turn it is ends what can be ended. How many steps were taken. */
unsigned people_finish(struct sim *sim);

/* --- faults.c */
void faults_draw(struct sim *sim);
void faults_begin(struct sim *sim);
void faults_strike(struct sim *sim, uint32_t fault);
void faults_lift(struct sim *sim, const struct event *event);
void faults_end(struct sim *sim);

/* --- check.c */
/* Every agent is welcome, has read all and has nothing waiting. Says who not, when asked. */
bool check_is_settled(struct sim *sim, bool name);
void check_all(struct sim *sim);
/* A note of every loop's state at every agent and of the length of the log. */
void check_note(struct sim *sim, struct buffer *note);
void check_alarms(struct sim *sim, struct site *site);

/* --- logbook.c: the broker's log as it lies on its disk */
/* The statement with this id is at this place. */
bool logbook_holds(struct sim *sim, uint64_t index, const struct digest *id);
/* Everything that was ever receipted is there. */
void logbook_check_receipted(struct sim *sim);
/* Folds it afresh, at the log's own times plus `shift_ms`. */
void logbook_check(struct sim *sim, int64_t shift_ms);

#endif
