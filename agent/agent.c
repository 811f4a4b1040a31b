/* Composition root: opens the store, makes sure that it is this organization's, and brings what is
 * kept in memory (directory, outbox index, cursor) up from disk. It refuses to know the network:
 * frames come and go through exchange.c. */
#include "agent/agent.h"

#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

static const char meta_cursor[] = "cursor";
static const char meta_incarnation[] = "incarnation";
static const char meta_owner[] = "owner";
static const char meta_probe[] = "probe";

static enum err
fold_entry(struct directory *directory, struct bytes key, struct bytes record)
{
    struct reader reader = reader_of(record);
    int64_t log_time_ms = reader_i64(&reader);
    struct envelope envelope;
    struct statement statement;
    enum err err = envelope_decode(reader.rest, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &statement);
    if (err == ERR_OK)
        err = directory_apply(directory, &statement, kv_u64_of_key(key), log_time_ms);
    /* It was judged when it came; that it does not fit now is our disk's fault, not a member's. */
    return err == ERR_OK || err == ERR_MEMORY ? err : ERR_CORRUPT;
}

static enum err
load_directory(struct agent *agent, struct kv_txn *txn)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    CLEANUP(directory_freep) struct directory *directory = NULL;
    struct bytes key, record;
    uint8_t from[8];
    enum err err = directory_new(&agent->identity->network, &directory);

    if (err == ERR_OK)
        err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(0, from), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = fold_entry(directory, key, record);
    }
    if (err != ERR_NOT_FOUND)
        return err;
    directory_free(agent->directory);
    agent->directory = directory;
    directory = NULL;
    return ERR_OK;
}

static enum err
load_meta(struct agent *agent, struct kv_txn *txn)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_cursor), &value);

    agent->cursor = 0;
    if (err == ERR_OK) {
        struct reader reader = reader_of(value);
        agent->cursor = reader_u64(&reader);
        err = reader_err(&reader);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    err = kv_get(txn, TABLE_META, bytes_of_text(meta_incarnation), &value);
    agent->has_incarnation = err == ERR_OK;
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_OK && value.len != sizeof(agent->incarnation))
        return ERR_CORRUPT;
    if (err == ERR_OK)
        memcpy(agent->incarnation, value.data, sizeof(agent->incarnation));
    return err;
}

enum err
state_reload(struct agent *agent)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = load_meta(agent, txn);
    if (err == ERR_OK)
        err = load_directory(agent, txn);
    return err == ERR_OK ? outbox_load(&agent->outbox, txn) : err;
}

enum err
state_put_cursor(struct unit *unit, uint64_t cursor)
{
    uint8_t value[8];

    return unit_put(unit, TABLE_META, bytes_of_text(meta_cursor), kv_key_u64(cursor, value));
}

enum err
state_put_incarnation(struct unit *unit, const uint8_t incarnation[INCARNATION_BYTES])
{
    return unit_put(unit, TABLE_META, bytes_of_text(meta_incarnation),
                    bytes_of(incarnation, INCARNATION_BYTES));
}

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
    return err;
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
