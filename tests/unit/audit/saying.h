/* Loops word by word, in a log that is being made: who says what, when, with which date and facts.
 */
#ifndef REFLOOP_TESTS_UNIT_AUDIT_SAYING_H
#define REFLOOP_TESTS_UNIT_AUDIT_SAYING_H

#include "lib/wire/sealed.h"
#include "tests/support/make_log.h"

struct saying {
    enum loop_role role;
    enum loop_event event;
    int64_t at_ms; /* log time; must rise */
    int64_t due_ms;
    const char *facts; /* JSON; NULL: {} */
    bool stale;        /* said before the other side's last word was heard */
};

struct saying_loop {
    struct make_log *log;
    size_t side[LOOP_ROLE_COUNT]; /* members */
    enum statement_priority priority;
    struct track track;
    struct digest mark[LOOP_ROLE_COUNT], before[LOOP_ROLE_COUNT];
    const struct sealed_reader *auditor; /* facts are sealed to it too */
};

void saying_begin(struct saying_loop *loop, struct make_log *log, size_t source, size_t target);
/* Appends one statement; returns its index. */
uint64_t saying_add(struct saying_loop *loop, const struct saying *said);
/* And the other side's receipt, a second later. */
void saying_heard(struct saying_loop *loop, const struct saying *said);
void saying_end(struct saying_loop *loop);

#endif
