/* Decides what happens when a transaction does not end well: a full map is grown and the step run
 * again, a full disk is remembered, and whatever the step had changed in memory is read back. It
 * refuses to know what the step does. */
#include "agent/unit.h"

#include "agent/state.h"

enum { GROWTHS_MAX = 24 }; /* doublings; 1 MiB becomes 16 TiB */

static enum err
run_once(struct unit *unit, unit_step step, void *context)
{
    enum err err = kv_begin(unit->agent->kv, &unit->txn);
    if (err != ERR_OK)
        return err;
    err = step(unit, context);
    if (err != ERR_OK && unit->failed == ERR_OK) {
        unit->refused = true;
        kv_abort(&unit->txn);
        return err;
    }
    /* After a failed put this only ends the transaction, and grows the map if that was the trouble.
     */
    enum err committed = kv_commit(&unit->txn);
    if (unit->failed != ERR_OK)
        return committed != ERR_OK ? committed : unit->failed;
    return committed;
}

static void
note_disk(struct agent *agent, struct instant now, enum err err)
{
    if (err == ERR_OK) {
        if (agent->disk_full)
            agent->outbox.retry_ms = 0; /* what could not be made can be made now */
        agent->disk_full = false;
    } else if (err == ERR_DISK_FULL) {
        /* Found while opening, the time was not known yet. */
        if (!agent->disk_full || agent->disk_full_since_ms == 0)
            agent->disk_full_since_ms = now.wall_ms;
        agent->disk_full = true;
    }
}

enum err
unit_run(struct agent *agent, struct instant now, unit_step step, void *context)
{
    for (int attempt = 0;; attempt++) {
        struct unit unit = {.agent = agent, .now = now};
        enum err err = run_once(&unit, step, context);
        note_disk(agent, now, err);
        if (err == ERR_OK)
            return ERR_OK;
        if (unit.touched) {
            enum err reload = state_reload(agent);
            if (reload != ERR_OK)
                return reload;
        }
        bool grown = err == ERR_TOO_LARGE && !unit.refused;
        if (!grown || attempt >= GROWTHS_MAX)
            return err;
    }
}

enum err
unit_put(struct unit *unit, enum table table, struct bytes key, struct bytes value)
{
    enum err err = kv_put(unit->txn, table, key, value);
    if (err != ERR_OK)
        unit->failed = err;
    return err;
}

enum err
unit_put_record(struct unit *unit, enum table table, struct bytes key, const struct buffer *record)
{
    enum err err = buffer_err(record);
    return err == ERR_OK ? unit_put(unit, table, key, buffer_view(record)) : err;
}

enum err
unit_delete(struct unit *unit, enum table table, struct bytes key)
{
    enum err err = kv_delete(unit->txn, table, key);
    if (err != ERR_OK)
        unit->failed = err;
    return err;
}
