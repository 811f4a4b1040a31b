/* One write transaction of the agent. What it changes in memory (outbox, directory) is read back
 * from disk when it fails, so memory and disk cannot drift apart. */
#ifndef REFLOOP_AGENT_UNIT_H
#define REFLOOP_AGENT_UNIT_H

#include "agent/tables.h"
#include "lib/base/clock.h"

struct agent;

struct unit {
    struct agent *agent;
    struct instant now;
    struct kv_txn *txn;
    enum err failed; /* of the store, as opposed to a refusal by the step itself */
    bool touched;    /* memory was changed and must be read back if this fails */
    bool refused;    /* the step itself said no: its error is not the store's */
};

/* Runs again from the start when the map had to grow: must not change its context before it
 * succeeds. */
typedef enum err (*unit_step)(struct unit *unit, void *context);

/* Begin, step, commit. An error of the step, or of the store, means that nothing happened.
 * ERR_DISK_FULL is remembered until a commit succeeds. */
enum err
unit_run(struct agent *agent, struct instant now, unit_step step, void *context) MUST_CHECK;

enum err
unit_put(struct unit *unit, enum table table, struct bytes key, struct bytes value) MUST_CHECK;
/* The same for a record just built: an error of the buffer is an error of the put. */
enum err unit_put_record(struct unit *unit, enum table table, struct bytes key,
                         const struct buffer *record) MUST_CHECK;
enum err unit_delete(struct unit *unit, enum table table, struct bytes key) MUST_CHECK;

#endif
