/* Signed notes as C2SP signed-note has them. It decides whether bytes are a note, strictly: every
 * note has one written form, so what was parsed can be put together again to the same bytes. It
 * does not know any key, and whether a signature is right is not asked here. */
#include "lib/log/note.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "lib/base/text.h"
#include "lib/log/note_text.h"

enum {
    STAMP_BYTES_MAX = NOTE_KEY_ID_BYTES + NOTE_SIGNATURE_BYTES_MAX, /* key id and signature */
    BASE64 = sodium_base64_VARIANT_ORIGINAL,
};

static const char blank_line[] = "\n\n";
static const char line_prefix[] = "\u2014 ";

/* Nowhere in a name: plus, and what Unicode calls white space. No character of UTF-8 begins inside
 * another, so bytes can be looked for. */
static const char *const not_in_names[] = {
    "+",      "\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\xc2\x85", "\u00a0",
    "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",   "\u2007",
    "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
};

bool
note_is_text(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 && bytes.data[i] != '\n') {
            return false;
        }
    }
    return text_is_utf8(bytes);
}

static struct bytes
skip(struct bytes bytes, size_t len)
{
    return bytes_of(bytes.data + len, bytes.len - len);
}

bool
note_take_line(struct bytes *rest, struct bytes *line_out)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    if (end == NULL || end == rest->data) {
        return false;
    }
    *line_out = bytes_of(rest->data, (size_t)(end - rest->data));
    *rest = skip(*rest, line_out->len + 1);
    return true;
}

static bool
is_name(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(not_in_names); i++) {
        if (memmem(name.data, name.len, not_in_names[i], strlen(not_in_names[i])) != NULL) {
            return false;
        }
    }
    return name.len > 0;
}

/* libsodium 1.0.18 takes some bytes above 0x7f for digits, so what it read is written again and
 * compared. */
bool
note_unbase64(struct bytes text, uint8_t *out, size_t size, size_t *len_out)
{
    char again[sodium_base64_ENCODED_LEN(NOTE_BASE64_BYTES_MAX, BASE64)];
    assert(size <= NOTE_BASE64_BYTES_MAX);
    if (sodium_base642bin(out, size, (const char *)text.data, text.len, NULL, len_out, NULL,
                          BASE64) != 0) {
        return false;
    }
    sodium_bin2base64(again, sizeof(again), out, *len_out, BASE64);
    return bytes_equal(bytes_of_text(again), text);
}

static enum err
parse_stamp(struct bytes text, struct note_signature *signature)
{
    /* A whole number of base64's groups of 3, so that one byte too many is told from bad digits. */
    uint8_t stamp[(STAMP_BYTES_MAX + 2) / 3 * 3];
    size_t len = 0;
    if (text.len > sizeof(stamp) / 3 * 4) {
        return ERR_TOO_LARGE;
    }
    if (!note_unbase64(text, stamp, sizeof(stamp), &len) || len <= NOTE_KEY_ID_BYTES) {
        return ERR_MALFORMED;
    }
    if (len > STAMP_BYTES_MAX) {
        return ERR_TOO_LARGE;
    }
    signature->len = len - NOTE_KEY_ID_BYTES;
    memcpy(signature->key_id, stamp, NOTE_KEY_ID_BYTES);
    memcpy(signature->signature, stamp + NOTE_KEY_ID_BYTES, signature->len);
    return ERR_OK;
}

static enum err
parse_line(struct bytes line, struct note_signature *signature)
{
    const size_t prefix_len = sizeof(line_prefix) - 1;
    if (line.len <= prefix_len || memcmp(line.data, line_prefix, prefix_len) != 0) {
        return ERR_MALFORMED;
    }
    line = skip(line, prefix_len);
    const uint8_t *space = memchr(line.data, ' ', line.len);
    if (space == NULL) {
        return ERR_MALFORMED;
    }
    signature->name = bytes_of(line.data, (size_t)(space - line.data));
    if (!is_name(signature->name)) {
        return ERR_MALFORMED;
    }
    if (signature->name.len > NOTE_NAME_MAX) {
        return ERR_TOO_LARGE;
    }
    return parse_stamp(skip(line, signature->name.len + 1), signature);
}

/* The text may hold blank lines itself: the last one ends it. */
static bool
split(struct bytes bytes, struct bytes *text_out, struct bytes *lines_out)
{
    for (size_t at = bytes.len; at >= 2; at--) {
        if (memcmp(bytes.data + at - 2, blank_line, 2) == 0) {
            *text_out = bytes_of(bytes.data, at - 1);
            *lines_out = skip(bytes, at);
            return lines_out->len > 0;
        }
    }
    return false;
}

static enum err
parse_lines(struct bytes lines, struct note *note)
{
    while (lines.len > 0) {
        struct bytes line;
        if (!note_take_line(&lines, &line)) {
            return ERR_MALFORMED;
        }
        if (note->n_signatures == NOTE_SIGNATURES_MAX) {
            return ERR_TOO_LARGE;
        }
        enum err err = parse_line(line, &note->signatures[note->n_signatures]);
        if (err != ERR_OK) {
            return err;
        }
        note->n_signatures++;
    }
    return ERR_OK;
}

enum err
note_parse(struct bytes bytes, struct note *note_out)
{
    struct note note = {0};
    struct bytes lines;
    if (bytes.len > NOTE_BYTES_MAX) {
        return ERR_TOO_LARGE;
    }
    if (!note_is_text(bytes) || !split(bytes, &note.text, &lines)) {
        return ERR_MALFORMED;
    }
    if (note.text.len > NOTE_TEXT_MAX) {
        return ERR_TOO_LARGE;
    }
    enum err err = parse_lines(lines, &note);
    if (err == ERR_OK) {
        *note_out = note;
    }
    return err;
}

void
note_end_text(struct buffer *note)
{
    buffer_put(note, "\n", 1);
}

void
note_put_signature(struct buffer *note, const char *name, const uint8_t key_id[NOTE_KEY_ID_BYTES],
                   struct bytes signature)
{
    assert(is_name(bytes_of_text(name)) && signature.len > 0);
    assert(signature.len <= NOTE_SIGNATURE_BYTES_MAX);
    uint8_t stamp[STAMP_BYTES_MAX];
    char digits[sodium_base64_ENCODED_LEN(STAMP_BYTES_MAX, BASE64)];
    memcpy(stamp, key_id, NOTE_KEY_ID_BYTES);
    memcpy(stamp + NOTE_KEY_ID_BYTES, signature.data, signature.len);
    sodium_bin2base64(digits, sizeof(digits), stamp, NOTE_KEY_ID_BYTES + signature.len, BASE64);
    buffer_put(note, line_prefix, sizeof(line_prefix) - 1);
    buffer_put(note, name, strlen(name));
    buffer_put(note, " ", 1);
    buffer_put(note, digits, strlen(digits));
    buffer_put(note, "\n", 1);
}

void
note_key_id(const char *name, uint8_t type, struct bytes public_key,
            uint8_t key_id_out[NOTE_KEY_ID_BYTES])
{
    const uint8_t separator[] = {'\n', type};
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)name, strlen(name));
    crypto_hash_sha256_update(&state, separator, sizeof(separator));
    crypto_hash_sha256_update(&state, public_key.data, public_key.len);
    crypto_hash_sha256_final(&state, hash);
    memcpy(key_id_out, hash, NOTE_KEY_ID_BYTES);
}
