/* What the programs have promised to anybody: kept apart from them (also across a fork, in shared
 * memory), and held against what their disks hold afterwards. */
#ifndef REFLOOP_TESTS_FAULTS_PROMISE_H
#define REFLOOP_TESTS_FAULTS_PROMISE_H

#include "agent/agent.h"
#include "broker/broker.h"

enum {
    PROMISE_RECEIPTS_MAX = 4096,
    PROMISE_HEADS_MAX = 4096,
    PROMISE_SAID_MAX = 1024,
    PROMISE_SENT_MAX = 1024,
    PROMISE_FILES_MAX = 64,
    PROMISE_MEMBERS = 2,
    PROMISE_TEXT_BYTES = 48,
};

struct promise_receipt {
    struct digest id;
    uint64_t index;
};
struct promise_head {
    uint64_t size;
    struct merkle_hash root;
};
/* A step somebody was told is queued (or was told is not, or nobody knows). */
enum promise_kind { PROMISE_KEPT, PROMISE_REFUSED, PROMISE_UNKNOWN };
struct promise_said {
    enum promise_kind kind;
    bool has_loop;
    struct loop_id loop;
    char text[PROMISE_TEXT_BYTES]; /* unique, somewhere in the body */
};
/* A statement that has left the house. */
struct promise_sent {
    struct loop_id loop;
    struct digest id;
};

struct promises {
    size_t n_receipts, n_heads;
    struct promise_receipt receipts[PROMISE_RECEIPTS_MAX];
    struct promise_head heads[PROMISE_HEADS_MAX];
    size_t n_said[PROMISE_MEMBERS], n_sent[PROMISE_MEMBERS];
    struct promise_said said[PROMISE_MEMBERS][PROMISE_SAID_MAX];
    struct promise_sent sent[PROMISE_MEMBERS][PROMISE_SENT_MAX];
    unsigned serial;                /* of contents */
    bool has_keys[PROMISE_MEMBERS]; /* saving them was reported done */
    bool has_evidence;
    struct digest evidence; /* of what was last written, or about to be */
};

/* Called with true before and false after each time that this file listens: whoever plays faults is
 * to leave its own work alone. NULL: nobody. */
void promise_set_aside(void (*aside)(bool listening));

/* Reads what the broker is about to send, and notes the receipts and heads in it. */
void promise_hear_broker(struct promises *promises, const struct network_id *network,
                         const struct sign_public *log_key, struct bytes frame);
/* Notes the statements about loops that an agent sends. */
void promise_hear_agent(struct promises *promises, size_t who, struct bytes frame);
/* A fresh promise with a text of its own, which is nobody's yet. */
struct promise_said *promise_next_said(struct promises *promises, size_t who);

/* Everything receipted is in the broker's store in `dir`, where it was said to be; the tree over
 * its log is the one that every head shown to anybody speaks of. ERR_CORRUPT with a sentence. The
 * store must not be open. */
enum err promise_check_broker(const struct promises *promises, const char *dir,
                              const struct network_id *network, const struct sign_public *log_key,
                              struct complaint *complaint) MUST_CHECK;
/* Everything taken from people is in the agent's records once, what was refused is not, and what
 * was sent is there as it was sent. */
enum err promise_check_agent(const struct promises *promises, size_t who, struct agent *agent,
                             struct complaint *complaint) MUST_CHECK;

#endif
