/* One line per event, whatever the caller's text holds; a peer cannot fill the log. */
#include "lib/base/logging.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char said[8192];

/* Runs between start and stop write standard error into a temporary file. */
static FILE *kept;
static int saved_stderr;

static void
start(void)
{
    kept = tmpfile();
    assert_non_null(kept);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_int_equal(dup2(fileno(kept), STDERR_FILENO), STDERR_FILENO);
}

static const char *
stop(void)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    rewind(kept);
    said[fread(said, 1, sizeof(said) - 1, kept)] = '\0';
    (void)fclose(kept);
    return said;
}

static void
a_line_has_time_level_event_and_pairs(void **state)
{
    (void)state;
    start();
    logging_line(LOGGING_WARNING, "link.lost", "reason=%s member=%s", "timeout", "elm-pantry");
    const char *line = stop();
    /* 2026-11-21T09:30:00Z */
    assert_int_equal(line[4], '-');
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[19], 'Z');
    assert_string_equal(line + 20, " warning link.lost reason=timeout member=elm-pantry\n");
}

static void
under_the_journal_the_time_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(setenv("JOURNAL_STREAM", "8:12345", 1), 0);
    start();
    logging_line(LOGGING_ERROR, "store.stopped", NULL);
    logging_line(LOGGING_WARNING, "a.b", "n=%d", 1);
    logging_line(LOGGING_INFO, "a.c", "n=%d", 2);
    const char *lines = stop();
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    assert_string_equal(lines, "<3>store.stopped\n<4>a.b n=1\n<6>a.c n=2\n");
}

static void
lines_above_the_level_are_dropped(void **state)
{
    (void)state;
    start();
    logging_line(LOGGING_DEBUG, "quiet", NULL);
    logging_set_level(LOGGING_DEBUG);
    logging_line(LOGGING_DEBUG, "loud", NULL);
    logging_set_level(LOGGING_ERROR);
    logging_line(LOGGING_WARNING, "quiet", NULL);
    logging_set_level(LOGGING_INFO);
    const char *lines = stop();
    assert_null(strstr(lines, "quiet"));
    assert_non_null(strstr(lines, " debug loud\n"));
}

static void
control_characters_cannot_forge_a_line(void **state)
{
    (void)state;
    start();
    logging_line(LOGGING_INFO, "peer.said", "text=%s", "a\nb\r\x1b[2Jc\x7f\xc2\x9b");
    const char *line = stop();
    assert_non_null(strstr(line, " text=a?b??[2Jc???\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
a_long_line_is_cut_and_ended(void **state)
{
    (void)state;
    static char longer[4000];
    memset(longer, 'x', sizeof(longer) - 1);
    start();
    logging_line(LOGGING_INFO, "long", "text=%s", longer);
    const char *line = stop();
    assert_true(strlen(line) > 1000);
    assert_true(strlen(line) < 1200);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void
errno_is_left_alone(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    (void)close(STDERR_FILENO); /* the write fails with an error of its own */
    errno = EAGAIN;
    logging_line(LOGGING_INFO, "any", NULL);
    int after = errno;
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    assert_int_equal(after, EAGAIN);
}

static void
a_burst_is_allowed_and_the_rest_counted(void **state)
{
    (void)state;
    struct logging_limit limit = {0};
    unsigned dropped = 99;
    for (int i = 0; i < 3; i++) {
        assert_true(logging_allowed(&limit, 50000 + i, 3, 1000, &dropped));
        assert_int_equal(dropped, 0);
    }
    assert_false(logging_allowed(&limit, 50003, 3, 1000, &dropped));
    assert_false(logging_allowed(&limit, 50999, 3, 1000, &dropped));
    assert_int_equal(dropped, 0);
    assert_true(logging_allowed(&limit, 51000, 3, 1000, &dropped));
    assert_int_equal(dropped, 2);
    assert_true(logging_allowed(&limit, 51001, 3, 1000, &dropped));
    assert_int_equal(dropped, 0);
}

int
main(void)
{
    (void)unsetenv("JOURNAL_STREAM");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_pairs),
        cmocka_unit_test(under_the_journal_the_time_is_left_out),
        cmocka_unit_test(lines_above_the_level_are_dropped),
        cmocka_unit_test(control_characters_cannot_forge_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_ended),
        cmocka_unit_test(errno_is_left_alone),
        cmocka_unit_test(a_burst_is_allowed_and_the_rest_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
