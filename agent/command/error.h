/* Refusals: {"ok": false, "error": {"code", "text", "field"}}. New references, NULL when out of
 * memory. */
#ifndef REFLOOP_AGENT_COMMAND_ERROR_H
#define REFLOOP_AGENT_COMMAND_ERROR_H

#include "agent/content/content.h"

/* The inner object: an empty text becomes the error's own clause; field NULL or "" is left out. */
json_t *error_object(enum err err, const char *field, const char *text);
json_t *error_answer(enum err err, const char *field, const char *text);
/* The same for a fault of content; for other errors than ERR_INVALID the fault says nothing. */
json_t *error_of_fault(enum err err, const struct content_fault *fault);

#endif
