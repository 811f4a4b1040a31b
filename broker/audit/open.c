/* Decides whether a directory holds a broker's store that may be believed to be this network's, and
 * what state of it the audit sees. It opens no key, changes nothing and asks nobody: a running
 * broker does not notice. Whether the log is right is for verify.c. */
#include "broker/audit/audit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/audit/state.h"
#include "broker/keys.h"
#include "broker/recover.h"
#include "broker/witness.h"

enum { INDEX_BYTES = 8, TIME_BYTES = 8, SNAPSHOT_ATTEMPTS = 1000 };

static void
end_transactions(struct audit *audit)
{
    kv_abort(&audit->txn);
    for (size_t i = 0; i < audit->n_workers; i++) {
        kv_abort(&audit->workers[i]);
    }
}

void
audit_close(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    end_transactions(audit);
    kv_close(audit->kv);
    buffer_done(&audit->genesis);
    directory_free(audit->directory);
    keyring_done(&audit->keyring);
    free(audit);
}

void
audit_closep(struct audit **audit)
{
    audit_close(*audit);
    *audit = NULL;
}

enum err
state_read_meta(const struct audit *audit, const char *word, struct bytes *value_out)
{
    struct bytes value;
    enum err err = kv_get(audit->txn, TABLE_META, bytes_of_text(word), &value);
    if (err == ERR_NOT_FOUND) {
        value = bytes_of(NULL, 0);
        err = ERR_OK;
    }
    if (err == ERR_OK) {
        *value_out = value;
    }
    return err;
}

static size_t
count_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > STATE_THREADS_MAX ? STATE_THREADS_MAX : (size_t)n;
}

/* One transaction for each thread, and one for everything else. A running broker may commit between
 * two of them; then all are begun again. */
static enum err
begin_transactions(struct audit *audit, bool *same_out)
{
    audit->n_workers = count_processors();
    enum err err = kv_begin_read(audit->kv, &audit->txn);
    for (size_t i = 0; err == ERR_OK && i < audit->n_workers; i++) {
        err = kv_begin_read(audit->kv, &audit->workers[i]);
    }
    bool same = err == ERR_OK;
    for (size_t i = 0; same && i < audit->n_workers; i++) {
        same = kv_snapshot(audit->workers[i]) == kv_snapshot(audit->txn);
    }
    if (!same) {
        end_transactions(audit);
    }
    *same_out = same;
    return err;
}

static enum err
take_snapshot(struct audit *audit)
{
    bool same = false;
    enum err err = ERR_OK;
    for (int i = 0; err == ERR_OK && !same && i < SNAPSHOT_ATTEMPTS; i++) {
        err = begin_transactions(audit, &same);
        err = err == ERR_TOO_LARGE ? ERR_OK : err; /* outgrown on the way: all are ended now */
    }
    return err == ERR_OK && !same ? ERR_LOCKED : err;
}

static enum err
read_genesis(struct audit *audit, const struct network_id *expect,
             struct opened_envelope *genesis_out, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    struct envelope envelope;
    struct statement claimed;
    struct sign_public root;
    enum err err = file_path(path, audit->dir, KEYS_GENESIS_NAME);
    if (err == ERR_OK) {
        err = file_read(path, &audit->genesis);
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_INVALID ? ERR_NOT_FOUND : err,
                        "%s holds no network: %s: %s", audit->dir, KEYS_GENESIS_NAME,
                        err_text(err));
    }
    struct bytes bytes = buffer_view(&audit->genesis);
    err = envelope_decode(bytes, &envelope);
    if (err == ERR_OK) {
        err = statement_decode(envelope.statement, &claimed);
    }
    if (err == ERR_OK && claimed.kind != STATEMENT_GENESIS) {
        err = ERR_MALFORMED;
    }
    if (err == ERR_OK && expect != NULL &&
        !bytes_equal(bytes_of(claimed.network.bytes, sizeof(claimed.network.bytes)),
                     bytes_of(expect->bytes, sizeof(expect->bytes)))) {
        return complain(complaint, ERR_WRONG_NETWORK, "%s is of another network", audit->dir);
    }
    if (err == ERR_OK) {
        memcpy(root.bytes, claimed.network.bytes, sizeof(root.bytes));
        err = envelope_open(bytes, &claimed.network, &root, false, NULL, genesis_out);
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_MEMORY ? err : ERR_CORRUPT, "%s is not a genesis: %s",
                        path, err_text(err));
    }
    audit->network = claimed.network;
    return ERR_OK;
}

static enum err
check_format(const struct audit *audit, struct complaint *complaint)
{
    struct bytes value;
    enum err err = state_read_meta(audit, META_FORMAT, &value);
    if (err != ERR_OK) {
        return complain(complaint, err, "the store in %s does not say what it is", audit->dir);
    }
    return value.len == 1 && value.data[0] == TABLES_FORMAT
               ? ERR_OK
               : complain(complaint, ERR_CORRUPT, "the store in %s was written by another version",
                          audit->dir);
}

/* How long the log is, by its last row; gaps are for the verification to name. */
static enum err
read_head(struct audit *audit, struct complaint *complaint)
{
    struct bytes key;
    struct bytes value;
    enum err err = kv_last(audit->txn, TABLE_LOG, &key, &value);
    if (err == ERR_CORRUPT) {
        /* Its key is not told; a log without gaps has as many rows as entries. */
        audit->entries = kv_count(audit->txn, TABLE_LOG);
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                        "the log in %s cannot be read: %s", audit->dir,
                        err == ERR_NOT_FOUND ? "it is empty" : err_text(err));
    }
    if (key.len != INDEX_BYTES || kv_u64_of_key(key) >= TREE_SIZE_MAX) {
        return complain(complaint, ERR_CORRUPT, "table log: a key is damaged");
    }
    struct reader reader = reader_of(value);
    audit->entries = kv_u64_of_key(key) + 1;
    audit->log_time_ms = reader_i64(&reader);
    return ERR_OK;
}

/* The network of the store is the one of the file beside it. */
static enum err
check_entry_0(const struct audit *audit, const struct opened_envelope *genesis,
              struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct journal_entry entry;
    struct statement statement;
    enum err err = journal_load(audit->txn, 0, &entry);
    envelope_leaf(&genesis->envelope, &leaf);
    if (err == ERR_OK) {
        err = buffer_err(&leaf);
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_NOT_FOUND ? ERR_CORRUPT : err, "entry 0: %s",
                        err == ERR_NOT_FOUND ? "it is missing" : err_text(err));
    }
    if (bytes_equal(entry.leaf, buffer_view(&leaf))) {
        return ERR_OK;
    }
    bool other = statement_decode(entry.envelope.statement, &statement) == ERR_OK &&
                 !bytes_equal(bytes_of(statement.network.bytes, sizeof(statement.network.bytes)),
                              bytes_of(audit->network.bytes, sizeof(audit->network.bytes)));
    return other
               ? complain(complaint, ERR_WRONG_NETWORK,
                          "the store in %s belongs to another network than its genesis", audit->dir)
               : complain(complaint, ERR_CORRUPT,
                          "entry 0: it is not the genesis that founded this network");
}

static enum err
open_store(struct audit *audit, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, audit->dir, KEYS_STORE_NAME);
    if (err != ERR_OK) {
        return complain(complaint, err, "the path of the directory is too long");
    }
    err = kv_open_read(path, tables_names, TABLE_COUNT, &audit->kv, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = take_snapshot(audit);
    if (err != ERR_OK) {
        return complain(complaint, err, "the store in %s cannot be read: %s", audit->dir,
                        err_text(err));
    }
    return ERR_OK;
}

static enum err
open_all(struct audit *audit, const struct network_id *expect, struct complaint *complaint)
{
    struct opened_envelope genesis;
    enum err err = read_genesis(audit, expect, &genesis, complaint);
    if (err == ERR_OK) {
        err = open_store(audit, complaint);
    }
    if (err == ERR_OK) {
        err = check_format(audit, complaint);
    }
    if (err == ERR_OK) {
        err = read_head(audit, complaint);
    }
    if (err == ERR_OK) {
        err = check_entry_0(audit, &genesis, complaint);
    }
    return err == ERR_OK ? keyring_fold(audit->txn, &audit->network, &audit->keyring,
                                        &audit->directory, complaint)
                         : err;
}

enum err
audit_open(const char *dir, const struct network_id *expect, struct audit **audit_out,
           struct complaint *complaint)
{
    size_t len = strlen(dir);
    if (len >= FILE_PATH_MAX) {
        return complain(complaint, ERR_NOT_FOUND, "the path of the directory is too long");
    }
    CLEANUP(audit_closep) struct audit *audit = calloc(1, sizeof(*audit));
    if (audit == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    memcpy(audit->dir, dir, len + 1);
    audit->genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct complaint said = {.text = ""};
    enum err err = open_all(audit, expect, &said);
    if (err != ERR_OK) {
        return complain(complaint, err, "%s", said.text[0] != '\0' ? said.text : err_text(err));
    }
    *audit_out = audit;
    audit = NULL;
    return ERR_OK;
}

enum err
audit_get_summary(struct audit *audit, struct audit_summary *summary_out)
{
    const struct statement_genesis *genesis = directory_genesis(audit->directory);
    struct audit_summary summary = {
        .network = audit->network,
        .entries = audit->entries,
        .loops = kv_count(audit->txn, TABLE_LOOPS),
        .log_time_ms = audit->log_time_ms,
        .is_copy = kv_has(audit->txn, TABLE_META, bytes_of_text(RECOVER_MARK)),
    };
    memcpy(summary.network_name, genesis->network_name, sizeof(summary.network_name));
    enum err err = state_read_meta(audit, META_CHECKPOINT, &summary.checkpoint_note);
    if (err == ERR_OK) {
        err = state_read_meta(audit, META_WITNESSED, &summary.witnessed_note);
    }
    if (err == ERR_OK && checkpoint_open(summary.checkpoint_note, &audit->network,
                                         &genesis->broker_log, &summary.checkpoint) != ERR_OK) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK) {
        *summary_out = summary;
    }
    return err;
}

const struct directory *
audit_directory(const struct audit *audit)
{
    return audit->directory;
}
