/* The texts people write into a referral: how long each may be, and the one way they are taken in.
 * Also the small helpers with which content is put together. */
#ifndef REFLOOP_AGENT_CONTENT_CONTENT_TEXT_H
#define REFLOOP_AGENT_CONTENT_CONTENT_TEXT_H

#include "agent/content/content.h"

struct content_limit {
    const char *name; /* of the field in facts or body */
    size_t max_bytes;
    bool line; /* one line only: no tab, no line break */
};

/* NULL when no such text field. */
const struct content_limit *content_limit_find(const char *name);

/* Takes a text from outside for the field `name` (a row of the limits table): clean UTF-8 within
 * its limit, CRLF made LF, blanks at both ends dropped. *out is a new string, or NULL when the
 * value is absent, null or blank. The fault's field is `label`. ERR_INVALID, ERR_MEMORY. */
enum err content_take(const char *name, const char *label, const json_t *value, json_t **out,
                      struct content_fault *fault) MUST_CHECK;

/* The same for text that must not be lost: control characters become blanks, and what is too long
 * is cut between two characters
 * (*cut_out set, never cleared). New string; NULL when out of memory. */
json_t *content_clean(const char *name, const char *text, bool *cut_out) MUST_CHECK;

/* Control characters become blanks; for known texts of a partner. New string; NULL when out of
 * memory. */
json_t *content_tame(const char *text, bool line) MUST_CHECK;

/* Sets object[name] and takes the reference; a NULL value means that making it failed. ERR_MEMORY.
 */
enum err content_put(json_t *object, const char *name, json_t *value) MUST_CHECK;
/* The same in the object object[child], made when absent. */
enum err
content_put_in(json_t *object, const char *child, const char *name, json_t *value) MUST_CHECK;
/* Appends to an array and takes the reference; a NULL value means that making it failed.
 * ERR_MEMORY. */
enum err content_append(json_t *array, json_t *value) MUST_CHECK;

#endif
