/* Buffers, views and readers. Decides one thing: no size that came from outside is trusted before
 * it has been compared with what is really there. Knows nothing of what the bytes mean. */
#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST_BYTES = 64 };

struct bytes
bytes_of(const void *data, size_t len)
{
    return (struct bytes){.data = data, .len = len};
}

struct bytes
bytes_of_text(const char *text)
{
    return text != NULL ? bytes_of(text, strlen(text)) : bytes_of(NULL, 0);
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
    /* memcmp of NULL is undefined even for length 0. */
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
bytes_all_zero(struct bytes bytes)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        seen |= bytes.data[i];
    }
    return seen == 0;
}

void
buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = BUFFER_INIT(buffer->max);
}

void
buffer_wipe(struct buffer *buffer)
{
    if (buffer->data != NULL) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    buffer_done(buffer);
}

void
buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = ERR_OK;
}

static size_t
grown_capacity(const struct buffer *buffer, size_t need)
{
    size_t capacity = buffer->capacity;
    if (capacity < BUFFER_FIRST_BYTES) {
        capacity = BUFFER_FIRST_BYTES;
    }
    while (capacity < need && capacity <= buffer->max / 2) {
        capacity *= 2;
    }
    if (capacity < need || capacity > buffer->max) {
        capacity = buffer->max;
    }
    return capacity > 0 ? capacity : 1;
}

/* Not realloc: it would leave copies of secrets in freed memory, where buffer_wipe cannot reach. */
static bool
grow(struct buffer *buffer, size_t need)
{
    size_t capacity = grown_capacity(buffer, need);
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        return false;
    }
    if (buffer->data != NULL) {
        memcpy(data, buffer->data, buffer->len);
        explicit_bzero(buffer->data, buffer->len);
        free(buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *
buffer_extend(struct buffer *buffer, size_t len)
{
    if (buffer->failed != ERR_OK) {
        return NULL;
    }
    if (buffer->len > buffer->max || len > buffer->max - buffer->len) {
        buffer->failed = ERR_TOO_LARGE;
        return NULL;
    }
    size_t need = buffer->len + len;
    if ((buffer->data == NULL || need > buffer->capacity) && !grow(buffer, need)) {
        buffer->failed = ERR_MEMORY;
        return NULL;
    }
    uint8_t *start = buffer->data + buffer->len;
    buffer->len = need;
    return start;
}

void
buffer_put(struct buffer *buffer, const void *data, size_t len)
{
    uint8_t *to = buffer_extend(buffer, len);
    if (to != NULL && len > 0) {
        memcpy(to, data, len);
    }
}

static void
put_integer(struct buffer *buffer, uint64_t value, size_t width)
{
    uint8_t *to = buffer_extend(buffer, width);
    if (to == NULL) {
        return;
    }
    for (size_t i = width; i > 0; i--) {
        to[i - 1] = (uint8_t)(value & 0xffU);
        value >>= 8;
    }
}

void
buffer_put_u8(struct buffer *buffer, uint8_t value)
{
    put_integer(buffer, value, 1);
}

void
buffer_put_u16(struct buffer *buffer, uint16_t value)
{
    put_integer(buffer, value, 2);
}

void
buffer_put_u32(struct buffer *buffer, uint32_t value)
{
    put_integer(buffer, value, 4);
}

void
buffer_put_u64(struct buffer *buffer, uint64_t value)
{
    put_integer(buffer, value, 8);
}

void
buffer_put_i64(struct buffer *buffer, int64_t value)
{
    put_integer(buffer, (uint64_t)value, 8);
}

void
buffer_put_blob(struct buffer *buffer, struct bytes bytes)
{
    if (bytes.len > UINT32_MAX) {
        buffer->failed = ERR_TOO_LARGE;
        return;
    }
    /* One extension for both parts: a length without its bytes must never stay behind. */
    uint8_t *to = buffer_extend(buffer, 4 + bytes.len);
    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        to[i] = (uint8_t)((bytes.len >> (24 - 8 * i)) & 0xffU);
    }
    if (bytes.len > 0) {
        memcpy(to + 4, bytes.data, bytes.len);
    }
}

void
buffer_put_text(struct buffer *buffer, const char *text)
{
    buffer_put_blob(buffer, bytes_of_text(text));
}

enum err
buffer_err(const struct buffer *buffer)
{
    return buffer->failed;
}

struct bytes
buffer_view(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->len);
}

struct reader
reader_of(struct bytes bytes)
{
    return (struct reader){.rest = bytes};
}

struct bytes
reader_take(struct reader *reader, size_t len)
{
    if (reader->bad || len > reader->rest.len) {
        reader->bad = true;
        return bytes_of(NULL, 0);
    }
    struct bytes taken = bytes_of(reader->rest.data, len);
    if (len > 0) {
        reader->rest.data += len;
        reader->rest.len -= len;
    }
    return taken;
}

static uint64_t
take_integer(struct reader *reader, size_t width)
{
    struct bytes taken = reader_take(reader, width);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.len; i++) {
        value = value << 8 | taken.data[i];
    }
    return value;
}

uint8_t
reader_u8(struct reader *reader)
{
    return (uint8_t)take_integer(reader, 1);
}

uint16_t
reader_u16(struct reader *reader)
{
    return (uint16_t)take_integer(reader, 2);
}

uint32_t
reader_u32(struct reader *reader)
{
    return (uint32_t)take_integer(reader, 4);
}

uint64_t
reader_u64(struct reader *reader)
{
    return take_integer(reader, 8);
}

int64_t
reader_i64(struct reader *reader)
{
    return (int64_t)take_integer(reader, 8);
}

void
reader_copy(struct reader *reader, void *out, size_t len)
{
    struct bytes taken = reader_take(reader, len);
    if (len == 0) {
        return;
    }
    if (reader->bad) {
        memset(out, 0, len);
    } else {
        memcpy(out, taken.data, len);
    }
}

struct bytes
reader_blob(struct reader *reader)
{
    return reader_take(reader, reader_u32(reader));
}

void
reader_text(struct reader *reader, char *out, size_t size)
{
    struct bytes text = reader_blob(reader);
    bool fits = text.len < size && (text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
    reader->bad = reader->bad || !fits;
    size_t len = fits ? text.len : 0;
    if (len > 0) {
        memcpy(out, text.data, len);
    }
    if (size > 0) {
        out[len] = '\0';
    }
}

enum err
reader_err(const struct reader *reader)
{
    return reader->bad || reader->rest.len > 0 ? ERR_CORRUPT : ERR_OK;
}
