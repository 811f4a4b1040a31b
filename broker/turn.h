/* One turn: a list of cases judged, committed in as few transactions as the directory allows, and
 * receipts signed. */
#ifndef REFLOOP_BROKER_TURN_H
#define REFLOOP_BROKER_TURN_H

#include "broker/judge.h"

enum {
    TURN_STATEMENTS_MAX = 512, /* under one receipt signature */
    /* Of these, of one peer: who has one thing to say waits for no more of who has thousands. */
    TURN_PEER_STATEMENTS = LIMIT_ENVELOPES_PER_FRAME,
    TURN_BYTES_MAX = 16 * 1024 * 1024, /* keeps a transaction's dirty pages few */
};

struct turn_item {
    struct judge_case judged;
    struct judge_result result;
};

/* Judges and commits items in order, counts, wakes whoever waits for what was logged, and signs the
 * receipts. Their inclusion proofs are not in them: those depend on the head they are told with. A
 * full disk is not an error: the items it concerns are refused as busy, and so are all while the
 * broker is being refilled (recover.h). */
enum err
turn_run(struct broker *broker, struct turn_item *items, size_t n, struct instant now) MUST_CHECK;

#endif
