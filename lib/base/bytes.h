/* Bytes: a read-only view, a buffer that grows to a hard maximum, and a reader that cannot run past
 * its end. All integers are big-endian, so that keys sort and records have one form. */
#ifndef REFLOOP_LIB_BASE_BYTES_H
#define REFLOOP_LIB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* A view: owns nothing. data may be NULL when len is 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

struct bytes bytes_of(const void *data, size_t len);
struct bytes bytes_of_text(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_all_zero(struct bytes bytes);

/* A growing buffer. Start from BUFFER_INIT(max); release with buffer_done. Appends past `max` or
 * out of memory set `failed` and change nothing; check once at the end with buffer_err. */
struct buffer {
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t max;
    enum err failed;
};
#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

void buffer_done(struct buffer *buffer);  /* frees; the struct may be used again afterwards */
void buffer_wipe(struct buffer *buffer);  /* zeroes the memory, then frees */
void buffer_clear(struct buffer *buffer); /* len 0, keeps the memory */
void buffer_put(struct buffer *buffer, const void *data, size_t len);
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u16(struct buffer *buffer, uint16_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);
void buffer_put_i64(struct buffer *buffer, int64_t value);
/* u32 length, then the bytes. */
void buffer_put_blob(struct buffer *buffer, struct bytes bytes);
void buffer_put_text(struct buffer *buffer, const char *text);
/* Appends `len` writable bytes and returns their start, NULL when that fails. */
uint8_t *buffer_extend(struct buffer *buffer, size_t len) MUST_CHECK;
/* ERR_OK, ERR_TOO_LARGE or ERR_MEMORY. */
enum err buffer_err(const struct buffer *buffer) MUST_CHECK;
struct bytes buffer_view(const struct buffer *buffer);

/* A reader over a view. A read past the end returns zero or an empty view and sets `bad`; check
 * once at the end with reader_err, which also refuses bytes left over. */
struct reader {
    struct bytes rest;
    bool bad;
};

struct reader reader_of(struct bytes bytes);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
int64_t reader_i64(struct reader *reader);
struct bytes reader_take(struct reader *reader, size_t len);
void reader_copy(struct reader *reader, void *out, size_t len); /* zeroes `out` when bad */
struct bytes reader_blob(struct reader *reader);
/* Reads a blob as text into out[size], always terminated; bad when it does not fit or holds a NUL.
 */
void reader_text(struct reader *reader, char *out, size_t size);
/* ERR_OK when everything was read and nothing is left, else ERR_CORRUPT. */
enum err reader_err(const struct reader *reader) MUST_CHECK;

#endif
