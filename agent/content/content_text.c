/* Decides how long each text of a referral may be and what passes as text. All maxima stand in one
 * table; a field without a row is no text field. People's texts come in strictly (content_take),
 * texts taken over from another system's record are kept as far as they can be shown
 * (content_clean), because the original travels along whole.
 *
 * It refuses to know which statement carries which text. */
#include "agent/content/content_text.h"

#include <string.h>

#include "lib/base/text.h"

static const struct content_limit limits[] = {
    {"name", 200, true},         {"birth_date", 10, true},  {"phone", 40, true},
    {"email", 254, true},        {"address", 500, false},   {"language", 60, true},
    {"how", 200, true},          {"when", 200, true},       {"need", 4000, false},
    {"note", 8000, false},       {"missing", 8000, false},  {"answer", 8000, false},
    {"signed_on", 40, true},     {"expires_on", 40, true},  {"covers", 1000, false},
    {"source", 1000, false},     {"service", 64, true},     {"contact_name", 200, true},
    {"contact_phone", 40, true}, {"appointment", 40, true}, {"staff", 200, true},
    {"system", 120, true},       {"code", 60, true},        {"value", 100, true},
    {"word", 80, true}, /* codes of our own lists, organization and loop ids */
};

const struct content_limit *
content_limit_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        if (strcmp(limits[i].name, name) == 0)
            return &limits[i];
    }
    return NULL;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Without the blanks at both ends. */
static struct bytes
trim(const char *text, size_t len)
{
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    return bytes_of(text, len);
}

/* Browsers and Windows programs end lines with CRLF; one form for all, and a lone CR stays to be
 * refused. */
static enum err
unify_lines(struct bytes text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' && i + 1 < text.len && text.data[i + 1] == '\n')
            continue;
        buffer_put_u8(out, text.data[i]);
    }
    return buffer_err(out);
}

static json_t *
string_of(struct bytes text)
{
    return json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
}

enum err
content_take(const char *name, const char *label, const json_t *value, json_t **out,
             struct content_fault *fault)
{
    const struct content_limit *limit = content_limit_find(name);

    if (limit == NULL)
        return ERR_INTERNAL;
    if (value == NULL || json_is_null(value)) {
        *out = NULL;
        return ERR_OK;
    }
    if (!json_is_string(value))
        return content_blame(fault, label, "%s must be a text in quotation marks", label);
    struct bytes raw = trim(json_string_value(value), json_string_length(value));
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(raw.len + 1);
    enum err err = unify_lines(raw, &text);
    if (err != ERR_OK)
        return err;
    if (text.len > limit->max_bytes) {
        return content_blame(fault, label, "%s is longer than %zu bytes", label, limit->max_bytes);
    }
    struct bytes view = buffer_view(&text);
    if (limit->line ? !text_is_clean_line(view, limit->max_bytes)
                    : !text_is_clean(view, limit->max_bytes)) {
        return content_blame(fault, label, "%s holds characters that are no text%s", label,
                             limit->line ? ", or more than one line" : "");
    }
    json_t *string = view.len > 0 ? string_of(view) : NULL;
    if (view.len > 0 && string == NULL)
        return ERR_MEMORY;
    *out = string;
    return ERR_OK;
}

/* C0, DEL, and the two bytes of C1 in UTF-8. Returns how many bytes the control character at the
 * start has, 0 when there is none. */
static size_t
control_length(struct bytes text, bool line)
{
    uint8_t c = text.data[0];

    if (c == '\n' || c == '\t')
        return line ? 1 : 0;
    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && text.len > 1 && text.data[1] >= 0x80 && text.data[1] < 0xa0 ? 2 : 0;
}

/* Appends with blanks for control characters, at most `max` bytes and no part of a character. False
 * when cut. */
static bool
tame_into(struct bytes text, bool line, size_t max, struct buffer *out)
{
    for (size_t i = 0; i < text.len;) {
        size_t control = control_length(bytes_of(text.data + i, text.len - i), line);
        size_t n = 1;
        while (control == 0 && i + n < text.len && (text.data[i + n] & 0xc0) == 0x80)
            n++;
        if (out->len + (control > 0 ? 1 : n) > max)
            return false;
        if (control > 0)
            buffer_put_u8(out, ' ');
        else
            buffer_put(out, text.data + i, n);
        i += control > 0 ? control : n;
    }
    return true;
}

json_t *
content_clean(const char *name, const char *text, bool *cut_out)
{
    const struct content_limit *limit = content_limit_find(name);
    struct bytes raw = trim(text, strlen(text));
    CLEANUP(buffer_done) struct buffer lines = BUFFER_INIT(raw.len + 1);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(raw.len + 1);

    if (limit == NULL || unify_lines(raw, &lines) != ERR_OK)
        return NULL;
    if (!tame_into(buffer_view(&lines), limit->line, limit->max_bytes, &out))
        *cut_out = true;
    return buffer_err(&out) == ERR_OK ? string_of(buffer_view(&out)) : NULL;
}

json_t *
content_tame(const char *text, bool line)
{
    struct bytes raw = bytes_of_text(text);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(raw.len + 1);

    (void)tame_into(raw, line, raw.len, &out); /* never longer than it was, so never cut */
    return buffer_err(&out) == ERR_OK ? string_of(buffer_view(&out)) : NULL;
}

enum err
content_put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0 ? ERR_OK : ERR_MEMORY;
}

enum err
content_put_in(json_t *object, const char *child, const char *name, json_t *value)
{
    json_t *in = json_object_get(object, child);

    if (in == NULL) {
        in = json_object();
        if (content_put(object, child, in) != ERR_OK) {
            json_decref(value);
            return ERR_MEMORY;
        }
    }
    return content_put(in, name, value);
}

enum err
content_append(json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0 ? ERR_OK : ERR_MEMORY;
}
