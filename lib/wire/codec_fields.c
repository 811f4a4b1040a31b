/* Single fields between their protobuf form and ours: exact lengths, text that fits, absent for
 * zero. The same bounds for both ways. It knows no message. */
#include <string.h>

#include "lib/base/text.h"
#include "lib/wire/codec.h"

bool
codec_is_zero(const void *data, size_t len)
{
    return bytes_all_zero(bytes_of(data, len));
}

bool
codec_get(const ProtobufCBinaryData *field, void *out, size_t len)
{
    if (field->len != len) {
        return false;
    }
    memcpy(out, field->data, len);
    return true;
}

bool
codec_get_unless_zero(protobuf_c_boolean has, const ProtobufCBinaryData *field, void *out,
                      size_t len)
{
    if (!has) {
        memset(out, 0, len);
        return true;
    }
    return codec_get(field, out, len) && !codec_is_zero(out, len);
}

bool
codec_get_text(const char *field, char *out, size_t size)
{
    size_t len = field != NULL ? strlen(field) : 0;
    if (len >= size) {
        return false;
    }
    memset(out, 0, size);
    if (len > 0) {
        memcpy(out, field, len);
    }
    return true;
}

bool
codec_get_org(const char *field, char out[ORG_ID_BYTES])
{
    return codec_get_text(field, out, ORG_ID_BYTES);
}

ProtobufCBinaryData
codec_bytes(const void *data, size_t len)
{
    /* protobuf-c has no const in its structs; it only reads these. */
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

char *
codec_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

char *
codec_text_unless_empty(const char *text)
{
    return text[0] != '\0' ? codec_text(text) : NULL;
}

void
codec_set_unless_zero(protobuf_c_boolean *has, ProtobufCBinaryData *field, const void *data,
                      size_t len)
{
    *has = !codec_is_zero(data, len);
    *field = codec_bytes(data, len);
}

bool
codec_line_ok(const char *text, size_t size, size_t min)
{
    size_t len = strnlen(text, size);
    return len < size && len >= min && text_is_clean_line(bytes_of(text, len), size);
}

bool
codec_org_ok(const char org[ORG_ID_BYTES])
{
    return strnlen(org, ORG_ID_BYTES) < ORG_ID_BYTES && ident_is_org(org);
}
