/* Planted bugs: what the checker is for. Each is one of the mistakes that such a product could well
 * have, made by the linker (--wrap) around a function of the product; without one chosen, all pass
 * through. */
#ifndef REFLOOP_TESTS_SIMULATOR_BUGS_H
#define REFLOOP_TESTS_SIMULATOR_BUGS_H

#include "tests/simulator/sim.h"

/* Which core is at work: some functions serve both. */
enum bugs_place { BUGS_AT_NOBODY, BUGS_AT_BROKER, BUGS_AT_AGENT };
void bugs_enter(enum bugs_place place);

enum bug_name {
    BUG_NONE,
    BUG_RECEIPT_FIRST,
    BUG_CONFIRM_FIRST,
    BUG_NO_DEDUPE,
    BUG_CURSOR_ALONE,
    BUG_SENT_IS_DONE,
    BUG_MADE_AGAIN,
    BUG_NOT_LOGGED,
    BUG_CROSSED_WINS,
    BUG_TIMER,
    BUG_FULL_IS_FINE,
    BUG_NO_SYNC,
    BUG_HELD_FOR_EVER,
    BUG_COPY_UNSAID,
    BUG_WALL_TIME,
    BUG_UNCONFIRMED,
    BUG_WRONG_UNDO,
    BUG_COUNT
};

/* True when this bug is planted, and it is one of its times. */
bool bugs_strike(enum bug_name bug, uint32_t one_of);

struct bug {
    const char *name, *class;
    uint32_t rules; /* bits 1 << enum rule: which of them it may be found by */
};

size_t bugs_count(void);
const struct bug *bugs_at(size_t i);
/* False when there is no such bug. */
bool bugs_choose(const char *name);

#endif
