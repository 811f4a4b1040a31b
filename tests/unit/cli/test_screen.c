/* Nothing a partner writes can steer the terminal, and lines keep to their width. */
#include "agent/cli/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/edge/table.h"
#include "printed.h"

#define NASTY                                                                                      \
    "\x1b[2J\x1b]0;title\x07 hi\x7f\xc2\x9b"                                                       \
    "31m\xe2\x80\xaetxet"

static void
escape_sequences_become_harmless(void **state)
{
    (void)state;
    struct printed printed;
    printed_begin(&printed, 0);
    const struct screen_cell cells[] = {{NASTY, 0, SCREEN_BOLD}, {NASTY, 12, SCREEN_PLAIN}};
    screen_line(&printed.screen, SCREEN_BOLD, 2, "%s", NASTY);
    screen_field(&printed.screen, SCREEN_PLAIN, "  Label", 12, "%s", NASTY);
    screen_text(&printed.screen, 4, "one\n" NASTY "\r\nthree");
    screen_row(&printed.screen, cells, ARRAY_LEN(cells));
    const char *text = printed_text(&printed);
    printed_assert_harmless(text);
    assert_non_null(strstr(text, "?[2J?]0;title? hi??31m?txet"));
    assert_non_null(strstr(text, "    one\n"));
    assert_non_null(strstr(text, "\n    three\n"));
    printed_end(&printed);
}

static void
colour_is_only_ours(void **state)
{
    (void)state;
    struct printed printed;
    printed_begin(&printed, 0);
    printed.screen.colour = true;
    screen_line(&printed.screen, SCREEN_ALARM, 0, "%s", "a\x1b[0mb");
    assert_string_equal(printed_text(&printed), "\x1b[1;31ma?[0mb\x1b[0m\n");
    printed_end(&printed);
}

static void
lines_wrap_at_words(void **state)
{
    (void)state;
    struct printed printed;
    printed_begin(&printed, 30);
    screen_field(&printed.screen, SCREEN_PLAIN, "  Need", 8, "%s",
                 "groceries for three, no kitchen, caf\xc3\xa9 nearby");
    assert_string_equal(printed_text(&printed), "  Need  groceries for three,\n"
                                                "        no kitchen, caf\xc3\xa9\n"
                                                "        nearby\n");
    printed_end(&printed);
}

static void
a_long_word_is_kept_whole(void **state)
{
    (void)state;
    struct printed printed;
    printed_begin(&printed, 24);
    screen_line(&printed.screen, SCREEN_PLAIN, 0, "x %s", "https://www.example.org/a-long-address");
    assert_string_equal(printed_text(&printed), "x\nhttps://www.example.org/a-long-address\n");
    printed_end(&printed);
}

static void
an_empty_field_is_left_out(void **state)
{
    (void)state;
    struct printed printed;
    printed_begin(&printed, 80);
    screen_field(&printed.screen, SCREEN_PLAIN, "  Need", 8, "%s", "");
    screen_text(&printed.screen, 2, "");
    screen_line(&printed.screen, SCREEN_PLAIN, 0, "end");
    assert_string_equal(printed_text(&printed), "end\n");
    printed_end(&printed);
}

static void
rows_of_a_table_have_their_inks(void **state)
{
    (void)state;
    static const char *const titles[] = {"A", "B"};
    static const char *const first[] = {"1", "2"};
    static const char *const second[] = {"3", ""};
    const enum screen_ink inks[] = {SCREEN_PLAIN, SCREEN_BOLD};
    struct printed printed;
    printed_begin(&printed, 0);
    printed.screen.colour = true;
    CLEANUP(table_freep) struct table *table = table_new(titles, 2);
    assert_int_equal(table_add(table, first), ERR_OK);
    assert_int_equal(table_add(table, second), ERR_OK);
    screen_table(&printed.screen, table, inks);
    assert_string_equal(printed_text(&printed), "\x1b[1mA  B\x1b[0m\n1  2\n\x1b[1m3\x1b[0m\n");
    printed_end(&printed);
}

static void
columns_of_the_environment_win(void **state)
{
    (void)state;
    FILE *stream = tmpfile();
    assert_non_null(stream);
    static const struct {
        const char *columns;
        size_t width;
    } cases[] = {{"80", 80}, {"200", 200}, {"5", 0}, {"many", 0}, {"80x", 0}, {"99999999", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(setenv("COLUMNS", cases[i].columns, 1), 0);
        assert_int_equal(screen_of(stream, 0).width, cases[i].width);
    }
    assert_int_equal(unsetenv("COLUMNS"), 0);
    assert_int_equal(screen_of(stream, 0).width, 0);
    assert_false(screen_of(stream, 0).colour);
    assert_int_equal(fclose(stream), 0);
}

static void
a_full_disk_is_noticed(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) {
        skip();
    }
    struct screen screen = screen_of(full, 0);
    screen_line(&screen, SCREEN_PLAIN, 0, "lost");
    assert_false(screen_finish(&screen));
    (void)fclose(full); /* fails again, as it should */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_sequences_become_harmless),
        cmocka_unit_test(colour_is_only_ours),
        cmocka_unit_test(lines_wrap_at_words),
        cmocka_unit_test(a_long_word_is_kept_whole),
        cmocka_unit_test(an_empty_field_is_left_out),
        cmocka_unit_test(rows_of_a_table_have_their_inks),
        cmocka_unit_test(columns_of_the_environment_win),
        cmocka_unit_test(a_full_disk_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
