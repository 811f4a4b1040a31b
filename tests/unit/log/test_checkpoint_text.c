/* A checkpoint has one written form; further lines are allowed, as the specification asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/log/note.h"
#include "lib/log/tree.h"

#define ROOT "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static enum err
parse(const char *text, struct checkpoint *checkpoint)
{
    struct checkpoint kept;
    memset(checkpoint, 0xee, sizeof(*checkpoint));
    memcpy(&kept, checkpoint, sizeof(kept));
    enum err err = checkpoint_parse(bytes_of_text(text), checkpoint);
    if (err != ERR_OK) {
        assert_memory_equal(checkpoint, &kept, sizeof(kept));
    }
    return err;
}

static void
a_checkpoint_is_read(void **state)
{
    (void)state;
    struct checkpoint checkpoint;
    assert_int_equal(parse("example.org/log\n42\n" ROOT "\n", &checkpoint), ERR_OK);
    assert_string_equal(checkpoint.origin, "example.org/log");
    assert_int_equal(checkpoint.size, 42);
    for (size_t i = 0; i < MERKLE_HASH_BYTES; i++) {
        assert_int_equal(checkpoint.root.bytes[i], 1);
    }
    assert_int_equal(parse("name with spaces + plus\n0\n" ROOT "\nfurther\nlines\n", &checkpoint),
                     ERR_OK);
    assert_string_equal(checkpoint.origin, "name with spaces + plus");
    assert_int_equal(checkpoint.size, 0);
}

static void
other_forms_are_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "o",
        "o\n1\n" ROOT,
        "o\n1\n",
        "o\n",
        "\n1\n" ROOT "\n",
        "o\n\n" ROOT "\n",
        "o\n1\n\n",
        "o\n1\n" ROOT "\n\n",
        "o\n1\n" ROOT "\nmore\n\nmore\n",
        "o\n1\n" ROOT "\nmore",
        "o\n01\n" ROOT "\n",
        "o\n00\n" ROOT "\n",
        "o\n+1\n" ROOT "\n",
        "o\n-1\n" ROOT "\n",
        "o\n 1\n" ROOT "\n",
        "o\n1 \n" ROOT "\n",
        "o\n1x\n" ROOT "\n",
        "o\n0x1\n" ROOT "\n",
        "o\n1.0\n" ROOT "\n",
        "o\n\xd9\xa1\n" ROOT "\n", /* a digit, but not of ASCII */
        "o\n1\n" ROOT " \n",
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n",  /* no padding */
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF=\n", /* bits past the end */
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n", /* 33 bytes */
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\n", /* 31 */
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",     /* 29 */
        "o\n1\nAQEBAQEBAQEBAQEBAQEBAQEBAQEB_QEBAQEBAQEBAQE=\n", /* the other alphabet */
        "o\n1\n" ROOT ROOT "\n",
        "o\r\n1\r\n" ROOT "\r\n",
        "o\tp\n1\n" ROOT "\n",
        "o\xff\n1\n" ROOT "\n",
        "o\n1\n" ROOT "\nmo\x01re\n",
    };
    struct checkpoint checkpoint;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (parse(texts[i], &checkpoint) != ERR_MALFORMED) {
            fail_msg("taken for a checkpoint: %s", texts[i]);
        }
    }
    static const char nul[] = "o\0p\n1\n" ROOT "\n";
    assert_int_equal(checkpoint_parse(bytes_of(nul, sizeof(nul) - 1), &checkpoint), ERR_MALFORMED);
    assert_int_equal(checkpoint_parse(bytes_of(NULL, 0), &checkpoint), ERR_MALFORMED);
}

static void
limits_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        enum err err;
    } sizes[] = {
        {"4611686018427387903", ERR_OK},
        {"4611686018427387904", ERR_OK},
        {"4611686018427387905", ERR_TOO_LARGE},
        {"4611686018427387910", ERR_TOO_LARGE},
        {"9223372036854775808", ERR_TOO_LARGE},
        {"18446744073709551616", ERR_TOO_LARGE},
        {"18446744073709551617", ERR_TOO_LARGE},
        {"99999999999999999999999999", ERR_TOO_LARGE},
        {"9999999999999999999999999x", ERR_MALFORMED},
    };
    struct checkpoint checkpoint;
    char text[512];
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_true(text_format(text, sizeof(text), "o\n%s\n" ROOT "\n", sizes[i].size));
        assert_int_equal(parse(text, &checkpoint), sizes[i].err);
    }
    for (size_t len = NOTE_NAME_MAX; len <= NOTE_NAME_MAX + 1; len++) {
        char origin[NOTE_NAME_MAX + 2] = {0};
        memset(origin, 'o', len);
        assert_true(text_format(text, sizeof(text), "%s\n1\n" ROOT "\n", origin));
        assert_int_equal(parse(text, &checkpoint), len == NOTE_NAME_MAX ? ERR_OK : ERR_TOO_LARGE);
    }
}

static void
what_is_written_is_read_back(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 9, 10, 1000000, TREE_SIZE_MAX - 1, TREE_SIZE_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct checkpoint checkpoint = {.origin = "refloop/00ff", .size = sizes[i]};
        struct checkpoint back;
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(NOTE_TEXT_MAX);
        memset(checkpoint.root.bytes, (int)(0xfb + i), MERKLE_HASH_BYTES);
        checkpoint_format(&checkpoint, &text);
        assert_int_equal(checkpoint_parse(buffer_view(&text), &back), ERR_OK);
        assert_string_equal(back.origin, checkpoint.origin);
        assert_int_equal(back.size, sizes[i]);
        assert_memory_equal(&back.root, &checkpoint.root, sizeof(back.root));
    }
}

/* The example of C2SP tlog-cosignature. */
static void
the_example_of_the_specification_is_read(void **state)
{
    (void)state;
    struct note note;
    struct checkpoint checkpoint;
    char root[2 * MERKLE_HASH_BYTES + 1];
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(NOTE_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(NOTE_BYTES_MAX);
    assert_int_equal(file_read(VECTORS_DIR "/c2sp_cosigned.txt", &bytes), ERR_OK);
    assert_int_equal(note_parse(buffer_view(&bytes), &note), ERR_OK);
    assert_int_equal(checkpoint_parse(note.text, &checkpoint), ERR_OK);
    assert_string_equal(checkpoint.origin, "example.com/behind-the-sofa");
    assert_int_equal(checkpoint.size, 20852163);
    text_hex(bytes_of(checkpoint.root.bytes, MERKLE_HASH_BYTES), root);
    assert_string_equal(root, "0ac5186a91863e8e1d90c8080"
                              "14aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
    checkpoint_format(&checkpoint, &again);
    assert_true(bytes_equal(buffer_view(&again), note.text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_read),
        cmocka_unit_test(other_forms_are_malformed),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_example_of_the_specification_is_read),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
