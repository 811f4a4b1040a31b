/* What the tests of the audit share: one log, made once for all of them, and a copy for each. */
#include "tests/unit/audit/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/keys.h"
#include "lib/base/secret.h"

enum { FILE_MAX = 64 << 20, ROTATE_AT = 900, REVOKE_AT = 1800, SEALED_BYTES = 400 };

static void
join(char out[FILE_PATH_MAX], const char *dir, const char *name)
{
    assert_int_equal(file_path(out, dir, name), ERR_OK);
}

struct make_log *
rig_make(const char *home)
{
    const struct make_log_options options = {
        .home = home, .n_members = RIG_MEMBERS, .sealed_bytes = SEALED_BYTES, .commit_after = 256};
    return make_log_new(&options);
}

struct rig *
rig_new(void)
{
    bool locked;
    struct rig *rig = calloc(1, sizeof(*rig));
    const char *tmp = getenv("TMPDIR");
    assert_non_null(rig);
    assert_int_equal(secret_start(&locked), ERR_OK);
    (void)snprintf(rig->root, sizeof(rig->root), "%s/refloop-audit-XXXXXX",
                   tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(rig->root));
    join(rig->home, rig->root, "home");
    join(rig->made, rig->root, "made");
    return rig;
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
rig_free(struct rig *rig)
{
    kv_abort(&rig->txn);
    kv_close(rig->kv);
    (void)nftw(rig->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
}

int
rig_group_start(void **state)
{
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->made);
    make_log_fill(log, ROTATE_AT);
    rig->rotate_index = make_log_rotate(log, RIG_ROTATED);
    make_log_fill(log, REVOKE_AT);
    rig->revoke_index = make_log_revoke(log, RIG_REVOKED);
    make_log_fill(log, RIG_ENTRIES);
    rig->log = log->log;
    rig->network = log->network;
    memcpy(rig->members, log->members, sizeof(rig->members));
    make_log_free(log);
    *state = rig;
    return 0;
}

int
rig_group_stop(void **state)
{
    rig_free(*state);
    return 0;
}

static void
copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(FILE_MAX);
    char from[FILE_PATH_MAX];
    char to[FILE_PATH_MAX];
    join(from, from_dir, name);
    join(to, to_dir, name);
    assert_int_equal(file_read(from, &bytes), ERR_OK);
    assert_int_equal(file_create(to, buffer_view(&bytes), 0600), ERR_OK);
}

int
rig_start(void **state)
{
    struct rig *rig = *state;
    char from[FILE_PATH_MAX];
    char to[FILE_PATH_MAX];
    join(from, rig->made, KEYS_STORE_NAME);
    join(to, rig->home, KEYS_STORE_NAME);
    assert_int_equal(file_make_dir(to), ERR_OK);
    copy_file(rig->made, rig->home, KEYS_GENESIS_NAME);
    copy_file(from, to, "data.mdb");
    return 0;
}

int
rig_stop(void **state)
{
    struct rig *rig = *state;
    kv_abort(&rig->txn);
    kv_closep(&rig->kv);
    return nftw(rig->home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void
rig_begin(struct rig *rig)
{
    rig->kv = make_log_open_store(rig->home);
    assert_int_equal(kv_begin(rig->kv, &rig->txn), ERR_OK);
}

void
rig_commit(struct rig *rig)
{
    assert_int_equal(kv_commit(&rig->txn), ERR_OK);
    kv_closep(&rig->kv);
}

void
rig_read(struct rig *rig, enum table table, struct bytes key, struct buffer *out)
{
    struct bytes value;
    assert_int_equal(kv_get(rig->txn, table, key, &value), ERR_OK);
    buffer_clear(out);
    buffer_put(out, value.data, value.len);
    assert_int_equal(buffer_err(out), ERR_OK);
}

void
rig_write(struct rig *rig, enum table table, struct bytes key, struct bytes value)
{
    assert_int_equal(kv_put(rig->txn, table, key, value), ERR_OK);
}

void
rig_delete(struct rig *rig, enum table table, struct bytes key)
{
    assert_true(kv_has(rig->txn, table, key));
    assert_int_equal(kv_delete(rig->txn, table, key), ERR_OK);
}

void
rig_read_log(struct rig *rig, uint64_t index, struct buffer *out)
{
    uint8_t key[8];
    rig_read(rig, TABLE_LOG, kv_key_u64(index, key), out);
}

void
rig_write_log(struct rig *rig, uint64_t index, struct bytes value)
{
    uint8_t key[8];
    rig_write(rig, TABLE_LOG, kv_key_u64(index, key), value);
}

struct statement
rig_statement(struct rig *rig, uint64_t index, struct digest *id_out)
{
    struct journal_entry entry;
    struct statement statement;
    assert_int_equal(journal_load(rig->txn, index, &entry), ERR_OK);
    assert_int_equal(statement_decode(entry.envelope.statement, &statement), ERR_OK);
    *id_out = statement_id(entry.envelope.statement);
    return statement;
}

uint64_t
rig_find(struct rig *rig, uint64_t from, enum loop_event event)
{
    struct digest id;
    for (uint64_t i = from; i < RIG_ENTRIES; i++) {
        struct statement statement = rig_statement(rig, i, &id);
        if (statement.kind == STATEMENT_LOOP && statement.as.loop.event == event) {
            return i;
        }
    }
    fail_msg("no such entry");
    return 0;
}

void
rig_note_at(struct rig *rig, uint64_t size, struct buffer *note_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(16);
    struct merkle_hash root;
    struct kv *kv = make_log_open_store(rig->made);
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    const struct tree_reader reader = ledger_reader(txn, cache);
    assert_int_equal(tree_root_at(&reader, size, &root), ERR_OK);
    kv_abort(&txn);
    kv_close(kv);
    assert_int_equal(checkpoint_sign(&rig->network, size, &root, &rig->log, note_out), ERR_OK);
}

enum err
rig_verify_at(struct rig *rig, const char *home, struct bytes since)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    const struct audit_verify_options options = {.since = since};
    rig->report = (struct audit_report){.bad_index = RIG_NO_ENTRY};
    rig->complaint = (struct complaint){.text = ""};
    enum err err = audit_open(home, &rig->network, &audit, &rig->complaint);
    return err == ERR_OK ? audit_verify(audit, &options, &rig->report, &rig->complaint) : err;
}

void
rig_expect_true(struct rig *rig)
{
    enum err err = rig_verify_at(rig, rig->home, bytes_of(NULL, 0));
    if (err != ERR_OK) {
        fail_msg("%s (%s)", rig->complaint.text, err_name(err));
    }
    assert_int_equal(rig->report.bad_index, RIG_NO_ENTRY);
}

void
rig_expect_bad(struct rig *rig, uint64_t index, const char *words)
{
    enum err err = rig_verify_at(rig, rig->home, bytes_of(NULL, 0));
    if (err != ERR_CORRUPT || rig->report.bad_index != index ||
        strstr(rig->complaint.text, words) == NULL) {
        fail_msg("entry %llu, \"%s\" and not \"%s\" of entry %llu",
                 (unsigned long long)rig->report.bad_index, rig->complaint.text, words,
                 (unsigned long long)index);
    }
}
