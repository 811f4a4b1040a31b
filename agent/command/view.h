/* From the core's loop views to "a loop in a list" of docs/json.md. */
#ifndef REFLOOP_AGENT_COMMAND_VIEW_H
#define REFLOOP_AGENT_COMMAND_VIEW_H

#include "agent/command/command.h"

/* Open by the log, or on its way to the log. */
bool view_is_open(const struct loop_view *loop);
/* Somebody here must act: it is our turn, or our newest step did not count. */
bool view_needs_me(const struct loop_view *loop, bool newest_refused);
/* True in *refused_out when the newest of our steps was refused for good. Reads the steps: not from
 * within agent_each_loop. */
enum err view_newest_refused(struct command_context *context, const struct loop_view *loop,
                             bool *refused_out) MUST_CHECK;

/* New references. */
enum err
view_make(struct command_context *context, const struct loop_view *loop, json_t **out) MUST_CHECK;
enum err view_make_by_id(struct command_context *context, const struct loop_id *loop,
                         json_t **out) MUST_CHECK;
/* RFC 3339, null for 0. */
json_t *view_time(int64_t ms);

/* Finds the loop a request's field names, by a short form or whole. On an error *refusal_out is the
 * answer (NULL when out of memory) and false is returned. */
bool view_find(struct command_context *context, json_t *request, const char *field,
               struct loop_id *loop_out, json_t **refusal_out);

#endif
