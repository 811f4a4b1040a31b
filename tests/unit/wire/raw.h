/* Hand-made protobuf for tests: what no honest encoder writes. */
#ifndef REFLOOP_TESTS_UNIT_WIRE_RAW_H
#define REFLOOP_TESTS_UNIT_WIRE_RAW_H

#include "lib/base/bytes.h"

/* One field of a message as it stands on the wire: tag and value together. */
struct raw_field {
    uint32_t number;
    uint32_t wire;
    struct bytes whole;   /* tag, length and content */
    struct bytes content; /* of a length-delimited field */
    uint64_t value;       /* of a varint */
};

enum { RAW_FIELDS_MAX = 64 };

void raw_put_varint(struct buffer *out, uint64_t value);
void raw_put_number(struct buffer *out, uint32_t number, uint64_t value);
void raw_put_content(struct buffer *out, uint32_t number, struct bytes content);

/* Takes a well-formed message apart; asserts that it is one. */
size_t raw_split(struct bytes message, struct raw_field out[RAW_FIELDS_MAX]);

/* Called with each changed form of a message; `words` says what was done to it. */
typedef void (*raw_visit)(struct bytes changed, const char *words, void *context);

/* Visits every form of `message` that differs in one field, at any depth down to `depth` levels:
 * left out, given twice, one byte shorter, one byte longer, empty, in another wire type, with an
 * overlong number, and with an unknown field beside it. A string or bytes field is taken for a
 * message when it is listed by its path in `nested` ("5", "5.7"); the list ends with NULL. */
void raw_spoil(struct bytes message, const char *const *nested, raw_visit visit, void *context);

#endif
