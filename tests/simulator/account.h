/* What people did, and what they were told: the simulator's own account, filled from outside the
 * cores and never from their conclusions. Each statement has a serial number in its content, so
 * that it can be told from every other wherever it turns up. */
#ifndef REFLOOP_TESTS_SIMULATOR_ACCOUNT_H
#define REFLOOP_TESTS_SIMULATOR_ACCOUNT_H

#include "agent/agent.h"

struct sim;
struct site;

struct said {
    uint32_t loop;
    uint32_t author; /* site */
    enum loop_event event;
    uint32_t body_bytes;
    bool sure;                 /* the agent said that it has it; else it may or may not */
    bool refused;              /* shown as refused for good */
    bool receipted, delivered; /* as its author was shown */
    bool seen_by_author, seen_by_reader;
    uint64_t index; /* once receipted or seen in the log */
    struct digest id;
    uint32_t looked_author, looked_reader; /* the look that found it last */
};

struct sim_loop {
    struct loop_id id;
    uint32_t source, target; /* sites */
    uint32_t plan;           /* 0..99: how it is going to end */
    bool dropped; /* never begun, as far as was told, or ended where nobody else knows of it */
};

struct account {
    struct said *said; /* by serial; 0 is nobody's */
    uint32_t n_said, said_room;
    struct sim_loop *loops;
    uint32_t n_loops, loops_room;
    uint32_t n_looks;
};

/* A serial for something about to be said. */
uint32_t
account_begin(struct account *account, uint32_t loop, uint32_t author, enum loop_event event);
uint32_t account_add_loop(struct account *account, uint32_t source, uint32_t target, uint32_t plan);
/* The loop that this agent shows; UINT32_MAX when it is none that people have begun. One may have
 * been begun while the disk was going: then nobody was told its id. */
uint32_t account_know_loop(struct sim *sim, struct site *site, const struct loop_id *id);
void account_done(struct account *account);

/* Reads a loop as this agent shows it, and holds it against the account. */
void account_look(struct sim *sim, struct site *site, uint32_t loop);
/* After a start: everything this agent ever took or showed is still there. */
void account_look_at_all(struct sim *sim, struct site *site);

enum { CONTENT_BYTES_MAX = 24 * 1024 };
/* Text of a serial; `len` of it. */
void account_content(uint32_t serial, size_t len, char *out);

#endif
