/* Texts come from files, with any line ends, and only when they are text. */
#include "agent/cli/text_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"

static char path[] = "/tmp/refloop-text-XXXXXX";

static int
make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static enum err
read_note(struct bytes content, struct buffer *out, struct complaint *complaint)
{
    assert_int_equal(file_replace(path, content, 0600), ERR_OK);
    return text_input_note(path, "Type the note", out, complaint);
}

static void
line_ends_become_plain(void **state)
{
    (void)state;
    static const struct {
        const char *given, *taken;
    } cases[] = {
        {"one", "one"},
        {"one\r\ntwo\r\n\r\n \t\n", "one\ntwo"},
        {"one\n\ntwo", "one\n\ntwo"},
        {"Zo\xc3\xab\n", "Zo\xc3\xab"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(TEXT_INPUT_MAX_BYTES);
        struct complaint complaint;
        assert_int_equal(read_note(bytes_of_text(cases[i].given), &out, &complaint), ERR_OK);
        assert_string_equal((const char *)out.data, cases[i].taken);
    }
}

static void
what_is_no_text_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        size_t len;
        const char *words;
    } cases[] = {
        {"", 0, "empty"},           {" \r\n\n", 4, "empty"},       {"a\0b", 3, "plain UTF-8"},
        {"\0", 1, "plain UTF-8"},   {"caf\xe9", 4, "plain UTF-8"}, {"\x1b[2J", 4, "plain UTF-8"},
        {"a\rb", 3, "plain UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(TEXT_INPUT_MAX_BYTES);
        struct complaint complaint = {0};
        assert_int_equal(read_note(bytes_of(cases[i].given, cases[i].len), &out, &complaint),
                         ERR_INVALID);
        assert_non_null(strstr(complaint.text, cases[i].words));
    }
}

static void
a_text_that_is_too_long_or_missing_is_explained(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(2048);
    struct complaint complaint = {0};
    char content[2049];
    memset(content, 'a', sizeof(content));
    assert_int_equal(read_note(bytes_of(content, sizeof(content)), &out, &complaint),
                     ERR_TOO_LARGE);
    assert_non_null(strstr(complaint.text, "at most 2 KiB"));
    assert_int_equal(text_input_file("/nonexistent/note", "", &out, &complaint), ERR_NOT_FOUND);
    assert_non_null(strstr(complaint.text, "/nonexistent/note cannot be read"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_become_plain),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(a_text_that_is_too_long_or_missing_is_explained),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
