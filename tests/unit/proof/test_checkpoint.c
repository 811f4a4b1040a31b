/* A checkpoint is what the log's key signed for this network, and nothing else is. */
#include "tests/unit/proof/small_log.h"

#include <time.h>

#include "lib/base/text.h"

static struct merkle_hash
some_root(void)
{
    struct merkle_hash root;
    memset(root.bytes, 7, sizeof(root.bytes));
    return root;
}

static enum err
sign(uint64_t size, struct buffer *note)
{
    struct network_id network = fixture_network();
    struct merkle_hash root = some_root();
    *note = BUFFER_INIT(NOTE_ROOM);
    return checkpoint_sign(&network, size, &root, &fixture_who(BROKER)->sign, note);
}

static enum err
open_by(struct bytes note, unsigned key_of, struct checkpoint *checkpoint_out)
{
    struct network_id network = fixture_network();
    return checkpoint_open(note, &network, &fixture_who(key_of)->keys.sign, checkpoint_out);
}

static void
names_are_made_from_the_root(void **state)
{
    (void)state;
    struct network_id network = fixture_network();
    char origin[NOTE_NAME_MAX + 1];
    char name[NOTE_NAME_MAX + 1];
    char hex[2 * SIGN_PUBLIC_BYTES + 1];
    char expected[NOTE_NAME_MAX + 1];
    text_hex(bytes_of(network.bytes, sizeof(network.bytes)), hex);
    checkpoint_origin(&network, origin);
    assert_true(text_format(expected, sizeof(expected), "refloop/%s", hex));
    assert_string_equal(origin, expected);
    checkpoint_member_name(&network, "elm-pantry", name);
    assert_true(text_format(expected, sizeof(expected), "refloop/%s/elm-pantry", hex));
    assert_string_equal(name, expected);
}

static void
what_is_signed_opens(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 20852163, TREE_SIZE_MAX};
    struct merkle_hash root = some_root();
    struct network_id network = fixture_network();
    char origin[NOTE_NAME_MAX + 1];
    checkpoint_origin(&network, origin);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(buffer_done) struct buffer note;
        struct checkpoint opened;
        assert_ok(sign(sizes[i], &note));
        assert_ok(open_by(buffer_view(&note), BROKER, &opened));
        assert_int_equal(opened.size, sizes[i]);
        assert_memory_equal(&opened.root, &root, sizeof(root));
        assert_string_equal(opened.origin, origin);
    }
}

/* The signature stands over the text as it is, with the key id of type 0x01 before it. */
static void
the_form_is_that_of_the_specifications(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note;
    struct note parsed;
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    char name[NOTE_NAME_MAX + 1];
    char expected[2 * NOTE_TEXT_MAX];
    struct network_id network = fixture_network();
    const struct fixture_org *broker = fixture_who(BROKER);
    assert_ok(sign(1000, &note));
    checkpoint_origin(&network, name);
    assert_true(text_format(expected, sizeof(expected),
                            "%s\n1000\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\u2014 %s ",
                            name, name));
    assert_true(note.len > strlen(expected));
    assert_memory_equal(note.data, expected, strlen(expected));
    assert_ok(note_parse(buffer_view(&note), &parsed));
    assert_int_equal(parsed.n_signatures, 1);
    note_key_id(name, 0x01, bytes_of(broker->keys.sign.bytes, SIGN_PUBLIC_BYTES), key_id);
    assert_memory_equal(parsed.signatures[0].key_id, key_id, sizeof(key_id));
    assert_int_equal(parsed.signatures[0].len, SIGN_BYTES);
    assert_ok(sign_note_check(parsed.text, &broker->keys.sign, parsed.signatures[0].signature));
}

static void
every_changed_byte_is_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note;
    struct checkpoint untouched = {.size = 5};
    assert_ok(sign(1000, &note));
    for (size_t i = 0; i < note.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            note.data[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(open_by(buffer_view(&note), BROKER, &untouched), ERR_OK);
            note.data[i] ^= (uint8_t)(1 << bit);
        }
        assert_int_not_equal(open_by(bytes_of(note.data, i), BROKER, &untouched), ERR_OK);
    }
    assert_int_equal(untouched.size, 5);
}

static void
another_key_or_network_is_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note;
    struct checkpoint opened;
    struct network_id other = fixture_network();
    other.bytes[0] ^= 1;
    assert_ok(sign(1000, &note));
    assert_err(open_by(buffer_view(&note), CLINIC, &opened), ERR_SIGNATURE);
    assert_err(
        checkpoint_open(buffer_view(&note), &other, &fixture_who(BROKER)->keys.sign, &opened),
        ERR_WRONG_NETWORK);
    assert_err(open_by(bytes_of_text("nothing\n"), BROKER, &opened), ERR_MALFORMED);
    assert_err(open_by(bytes_of(NULL, 0), BROKER, &opened), ERR_MALFORMED);
}

/* A line as `name` and a key id might have it; the signature is the broker's own over the text, or
 * `spoiled`. */
static void
put_line(struct buffer *note, const char *name, uint8_t type, size_t len, bool spoiled)
{
    struct note parsed;
    uint8_t signature[NOTE_SIGNATURE_BYTES_MAX] = {0};
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    const struct fixture_org *broker = fixture_who(BROKER);
    assert_ok(note_parse(buffer_view(note), &parsed));
    sign_note(parsed.text, &broker->sign, signature);
    signature[0] ^= spoiled;
    note_key_id(name, type, bytes_of(broker->keys.sign.bytes, SIGN_PUBLIC_BYTES), key_id);
    note_put_signature(note, name, key_id, bytes_of(signature, len));
    assert_ok(buffer_err(note));
}

/* Strangers may sign what they like; the known key has to be right wherever it stands. */
static void
only_the_known_key_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name; /* NULL: the origin */
        uint8_t type;
        size_t len;
        bool spoiled;
        enum err expected;
    } lines[] = {
        {NULL, NOTE_TYPE_ED25519, SIGN_BYTES, false, ERR_OK},
        {NULL, NOTE_TYPE_ED25519, SIGN_BYTES, true, ERR_SIGNATURE},
        {NULL, NOTE_TYPE_ED25519, SIGN_BYTES - 1, false, ERR_SIGNATURE},
        {NULL, NOTE_TYPE_ED25519, SIGN_BYTES + 8, false, ERR_SIGNATURE},
        {NULL, NOTE_TYPE_COSIGNATURE, SIGN_BYTES, true, ERR_OK},
        {NULL, 0x06, NOTE_SIGNATURE_BYTES_MAX, true, ERR_OK},
        {"witness.example.org", NOTE_TYPE_ED25519, SIGN_BYTES, true, ERR_OK},
        {"witness.example.org", NOTE_TYPE_ED25519, 1, true, ERR_OK},
    };
    struct network_id network = fixture_network();
    char origin[NOTE_NAME_MAX + 1];
    checkpoint_origin(&network, origin);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CLEANUP(buffer_done) struct buffer note;
        struct checkpoint opened;
        assert_ok(sign(1000, &note));
        put_line(&note, lines[i].name != NULL ? lines[i].name : origin, lines[i].type, lines[i].len,
                 lines[i].spoiled);
        assert_err(open_by(buffer_view(&note), BROKER, &opened), lines[i].expected);
    }
}

/* The right bytes under a wrong name, or as another type of signature: the log's line is absent. */
static void
a_note_without_the_logs_line_is_refused(void **state)
{
    (void)state;
    struct network_id network = fixture_network();
    char names[2][NOTE_NAME_MAX + 1];
    static const uint8_t types[] = {NOTE_TYPE_ED25519, NOTE_TYPE_COSIGNATURE};
    checkpoint_member_name(&network, "elm-pantry", names[0]);
    checkpoint_origin(&network, names[1]);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buffer_done) struct buffer whole;
        CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_ROOM);
        struct note parsed;
        struct checkpoint opened;
        uint8_t key_id[NOTE_KEY_ID_BYTES];
        assert_ok(sign(1000, &whole));
        assert_ok(note_parse(buffer_view(&whole), &parsed));
        buffer_put(&note, parsed.text.data, parsed.text.len);
        note_end_text(&note);
        note_key_id(names[i], types[i],
                    bytes_of(fixture_who(BROKER)->keys.sign.bytes, SIGN_PUBLIC_BYTES), key_id);
        note_put_signature(&note, names[i], key_id,
                           bytes_of(parsed.signatures[0].signature, SIGN_BYTES));
        assert_err(open_by(buffer_view(&note), BROKER, &opened), ERR_SIGNATURE);
    }
}

static void
a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(100);
    struct network_id network = fixture_network();
    struct merkle_hash root = some_root();
    buffer_put(&note, "before", 6);
    assert_err(checkpoint_sign(&network, 9, &root, &fixture_who(BROKER)->sign, &note),
               ERR_TOO_LARGE);
    assert_int_equal(note.len, 6);
}

/* Thread time of the quickest of some openings. */
static int64_t
quickest(struct bytes note)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < 20; i++) {
        struct timespec before, after;
        struct checkpoint opened;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        assert_ok(open_by(note, BROKER, &opened));
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        int64_t ns = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
        best = ns < best ? ns : best;
    }
    return best;
}

/* A member may show any note: one line put down 64 times must not cost 64 checks. */
static void
a_repeated_line_costs_no_check(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer note;
    CLEANUP(buffer_done) struct buffer often = BUFFER_INIT(NOTE_BYTES_MAX);
    struct checkpoint opened;
    assert_ok(sign(1000, &note));
    const uint8_t *line = memmem(note.data, note.len, "\n\n", 2);
    assert_non_null(line);
    line += 2;
    size_t len = note.len - (size_t)(line - note.data);
    buffer_put(&often, note.data, note.len);
    for (int i = 1; i < NOTE_SIGNATURES_MAX; i++) {
        buffer_put(&often, line, len);
    }
    assert_ok(buffer_err(&often));
    assert_true(quickest(buffer_view(&often)) < 12 * quickest(buffer_view(&note)));
    often.data[often.len - 10] ^= 1; /* of the last line's signature */
    assert_err(open_by(buffer_view(&often), BROKER, &opened), ERR_SIGNATURE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_from_the_root),
        cmocka_unit_test(what_is_signed_opens),
        cmocka_unit_test(the_form_is_that_of_the_specifications),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(another_key_or_network_is_refused),
        cmocka_unit_test(only_the_known_key_counts),
        cmocka_unit_test(a_note_without_the_logs_line_is_refused),
        cmocka_unit_test(a_repeated_line_costs_no_check),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
