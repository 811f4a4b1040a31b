/* Composition root: opens the store and makes sure that it is this organization's. It refuses to
 * know the network: frames come and go through exchange.c. */
#include "agent/agent.h"

#include <stdlib.h>
#include <string.h>

#include "agent/rotate.h"
#include "agent/state.h"

static const char meta_owner[] = "owner";
static const char meta_probe[] = "probe";

/* A store holds one organization's copy of one network: another's keys would not open its content
 * and would sign on top of its chains. */
static enum err
claim_store(struct unit *unit, void *context)
{
    CLEANUP(buffer_done) struct buffer owner = BUFFER_INIT(256);
    const struct identity *identity = unit->agent->identity;
    struct bytes stored;

    (void)context; /* the agent says it all */
    buffer_put(&owner, identity->network.bytes, sizeof(identity->network.bytes));
    buffer_put_text(&owner, identity->org);
    enum err err = kv_get(unit->txn, TABLE_META, bytes_of_text(meta_owner), &stored);
    if (err == ERR_NOT_FOUND)
        return unit_put_record(unit, TABLE_META, bytes_of_text(meta_owner), &owner);
    if (err == ERR_OK && !bytes_equal(stored, buffer_view(&owner)))
        return ERR_CONFIG;
    return err == ERR_OK ? state_upgrade(unit) : err;
}

static enum err
open_store(struct agent *agent, const struct agent_options *options, struct complaint *complaint)
{
    const struct kv_options kv_options = {
        .dir = options->store_dir,
        .tables = table_names,
        .n_tables = TABLE_COUNT,
        .map_bytes = (size_t)options->map_bytes,
        .map_max_bytes = (size_t)options->map_max_bytes,
    };
    enum err err = kv_open(&kv_options, &agent->kv, complaint);

    if (err != ERR_OK)
        return err;
    err = unit_run(agent, (struct instant){0, 0}, claim_store, NULL);
    if (err == ERR_CONFIG)
        return complain(complaint, err,
                        "the store in %s belongs to another organization or network",
                        options->store_dir);
    if (err == ERR_DISK_FULL)
        err = ERR_OK; /* it can still be read, and says so by itself */
    if (err == ERR_OK)
        err = state_reload(agent);
    if (err != ERR_OK)
        return complain(complaint, err, "the store in %s cannot be read: %s", options->store_dir,
                        err_text(err));
    return ERR_OK;
}

enum err
agent_open(const struct agent_options *options, struct agent **agent_out,
           struct complaint *complaint)
{
    CLEANUP(agent_freep) struct agent *agent = calloc(1, sizeof(*agent));

    if (agent == NULL)
        return complain(complaint, ERR_MEMORY, "there is not enough memory to start");
    agent->options = *options;
    agent->options.store_dir = NULL;
    agent->identity = options->identity;
    enum err err = open_store(agent, options, complaint);
    if (err != ERR_OK)
        return err;
    err = rotate_remake(agent, (struct instant){0, 0});
    /* Not even with a full disk: the broker would refuse it for good. */
    if (err != ERR_OK)
        return complain(complaint, err, "what was made with former keys cannot be made again: %s",
                        err_text(err));
    *agent_out = agent;
    agent = NULL;
    return ERR_OK;
}

void
agent_free(struct agent *agent)
{
    if (agent == NULL)
        return;
    outbox_done(&agent->outbox);
    directory_free(agent->directory);
    kv_close(agent->kv);
    free(agent);
}

void
agent_freep(struct agent **agent)
{
    agent_free(*agent);
    *agent = NULL;
}

const struct identity *
agent_identity(const struct agent *agent)
{
    return agent->identity;
}

const struct directory *
agent_directory(const struct agent *agent)
{
    return agent->directory;
}

uint64_t
agent_change_count(const struct agent *agent)
{
    return agent->changes.count;
}

size_t
agent_changed_since(const struct agent *agent, uint64_t count, struct loop_id *loops_out,
                    size_t max)
{
    return changes_get(&agent->changes, count, loops_out, max);
}

void
agent_get_queue_status(struct agent *agent, struct agent_queue_status *status_out)
{
    *status_out = (struct agent_queue_status){
        .waiting = agent->outbox.n_steps,
        .oldest_ms = outbox_oldest_ms(&agent->outbox),
        .disk_full = agent->disk_full,
        .disk_full_since_ms = agent->disk_full ? agent->disk_full_since_ms : 0,
        .fill_percent = kv_fill_percent(agent->kv),
    };
}

static enum err
probe(struct unit *unit, void *context)
{
    uint8_t value[8];

    (void)context; /* nothing to say but that something can be written */
    return unit_put(unit, TABLE_META, bytes_of_text(meta_probe),
                    kv_key_u64((uint64_t)unit->now.wall_ms, value));
}

void
agent_tend(struct agent *agent, struct instant now)
{
    kv_tend(agent->kv);
    if (agent->disk_full && unit_run(agent, now, probe, NULL) != ERR_OK)
        return; /* still full: unit_run has noted it */
}
