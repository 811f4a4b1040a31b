/* Takes protobuf apart and puts it together wrongly. Knows the wire form, and no schema. */
#include "tests/unit/wire/raw.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, PATH_MAX_TEXT = 64 };

static uint64_t
take_varint(struct bytes *rest)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        assert(rest->len > 0 && shift < 64);
        uint8_t byte = rest->data[0];
        *rest = bytes_of(rest->data + 1, rest->len - 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
}

void
raw_put_varint(struct buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        buffer_put_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_put_u8(out, (uint8_t)value);
}

void
raw_put_number(struct buffer *out, uint32_t number, uint64_t value)
{
    raw_put_varint(out, (uint64_t)number << 3);
    raw_put_varint(out, value);
}

void
raw_put_content(struct buffer *out, uint32_t number, struct bytes content)
{
    raw_put_varint(out, (uint64_t)number << 3 | 2);
    raw_put_varint(out, content.len);
    buffer_put(out, content.data, content.len);
}

size_t
raw_split(struct bytes message, struct raw_field out[RAW_FIELDS_MAX])
{
    size_t n = 0;
    while (message.len > 0) {
        assert(n < RAW_FIELDS_MAX);
        const uint8_t *start = message.data;
        uint64_t tag = take_varint(&message);
        struct raw_field field = {.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
        field.value = take_varint(&message);
        if (field.wire == 2) {
            assert(field.value <= message.len);
            field.content = bytes_of(message.data, (size_t)field.value);
            message = bytes_of(message.data + field.value, message.len - (size_t)field.value);
        }
        field.whole = bytes_of(start, (size_t)(message.data - start));
        out[n++] = field;
    }
    return n;
}

struct spoiling {
    const char *const *nested;
    raw_visit visit;
    void *context;
};

/* A level of nesting: the parent's fields, and which of them is being changed. */
struct spoiling_level {
    const struct spoiling_level *parent;
    const struct raw_field *fields;
    size_t n;
    size_t which;
};

/* Puts `inner` in the place of the changed field of each parent, up to the outermost message. */
static void
deliver(const struct spoiling *s, const struct spoiling_level *level, struct bytes inner,
        const char *words)
{
    if (level == NULL) {
        s->visit(inner, words, s->context);
        return;
    }
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(BYTES_MAX);
    for (size_t i = 0; i < level->n; i++) {
        if (i == level->which) {
            raw_put_content(&out, level->fields[i].number, inner);
        } else {
            buffer_put(&out, level->fields[i].whole.data, level->fields[i].whole.len);
        }
    }
    deliver(s, level->parent, buffer_view(&out), words);
}

typedef void (*spoil)(const struct raw_field *field, struct buffer *out);

static void
leave_out(const struct raw_field *field, struct buffer *out)
{
    (void)field;
    (void)out;
}

static void
twice(const struct raw_field *field, struct buffer *out)
{
    buffer_put(out, field->whole.data, field->whole.len);
    buffer_put(out, field->whole.data, field->whole.len);
}

static void
shorter(const struct raw_field *field, struct buffer *out)
{
    if (field->wire == 2) {
        size_t len = field->content.len;
        raw_put_content(out, field->number, bytes_of(field->content.data, len > 0 ? len - 1 : 0));
    } else {
        raw_put_number(out, field->number, UINT64_MAX);
    }
}

static void
longer(const struct raw_field *field, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer content = BUFFER_INIT(BYTES_MAX);
    if (field->wire == 2) {
        buffer_put(&content, field->content.data, field->content.len);
        buffer_put_u8(&content, 'x');
        raw_put_content(out, field->number, buffer_view(&content));
    } else {
        raw_put_number(out, field->number, (uint64_t)1 << 40);
    }
}

static void
empty(const struct raw_field *field, struct buffer *out)
{
    raw_put_content(out, field->number, bytes_of(NULL, 0));
}

static void
other_wire(const struct raw_field *field, struct buffer *out)
{
    if (field->wire == 2) {
        raw_put_number(out, field->number, 1);
    } else {
        raw_put_content(out, field->number, bytes_of("\x01", 1));
    }
}

static void
fixed_wire(const struct raw_field *field, struct buffer *out)
{
    raw_put_varint(out, (uint64_t)field->number << 3 | 5);
    buffer_put_u32(out, 1);
}

static void
overlong(const struct raw_field *field, struct buffer *out)
{
    raw_put_varint(out, (uint64_t)field->number << 3 | field->wire);
    uint64_t value = field->value;
    while (value >= 0x80) {
        buffer_put_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_put_u8(out, (uint8_t)(value | 0x80));
    buffer_put_u8(out, 0);
    buffer_put(out, field->content.data, field->content.len);
}

static void
beside_unknown(const struct raw_field *field, struct buffer *out)
{
    buffer_put(out, field->whole.data, field->whole.len);
    raw_put_number(out, 999, 1);
}

static const struct spoil_row {
    const char *words;
    spoil change;
} spoils[] = {
    {"left out", leave_out},    {"twice", twice},       {"shorter", shorter},
    {"longer", longer},         {"empty", empty},       {"other wire type", other_wire},
    {"fixed wire", fixed_wire}, {"overlong", overlong}, {"beside unknown", beside_unknown},
};

static bool
is_nested(const struct spoiling *s, const char *path)
{
    for (const char *const *at = s->nested; at != NULL && *at != NULL; at++) {
        if (strcmp(*at, path) == 0) {
            return true;
        }
    }
    return false;
}

static void
spoil_fields(const struct spoiling *s, const struct spoiling_level *parent, const char *prefix,
             struct bytes message)
{
    struct raw_field fields[RAW_FIELDS_MAX];
    size_t n = raw_split(message, fields);
    for (size_t which = 0; which < n; which++) {
        char path[PATH_MAX_TEXT], words[2 * PATH_MAX_TEXT];
        (void)snprintf(path, sizeof(path), "%.40s%s%u", prefix, prefix[0] != '\0' ? "." : "",
                       fields[which].number);
        for (size_t row = 0; row < ARRAY_LEN(spoils); row++) {
            CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(BYTES_MAX);
            for (size_t i = 0; i < n; i++) {
                if (i == which) {
                    spoils[row].change(&fields[i], &out);
                } else {
                    buffer_put(&out, fields[i].whole.data, fields[i].whole.len);
                }
            }
            (void)snprintf(words, sizeof(words), "%s %s", path, spoils[row].words);
            deliver(s, parent, buffer_view(&out), words);
        }
        if (is_nested(s, path)) {
            const struct spoiling_level level = {parent, fields, n, which};
            spoil_fields(s, &level, path, fields[which].content);
        }
    }
}

void
raw_spoil(struct bytes message, const char *const *nested, raw_visit visit, void *context)
{
    const struct spoiling s = {.nested = nested, .visit = visit, .context = context};
    spoil_fields(&s, NULL, "", message);
}
