/* The terminal: foreign text cannot steer it, tables fit it, passphrases are read from where they
 * are private. */
#include "lib/edge/terminal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/edge/table.h"

static void
assert_put(const char *text, size_t columns, const char *shown, size_t used)
{
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(1000);
    assert_int_equal(terminal_put(&out, text, columns), used);
    buffer_put_u8(&out, 0);
    assert_string_equal((const char *)out.data, shown);
}

static void
test_columns(void **state)
{
    (void)state;
    assert_int_equal(terminal_columns(""), 0);
    assert_int_equal(terminal_columns("plain"), 5);
    assert_int_equal(terminal_columns("Zo\xc3\xab"), 3);
    assert_int_equal(terminal_columns("e\xcc\x81"), 1);                /* combining accent */
    assert_int_equal(terminal_columns("\xe6\xbc\xa2\xe5\xad\x97"), 4); /* two wide ones */
    assert_int_equal(terminal_columns("a\xff"), 2);
}

static void
test_foreign_text_is_tamed(void **state)
{
    (void)state;
    assert_put("\033[2Jgone", 0, "?[2Jgone", 8);
    assert_put("two\nlines\tand\rmore", 0, "two lines and?more", 18);
    assert_put("\xc2\x9b"
               "31m",
               0, "?31m", 4); /* one-byte CSI */
    assert_put("a\xe2\x80\xae"
               "b",
               0, "a?b", 3);                    /* right-to-left override */
    assert_put("cut \xe6\xbc", 0, "cut ??", 6); /* half a character */
    assert_put("\xc0\xaf", 0, "??", 2);         /* overlong */
    assert_put("\xf5\xa8\x96\x93", 0, "?", 1);  /* beyond the last character */
}

static void
test_cutting(void **state)
{
    (void)state;
    assert_put("exact", 5, "exact", 5);
    assert_put("too long", 5, "too \xe2\x80\xa6", 5);
    assert_put("Zo\xc3\xab Zo\xc3\xab", 4, "Zo\xc3\xab\xe2\x80\xa6", 4);
    /* A wide character that would stick out is left out whole. */
    assert_put("\xe6\xbc\xa2\xe5\xad\x97\xe5\xad\x97", 4, "\xe6\xbc\xa2\xe2\x80\xa6", 3);
}

static char *
printed(const struct table *table, size_t width, bool emphasis)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(table_print(table, width, emphasis, out), ERR_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
test_table(void **state)
{
    (void)state;
    const char *const titles[] = {"LOOP", "PERSON", "NEED"};
    const char *const first[] = {"3f2a91c0", "Zo\xc3\xab Example",
                                 "groceries for three, no kitchen"};
    const char *const second[] = {"77de", NULL, "coat"};
    CLEANUP(table_freep) struct table *table = table_new(titles, ARRAY_LEN(titles));
    assert_non_null(table);
    assert_int_equal(table_add(table, first), ERR_OK);
    assert_int_equal(table_add(table, second), ERR_OK);
    char *text = printed(table, 0, false);
    assert_string_equal(text, "LOOP      PERSON       NEED\n"
                              "3f2a91c0  Zo\xc3\xab Example  groceries for three, no kitchen\n"
                              "77de                   coat\n");
    free(text);
    text = printed(table, 40, false);
    assert_string_equal(text, "LOOP      PERSON       NEED\n"
                              "3f2a91c0  Zo\xc3\xab Example  groceries for th\xe2\x80\xa6\n"
                              "77de                   coat\n");
    free(text);
    text = printed(table, 30, true);
    assert_string_equal(text, "\033[1mLOOP      PERSON     NEED\033[0m\n"
                              "3f2a91c0  Zo\xc3\xab Exam\xe2\x80\xa6  grocerie\xe2\x80\xa6\n"
                              "77de                 coat\n");
    free(text);
    text = printed(table, 3, false); /* narrower than sense allows: still there */
    assert_non_null(strstr(text, "3f2\xe2\x80\xa6  Zo\xc3\xab\xe2\x80\xa6  gro\xe2\x80\xa6\n"));
    free(text);
}

static void
test_many_rows(void **state)
{
    (void)state;
    const char *const titles[] = {"A", "B"};
    const char *const row[] = {"x", "y"};
    CLEANUP(table_freep) struct table *table = table_new(titles, ARRAY_LEN(titles));
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(table_add(table, row), ERR_OK);
    }
    char *text = printed(table, 80, false);
    assert_int_equal(strlen(text), 1001 * 5);
    free(text);
}

static void
test_pipe_is_no_terminal(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(terminal_width(fds[1]), 0);
    assert_false(terminal_wants_colour(fds[1]));
    close(fds[0]);
    close(fds[1]);
}

static int
open_terminal(int *inside_out)
{
    int outside = posix_openpt(O_RDWR | O_NOCTTY);
    if (outside < 0 || grantpt(outside) != 0 || unlockpt(outside) != 0) {
        return -1;
    }
    *inside_out = open(ptsname(outside), O_RDWR | O_NOCTTY);
    return outside;
}

static void
test_terminal_is_one(void **state)
{
    (void)state;
    int inside = -1;
    int outside = open_terminal(&inside);
    if (outside < 0 || inside < 0) {
        print_message("skipped: no pseudo terminal here\n");
        skip();
    }
    struct winsize size = {.ws_col = 72, .ws_row = 20};
    assert_int_equal(ioctl(outside, TIOCSWINSZ, &size), 0);
    assert_int_equal(terminal_width(inside), 72);
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_true(terminal_wants_colour(inside));
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_false(terminal_wants_colour(inside));
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(terminal_wants_colour(inside));
    close(inside);
    close(outside);
}

/* The same value to a terminal and to a pipe: printable ASCII there, UTF-8 here, one meaning. */
static void
test_json(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":\"\\u001b\\u007f\\u009b\\u202e\xc3\xa9\"}";
    json_auto_t *value = json_loads(text, 0, NULL);
    char shown[128] = "";
    int fds[2];
    int inside = -1;
    int outside = open_terminal(&inside);
    if (outside < 0 || inside < 0) {
        print_message("skipped: no pseudo terminal here\n");
        skip();
    }
    assert_int_equal(pipe(fds), 0);
    FILE *streams[] = {fdopen(inside, "w"), fdopen(fds[1], "w")};
    const int ends[] = {outside, fds[0]};
    static const char *const expected[] = {
        "{\"a\":\"\\u001B\\u007F\\u009B\\u202E\\u00E9\"}",
        "{\"a\":\"\\u001B\x7f\xc2\x9b\xe2\x80\xae\xc3\xa9\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        assert_non_null(streams[i]);
        assert_true(terminal_put_json(streams[i], value));
        assert_int_equal(fflush(streams[i]), 0);
        ssize_t n = read(ends[i], shown, sizeof(shown) - 1);
        assert_true(n > 0);
        shown[n] = '\0';
        assert_string_equal(shown, expected[i]);
        (void)fclose(streams[i]);
        close(ends[i]);
    }
    assert_false(terminal_put_json(stderr, NULL));
}

static void
test_passphrase_from_file(void **state)
{
    (void)state;
    char path[] = "/tmp/refloop-pass-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "correct horse\n", 14), 14);
    char out[32] = "untouched";
    struct complaint complaint;
    assert_int_equal(terminal_read_passphrase("? ", path, out, sizeof(out), &complaint), ERR_OK);
    assert_string_equal(out, "correct horse");
    assert_int_equal(terminal_read_passphrase("? ", path, out, 14, &complaint), ERR_OK);
    assert_int_equal(terminal_read_passphrase("? ", path, out, 13, &complaint), ERR_TOO_LARGE);
    assert_int_equal(terminal_read_passphrase("? ", path, out, 4, &complaint), ERR_TOO_LARGE);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(terminal_read_passphrase("? ", path, out, sizeof(out), &complaint),
                     ERR_PERMISSION);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(terminal_read_passphrase("? ", path, out, sizeof(out), &complaint),
                     ERR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(terminal_read_passphrase("? ", path, out, sizeof(out), &complaint),
                     ERR_NOT_FOUND);
    assert_string_equal(out, "correct horse");
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_foreign_text_is_tamed),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_pipe_is_no_terminal),
        cmocka_unit_test(test_terminal_is_one),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_passphrase_from_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
