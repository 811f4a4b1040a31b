/* Decides what passes as JSON from outside, and writes JSON in one compact form. Bounds come first:
 * size, then depth over the raw bytes, so that the parser never meets what it could be hurt by. A
 * name given twice is refused, since two readers could each take another one.
 *
 * It refuses to know what the JSON says; complaints name a line and a column, never a value,
 * because values are about people. */
#include "agent/content/content.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

enum {
    DEPTH_MAX = 64,
    /* Decimals are written with as many digits as survive any number of round trips: 0.1 stays 0.1.
     */
    REAL_DIGITS = 15,
};

enum err
content_blame(struct content_fault *fault, const char *field, const char *format, ...)
{
    if (fault == NULL)
        return ERR_INVALID;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    /* A field's name may come from outside too, and is shown on terminals. */
    text_printable(bytes_of_text(field), fault->field, sizeof(fault->field));
    return ERR_INVALID;
}

static bool
is_too_deep(struct bytes text)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static const char *
words_for(enum json_error_code code)
{
    static const struct {
        enum json_error_code code;
        const char *words;
    } rows[] = {
        {json_error_premature_end_of_input, "the text ends too early"},
        {json_error_end_of_input_expected, "something follows after the end"},
        {json_error_invalid_utf8, "these bytes are not UTF-8 text"},
        {json_error_null_character, "a NUL character is not allowed"},
        {json_error_null_byte_in_key, "a NUL character is not allowed"},
        {json_error_duplicate_key, "the same name is given twice in one object"},
        {json_error_numeric_overflow, "this number is too large"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].code == code)
            return rows[i].words;
    }
    return "this is not valid JSON";
}

enum err
content_parse(struct bytes text, size_t max_bytes, json_t **out, struct content_fault *fault)
{
    json_error_t error;

    if (text.len > max_bytes) {
        return content_blame(fault, "", "%zu bytes of JSON are too many, at most %zu are read",
                             text.len, max_bytes);
    }
    if (is_too_deep(text))
        return content_blame(fault, "", "the JSON is nested deeper than %d levels", DEPTH_MAX);
    json_t *json = json_loadb(text.len > 0 ? (const char *)text.data : "", text.len,
                              JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        enum json_error_code code = json_error_code(&error);
        if (code == json_error_out_of_memory)
            return ERR_MEMORY;
        return content_blame(fault, "", "line %d, column %d: %s", error.line, error.column,
                             words_for(code));
    }
    *out = json;
    return ERR_OK;
}

static int
append(const char *data, size_t len, void *out)
{
    struct buffer *buffer = out;

    buffer_put(buffer, data, len);
    return buffer->failed == ERR_OK ? 0 : -1;
}

enum err
content_print(json_t *json, struct buffer *out)
{
    int failed =
        json_dump_callback(json, append, out, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
    enum err err = buffer_err(out);

    return err == ERR_OK && failed != 0 ? ERR_MEMORY : err;
}

static bool
is_in_number(uint8_t c)
{
    return c != '\0' && strchr("0123456789+-.eE", c) != NULL;
}

/* By the same reader and writer as everything else. What cannot be read is not carried either. */
static bool
is_changed(struct bytes literal)
{
    char written[64];

    if (memchr(literal.data, '.', literal.len) == NULL &&
        memchr(literal.data, 'e', literal.len) == NULL &&
        memchr(literal.data, 'E', literal.len) == NULL)
        return false;
    json_auto_t *number =
        json_loadb((const char *)literal.data, literal.len, JSON_DECODE_ANY, NULL);
    size_t len = json_dumpb(number, written, sizeof(written),
                            JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
    return number != NULL && !bytes_equal(literal, bytes_of(written, len));
}

size_t
content_changed_decimals(struct bytes json, size_t max)
{
    bool in_string = false;
    size_t n = 0;

    for (size_t i = 0; i < json.len && n < max; i++) {
        uint8_t c = json.data[i];
        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\';
        } else if (is_in_number(c)) {
            size_t from = i;
            while (i + 1 < json.len && is_in_number(json.data[i + 1]))
                i++;
            n += is_changed(bytes_of(json.data + from, i + 1 - from));
        }
    }
    return n;
}

const char *
content_text(json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));

    return text != NULL ? text : "";
}
