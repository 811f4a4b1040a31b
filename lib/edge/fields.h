/* Reading a daemon's answers: a field that is missing or of another type reads as nothing. */
#ifndef REFLOOP_LIB_EDGE_FIELDS_H
#define REFLOOP_LIB_EDGE_FIELDS_H

#include <jansson.h>

#include "lib/base/bytes.h"

/* "" when absent. */
const char *fields_text(const json_t *object, const char *name);
bool fields_flag(const json_t *object, const char *name);
/* 0 when absent or negative. */
uint64_t fields_count(const json_t *object, const char *name);
/* Milliseconds of an RFC 3339 text; false when there is none. */
bool fields_time(const json_t *object, const char *name, int64_t *ms_out);
/* The member of a `members` answer with this id, NULL when there is none. Borrowed. */
const json_t *fields_member(const json_t *members, const char *org);
/* Sets object[name] unless the text is NULL. ERR_INVALID when it is not UTF-8, ERR_MEMORY. */
enum err fields_set(json_t *object, const char *name, const char *text) MUST_CHECK;

#endif
