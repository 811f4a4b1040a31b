/* A log that is right is found right: whole, from any checkpoint on, by one thread and by several,
 * as a copy and beside a broker that goes on writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/audit/rig.h"

static void
test_whole(void **state)
{
    struct rig *rig = *state;
    const struct audit_report *report = &rig->report;
    rig_expect_true(rig);
    assert_int_equal(report->from, 0);
    assert_int_equal(report->to, RIG_ENTRIES);
    assert_int_equal(report->statements, RIG_ENTRIES);
    assert_int_equal(report->signatures, RIG_ENTRIES); /* each signed by itself */
    assert_true(report->loops > 200);
}

static void
test_summary(void **state)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct rig *rig = *state;
    struct audit_summary summary;
    assert_int_equal(audit_open(rig->home, NULL, &audit, NULL), ERR_OK);
    assert_int_equal(audit_get_summary(audit, &summary), ERR_OK);
    assert_int_equal(summary.entries, RIG_ENTRIES);
    assert_int_equal(summary.checkpoint.size, RIG_ENTRIES);
    assert_string_equal(summary.network_name, "Example County");
    assert_memory_equal(&summary.network, &rig->network, sizeof(rig->network));
    assert_true(summary.checkpoint_note.len > 0);
    assert_int_equal(summary.witnessed_note.len, 0);
    assert_false(summary.is_copy);
    assert_int_equal(directory_count(audit_directory(audit)), RIG_MEMBERS + 1);
    assert_int_equal(directory_find(audit_directory(audit), "example-5")->state, MEMBER_REVOKED);
}

static void
test_other_network(void **state)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct rig *rig = *state;
    struct network_id other = rig->network;
    struct complaint complaint = {.text = ""};
    other.bytes[0] ^= 1;
    assert_int_equal(audit_open(rig->home, &other, &audit, &complaint), ERR_WRONG_NETWORK);
    assert_non_null(strstr(complaint.text, "another network"));
    assert_int_equal(audit_open(rig->root, NULL, &audit, &complaint), ERR_NOT_FOUND);
    assert_null(audit);
}

struct told {
    uint64_t done;
    size_t n, n_phases;
    const char *phase;
};

static void
on_progress(void *context, const char *phase, uint64_t done, uint64_t total)
{
    struct told *told = context;
    assert_true(done <= total);
    told->n_phases += told->phase != phase ? 1 : 0;
    assert_true(told->phase != phase || done >= told->done);
    told->phase = phase;
    told->done = done;
    told->n++;
}

static void
test_threads_and_progress(void **state)
{
    struct rig *rig = *state;
    for (unsigned n_threads = 1; n_threads <= 3; n_threads++) {
        CLEANUP(audit_closep) struct audit *audit = NULL;
        struct told told = {.n = 0};
        struct audit_report report;
        const struct audit_verify_options options = {
            .n_threads = n_threads, .progress = on_progress, .context = &told};
        assert_int_equal(audit_open(rig->home, NULL, &audit, NULL), ERR_OK);
        assert_int_equal(audit_verify(audit, &options, &report, NULL), ERR_OK);
        assert_int_equal(report.signatures, RIG_ENTRIES);
        assert_int_equal(told.n_phases, 2);
        assert_true(told.n >= 4);
        /* And once more: an open audit may be asked again. */
        assert_int_equal(audit_verify(audit, &options, &report, NULL), ERR_OK);
    }
}

static void
test_since(void **state)
{
    struct rig *rig = *state;
    const uint64_t sizes[] = {1,    2,    25,   31,   32,   33,   1023, 1024,
                              1025, 2000, 2047, 2048, 2049, 2592, 2599, 2600};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
        rig_note_at(rig, sizes[i], &note);
        enum err err = rig_verify_at(rig, rig->home, buffer_view(&note));
        if (err != ERR_OK) {
            fail_msg("since %llu: %s", (unsigned long long)sizes[i], rig->complaint.text);
        }
        assert_int_equal(rig->report.from, sizes[i]);
        assert_int_equal(rig->report.to, RIG_ENTRIES);
        assert_int_equal(rig->report.statements, RIG_ENTRIES - sizes[i]);
    }
}

static void
expect_since(struct rig *rig, const struct buffer *note, uint64_t index, const char *words)
{
    assert_int_equal(rig_verify_at(rig, rig->home, buffer_view(note)), ERR_CORRUPT);
    if (rig->report.bad_index != index || strstr(rig->complaint.text, words) == NULL) {
        fail_msg("entry %llu: %s", (unsigned long long)rig->report.bad_index, rig->complaint.text);
    }
}

/* What came after the checkpoint is looked at, with all that is stored of it. */
static void
test_since_finds(void **state)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer track = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct rig *rig = *state;
    struct digest id;
    rig_note_at(rig, RIG_SINCE, &note);
    rig_begin(rig);
    uint64_t index = rig_find(rig, 2300, EVENT_COMPLETE);
    struct statement statement = rig_statement(rig, index, &id);
    struct bytes loop = bytes_of(statement.as.loop.loop.bytes, LOOP_ID_BYTES);
    rig_read(rig, TABLE_LOOPS, loop, &track);
    track.data[17] ^= 1;
    rig_write(rig, TABLE_LOOPS, loop, buffer_view(&track));
    rig_commit(rig);
    expect_since(rig, &note, RIG_NO_ENTRY, "what is stored of it is damaged");
    rig_begin(rig);
    track.data[17] ^= 1;
    track.data[track.len - 30] ^= 1; /* in its last mark */
    rig_write(rig, TABLE_LOOPS, loop, buffer_view(&track));
    rig_commit(rig);
    assert_int_equal(rig_verify_at(rig, rig->home, buffer_view(&note)), ERR_CORRUPT);
    rig_begin(rig);
    rig_read_log(rig, index, &row);
    row.data[row.len - 20] ^= 1; /* in its signature */
    rig_write_log(rig, index, buffer_view(&row));
    rig_commit(rig);
    expect_since(rig, &note, index, "its signature is not by the key");
}

/* A signed checkpoint that is not of this log: the broker has rewritten it, or signed two. */
static void
test_since_of_another_log(void **state)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct rig *rig = *state;
    const struct merkle_hash root = {.bytes = {1}};
    assert_int_equal(checkpoint_sign(&rig->network, RIG_SINCE, &root, &rig->log, &note), ERR_OK);
    expect_since(rig, &note, RIG_NO_ENTRY, "is not of this log");
    buffer_clear(&note);
    assert_int_equal(checkpoint_sign(&rig->network, RIG_ENTRIES + 9, &root, &rig->log, &note),
                     ERR_OK);
    expect_since(rig, &note, RIG_ENTRIES, "the checkpoint to begin from covers 2609 entries");
    uint8_t *digit = &note.data[note.len - 12]; /* of base64, as the new one must be */
    *digit = *digit == 'A' ? 'B' : 'A';
    assert_int_equal(rig_verify_at(rig, rig->home, buffer_view(&note)), ERR_SIGNATURE);
}

/* ---- beside a broker that writes ---- */

/* By this the transactions of several threads are known to see the same. */
static void
test_snapshot(void **state)
{
    struct rig *rig = *state;
    struct kv_txn *before = NULL;
    struct kv_txn *beside = NULL;
    struct kv_txn *after = NULL;
    struct kv *kv = make_log_open_store(rig->home);
    assert_int_equal(kv_begin_read(kv, &before), ERR_OK);
    assert_int_equal(kv_begin_read(kv, &beside), ERR_OK);
    assert_int_equal(kv_begin(kv, &rig->txn), ERR_OK);
    rig_write(rig, TABLE_META, bytes_of_text("probe"), bytes_of_text("x"));
    assert_int_equal(kv_commit(&rig->txn), ERR_OK);
    assert_int_equal(kv_begin_read(kv, &after), ERR_OK);
    assert_true(kv_snapshot(before) == kv_snapshot(beside));
    assert_true(kv_snapshot(before) != kv_snapshot(after));
    kv_abort(&before);
    kv_abort(&beside);
    kv_abort(&after);
    kv_close(kv);
}

enum { LIVE_ENTRIES = 4000 };

static void
write_live(const char *home, int ready)
{
    struct make_log *log = rig_make(home);
    for (uint64_t n = 100; n <= LIVE_ENTRIES; n += 20) {
        make_log_fill(log, n);
        make_log_commit(log);
        if (n == 100 && write(ready, "x", 1) != 1) {
            _exit(1);
        }
    }
    make_log_free(log);
    _exit(0);
}

static void
test_live(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    int ends[2];
    char byte;
    int status = 0;
    size_t n_seen = 0;
    uint64_t last = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        write_live(rig->home, ends[1]);
    }
    assert_true(child > 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    bool running = true;
    while (running) {
        running = waitpid(child, &status, WNOHANG) == 0;
        CLEANUP(audit_closep) struct audit *audit = NULL;
        const struct audit_verify_options options = {.n_threads = 0};
        enum err err = audit_open(rig->home, NULL, &audit, &rig->complaint);
        if (err == ERR_OK) {
            err = audit_verify(audit, &options, &rig->report, &rig->complaint);
        }
        if (err != ERR_OK) {
            fail_msg("%s", rig->complaint.text);
        }
        n_seen += rig->report.to > last ? 1 : 0;
        last = rig->report.to;
    }
    assert_int_equal(status, 0);
    assert_int_equal(last, LIVE_ENTRIES);
    assert_true(n_seen > 1);
    (void)close(ends[0]);
    (void)close(ends[1]);
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_summary, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_other_network, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_threads_and_progress, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_since, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_since_finds, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_since_of_another_log, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_snapshot, rig_start, rig_stop),
        cmocka_unit_test(test_live),
    };
    return cmocka_run_group_tests(tests, rig_group_start, rig_group_stop);
}
