/* The store under the broker: restart, damage, growth, a full disk. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker/tables.h"
#include "tests/unit/broker/rig.h"

/* Changes a byte in the middle of the table's last row, or removes the row when it is empty. */
static void
damage(struct rig *rig, enum table table)
{
    struct kv_txn *txn = NULL;
    struct bytes key;
    struct bytes value;
    CLEANUP(buffer_done) struct buffer name = BUFFER_INIT(KV_KEY_MAX);
    CLEANUP(buffer_done) struct buffer changed = BUFFER_INIT(LIMIT_FRAME_BYTES);
    rig_close(rig);
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_last(txn, table, &key, &value), ERR_OK);
    buffer_put(&name, key.data, key.len);
    buffer_put(&changed, value.data, value.len);
    if (changed.len > 0) {
        changed.data[changed.len / 2] ^= 1;
        assert_int_equal(kv_put(txn, table, buffer_view(&name), buffer_view(&changed)), ERR_OK);
    } else {
        assert_int_equal(kv_delete(txn, table, buffer_view(&name)), ERR_OK);
    }
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

static void
work(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_DELIVERED).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
}

static enum err
check(struct rig *rig, struct complaint *complaint)
{
    complaint->text[0] = '\0';
    return broker_check_store(rig->broker, complaint);
}

static void
test_restart(void **state)
{
    struct rig *rig = *state;
    work(rig);
    struct broker_status before = rig_status(rig);
    rig_reopen(rig);
    struct broker_status after = rig_status(rig);
    assert_int_equal(after.entries, before.entries);
    assert_int_equal(after.loops, before.loops);
    assert_int_equal(after.log_time_ms, before.log_time_ms);
    assert_memory_equal(after.incarnation, before.incarnation, INCARNATION_BYTES);
    work(rig);
}

/* The log's time rises also when the machine's clock goes back. */
static void
test_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct receipt first = rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    rig->now.wall_ms -= 3600000;
    rig_reopen(rig);
    struct receipt second = rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    assert_int_equal(second.log_time_ms, first.log_time_ms + 1);
    struct complaint complaint;
    assert_int_equal(check(rig, &complaint), ERR_OK);
}

/* One changed row in any projection is found by the check, and a rebuild from the log mends it. */
static void
test_damaged_projection(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    static const enum table projections[] = {TABLE_IDS, TABLE_MAILBOX, TABLE_LOOPS};
    work(rig);
    for (size_t i = 0; i < ARRAY_LEN(projections); i++) {
        assert_int_equal(check(rig, &complaint), ERR_OK);
        damage(rig, projections[i]);
        rig_open(rig);
        assert_int_equal(check(rig, &complaint), ERR_CORRUPT);
        assert_non_null(strstr(complaint.text, tables_names[projections[i]]));
        assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_OK);
    }
    assert_int_equal(check(rig, &complaint), ERR_OK);
    damage(rig, TABLE_DIRECTORY); /* the last JOIN is no longer listed */
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_CORRUPT);
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_OK);
    assert_int_equal(check(rig, &complaint), ERR_OK);
    work(rig);
}

/* A row that the log does not call for: somebody would be sent what is not for it. */
static void
test_row_too_many(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    struct kv_txn *txn = NULL;
    uint8_t key[MAILBOX_KEY_BYTES];
    const uint8_t part = 2;
    work(rig);
    rig_close(rig);
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_put(txn, TABLE_MAILBOX, tables_mailbox_key(0, 5, key), bytes_of(&part, 1)),
                     ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "mailbox"));
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_OK);
    assert_int_equal(check(rig, &complaint), ERR_OK);
}

/* A changed log is not mended. */
static void
test_damaged_log(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    work(rig);
    damage(rig, TABLE_LOG);
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_CORRUPT);
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_CORRUPT);
    damage(rig, TABLE_LOG); /* back again */
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_OK);
    damage(rig, TABLE_SEALED);
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "sealed"));
}

/* A sealed part can be erased: the log still verifies and readers get the rest. */
static void
test_erased_sealed_part(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    struct kv_txn *txn = NULL;
    uint8_t key[8];
    work(rig);
    rig_close(rig);
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_delete(txn, TABLE_SEALED, kv_key_u64(5, key)), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
    rig_open(rig);
    assert_int_equal(check(rig, &complaint), ERR_OK);
    rig_fetch(rig, &rig->pantry, 5, 100000, false);
    while (rig_take(rig, &rig->pantry.route) && rig->heard.kind != MESSAGE_ENTRIES) {
    }
    assert_int_equal(rig->heard.as.entries.n, 3);
}

static void
test_wrong_genesis(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    struct broker *broker = NULL;
    struct sign_public public_key;
    struct sign_secret secret;
    struct bytes genesis = rig->options.genesis_envelope;
    rig_close(rig);
    rig->options.genesis_envelope = bytes_of(genesis.data, genesis.len - 1);
    assert_int_equal(broker_open(&rig->options, &broker, &complaint), ERR_CONFIG);
    rig->options.genesis_envelope = genesis;
    sign_new_pair(&public_key, &secret);
    rig->options.log_secret = &secret;
    assert_int_equal(broker_open(&rig->options, &broker, &complaint), ERR_KEY);
    assert_null(broker);
    rig->options.log_secret = &rig->log;
    rig_open(rig);
}

static void
test_other_network(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    struct broker *broker = NULL;
    void *other_state = NULL;
    assert_int_equal(rig_start(&other_state), 0);
    struct rig *other = other_state;
    rig_close(rig);
    struct broker_options options = other->options;
    options.store_dir = rig->dir;
    assert_int_equal(broker_open(&options, &broker, &complaint), ERR_WRONG_NETWORK);
    assert_int_equal(rig_stop(&other_state), 0);
    rig_open(rig);
    options = rig->options;
    assert_int_equal(broker_open(&options, &broker, &complaint), ERR_LOCKED);
}

static struct receipt
send_large(struct rig *rig, struct rig_loop *loop)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = rig_statement(rig, loop, LOOP_SOURCE, EVENT_NOTE);
    struct digest id = rig_seal(rig, &statement, 190000, &rig->clinic, &envelope);
    struct receipt receipt = rig_submit_as(rig, &rig->clinic, &envelope);
    if (receipt.result == RECEIPT_ACCEPTED) {
        rig_took(loop, LOOP_SOURCE, &id, EVENT_NOTE);
    }
    return receipt;
}

/* The map starts at 2 MiB: it grows in the middle of turns and nobody notices. */
static void
test_growth(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(send_large(rig, &loop).result, RECEIPT_ACCEPTED);
    }
    assert_int_equal(rig_status(rig).entries, 46);
    assert_int_equal(check(rig, &complaint), ERR_OK);
}

/* Nearly full: no new loops, but the open ones go on to their end. */
static void
test_watermark(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop late = rig_loop_new(&rig->clinic, &rig->pantry);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    rig_close(rig);
    rig->options.map_max_bytes = 16 << 20;
    rig->options.admit_below_percent = 25;
    rig_open(rig);
    while (rig_status(rig).fill_percent < 25) {
        assert_int_equal(send_large(rig, &loop).result, RECEIPT_ACCEPTED);
    }
    broker_tend(rig->broker, rig->now);
    struct receipt receipt = rig_step(rig, &late, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(receipt.refusal, ERR_BUSY);
    assert_true(receipt.retry_ms > 0);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_COMPLETE).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_ACKNOWLEDGE).result, RECEIPT_ACCEPTED);
}

static void
limit_files(struct rig *rig, bool limited, struct rlimit *before)
{
    char path[RIG_PATH_MAX + 16];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/data.mdb", rig->dir);
    assert_int_equal(stat(path, &status), 0);
    if (limited) {
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, before), 0);
    }
    struct rlimit limit = {.rlim_cur = limited ? (rlim_t)status.st_size : before->rlim_cur,
                           .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full: nothing is receipted, nothing is delivered, everybody is told to come back,
 * what is on disk can still be read; and it goes on by itself when there is room again. */
static void
test_full_disk(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint;
    struct rlimit before;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct receipt request = rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct receipt receipt = request;
    limit_files(rig, true, &before);
    for (int i = 0; i < 40 && receipt.result == RECEIPT_ACCEPTED; i++) {
        rig_fetch(rig, &rig->pantry, rig_status(rig).entries, 400000, false);
        while (rig_take(rig, &rig->pantry.route)) {
        }
        receipt = send_large(rig, &loop);
    }
    uint64_t entries = rig_status(rig).entries;
    assert_int_equal(receipt.result, RECEIPT_REFUSED);
    assert_int_equal(receipt.refusal, ERR_BUSY);
    assert_true(receipt.retry_ms > 0);
    assert_true(rig_status(rig).read_only);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    assert_int_equal(rig_invite(rig, &rig->shelter, rig->now.wall_ms + 1, false).refusal, ERR_BUSY);
    assert_null(directory_find(broker_directory(rig->broker), rig->shelter.org));
    assert_int_equal(send_large(rig, &loop).refusal, ERR_BUSY);
    rig_fetch(rig, &rig->pantry, request.index, 100000, false);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.as.entries.entries[0].index, request.index);
    assert_int_equal(rig_status(rig).entries, entries);
    assert_int_equal(check(rig, &complaint), ERR_OK);

    limit_files(rig, false, &before);
    broker_tend(rig->broker, rig->now);
    assert_false(rig_status(rig).read_only);
    assert_int_equal(send_large(rig, &loop).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_status(rig).entries, entries + 1);
    assert_int_equal(check(rig, &complaint), ERR_OK);
}

/* Statements wait for each other, but not for long, and not when nobody else is coming. */
static void
test_gathering(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), -1);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), -1); /* not verified yet */
    struct verify_job *job = broker_take_job(rig->broker);
    assert_null(broker_take_job(rig->broker));
    verify_job_run(job);
    broker_give_job(rig->broker, job, rig->now);
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), 0);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), 5);
    rig->now.boot_ms += 2;
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), 3);
    rig->now.boot_ms += 3;
    assert_int_equal(broker_turn_wait_ms(rig->broker, rig->now), 0);
    uint64_t entries = rig_status(rig).entries;
    assert_int_equal(broker_turn(rig->broker, rig->now), ERR_OK);
    assert_int_equal(rig_status(rig).entries, entries + 1);
}

/* A later frame does not pass an earlier one whose signatures are still being checked. */
static void
test_order_of_arrival(void **state)
{
    struct rig *rig = *state;
    struct buffer envelopes[2] = {BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                                  BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    for (size_t i = 0; i < 2; i++) {
        enum loop_event event = i == 0 ? EVENT_REQUEST : EVENT_NOTE;
        struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, event);
        struct digest id = rig_seal(rig, &statement, 1, &rig->clinic, &envelopes[i]);
        rig_took(&loop, LOOP_SOURCE, &id, event);
        rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelopes[i], 1);
    }
    struct verify_job *first = broker_take_job(rig->broker);
    struct verify_job *second = broker_take_job(rig->broker);
    uint64_t entries = rig_status(rig).entries;
    verify_job_run(second);
    broker_give_job(rig->broker, second, rig->now);
    assert_int_equal(broker_turn(rig->broker, rig->now), ERR_OK);
    assert_int_equal(rig_status(rig).entries, entries);
    verify_job_run(first);
    broker_give_job(rig->broker, first, rig->now);
    assert_int_equal(broker_turn(rig->broker, rig->now), ERR_OK);
    assert_int_equal(rig_status(rig).entries, entries + 2);
    buffer_done(&envelopes[0]);
    buffer_done(&envelopes[1]);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_restart),
        RIG_TEST(test_clock_goes_back),
        RIG_TEST(test_damaged_projection),
        RIG_TEST(test_row_too_many),
        RIG_TEST(test_damaged_log),
        RIG_TEST(test_erased_sealed_part),
        RIG_TEST(test_wrong_genesis),
        RIG_TEST(test_other_network),
        RIG_TEST(test_growth),
        RIG_TEST(test_watermark),
        RIG_TEST(test_full_disk),
        RIG_TEST(test_gathering),
        RIG_TEST(test_order_of_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
