/* The ZAP decision, and the key file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/keys.h"
#include "broker/zap.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"

static const struct curve_public known = {{5, 6, 7, 8}};
static const struct curve_public unknown = {{5, 6, 7, 9}};

static bool
admits(const void *context, const struct curve_public *key)
{
    assert_ptr_equal(context, &known);
    return memcmp(key, &known, sizeof(known)) == 0;
}

/* A request that is right but for what a row changes. */
struct row {
    const char *name;
    const char *version, *domain, *mechanism;
    const struct curve_public *key;
    size_t key_len, n_frames;
    const char *code;
};

static const struct row rows[] = {
    {"known", "1.0", "refloop", "CURVE", &known, 32, 7, "200"},
    {"unknown", "1.0", "refloop", "CURVE", &unknown, 32, 7, "400"},
    {"domain", "1.0", "other", "CURVE", &known, 32, 7, "400"},
    {"no domain", "1.0", "", "CURVE", &known, 32, 7, "400"},
    {"null", "1.0", "refloop", "NULL", &known, 32, 6, "400"},
    {"null with a key", "1.0", "refloop", "NULL", &known, 32, 7, "400"},
    {"plain", "1.0", "refloop", "PLAIN", &known, 32, 8, "400"},
    {"short key", "1.0", "refloop", "CURVE", &known, 31, 7, "400"},
    {"empty key", "1.0", "refloop", "CURVE", &known, 0, 7, "400"},
    {"no key", "1.0", "refloop", "CURVE", &known, 32, 6, "400"},
    {"two keys", "1.0", "refloop", "CURVE", &known, 32, 8, "400"},
    {"version", "2.0", "refloop", "CURVE", &known, 32, 7, "500"},
    {"few frames", "1.0", "refloop", "CURVE", &known, 32, 5, "500"},
    {"one frame", "1.0", "refloop", "CURVE", &known, 32, 1, "500"},
    {"nothing", "1.0", "refloop", "CURVE", &known, 32, 0, "500"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct bytes key = bytes_of(row->key->bytes, row->key_len);
        struct bytes frames[] = {bytes_of_text(row->version),
                                 bytes_of_text("17"),
                                 bytes_of_text(row->domain),
                                 bytes_of_text("127.0.0.1"),
                                 bytes_of_text("id"),
                                 bytes_of_text(row->mechanism),
                                 key,
                                 key};
        struct zap_answer answer;
        bool admitted = strcmp(row->code, "200") == 0;
        char z85[CURVE_Z85_BYTES];
        zap_decide(frames, row->n_frames, admits, &known, &answer);
        if (!bytes_equal(answer.frames[2], bytes_of_text(row->code))) {
            fail_msg("%s: not %s", row->name, row->code);
        }
        assert_int_equal(answer.admitted, admitted);
        assert_true(bytes_equal(answer.frames[0], bytes_of_text("1.0")));
        assert_true(bytes_equal(answer.frames[1], bytes_of_text(row->n_frames > 1 ? "17" : "")));
        curve_to_z85(known.bytes, z85);
        assert_true(bytes_equal(answer.frames[4], bytes_of_text(admitted ? z85 : "")));
        assert_int_equal(answer.frames[5].len, 0);
    }
}

/* Any bytes in any number of frames: an answer of the right shape, and never a welcome. */
static void
test_garbage(void **state)
{
    (void)state;
    uint8_t noise[512];
    for (int round = 0; round < 2000; round++) {
        struct bytes frames[ZAP_REQUEST_FRAMES_MAX];
        struct zap_answer answer;
        size_t n = secret_random_below(ZAP_REQUEST_FRAMES_MAX + 1);
        secret_random(noise, sizeof(noise));
        for (size_t i = 0; i < n; i++) {
            frames[i] = bytes_of(noise, secret_random_below(sizeof(noise)));
        }
        zap_decide(frames, n, admits, &known, &answer);
        assert_false(answer.admitted);
        assert_true(answer.frames[1].len <= ZAP_REQUEST_ID_MAX);
        assert_int_equal(answer.frames[4].len, 0);
    }
}

static void
test_keys(void **state)
{
    (void)state;
    char home[] = "/tmp/refloop-keys-XXXXXX";
    char path[FILE_PATH_MAX];
    struct keys keys;
    struct keys loaded;
    struct complaint complaint = {.text = ""};
    assert_non_null(mkdtemp(home));
    assert_int_equal(keys_load(home, &loaded, &complaint), ERR_KEY);
    assert_int_equal(keys_make(&keys), ERR_OK);
    assert_int_equal(keys_save(&keys, home, &complaint), ERR_OK);
    assert_int_equal(keys_save(&keys, home, &complaint), ERR_EXISTS);
    assert_int_equal(keys_load(home, &loaded, &complaint), ERR_OK);
    assert_memory_equal(loaded.curve, keys.curve, sizeof(*keys.curve));
    assert_memory_equal(loaded.log, keys.log, sizeof(*keys.log));
    assert_memory_equal(&loaded.curve_public, &keys.curve_public, sizeof(keys.curve_public));
    assert_memory_equal(&loaded.log_public, &keys.log_public, sizeof(keys.log_public));
    keys_done(&loaded);
    (void)snprintf(path, sizeof(path), "%s/keys/broker.key", home);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(keys_load(home, &loaded, &complaint), ERR_PERMISSION);
    assert_int_equal(file_replace(path, bytes_of_text("curve = 12\n"), 0600), ERR_OK);
    assert_int_equal(keys_load(home, &loaded, &complaint), ERR_KEY);
    assert_null(strstr(complaint.text, "12\n"));
    keys_done(&keys);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/keys", home);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(home), 0);
}

static int
start(void **state)
{
    bool locked;
    (void)state;
    return secret_start(&locked) == ERR_OK ? 0 : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
