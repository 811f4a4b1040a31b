/* The log of a lying broker, with members who lie with it: everything is stored, hashed and signed
 * as it should be, but for one entry that could not have been taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/audit/rig.h"

static void
test_revoked_author(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 800);
    (void)make_log_revoke(log, RIG_REVOKED);
    make_log_fill(log, 900);
    /* As broker and revoked member would do it together. */
    uint64_t index = make_log_step(log, make_log_find_loop(log, RIG_REVOKED));
    make_log_fill(log, 1100);
    make_log_free(log);
    rig_expect_bad(rig, index, "its author, example-5, had been revoked then");
    rig_free(rig);
}

static void
test_old_key(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    struct make_log_member old = log->members[RIG_ROTATED];
    (void)make_log_rotate(log, RIG_ROTATED);
    make_log_fill(log, 600);
    struct make_log_member present = log->members[RIG_ROTATED];
    log->members[RIG_ROTATED].sign = old.sign;
    uint64_t signed_index = make_log_step(log, make_log_find_loop(log, RIG_ROTATED));
    log->members[RIG_ROTATED] = present;
    make_log_fill(log, 700);
    make_log_free(log);
    rig_expect_bad(rig, signed_index, "its signature is not by the key that example-3 had then");
    rig_free(rig);
}

static void
test_old_key_named(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    struct make_log_member old = log->members[RIG_ROTATED];
    (void)make_log_rotate(log, RIG_ROTATED);
    struct make_log_member present = log->members[RIG_ROTATED];
    log->members[RIG_ROTATED] = old;
    uint64_t index = make_log_step(log, make_log_find_loop(log, RIG_ROTATED));
    log->members[RIG_ROTATED] = present;
    make_log_fill(log, 700);
    make_log_free(log);
    rig_expect_bad(rig, index, "it names a key that its author, example-3, did not have then");
    rig_free(rig);
}

/* A reader's key that the broker made up: nobody but the author could have been told so. */
static void
test_reader_key(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    struct make_log_loop *loop = make_log_find_loop(log, 2);
    size_t other = loop->side[0] == 2 ? loop->side[1] : loop->side[0];
    log->members[other].key_id.bytes[0] ^= 1;
    uint64_t index = make_log_step(log, loop);
    log->members[other].key_id.bytes[0] ^= 1;
    make_log_fill(log, 600);
    make_log_free(log);
    rig_expect_bad(rig, index, "it names a key that its reader, example-");
    rig_free(rig);
}

/* A delivery receipt that never came into the log: its author's next statement is out of place. */
static void
test_dropped(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    struct make_log_loop *loop = &log->loops[0];
    loop->open = false;
    (void)make_log_step(log, loop); /* request */
    log->drop_next = true;
    (void)make_log_step(log, loop); /* delivered */
    uint64_t index = make_log_step(log, loop);
    make_log_fill(log, 600);
    make_log_free(log);
    rig_expect_bad(rig, index, "it is no step that its loop could take then");
    rig_free(rig);
}

static void
test_confirmed_wrongly(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    struct make_log_loop *loop = &log->loops[0];
    loop->open = false;
    (void)make_log_step(log, loop); /* request */
    log->confirm_wrongly = true;
    uint64_t index = make_log_step(log, loop); /* delivered */
    log->confirm_wrongly = false;
    make_log_fill(log, 600);
    make_log_free(log);
    rig_expect_bad(rig, index, "it confirms a statement that the other side has not made");
    rig_free(rig);
}

/* The broker's own clock is no excuse: its log time never goes back. */
static void
test_time_went_back(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct make_log *log = rig_make(rig->home);
    rig->network = log->network;
    make_log_fill(log, 500);
    log->head.log_time_ms -= 1000;
    make_log_fill(log, 600);
    make_log_free(log);
    rig_expect_bad(rig, 500, "its time is not after that of the entry before it");
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revoked_author), cmocka_unit_test(test_old_key),
        cmocka_unit_test(test_old_key_named),  cmocka_unit_test(test_reader_key),
        cmocka_unit_test(test_dropped),        cmocka_unit_test(test_confirmed_wrongly),
        cmocka_unit_test(test_time_went_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
