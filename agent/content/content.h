/* What is inside a statement: facts (codes only, also for the auditor) and body (for the two
 * organizations), as JSON of version 1; field list in docs/json.md. Builds and validates both; the
 * core carries them as bytes. */
#ifndef REFLOOP_AGENT_CONTENT_CONTENT_H
#define REFLOOP_AGENT_CONTENT_CONTENT_H

#include <jansson.h>

#include "lib/base/bytes.h"
#include "lib/loop/lifecycle.h"
#include "lib/wire/limits.h"

/* A place for what is wrong with input: which field (or "row 7: phone"), and a sentence. */
struct content_fault {
    char field[96];
    char text[COMPLAINT_MAX_BYTES];
};
enum err content_blame(struct content_fault *fault, const char *field, const char *format, ...)
    PRINTF_LIKE(3, 4); /* returns ERR_INVALID */

/* Strict JSON from outside: an object or array of at most `max_bytes`, no duplicate keys, depth at
 * most 64. New reference in *out. */
enum err content_parse(struct bytes text, size_t max_bytes, json_t **out,
                       struct content_fault *fault) MUST_CHECK;
/* Compact JSON appended to `out`. */
enum err content_print(json_t *json, struct buffer *out) MUST_CHECK;

/* How many decimals of this JSON content_print writes in other digits than they are given in: a
 * number is read as its value, so 1.50 becomes 1.5, and digits after the fifteenth are lost. Stops
 * counting at `max`. */
size_t content_changed_decimals(struct bytes json, size_t max);

/* Builds facts and body of a step from the `step` command's fields (docs/json.md), checking that
 * the event has the reason, kind, outcome, next step or text it must carry and none it must not,
 * that codes are in their lists, and that "other" comes with a text. New references. */
enum err content_from_step(enum loop_event event, json_t *fields, json_t **facts_out,
                           json_t **body_out, struct content_fault *fault) MUST_CHECK;

/* What came from a partner: parsed leniently. Unknown fields stay; a field of the wrong type is
 * dropped. Never fails for content: what is no JSON object gives empty objects and *sound_out
 * false. ERR_MEMORY only. */
enum err content_read(struct bytes facts, struct bytes body, json_t **facts_out, json_t **body_out,
                      bool *sound_out) MUST_CHECK;

/* "" when absent. */
const char *content_text(json_t *object, const char *field);

#endif
