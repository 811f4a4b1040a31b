/* What the lifecycle says about values that are no states, events or roles at all: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "lib/loop/lifecycle.h"

static enum loop_state
no_state(unsigned above)
{
    return (enum loop_state)(LOOP_STATE_COUNT + above);
}

static void
outside_the_table_nothing_is_said(void **state)
{
    (void)state;
    for (unsigned above = 0; above < 3; above++) {
        enum loop_role role = LOOP_TARGET;
        assert_string_equal(lifecycle_next_step(no_state(above)), "");
        assert_false(lifecycle_next_actor(no_state(above), &role));
        assert_int_equal(role, LOOP_TARGET);
        assert_false(lifecycle_is_open(no_state(above)));
        assert_false(lifecycle_is_answered(no_state(above)));
        assert_null(lifecycle_state_name(no_state(above)));
        assert_null(lifecycle_event_name((enum loop_event)(EVENT_COUNT + above)));
        assert_null(lifecycle_role_name((enum loop_role)(LOOP_ROLE_COUNT + above)));
    }
}

static void
outside_the_table_nothing_moves(void **state)
{
    const struct loop_position untouched = {LOOP_ON_HOLD, LOOP_NONE};
    const struct loop_position unsound[] = {
        {no_state(0), LOOP_NONE},
        {LOOP_REQUESTED, no_state(0)},
        {LOOP_REQUESTED, LOOP_ACCEPTED},
        {LOOP_CANCEL_REQUESTED, LOOP_NONE},
        {LOOP_CANCEL_REQUESTED, LOOP_DECLINED},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unsound); i++) {
        for (unsigned event = 0; event < EVENT_COUNT; event++) {
            struct loop_position next = untouched;
            assert_false(lifecycle_step(unsound[i], (enum loop_event)event, LOOP_SOURCE, &next));
            assert_false(lifecycle_step(unsound[i], (enum loop_event)event, LOOP_TARGET, &next));
            assert_memory_equal(&next, &untouched, sizeof(next));
        }
    }
}

/* A step of the other side leaves the position as it was. */
static void
refused_steps_leave_the_outputs(void **state)
{
    const struct loop_position requested = {LOOP_REQUESTED, LOOP_NONE};
    struct loop_position next = {LOOP_VOID, LOOP_NONE};
    (void)state;
    assert_false(lifecycle_step(requested, EVENT_ACCEPT, LOOP_SOURCE, &next));
    assert_false(lifecycle_step(requested, EVENT_WITHDRAW, LOOP_TARGET, &next));
    assert_false(lifecycle_step(requested, EVENT_REQUEST, LOOP_SOURCE, &next));
    assert_false(lifecycle_step(requested, EVENT_COUNT, LOOP_SOURCE, &next));
    assert_false(lifecycle_step(requested, EVENT_ACCEPT, LOOP_ROLE_COUNT, &next));
    assert_int_equal(next.state, LOOP_VOID);
    assert_true(lifecycle_step(requested, EVENT_ACCEPT, LOOP_TARGET, &next));
    assert_int_equal(next.state, LOOP_ACCEPTED);
}

/* A word is written whole or not at all, and no room means no byte. */
static void
short_room_holds_whole_words(void **state)
{
    const struct loop_position requested = {LOOP_REQUESTED, LOOP_NONE};
    char whole[128];
    (void)state;
    assert_ptr_equal(lifecycle_possible(requested, LOOP_TARGET, whole, sizeof(whole)), whole);
    for (unsigned size = 0; size <= strlen(whole) + 1; size++) {
        char out[130];
        memset(out, '#', sizeof(out));
        assert_ptr_equal(lifecycle_possible(requested, LOOP_TARGET, out, size), out);
        assert_int_equal(out[size], '#');
        assert_true(size == 0 ? out[0] == '#' : strlen(out) < size);
        if (size > 0 && strlen(out) > 0) {
            char end = whole[strlen(out)];
            assert_true(strstr(whole, out) != NULL);
            assert_true(end == ',' || end == '\0' || strchr(out, ',') != NULL);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_the_table_nothing_is_said),
        cmocka_unit_test(outside_the_table_nothing_moves),
        cmocka_unit_test(refused_steps_leave_the_outputs),
        cmocka_unit_test(short_room_holds_whole_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
