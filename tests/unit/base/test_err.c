/* The error table: two classes that never mix, one word and one clause for each number. */
#include "lib/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ERR_SYMBOL(symbol, number, class, name, text) symbol,
static const enum err all[] = {ERR_TABLE(ERR_SYMBOL)};
#undef ERR_SYMBOL

static void
every_error_has_its_own_word_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_true(strlen(err_name(all[i])) > 0);
        assert_true(strlen(err_text(all[i])) > 0);
        assert_string_not_equal(err_name(all[i]), "unknown");
        assert_int_not_equal(err_text(all[i])[strlen(err_text(all[i])) - 1], '.');
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(err_name(all[i]), err_name(all[j]));
            assert_int_not_equal(all[i], all[j]);
        }
    }
}

static void
the_classes_never_mix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(err_is_peer(all[i]), all[i] < 64);
        assert_int_equal(err_is_peer_number((unsigned)all[i]), all[i] < 64);
    }
    assert_true(err_is_peer(ERR_MALFORMED));
    assert_false(err_is_peer(ERR_CORRUPT));
    assert_false(err_is_peer(ERR_OK));
}

static void
numbers_outside_the_table_are_no_peer_errors(void **state)
{
    (void)state;
    assert_false(err_is_peer_number(0));
    assert_false(err_is_peer_number(63));
    assert_false(err_is_peer_number(255));
    assert_false(err_is_peer_number(UINT32_MAX));
    assert_string_equal(err_name((enum err)63), "unknown");
    assert_string_equal(err_name(ERR_OK), "ok");
}

/* Values on the wire: a change here breaks every agent in the field. */
static void
wire_numbers_are_frozen(void **state)
{
    (void)state;
    assert_int_equal(ERR_MALFORMED, 1);
    assert_int_equal(ERR_WRONG_STATE, 9);
    assert_int_equal(ERR_EQUIVOCATION, 11);
    assert_int_equal(ERR_QUOTA, 19);
    assert_int_equal(ERR_BUSY, 20);
    assert_int_equal(ERR_INVALID, 22);
    assert_string_equal(err_name(ERR_WRONG_STATE), "wrong-state");
}

static void
a_complaint_is_written_and_cut(void **state)
{
    (void)state;
    struct complaint complaint;
    assert_int_equal(complain(&complaint, ERR_INVALID, "line %d is %s", 7, "odd"), ERR_INVALID);
    assert_string_equal(complaint.text, "line 7 is odd");

    char longer[COMPLAINT_MAX_BYTES + 50];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(complain(&complaint, ERR_IO, "%s", longer), ERR_IO);
    assert_int_equal(strlen(complaint.text), COMPLAINT_MAX_BYTES - 1);

    assert_int_equal(complain(NULL, ERR_KEY, "nobody %s", "listens"), ERR_KEY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_own_word_and_text),
        cmocka_unit_test(the_classes_never_mix),
        cmocka_unit_test(numbers_outside_the_table_are_no_peer_errors),
        cmocka_unit_test(wire_numbers_are_frozen),
        cmocka_unit_test(a_complaint_is_written_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
