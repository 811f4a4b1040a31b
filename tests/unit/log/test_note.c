/* A note has one written form: what is a note comes back the same from its parts, and everything
 * beside it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/log/note.h"

/* Key id 01020304 and one byte of signature, 05. */
#define STAMP "AQIDBAU="
#define LINE "\u2014 example.org/log " STAMP "\n"

static enum err
parse(struct bytes bytes, struct note *note)
{
    struct note kept;
    memset(note, 0xee, sizeof(*note));
    memcpy(&kept, note, sizeof(kept));
    enum err err = note_parse(bytes, note);
    if (err != ERR_OK) {
        assert_memory_equal(note, &kept, sizeof(kept));
    }
    return err;
}

static void
put_together(const struct note *note, struct buffer *out)
{
    buffer_put(out, note->text.data, note->text.len);
    note_end_text(out);
    for (size_t i = 0; i < note->n_signatures; i++) {
        const struct note_signature *signature = &note->signatures[i];
        char name[NOTE_NAME_MAX + 1] = {0};
        memcpy(name, signature->name.data, signature->name.len);
        note_put_signature(out, name, signature->key_id,
                           bytes_of(signature->signature, signature->len));
    }
}

static void
assert_comes_back(struct bytes bytes, size_t n_signatures)
{
    struct note note;
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(NOTE_BYTES_MAX);
    assert_int_equal(parse(bytes, &note), ERR_OK);
    assert_int_equal(note.n_signatures, n_signatures);
    put_together(&note, &again);
    assert_true(bytes_equal(buffer_view(&again), bytes));
}

static void
a_note_is_taken_apart(void **state)
{
    (void)state;
    static const char text[] = "first\n\nthird\n";
    struct note note;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(NOTE_BYTES_MAX);
    buffer_put(&bytes, text, strlen(text));
    note_end_text(&bytes);
    uint8_t signature[NOTE_SIGNATURE_BYTES_MAX];
    memset(signature, 0xab, sizeof(signature));
    note_put_signature(&bytes, "example.org/log", (const uint8_t[]){1, 2, 3, 4},
                       bytes_of(signature, 1));
    note_put_signature(&bytes, "Caf\u00e9", (const uint8_t[]){0xff, 0, 0xff, 0},
                       bytes_of(signature, sizeof(signature)));
    assert_int_equal(parse(buffer_view(&bytes), &note), ERR_OK);
    assert_true(bytes_equal(note.text, bytes_of_text(text)));
    assert_int_equal(note.n_signatures, 2);
    assert_true(bytes_equal(note.signatures[0].name, bytes_of_text("example.org/log")));
    assert_memory_equal(note.signatures[0].key_id, "\x01\x02\x03\x04", 4);
    assert_int_equal(note.signatures[0].len, 1);
    assert_int_equal(note.signatures[0].signature[0], 0xab);
    assert_true(bytes_equal(note.signatures[1].name, bytes_of_text("Caf\u00e9")));
    assert_memory_equal(note.signatures[1].key_id, "\xff\x00\xff\x00", 4);
    assert_int_equal(note.signatures[1].len, sizeof(signature));
    assert_memory_equal(note.signatures[1].signature, signature, sizeof(signature));
}

static void
right_forms_come_back(void **state)
{
    (void)state;
    static const char *const notes[] = {
        "text\n\n" LINE,
        "\n\n" LINE,
        "text\n\n\n" LINE,
        "a\n\n" LINE "\n" LINE, /* the first line belongs to the text */
        "del \x7f and nel \xc2\x85 are no control characters to the format\n\n" LINE,
        "text\n\n\u2014 a\u2014b " STAMP "\n",
        "text\n\n" LINE LINE,
    };
    static const size_t n_signatures[] = {1, 1, 1, 1, 1, 1, 2};
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        assert_comes_back(bytes_of_text(notes[i]), n_signatures[i]);
    }
}

static void
other_forms_are_malformed(void **state)
{
    (void)state;
    static const char *const notes[] = {
        "",
        "\n",
        "\n\n",
        "text",
        "text\n",
        "text\n\n",
        LINE,
        "\n" LINE,
        "text\n" LINE,
        "text\n\n" LINE "\n",
        "text\n\n\n",
        "text\n\nexample.org/log " STAMP "\n",
        "text\n\n- example.org/log " STAMP "\n",
        "text\n\n\u2013 example.org/log " STAMP "\n",
        "text\n\n\u2014example.org/log " STAMP "\n",
        "text\n\n \u2014 example.org/log " STAMP "\n",
        "text\n\n\u2014 example.org/log " STAMP,
        "text\n\n\u2014 example.org/log  " STAMP "\n",
        "text\n\n\u2014 example.org/log " STAMP " \n",
        "text\n\n\u2014 example.org/log " STAMP " more\n",
        "text\n\n\u2014 example.org/log\n",
        "text\n\n\u2014 example.org/log \n",
        "text\n\n\u2014 " STAMP "\n",
        "text\n\n\u2014  " STAMP "\n",
        "text\n\n\u2014 \n",
        "text\n\n\u2014\n",
        "text\n\n" LINE "text\n",
        "text\n\n" LINE "\n\n",
        "text\r\n\n" LINE,
        "te\txt\n\n" LINE,
        "te\x1bxt\n\n" LINE,
        "te\x1fxt\n\n" LINE,
        "te\xffxt\n\n" LINE,
        "te\xed\xa0\x80xt\n\n" LINE,
        "text\n\n\u2014 exam\xc0\xafple " STAMP "\n",
    };
    struct note note;
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        if (parse(bytes_of_text(notes[i]), &note) != ERR_MALFORMED) {
            fail_msg("taken for a note: %s", notes[i]);
        }
    }
    static const char nul[] = "te\0xt\n\n" LINE;
    assert_int_equal(parse(bytes_of(nul, sizeof(nul) - 1), &note), ERR_MALFORMED);
    assert_int_equal(parse(bytes_of(NULL, 0), &note), ERR_MALFORMED);
}

static void
base64_has_one_form(void **state)
{
    (void)state;
    static const char *const stamps[] = {
        "AQIDBAU",   /* no padding */
        "AQIDBAU==", /* too much */
        "AQIDBAV=",  /* bits past the last byte */
        "AQIDBA==",  /* a key id and no signature */
        "AQID",      /* not even that */
        "A",         "=",         "====",      "AQIDBAU=AQIDBAU=", "AQIDBA-=",
        "AQIDB_U=",  "AQ\u00e9=", "AQIDBAU=.", "A=IDBAUG",
    };
    struct note note;
    for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
        char bytes[64];
        assert_true(text_format(bytes, sizeof(bytes), "text\n\n\u2014 name %s\n", stamps[i]));
        if (parse(bytes_of_text(bytes), &note) != ERR_MALFORMED) {
            fail_msg("taken for a signature: %s", stamps[i]);
        }
    }
    assert_comes_back(bytes_of_text("t\n\n\u2014 name +/+/+/+/\n"), 1);
}

/* Some decoders take bytes above 0x7f for digits. They come in twos and threes, as UTF-8. */
static void
no_other_character_is_a_digit(void **state)
{
    (void)state;
    struct note note;
    for (uint32_t character = 0x80; character < 0x10000; character++) {
        const bool two = character < 0x800;
        const uint8_t utf8[] = {
            (uint8_t)(two ? 0xc0 | character >> 6 : 0xe0 | character >> 12),
            (uint8_t)(0x80 | (two ? character & 0x3f : character >> 6 & 0x3f)),
            (uint8_t)(0x80 | (character & 0x3f)),
        };
        for (size_t lead = 0; lead < 4; lead++) {
            uint8_t bytes[64] = "t\n\n\u2014 n AAAAAAAAAAAAAAAAAAAA\n";
            memcpy(bytes + 9 + lead, utf8, two ? 2 : 3);
            assert_int_equal(parse(bytes_of_text((const char *)bytes), &note), ERR_MALFORMED);
        }
    }
}

static void
names_hold_no_space_and_no_plus(void **state)
{
    (void)state;
    static const char *const spaces[] = {
        "+",      "\u00a0", "\u1680", "\u2000", "\u2003", "\u2009",   "\u200a",
        "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\xc2\x85",
    };
    static const char *const letters[] = {"", "\u200b", "\u1681", "\u3001", "\u2014", "-"};
    struct note note;
    char bytes[64];
    for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
        assert_true(text_format(bytes, sizeof(bytes), "t\n\n\u2014 a%sb " STAMP "\n", spaces[i]));
        assert_int_equal(parse(bytes_of_text(bytes), &note), ERR_MALFORMED);
        assert_true(text_format(bytes, sizeof(bytes), "t\n\n\u2014 %s " STAMP "\n", spaces[i]));
        assert_int_equal(parse(bytes_of_text(bytes), &note), ERR_MALFORMED);
    }
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        assert_true(text_format(bytes, sizeof(bytes), "t\n\n\u2014 a%sb " STAMP "\n", letters[i]));
        assert_comes_back(bytes_of_text(bytes), 1);
    }
}

static void
put_many(struct buffer *out, char byte, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buffer_put(out, &byte, 1);
    }
}

/* A note of a text, a name and signatures of these lengths. */
static void
make(size_t text_len, size_t name_len, size_t n_signatures, struct buffer *out)
{
    buffer_clear(out);
    put_many(out, 'x', text_len - 1);
    buffer_put(out, "\n\n", 2);
    for (size_t i = 0; i < n_signatures; i++) {
        buffer_put(out, "\u2014 ", 4);
        put_many(out, 'n', name_len);
        buffer_put(out, " " STAMP "\n", sizeof(STAMP) + 1);
    }
}

static enum err
parse_made(size_t text_len, size_t name_len, size_t n_signatures)
{
    struct note note;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(2 * NOTE_BYTES_MAX);
    make(text_len, name_len, n_signatures, &bytes);
    assert_int_equal(buffer_err(&bytes), ERR_OK);
    return parse(buffer_view(&bytes), &note);
}

static void
limits_are_kept(void **state)
{
    (void)state;
    assert_int_equal(parse_made(NOTE_TEXT_MAX, 1, 1), ERR_OK);
    assert_int_equal(parse_made(NOTE_TEXT_MAX + 1, 1, 1), ERR_TOO_LARGE);
    assert_int_equal(parse_made(1, NOTE_NAME_MAX, 1), ERR_OK);
    assert_int_equal(parse_made(1, NOTE_NAME_MAX + 1, 1), ERR_TOO_LARGE);
    assert_int_equal(parse_made(NOTE_TEXT_MAX, NOTE_NAME_MAX, NOTE_SIGNATURES_MAX), ERR_OK);
    assert_int_equal(parse_made(1, 1, NOTE_SIGNATURES_MAX + 1), ERR_TOO_LARGE);
    assert_int_equal(parse_made(NOTE_BYTES_MAX, 1, 1), ERR_TOO_LARGE);
}

/* The fullest note there can be is not refused for its bytes. */
static void
all_limits_fit_together(void **state)
{
    (void)state;
    struct note note;
    uint8_t signature[NOTE_SIGNATURE_BYTES_MAX] = {1};
    char name[NOTE_NAME_MAX + 1] = {0};
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(NOTE_BYTES_MAX);
    memset(name, 'n', NOTE_NAME_MAX);
    put_many(&bytes, 'x', NOTE_TEXT_MAX - 1);
    buffer_put(&bytes, "\n", 1);
    note_end_text(&bytes);
    for (size_t i = 0; i < NOTE_SIGNATURES_MAX; i++) {
        note_put_signature(&bytes, name, signature, bytes_of(signature, sizeof(signature)));
    }
    assert_int_equal(buffer_err(&bytes), ERR_OK);
    assert_int_equal(parse(buffer_view(&bytes), &note), ERR_OK);
}

static void
long_signatures_are_too_large(void **state)
{
    (void)state;
    struct note note;
    for (size_t extra = 0; extra < 8; extra++) {
        uint8_t stamp[NOTE_KEY_ID_BYTES + NOTE_SIGNATURE_BYTES_MAX + 8] = {0};
        size_t len = NOTE_KEY_ID_BYTES + NOTE_SIGNATURE_BYTES_MAX + extra;
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(NOTE_BYTES_MAX);
        buffer_put(&bytes, "t\n\n\u2014 n ", 9);
        text_base64(bytes_of(stamp, len), &bytes); /* zeros look alike in both alphabets */
        put_many(&bytes, '=', (3 - len % 3) % 3);
        buffer_put(&bytes, "\n", 1);
        assert_int_equal(parse(buffer_view(&bytes), &note), extra == 0 ? ERR_OK : ERR_TOO_LARGE);
    }
}

/* The example of C2SP signed-note: verifier key example.com/foo+530d903a+AekyeRrm56h…. */
static void
key_ids_are_those_of_the_specification(void **state)
{
    (void)state;
    uint8_t key[32];
    uint8_t id[NOTE_KEY_ID_BYTES];
    assert_int_equal(text_unhex("e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4",
                                key, sizeof(key)),
                     ERR_OK);
    note_key_id("example.com/foo", NOTE_TYPE_ED25519, bytes_of(key, sizeof(key)), id);
    assert_memory_equal(id, "\x53\x0d\x90\x3a", 4);
    note_key_id("example.com/foo", NOTE_TYPE_COSIGNATURE, bytes_of(key, sizeof(key)), id);
    assert_memory_not_equal(id, "\x53\x0d\x90\x3a", 4);
}

static void
examples_of_the_specification_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t n_signatures;
        const char *key_id, *last_name;
        size_t last_len;
    } files[] = {
        {VECTORS_DIR "/c2sp_text.txt", 1, "\x36\x7b\xa0\x4b", "quasimodo.example/salvatore", 64},
        {VECTORS_DIR "/c2sp_note.txt", 1, "\x53\x0d\x90\x3a", "example.com/foo", 64},
        {VECTORS_DIR "/c2sp_cosigned.txt", 2, "\x03\x3d\xe0\xae", "witness.example.com/w1", 72},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct note note;
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(NOTE_BYTES_MAX);
        assert_int_equal(file_read(files[i].path, &bytes), ERR_OK);
        assert_comes_back(buffer_view(&bytes), files[i].n_signatures);
        assert_int_equal(parse(buffer_view(&bytes), &note), ERR_OK);
        const struct note_signature *last = &note.signatures[note.n_signatures - 1];
        assert_memory_equal(note.signatures[0].key_id, files[i].key_id, NOTE_KEY_ID_BYTES);
        assert_true(bytes_equal(last->name, bytes_of_text(files[i].last_name)));
        assert_int_equal(last->len, files[i].last_len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_taken_apart),
        cmocka_unit_test(right_forms_come_back),
        cmocka_unit_test(other_forms_are_malformed),
        cmocka_unit_test(base64_has_one_form),
        cmocka_unit_test(no_other_character_is_a_digit),
        cmocka_unit_test(names_hold_no_space_and_no_plus),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(all_limits_fit_together),
        cmocka_unit_test(long_signatures_are_too_large),
        cmocka_unit_test(key_ids_are_those_of_the_specification),
        cmocka_unit_test(examples_of_the_specification_come_back),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
