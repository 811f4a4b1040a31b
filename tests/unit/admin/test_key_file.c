/* Wrapped key files: they open with their passphrase and as what they are, and in no other way. */
#include "broker/admin/key_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"

static const char secret_text[] = "thirty-two bytes and some more of it";
static const char passphrase[] = "correct horse battery";

static void
make(enum key_file_kind kind, struct buffer *out)
{
    assert_int_equal(key_file_close(kind, bytes_of_text(secret_text), bytes_of_text(passphrase),
                                    VAULT_EFFORT_TEST, out),
                     ERR_OK);
}

static enum err
try(enum key_file_kind kind, struct bytes text, const char *with)
{
    CLEANUP(buffer_wipe) struct buffer secret = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    enum err err = key_file_open(kind, text, bytes_of_text(with), &secret);
    if (err == ERR_OK) {
        assert_true(bytes_equal(buffer_view(&secret), bytes_of_text(secret_text)));
    } else {
        assert_int_equal(secret.len, 0);
    }
    return err;
}

static void
test_round_trip(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    make(KEY_FILE_ROOT, &text);
    assert_memory_equal(text.data, "refloop-root-key-1:", 19);
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_null(memmem(text.data, text.len, secret_text, 8));
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&text), passphrase), ERR_OK);
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&text), "correct horse batterz"), ERR_KEY);
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&text), ""), ERR_KEY);
}

static void
test_blanks_around_do_not_count(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    buffer_put(&text, " \n\t", 3);
    make(KEY_FILE_ROOT, &text);
    buffer_put(&text, "\r\n \n", 4);
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&text), passphrase), ERR_OK);
}

/* Renaming the prefix does not make a member's keys a root key. */
static void
test_kind_is_inside(void **state)
{
    (void)state;
    static const char other[] = "refloop-member-keys-";
    static const char root[] = "refloop-root-key-";
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    CLEANUP(buffer_done) struct buffer renamed = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    make(KEY_FILE_MEMBER, &text);
    assert_int_equal(try(KEY_FILE_MEMBER, buffer_view(&text), passphrase), ERR_OK);
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&text), passphrase), ERR_MALFORMED);
    buffer_put(&renamed, root, sizeof(root) - 1);
    buffer_put(&renamed, text.data + sizeof(other) - 1, text.len - (sizeof(other) - 1));
    assert_int_equal(try(KEY_FILE_ROOT, buffer_view(&renamed), passphrase), ERR_MALFORMED);
}

static void
test_every_change_is_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    make(KEY_FILE_ROOT, &text);
    /* Past the wrap's own header, whose costs a change could raise to minutes. */
    for (size_t i = 100; i + 1 < text.len; i += 7) {
        uint8_t before = text.data[i];
        text.data[i] = before == 'A' ? 'B' : 'A';
        assert_int_not_equal(try(KEY_FILE_ROOT, buffer_view(&text), passphrase), ERR_OK);
        text.data[i] = before;
    }
    for (size_t len = 0; len < 60; len++) {
        assert_int_not_equal(try(KEY_FILE_ROOT, bytes_of(text.data, len), passphrase), ERR_OK);
    }
}

static void
test_other_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"", ERR_MALFORMED},
        {"   \n", ERR_MALFORMED},
        {"refloop-invite-1:AAAA", ERR_MALFORMED},
        {"refloop-root-key-2:AAAA", ERR_VERSION},
        {"refloop-root-key-1:", ERR_MALFORMED},
        {"refloop-root-key-1:AAAA", ERR_MALFORMED},
        {"refloop-root-key-1:not base64!", ERR_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(try(KEY_FILE_ROOT, bytes_of_text(cases[i].text), passphrase),
                         cases[i].err);
    }
}

int
main(void)
{
    bool locked = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_blanks_around_do_not_count),
        cmocka_unit_test(test_kind_is_inside), cmocka_unit_test(test_every_change_is_refused),
        cmocka_unit_test(test_other_texts),
    };
    if (secret_start(&locked) != ERR_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
