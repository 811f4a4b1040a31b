/* Private to broker/audit: single statements, as they are needed. Where a loop has been is followed
 * from its end back, statement by statement, so that it costs what the loop is long, not what the
 * log is. */
#ifndef REFLOOP_BROKER_AUDIT_WALK_H
#define REFLOOP_BROKER_AUDIT_WALK_H

#include "broker/audit/state.h"

struct walk_statement {
    struct journal_entry entry;
    struct statement statement;
};

/* ERR_CORRUPT when it is not there, or no statement. */
enum err
walk_read(const struct audit *audit, uint64_t index, struct walk_statement *read_out) MUST_CHECK;

/* One side's statements in a loop, receipts too, the newest first. ERR_CORRUPT when they do not
 * hang together; what `take` answers ends the walk unless it is ERR_OK. */
typedef enum err (*walk_take)(void *context, const struct walk_statement *read);
enum err walk_side(const struct audit *audit, const struct track *track, enum loop_role role,
                   walk_take take, void *context) MUST_CHECK;

#endif
