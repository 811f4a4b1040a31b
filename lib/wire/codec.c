/* The strict reader under every message from outside. protobuf-c by itself takes the last of two
 * fields, keeps unknown ones, cuts text at a NUL, recurses as deep as it is told and allocates a
 * hundred times what was sent; since the bytes are what is signed, all of that is refused here,
 * once, by walking the wire form beside the schema's own descriptors.
 *
 * It decides the form only. What a field means, and which values go together, is for its caller. */
#include "lib/wire/codec.h"

#include <assert.h>
#include <string.h>

#include "lib/base/text.h"

enum {
    VARINT_BYTES_MAX = 10,
    FIELDS_PER_TYPE_MAX = 64, /* one bit each in a word */
};

/* ---- walking the wire form ---- */

static void
skip(struct bytes *rest, size_t len)
{
    *rest = bytes_of(rest->data + len, rest->len - len);
}

static bool
take_varint(struct bytes *rest, uint64_t *value_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < rest->len && i < VARINT_BYTES_MAX; i++) {
        uint8_t byte = rest->data[i];
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            /* A last byte of zero adds nothing: the number has a shorter form. */
            if (byte == 0 && i > 0) {
                return false;
            }
            skip(rest, i + 1);
            *value_out = value;
            return true;
        }
    }
    return false;
}

bool
codec_take_field(struct bytes *rest, struct codec_field *field_out)
{
    struct codec_field field = {0};
    uint64_t tag = 0;
    if (!take_varint(rest, &tag) || tag > UINT32_MAX) {
        return false;
    }
    field.number = (uint32_t)(tag >> 3);
    field.wire = (uint32_t)(tag & 7);
    if (field.wire != CODEC_WIRE_VARINT && field.wire != CODEC_WIRE_BYTES) {
        return false;
    }
    if (!take_varint(rest, &field.value)) {
        return false;
    }
    if (field.wire == CODEC_WIRE_BYTES) {
        if (field.value > rest->len) {
            return false;
        }
        field.content = bytes_of(rest->data, (size_t)field.value);
        skip(rest, (size_t)field.value);
    }
    *field_out = field;
    return true;
}

/* ---- the scan ---- */

static bool
u32_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    (void)known;
    return field->value <= UINT32_MAX;
}

static bool
any_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    (void)known;
    (void)field;
    return true;
}

static bool
bool_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    (void)known;
    return field->value == 1;
}

static bool
enum_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    return field->value <= INT32_MAX &&
           protobuf_c_enum_descriptor_get_value(known->descriptor, (int)field->value) != NULL;
}

static bool
text_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    (void)known;
    return field->content.len > 0 && text_is_clean_line(field->content, field->content.len);
}

static bool
bytes_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    (void)known;
    return field->content.len > 0;
}

/* The types our schemas use; an empty row is a type they do not, and refuses. */
static const struct value_rule {
    bool (*ok)(const ProtobufCFieldDescriptor *known, const struct codec_field *field);
    uint32_t wire;
} value_rules[] = {
    [PROTOBUF_C_TYPE_UINT32] = {u32_ok, CODEC_WIRE_VARINT},
    [PROTOBUF_C_TYPE_UINT64] = {any_ok, CODEC_WIRE_VARINT},
    [PROTOBUF_C_TYPE_INT64] = {any_ok, CODEC_WIRE_VARINT},
    [PROTOBUF_C_TYPE_BOOL] = {bool_ok, CODEC_WIRE_VARINT},
    [PROTOBUF_C_TYPE_ENUM] = {enum_ok, CODEC_WIRE_VARINT},
    [PROTOBUF_C_TYPE_STRING] = {text_ok, CODEC_WIRE_BYTES},
    [PROTOBUF_C_TYPE_BYTES] = {bytes_ok, CODEC_WIRE_BYTES},
    [PROTOBUF_C_TYPE_MESSAGE] = {any_ok, CODEC_WIRE_BYTES},
};

static bool
value_ok(const ProtobufCFieldDescriptor *known, const struct codec_field *field)
{
    size_t type = (size_t)known->type;
    return type < ARRAY_LEN(value_rules) && value_rules[type].ok != NULL &&
           value_rules[type].wire == field->wire && value_rules[type].ok(known, field);
}

static bool
has_all_required(const ProtobufCMessageDescriptor *type, uint64_t seen)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].label == PROTOBUF_C_LABEL_REQUIRED && (seen >> i & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* The schema of a field that may stand here, now: known, not given before, with a sound value. */
static const ProtobufCFieldDescriptor *
admit(const ProtobufCMessageDescriptor *type, const struct codec_field *field, uint64_t *seen)
{
    const ProtobufCFieldDescriptor *known =
        protobuf_c_message_descriptor_get_field(type, field->number);
    if (known == NULL || !value_ok(known, field)) {
        return NULL;
    }
    uint64_t bit = (uint64_t)1 << (known - type->fields);
    if (known->label != PROTOBUF_C_LABEL_REPEATED && (*seen & bit) != 0) {
        return NULL;
    }
    *seen |= bit;
    return known;
}

static enum err
scan(struct bytes rest, const ProtobufCMessageDescriptor *type, unsigned depth, size_t *n_fields)
{
    uint64_t seen = 0;
    if (depth > CODEC_DEPTH_MAX) {
        return ERR_MALFORMED;
    }
    assert(type->n_fields <= FIELDS_PER_TYPE_MAX);
    while (rest.len > 0) {
        struct codec_field field;
        if (!codec_take_field(&rest, &field)) {
            return ERR_MALFORMED;
        }
        if (++*n_fields > CODEC_FIELDS_MAX) {
            return ERR_TOO_LARGE;
        }
        const ProtobufCFieldDescriptor *known = admit(type, &field, &seen);
        if (known == NULL) {
            return ERR_MALFORMED;
        }
        if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
            enum err err = scan(field.content, known->descriptor, depth + 1, n_fields);
            if (err != ERR_OK) {
                return err;
            }
        }
    }
    return has_all_required(type, seen) ? ERR_OK : ERR_MALFORMED;
}

enum err
codec_scan(struct bytes bytes, const ProtobufCMessageDescriptor *type)
{
    size_t n_fields = 0;
    return scan(bytes, type, 1, &n_fields);
}

static void *
allocator_alloc(void *data, size_t size)
{
    return codec_alloc(data, size);
}

static void
allocator_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer; /* the arena goes as a whole */
}

enum err
codec_unpack(struct bytes bytes, const ProtobufCMessageDescriptor *type, struct codec_arena *arena,
             void *message_out)
{
    ProtobufCAllocator allocator = {
        .alloc = allocator_alloc, .free = allocator_free, .allocator_data = arena};
    enum err err = codec_scan(bytes, type);
    if (err != ERR_OK) {
        return err;
    }
    arena->failed = ERR_MALFORMED;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.data);
    if (message == NULL) {
        return arena->failed;
    }
    /* Bytewise: the caller's variable is a pointer to the type of message it asked for. */
    memcpy(message_out, &message, sizeof(message));
    return ERR_OK;
}

enum err
codec_pack(const ProtobufCMessage *message, struct buffer *out)
{
    uint8_t *place = buffer_extend(out, protobuf_c_message_get_packed_size(message));
    if (place == NULL) {
        return buffer_err(out);
    }
    protobuf_c_message_pack(message, place);
    return ERR_OK;
}

/* ---- views ---- */

size_t
codec_views(struct bytes message, uint32_t number, struct bytes *views_out, size_t max)
{
    struct codec_field field;
    size_t n = 0;
    while (message.len > 0 && codec_take_field(&message, &field)) {
        if (field.number != number || field.wire != CODEC_WIRE_BYTES) {
            continue;
        }
        if (n < max) {
            views_out[n] = field.content;
        }
        n++;
    }
    return n;
}

struct bytes
codec_view(struct bytes message, uint32_t number)
{
    struct bytes view = {0};
    (void)codec_views(message, number, &view, 1);
    return view;
}

bool
codec_peek_varint(struct bytes message, uint32_t number, uint64_t *value_out)
{
    struct codec_field field;
    while (message.len > 0 && codec_take_field(&message, &field)) {
        if (field.number == number && field.wire == CODEC_WIRE_VARINT) {
            *value_out = field.value;
            return true;
        }
    }
    return false;
}
