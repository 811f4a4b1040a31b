/* Private to lib/wire: the strict way in and out of protobuf. A scan of the wire bytes against the
 * schema comes first and refuses everything a signed format must not hold; only then are they
 * unpacked, with memory from an arena that has a budget.
 *
 * The scan refuses: unknown fields, other wire types, a scalar given twice, a required field
 * missing, varints not in their shortest form or too large for their type, enum values not listed,
 * false booleans, empty or unclean text, empty bytes, nesting past CODEC_DEPTH_MAX (ERR_MALFORMED),
 * more fields than CODEC_FIELDS_MAX (ERR_TOO_LARGE). */
#ifndef REFLOOP_LIB_WIRE_CODEC_H
#define REFLOOP_LIB_WIRE_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "lib/base/bytes.h"
#include "lib/loop/ident.h"

enum { CODEC_DEPTH_MAX = 8, CODEC_FIELDS_MAX = 4096 };
/* Wire types; our schemas use no others. */
enum { CODEC_WIRE_VARINT = 0, CODEC_WIRE_BYTES = 2 };

/* Zeroed memory that is released all at once, at most LIMIT_UNPACK_BYTES of it. */
struct codec_arena {
    struct codec_block *blocks;
    size_t taken;
    enum err failed; /* why the last allocation gave NULL */
};
void codec_arena_done(struct codec_arena *arena);
/* NULL when there is none or past the budget; `failed` says which. */
void *codec_alloc(struct codec_arena *arena, size_t len) MUST_CHECK;

enum err codec_scan(struct bytes bytes, const ProtobufCMessageDescriptor *type) MUST_CHECK;
/* Scans, then unpacks into the arena. ERR_MALFORMED, ERR_TOO_LARGE, ERR_MEMORY. The message holds
 * copies; for views into `bytes` use codec_view. */
enum err codec_unpack(struct bytes bytes, const ProtobufCMessageDescriptor *type,
                      struct codec_arena *arena, void *message_out) MUST_CHECK;
/* Appends the message's wire form. */
enum err codec_pack(const ProtobufCMessage *message, struct buffer *out) MUST_CHECK;

/* One field after another, without unpacking. False at the first one that is not well-formed;
 * `rest` is what follows it. */
struct codec_field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;       /* of a varint */
    struct bytes content; /* of a length-delimited field: a view */
};
bool codec_take_field(struct bytes *rest, struct codec_field *field_out);

/* Looking into bytes that may be anything: the content of the first field `number`
 * (length-delimited); empty when there is none. */
struct bytes codec_view(struct bytes message, uint32_t number);
/* The contents of the first `max` fields of that number, in order; returns how many there are. */
size_t codec_views(struct bytes message, uint32_t number, struct bytes *views_out, size_t max);
/* The first field of that number that is a varint; false when there is none. */
bool codec_peek_varint(struct bytes message, uint32_t number, uint64_t *value_out);

/* Fields in: false unless exactly `len` bytes, or text that fits into out[size] with its NUL.
 * Absent text is "". */
bool codec_get(const ProtobufCBinaryData *field, void *out, size_t len);
bool codec_get_text(const char *field, char *out, size_t size);
bool codec_get_org(const char *field, char out[ORG_ID_BYTES]);
/* Absent means zero; a zero that is written out is refused. */
bool codec_get_unless_zero(protobuf_c_boolean has, const ProtobufCBinaryData *field, void *out,
                           size_t len);

/* Fields out: views, valid as long as what they point to. */
ProtobufCBinaryData codec_bytes(const void *data, size_t len);
char *codec_text(const char *text);
/* NULL (absent) for "". */
char *codec_text_unless_empty(const char *text);
/* Leaves the field absent when all bytes are zero. */
void codec_set_unless_zero(protobuf_c_boolean *has, ProtobufCBinaryData *field, const void *data,
                           size_t len);

/* True when out[size] holds a NUL-terminated clean line of at least `min` bytes. */
bool codec_line_ok(const char *text, size_t size, size_t min);
/* The same for an organization's id. */
bool codec_org_ok(const char org[ORG_ID_BYTES]);
bool codec_is_zero(const void *data, size_t len);

#endif
