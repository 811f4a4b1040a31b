/* The root key: at rest under its passphrase, at work as the author of statements that the
 * directory takes. */
#include "broker/admin/root_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "tests/unit/admin/scratch.h"

static const char passphrase[] = "correct horse battery";

static void
write_key(const struct root_key *key, const char *path)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    assert_int_equal(root_key_close(key, bytes_of_text(passphrase), VAULT_EFFORT_TEST, &text),
                     ERR_OK);
    assert_int_equal(file_create(path, buffer_view(&text), 0600), ERR_OK);
}

static void
test_save_and_load(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch scratch = scratch_make();
    CLEANUP(root_key_done) struct root_key key = {0};
    CLEANUP(root_key_done) struct root_key loaded = {0};
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    scratch_path(&scratch, "root.key", path);
    assert_int_equal(root_key_make(&key), ERR_OK);
    write_key(&key, path);
    assert_int_equal(
        root_key_load(path, false, bytes_of_text(passphrase), &key.network, &loaded, &complaint),
        ERR_OK);
    assert_memory_equal(&loaded.network, &key.network, sizeof(key.network));
    assert_memory_equal(loaded.secret, key.secret, sizeof(*key.secret));
}

static void
test_refusals(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch scratch = scratch_make();
    CLEANUP(root_key_done) struct root_key key = {0};
    CLEANUP(root_key_done) struct root_key other = {0};
    struct root_key loaded = {0};
    struct complaint complaint = {0};
    const struct bytes right = bytes_of_text(passphrase);
    char path[FILE_PATH_MAX];
    scratch_path(&scratch, "root.key", path);
    assert_int_equal(root_key_make(&key), ERR_OK);
    assert_int_equal(root_key_make(&other), ERR_OK);

    assert_int_equal(root_key_load(path, false, right, &key.network, &loaded, &complaint),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(complaint.text, "--root-key"));
    write_key(&key, path);
    assert_int_equal(
        root_key_load(path, false, bytes_of_text("wrong"), &key.network, &loaded, &complaint),
        ERR_KEY);
    assert_non_null(strstr(complaint.text, "passphrase"));
    assert_int_equal(root_key_load(path, false, right, &other.network, &loaded, &complaint),
                     ERR_WRONG_NETWORK);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(root_key_load(path, false, right, &key.network, &loaded, &complaint),
                     ERR_PERMISSION);
    assert_null(loaded.secret);
    /* A medium that is carried about knows no owners. */
    assert_int_equal(root_key_load(path, true, right, &key.network, &loaded, &complaint), ERR_OK);
    root_key_done(&loaded);
}

static void
test_statement_is_the_roots(void **state)
{
    (void)state;
    CLEANUP(root_key_done) struct root_key key = {0};
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = {
        .kind = STATEMENT_REVOKE,
        .as.revoke = {.org = "elm-pantry", .reason = "machine stolen"},
    };
    struct opened_envelope opened;
    struct sign_public root;
    assert_int_equal(root_key_make(&key), ERR_OK);
    memcpy(root.bytes, key.network.bytes, sizeof(root.bytes));
    assert_int_equal(root_key_sign(&key, &statement, 1234567, &bytes), ERR_OK);
    assert_int_equal(envelope_open(buffer_view(&bytes), &key.network, &root, false, NULL, &opened),
                     ERR_OK);
    struct key_id expected = key_id_of_signer(&root);
    assert_int_equal(opened.statement.kind, STATEMENT_REVOKE);
    assert_string_equal(opened.statement.author, "");
    assert_memory_equal(&opened.statement.author_key, &expected, sizeof(expected));
    assert_memory_equal(&opened.statement.network, &key.network, sizeof(key.network));
    assert_int_equal(opened.statement.authored_ms, 1234567);
    assert_string_equal(opened.statement.as.revoke.org, "elm-pantry");
    assert_string_equal(opened.statement.as.revoke.reason, "machine stolen");
}

static void
test_bad_field_signs_nothing(void **state)
{
    (void)state;
    CLEANUP(root_key_done) struct root_key key = {0};
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = {.kind = STATEMENT_REVOKE, .as.revoke = {.org = "Not An Id"}};
    assert_int_equal(root_key_make(&key), ERR_OK);
    assert_int_equal(root_key_sign(&key, &statement, 1, &bytes), ERR_INVALID);
    assert_int_equal(bytes.len, 0);
}

int
main(void)
{
    bool locked = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_statement_is_the_roots),
        cmocka_unit_test(test_bad_field_signs_nothing),
    };
    if (secret_start(&locked) != ERR_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
