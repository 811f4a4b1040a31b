/* Decides whether what was kept of the log could convince anybody else: each entry with its place
 * and with a proof under a checkpoint that the broker has signed. Entries from before there were
 * proofs are left out. It refuses to know what the entries say. */
#include "agent/check_copies.h"

#include <string.h>

struct walk {
    const struct agent *agent;
    struct kv_txn *txn;
    struct complaint *complaint;
    size_t n_placed, n_proved;
};

static enum err
differs(const struct walk *walk, uint64_t index, const char *what)
{
    return complain(walk->complaint, ERR_CORRUPT, "entry %llu of the log: %s",
                    (unsigned long long)index, what);
}

static enum err
check_entry(struct walk *walk, uint64_t index, struct bytes record)
{
    struct reader reader = reader_of(record);
    int64_t log_time_ms = reader_i64(&reader);
    struct envelope envelope;

    if (index < walk->agent->proved_from)
        return ERR_OK;
    enum err err = envelope_decode(reader.rest, &envelope);
    if (err_is_peer(err))
        return differs(walk, index, "its copy cannot be read");
    if (err == ERR_OK)
        err = proof_check_stored(walk->agent, walk->txn, index, log_time_ms, &envelope);
    if (err == ERR_NOT_FOUND)
        return differs(walk, index, "its proof is missing");
    if (err == ERR_CORRUPT)
        return differs(walk, index, "its proof does not prove it");
    walk->n_proved += err == ERR_OK ? 1U : 0U;
    return err;
}

static enum err
check_loop_entry(struct walk *walk, struct bytes key, struct bytes record)
{
    uint8_t place[8];
    struct bytes loop;

    if (key.len != LOG_KEY_BYTES)
        return ERR_CORRUPT;
    uint64_t index = kv_u64_of_key(bytes_of(key.data + LOOP_ID_BYTES, 8));
    if (index < walk->agent->proved_from)
        return ERR_OK;
    enum err err = kv_get(walk->txn, TABLE_ORDER, kv_key_u64(index, place), &loop);
    if (err == ERR_NOT_FOUND ||
        (err == ERR_OK && !bytes_equal(loop, bytes_of(key.data, LOOP_ID_BYTES))))
        return differs(walk, index, "its place in the order is not its own");
    walk->n_placed += err == ERR_OK ? 1U : 0U;
    return err == ERR_OK ? check_entry(walk, index, record) : err;
}

static enum err
check_directory_entry(struct walk *walk, struct bytes key, struct bytes record)
{
    return check_entry(walk, kv_u64_of_key(key), record);
}

static enum err
check_table(struct walk *walk, enum table table,
            enum err (*check)(struct walk *walk, struct bytes key, struct bytes record))
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    enum err err = kv_cursor_open(walk->txn, table, bytes_of(NULL, 0), &cursor);

    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = check(walk, key, record);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
check_copies(const struct agent *agent, struct kv_txn *txn, struct complaint *complaint)
{
    struct walk walk = {.agent = agent, .txn = txn, .complaint = complaint};
    enum err err = check_table(&walk, TABLE_LOG, check_loop_entry);

    if (err == ERR_OK)
        err = check_table(&walk, TABLE_DIRECTORY, check_directory_entry);
    if (err != ERR_OK)
        return err;
    if (walk.n_placed != kv_count(txn, TABLE_ORDER) || walk.n_proved != kv_count(txn, TABLE_PROOFS))
        return complain(complaint, ERR_CORRUPT,
                        "there are places or proofs for entries of the log that are not here");
    return ERR_OK;
}
