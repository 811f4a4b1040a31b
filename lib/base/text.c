/* Text from outside: what may pass as text, and the two encodings that carry bytes in text. Decides
 * strictly, so that every value has exactly one written form. Does not know languages, and changes
 * no text it accepts. */
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One row for each length of a UTF-8 sequence; `least` refuses overlong forms. */
static const struct {
    uint8_t mask, lead;
    uint32_t least;
} sequences[] = {
    {0x80, 0x00, 0x0},
    {0xe0, 0xc0, 0x80},
    {0xf0, 0xe0, 0x800},
    {0xf8, 0xf0, 0x10000},
};

/* Reads one character at the start of `bytes`; returns its length, 0 when it is not valid. */
static size_t
take_character(struct bytes bytes, uint32_t *character_out)
{
    size_t n = 0;
    while (n < ARRAY_LEN(sequences) && (bytes.data[0] & sequences[n].mask) != sequences[n].lead) {
        n++;
    }
    if (n == ARRAY_LEN(sequences) || n >= bytes.len) {
        return 0;
    }
    uint32_t character = bytes.data[0] & (uint8_t)~sequences[n].mask;
    for (size_t i = 1; i <= n; i++) {
        if ((bytes.data[i] & 0xc0) != 0x80) {
            return 0;
        }
        character = character << 6 | (bytes.data[i] & 0x3f);
    }
    if (character < sequences[n].least || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff)) {
        return 0;
    }
    *character_out = character;
    return n + 1;
}

/* C0, DEL and C1: any of them can drive a terminal. */
static bool
is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

static bool
is_clean(struct bytes bytes, size_t max_bytes, const char *allowed)
{
    if (bytes.len > max_bytes) {
        return false;
    }
    while (bytes.len > 0) {
        uint32_t character = 0;
        size_t len = take_character(bytes, &character);
        if (len == 0) {
            return false;
        }
        if (is_control(character) &&
            (character == 0 || character >= 0x7f || strchr(allowed, (int)character) == NULL)) {
            return false;
        }
        bytes = bytes_of(bytes.data + len, bytes.len - len);
    }
    return true;
}

bool
text_is_clean(struct bytes bytes, size_t max_bytes)
{
    return is_clean(bytes, max_bytes, "\t\n");
}

bool
text_is_clean_line(struct bytes bytes, size_t max_bytes)
{
    return is_clean(bytes, max_bytes, "");
}

bool
text_is_utf8(struct bytes bytes)
{
    while (bytes.len > 0) {
        uint32_t character = 0;
        size_t len = take_character(bytes, &character);
        if (len == 0) {
            return false;
        }
        bytes = bytes_of(bytes.data + len, bytes.len - len);
    }
    return true;
}

void
text_hex(struct bytes bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[bytes.data[i] >> 4];
        out[2 * i + 1] = digits[bytes.data[i] & 0x0f];
    }
    out[2 * bytes.len] = '\0';
}

static int
hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

enum err
text_unhex(const char *hex, uint8_t *out, size_t len)
{
    /* Checked whole before the first byte is written: the output stays untouched on failure. */
    if (strlen(hex) != 2 * len) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < 2 * len; i++) {
        if (hex_value(hex[i]) < 0) {
            return ERR_INVALID;
        }
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    }
    return ERR_OK;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Written characters for 1, 2 and 3 bytes, and back; the rest of a division by 4 is never 1. */
static const size_t base64_tail_chars[] = {0, 2, 3};
static const size_t base64_tail_bytes[] = {0, 0, 1, 2};

void
text_base64(struct bytes bytes, struct buffer *out)
{
    size_t len = bytes.len / 3 * 4 + base64_tail_chars[bytes.len % 3];
    uint8_t *to = buffer_extend(out, len);
    if (to == NULL) {
        return;
    }
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8 | bytes.data[i]) & 0xffffU;
        n_bits += 8;
        while (n_bits >= 6) {
            n_bits -= 6;
            *to++ = (uint8_t)base64_digits[bits >> n_bits & 0x3f];
        }
    }
    if (n_bits > 0) {
        *to = (uint8_t)base64_digits[bits << (6 - n_bits) & 0x3f];
    }
}

static int
base64_value(uint8_t digit)
{
    const char *found = digit != '\0' ? strchr(base64_digits, digit) : NULL;
    return found != NULL ? (int)(found - base64_digits) : -1;
}

/* The one written form: known digits only, and no set bits beyond the last whole byte. */
static bool
base64_is_canonical(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (base64_value(text.data[i]) < 0) {
            return false;
        }
    }
    if (text.len % 4 == 0) {
        return true;
    }
    int spare = text.len % 4 == 2 ? 0x0f : 0x03;
    return text.len % 4 != 1 && (base64_value(text.data[text.len - 1]) & spare) == 0;
}

enum err
text_unbase64(struct bytes text, struct buffer *out)
{
    if (!base64_is_canonical(text)) {
        return ERR_INVALID;
    }
    size_t len = text.len / 4 * 3 + base64_tail_bytes[text.len % 4];
    uint8_t *to = buffer_extend(out, len);
    if (to == NULL) {
        return buffer_err(out);
    }
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        bits = (bits << 6 | (uint32_t)base64_value(text.data[i])) & 0xffffU;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            *to++ = (uint8_t)(bits >> n_bits & 0xffU);
        }
    }
    return ERR_OK;
}

void
text_printable(struct bytes from, char *out, size_t size)
{
    if (size == 0) {
        return;
    }
    size_t len = from.len < size - 1 ? from.len : size - 1;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = from.data[i];
        out[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    out[len] = '\0';
}

bool
text_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, size, format, args);
    va_end(args);
    if (len < 0 && size > 0) {
        out[0] = '\0';
    }
    return len >= 0 && (size_t)len < size;
}
