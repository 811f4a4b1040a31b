/* Decides what makes a broker: a store whose entry 0 is this network's genesis, the directory
 * folded from it, and nothing else that must survive a restart. Every other file here works on what
 * this one puts together. */
#include "broker/broker.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fold.h"
#include "broker/state.h"
#include "broker/upgrade.h"
#include "broker/witness.h"
#include "lib/base/secret.h"

/* The genesis must be signed by the network's root and name the keys this broker has. */
static enum err
check_genesis(const struct broker_options *options, struct opened_envelope *genesis,
              struct complaint *complaint)
{
    struct sign_public root;
    struct sign_public log;
    memcpy(root.bytes, options->network.bytes, sizeof(root.bytes));
    enum err err =
        envelope_open(options->genesis_envelope, &options->network, &root, false, NULL, genesis);
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_MEMORY ? err : ERR_CONFIG,
                        "the genesis is not one of this network: %s", err_text(err));
    }
    if (genesis->statement.kind != STATEMENT_GENESIS) {
        return complain(complaint, ERR_CONFIG, "the genesis file holds another kind of statement");
    }
    sign_public_of(options->log_secret, &log);
    if (memcmp(&log, &genesis->statement.as.genesis.broker_log, sizeof(log)) != 0) {
        return complain(complaint, ERR_KEY,
                        "the broker's log key is not the one that the genesis names");
    }
    return ERR_OK;
}

static enum err
put_meta(struct kv_txn *txn, const char *word, const void *value, size_t len)
{
    return kv_put(txn, TABLE_META, bytes_of_text(word), bytes_of(value, len));
}

/* The first entry and the first head. */
static enum err
append_genesis(struct broker *broker, struct kv_txn *txn, const struct journal_draft *draft)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct tree tree = {.size = 0};
    struct merkle_hash leaf;
    enum err err = journal_append(txn, draft, NULL, &leaf);
    if (err == ERR_OK) {
        err = ledger_append(txn, &tree, &leaf);
    }
    return err == ERR_OK ? ledger_seal(txn, &tree, &broker->network, broker->log_secret, &note)
                         : err;
}

static enum err
found(struct broker *broker, const struct opened_envelope *genesis)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    const uint8_t format = TABLES_FORMAT;
    struct journal_draft draft;
    uint8_t incarnation[INCARNATION_BYTES];
    secret_random(incarnation, sizeof(incarnation));
    /* There is no clock here: the log begins at the time its root claims. */
    enum err err = journal_draft_init(NULL, &genesis->statement, &genesis->envelope, &genesis->id,
                                      0, genesis->statement.authored_ms, &draft);
    if (err == ERR_OK) {
        err = kv_begin(broker->kv, &txn);
    }
    if (err != ERR_OK) {
        return err;
    }
    draft.verdict = (struct journal_verdict){.result = RECEIPT_ACCEPTED};
    err = put_meta(txn, META_FORMAT, &format, 1);
    if (err == ERR_OK) {
        err = put_meta(txn, META_INCARNATION, incarnation, sizeof(incarnation));
    }
    if (err == ERR_OK) {
        err = append_genesis(broker, txn, &draft);
    }
    return err == ERR_OK ? kv_commit(&txn) : err;
}

static enum err
read_meta(struct broker *broker, struct kv_txn *txn, struct complaint *complaint)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(META_FORMAT), &value);
    if (err == ERR_OK && (value.len != 1 || value.data[0] != TABLES_FORMAT)) {
        return complain(complaint, ERR_CONFIG, "the store was written by another version");
    }
    if (err == ERR_OK) {
        err = kv_get(txn, TABLE_META, bytes_of_text(META_INCARNATION), &value);
    }
    if (err != ERR_OK || value.len != INCARNATION_BYTES) {
        return complain(complaint, err == ERR_MEMORY ? err : ERR_CORRUPT,
                        "the store does not say what it is");
    }
    memcpy(broker->incarnation, value.data, INCARNATION_BYTES);
    return ERR_OK;
}

static enum err
check_entry_0(struct kv_txn *txn, const struct opened_envelope *genesis,
              struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct journal_entry entry;
    enum err err = journal_load(txn, 0, &entry);
    envelope_leaf(&genesis->envelope, &leaf);
    if (err == ERR_OK) {
        err = buffer_err(&leaf);
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                        "the log has no readable first entry");
    }
    return bytes_equal(entry.leaf, buffer_view(&leaf))
               ? ERR_OK
               : complain(complaint, ERR_WRONG_NETWORK,
                          "the store belongs to another network: its first entry is not this "
                          "genesis");
}

/* Nothing of another network's log is signed. */
static enum err
upgrade(struct broker *broker, const struct opened_envelope *genesis, struct complaint *complaint)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = check_entry_0(txn, genesis, complaint);
    }
    kv_abort(&txn);
    return err == ERR_OK ? upgrade_store(broker->kv, &broker->network, broker->log_secret) : err;
}

static enum err
load(struct broker *broker, struct complaint *complaint)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct sign_public log_key;
    sign_public_of(broker->log_secret, &log_key);
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = read_meta(broker, txn, complaint);
    }
    if (err == ERR_OK) {
        err = journal_read_head(txn, &broker->head);
    }
    if (err == ERR_OK) {
        err = ledger_load(txn, broker->head.entries, &broker->network, &log_key, &broker->ledger,
                          complaint);
    }
    if (err == ERR_OK) {
        err = fold_directory(txn, &broker->network, &broker->directory, complaint);
    }
    if (err == ERR_OK) {
        err = witness_open(broker, txn);
    }
    return err == ERR_OK ? recover_open(broker, txn) : err;
}

static enum err
is_empty(struct broker *broker, bool *empty_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        *empty_out = kv_count(txn, TABLE_LOG) == 0 && kv_count(txn, TABLE_META) == 0;
    }
    return err;
}

static enum err
open_store(struct broker *broker, const struct broker_options *options,
           const struct opened_envelope *genesis, struct complaint *complaint)
{
    const struct kv_options kv_options = {
        .dir = options->store_dir,
        .tables = tables_names,
        .n_tables = TABLE_COUNT,
        .map_bytes = (size_t)options->map_bytes,
        .map_max_bytes = (size_t)options->map_max_bytes,
    };
    bool empty = false;
    enum err err = kv_open(&kv_options, &broker->kv, complaint);
    if (err != ERR_OK) {
        return err;
    }
    complain(complaint, ERR_OK, "%s", "");
    err = is_empty(broker, &empty);
    if (err == ERR_OK && empty) {
        err = found(broker, genesis);
    }
    if (err == ERR_OK) {
        err = upgrade(broker, genesis, complaint);
    }
    if (err == ERR_OK) {
        err = load(broker, complaint);
    }
    if (err != ERR_OK && complaint != NULL && complaint->text[0] == '\0') {
        return complain(complaint, err, "the store in %s: %s", options->store_dir, err_text(err));
    }
    return err;
}

enum err
broker_open(const struct broker_options *options, struct broker **broker_out,
            struct complaint *complaint)
{
    CLEANUP(broker_freep) struct broker *broker = calloc(1, sizeof(*broker));
    struct opened_envelope genesis;
    if (broker == NULL) {
        return ERR_MEMORY;
    }
    broker->network = options->network;
    broker->log_secret = options->log_secret;
    broker->gather_ms = options->gather_ms;
    broker->gather_statements = options->gather_statements;
    broker->admit_below_percent = options->admit_below_percent;
    broker->statements_per_minute = options->statements_per_minute;
    broker->bytes_per_day = options->bytes_per_day;
    broker->witness_ms = options->witness_ms;
    broker->witnessed = BUFFER_INIT(NOTE_BYTES_MAX);
    enum err err = verify_queue_init(&broker->queue);
    if (err == ERR_OK) {
        err = sessions_init(&broker->sessions);
    }
    if (err == ERR_OK) {
        err = check_genesis(options, &genesis, complaint);
    }
    if (err == ERR_OK) {
        err = open_store(broker, options, &genesis, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    broker->fill_percent = kv_fill_percent(broker->kv);
    *broker_out = broker;
    broker = NULL;
    return ERR_OK;
}

void
broker_free(struct broker *broker)
{
    if (broker == NULL) {
        return;
    }
    verify_queue_done(&broker->queue);
    sessions_done(&broker->sessions);
    refusals_done(&broker->refusals);
    directory_free(broker->directory);
    recover_done(&broker->recover);
    buffer_done(&broker->witnessed);
    ledger_done(&broker->ledger);
    kv_close(broker->kv);
    free(broker);
}

void
broker_freep(struct broker **broker)
{
    broker_free(*broker);
    *broker = NULL;
}

const struct directory *
broker_directory(const struct broker *broker)
{
    return broker->directory;
}

struct bytes
broker_checkpoint(const struct broker *broker)
{
    return bytes_of(broker->ledger.checkpoint, broker->ledger.checkpoint_len);
}

enum admission
broker_admits(const struct broker *broker, const struct curve_public *key)
{
    bool once;
    uint64_t replaced_at;
    if (directory_find_curve(broker->directory, key, &once) != NULL ||
        directory_find_former_curve(broker->directory, key, &replaced_at) != NULL) {
        return ADMIT_KNOWN; /* replaced keys are told by what */
    }
    return recover_may_connect(broker) ? ADMIT_HELPER : ADMIT_STRANGER;
}

struct verify_job *
broker_take_job(struct broker *broker)
{
    return verify_queue_take(&broker->queue);
}

void
broker_give_job(struct broker *broker, struct verify_job *job, struct instant now)
{
    struct session *session = sessions_find(&broker->sessions, &job->peer);
    if (session != NULL) {
        session->memory = job->memory;
    }
    job->done_boot_ms = now.boot_ms;
    verify_queue_done_with(&broker->queue, job);
}

bool
broker_take_output(struct broker *broker, struct route *route_out, struct buffer *frame_out)
{
    return sessions_take_output(&broker->sessions, route_out, frame_out);
}

void
broker_route_lost(struct broker *broker, const struct route *route)
{
    struct session *session;
    /* All of them: a peer may have taken the route of another on purpose. */
    while ((session = sessions_find_route(&broker->sessions, route)) != NULL) {
        session_drop(&broker->sessions, session);
    }
}
