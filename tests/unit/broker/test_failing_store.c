/* A broker whose memory and store give way: opening, checking, rebuilding and coming back from an
 * old copy, with a fault at each place in turn. It says so with an error of our own, never with the
 * fault of a member, and what was on disk is there when it is opened again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/sweep.h"
#include "tests/unit/broker/lost.h"

static enum err
open_close(void *context)
{
    struct rig *rig = context;
    struct complaint complaint = {.text = ""};
    CLEANUP(broker_freep) struct broker *broker = NULL;
    enum err err = broker_open(&rig->options, &broker, &complaint);
    assert_true((broker != NULL) == (err == ERR_OK));
    return err;
}

static enum err
check(void *context)
{
    struct complaint complaint = {.text = ""};
    return broker_check_store(((struct rig *)context)->broker, &complaint);
}

static enum err
rebuild(void *context)
{
    struct complaint complaint = {.text = ""};
    return broker_rebuild(((struct rig *)context)->broker, &complaint);
}

static enum err
gaps(void *context)
{
    struct broker_gap found[4];
    size_t n = 4711;
    enum err err = broker_recover_gaps(((struct rig *)context)->broker, found, 4, &n);
    assert_true((n == 4711) == (err != ERR_OK));
    return err;
}

static void
some_work(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_DELIVERED).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_COMPLETE).result, RECEIPT_ACCEPTED);
}

static void
test_open(void **state)
{
    struct rig *rig = *state;
    some_work(rig);
    uint64_t entries = rig_status(rig).entries;
    rig_close(rig);
    unsigned n = sweep_memory("open", open_close, rig, 1);
    n += sweep_store("open", open_close, rig, ERR_IO, 1);
    n += sweep_store("open", open_close, rig, ERR_CORRUPT, 1);
    assert_true(n > 60);
    rig_open(rig);
    assert_int_equal(rig_status(rig).entries, entries);
    assert_int_equal(check(rig), ERR_OK);
    some_work(rig);
    print_message("failed %u times\n", n);
}

static void
test_check_and_rebuild(void **state)
{
    struct rig *rig = *state;
    some_work(rig);
    uint64_t entries = rig_status(rig).entries;
    unsigned n = sweep_memory("check", check, rig, 1);
    n += sweep_store("check", check, rig, ERR_IO, 1);
    n += sweep_memory("rebuild", rebuild, rig, 1);
    n += sweep_store("rebuild", rebuild, rig, ERR_IO, 1);
    assert_true(n > 100);
    assert_int_equal(check(rig), ERR_OK);
    rig_reopen(rig);
    assert_int_equal(rig_status(rig).entries, entries);
    some_work(rig);
    print_message("failed %u times\n", n);
}

/* A root's statement that could not be logged can be said again, and is logged once. */
static struct buffer revocation;

static enum err
revoke(void *context)
{
    struct rig *rig = context;
    struct receipt receipt = {.result = RECEIPT_REFUSED, .refusal = ERR_OK};
    enum err err = broker_submit_root(rig->broker, buffer_view(&revocation), rig->now, &receipt);
    if (err == ERR_OK && receipt.result == RECEIPT_REFUSED) {
        assert_int_equal(receipt.refusal, ERR_BUSY);
    }
    fail_alloc_at(0);
    fail_store_at(0, ERR_OK);
    return err;
}

static void
test_root_statement(void **state)
{
    struct rig *rig = *state;
    struct sign_public root;
    memcpy(root.bytes, rig->network.bytes, sizeof(root.bytes));
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_REVOKE,
                                  .network = rig->network,
                                  .author_key = key_id_of_signer(&root),
                                  .authored_ms = rig->now.wall_ms};
    memcpy(statement.as.revoke.org, rig->pantry.org, sizeof(statement.as.revoke.org));
    memcpy(statement.as.revoke.reason, "left", sizeof("left"));
    revocation = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &rig->root, &revocation);
    uint64_t entries = rig_status(rig).entries;
    unsigned n_failed = 0;
    for (unsigned long n = 1; n < 80; n++) {
        if (n % 2 == 0) {
            fail_alloc_at(n / 2);
        } else {
            fail_store_at(1 + n / 2, ERR_IO);
        }
        if (revoke(rig) != ERR_OK) {
            n_failed++;
            rig_reopen(rig);
            assert_int_equal(check(rig), ERR_OK);
        }
    }
    assert_true(n_failed > 3);
    assert_int_equal(revoke(rig), ERR_OK);
    assert_int_equal(rig_status(rig).entries, entries + 1);
    assert_int_equal(directory_find(broker_directory(rig->broker), rig->pantry.org)->state,
                     MEMBER_REVOKED);
    buffer_done(&revocation);
    print_message("failed %u times\n", n_failed);
}

/* ---- coming back from an old copy, with faults at random in every call ---- */

static struct {
    struct rig *rig;
    bool armed;
    unsigned n_failed;
    uint64_t random;
} trap;

static uint32_t
draw(uint32_t bound)
{
    trap.random ^= trap.random << 13;
    trap.random ^= trap.random >> 7;
    trap.random ^= trap.random << 17;
    return (uint32_t)(trap.random >> 32) % bound;
}

enum err __real_broker_receive(struct broker *broker, const struct curve_public *peer,
                               const struct route *route, struct bytes frame, struct instant now);
enum err __wrap_broker_receive(struct broker *broker, const struct curve_public *peer,
                               const struct route *route, struct bytes frame, struct instant now);

/* As the program does: what failed is thrown away and opened again; the peer says hello anew. */
enum err
__wrap_broker_receive(struct broker *broker, const struct curve_public *peer,
                      const struct route *route, struct bytes frame, struct instant now)
{
    if (trap.armed && draw(3) == 0) {
        if (draw(3) == 0) {
            fail_alloc_at(1 + draw(1 + draw(20)));
        } else {
            fail_store_at(1 + draw(1 + draw(40)), draw(2) == 0 ? ERR_IO : ERR_CORRUPT);
        }
    }
    enum err err = __real_broker_receive(broker, peer, route, frame, now);
    bool has_failed = fail_alloc_off();
    has_failed |= fail_store_off();
    if (err == ERR_OK) {
        return err;
    }
    if (!has_failed || err_is_peer(err)) {
        return err; /* which the rig takes for what it is */
    }
    trap.n_failed++;
    rig_reopen(trap.rig);
    return ERR_OK;
}

static void
test_recovery(void **state)
{
    static const size_t orders[][LOST_MEMBERS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                  {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    enum { RUNS = 40 };
    trap.rig = rig;
    trap.random = 0x9E3779B97F4A7C15ULL;
    unsigned n_gaps = 0;
    for (unsigned run = 0; run < RUNS; run++) {
        lost_restore(lost, true);
        trap.armed = true;
        /* Everybody brings what there is, and loses some of it to the faults. */
        for (unsigned i = 0; i < 4 && rig_status(rig).recovering; i++) {
            const struct rig_org *org = lost->members[draw(LOST_MEMBERS)];
            uint64_t from = lost->n_kept + draw((uint32_t)(lost->n - lost->n_kept));
            lost_forget_frames(lost);
            lost_hello_with(lost, org, buffer_view(&lost->note));
            lost_send(lost, org, from, lost->n, draw(2) == 0 ? LOST_ALL : LOST_MORE);
            broker_tend(rig->broker, rig->now);
        }
        trap.armed = false;
        if (rig_status(rig).recovering) {
            n_gaps += sweep_store("gaps", gaps, rig, ERR_IO, 1);
        }
        rig_reopen(rig);
        lost_keep_heads(lost);
        lost_bring_back(lost, orders[run % ARRAY_LEN(orders)]);
        lost_expect_whole(lost);
    }
    assert_true(trap.n_failed > RUNS / 4 && n_gaps > RUNS / 4);
    print_message("%u messages failed in %u recoveries\n", trap.n_failed, (unsigned)RUNS);
    lost_expect_works(rig);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_open),
        RIG_TEST(test_check_and_rebuild),
        RIG_TEST(test_root_statement),
        cmocka_unit_test_setup_teardown(test_recovery, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
