/* Text: checks for text that came from outside, and the encodings we print. */
#ifndef REFLOOP_LIB_BASE_TEXT_H
#define REFLOOP_LIB_BASE_TEXT_H

#include "lib/base/bytes.h"

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms), no NUL, no control characters but tab
 * and newline, at most max_bytes. */
bool text_is_clean(struct bytes bytes, size_t max_bytes);
/* The same without tab and newline. */
bool text_is_clean_line(struct bytes bytes, size_t max_bytes);

/* Valid UTF-8 of any characters. */
bool text_is_utf8(struct bytes bytes);

/* Lower-case hex; out holds 2 * len + 1. */
void text_hex(struct bytes bytes, char *out);
/* Exactly 2 * len hex digits of either case. ERR_INVALID otherwise, out untouched. */
enum err text_unhex(const char *hex, uint8_t *out, size_t len) MUST_CHECK;

/* base64url without padding (RFC 4648 section 5). Encoding appends to the buffer and does not add a
 * NUL; decoding appends the bytes. Non-canonical input is ERR_INVALID. */
void text_base64(struct bytes bytes, struct buffer *out);
enum err text_unbase64(struct bytes text, struct buffer *out) MUST_CHECK;

/* Copies `from` into out[size], replacing every byte outside printable ASCII by '?', cut to fit.
 * For peer text that goes into a log line. */
void text_printable(struct bytes from, char *out, size_t size);

/* snprintf that always terminates; false when it had to cut. */
bool text_format(char *out, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
