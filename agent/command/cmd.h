/* The commands, one function each. `request` has passed the table in command.c: no unknown field,
 * none of another type than the table says, all required ones there. The answer is a new reference,
 * NULL when out of memory. */
#ifndef REFLOOP_AGENT_COMMAND_CMD_H
#define REFLOOP_AGENT_COMMAND_CMD_H

#include "agent/command/command.h"

json_t *cmd_status_run(struct command_context *context, json_t *request);
json_t *cmd_list_run(struct command_context *context, json_t *request);
json_t *cmd_show_run(struct command_context *context, json_t *request);
json_t *cmd_send_run(struct command_context *context, json_t *request);
json_t *cmd_send_check(struct command_context *context, json_t *request);
json_t *cmd_step_run(struct command_context *context, json_t *request);
json_t *cmd_export_run(struct command_context *context, json_t *request);
json_t *cmd_other_members(struct command_context *context, json_t *request);
json_t *cmd_other_codes(struct command_context *context, json_t *request);
json_t *cmd_other_verify(struct command_context *context, json_t *request);
json_t *cmd_alarms_run(struct command_context *context, json_t *request);
json_t *cmd_alarms_one(struct command_context *context, json_t *request);
json_t *cmd_alarms_settle(struct command_context *context, json_t *request);
json_t *cmd_checkpoint_run(struct command_context *context, json_t *request);
json_t *cmd_events_run(struct command_context *context, json_t *request);
json_t *cmd_evidence_run(struct command_context *context, json_t *request);
json_t *cmd_other_watch(struct command_context *context, json_t *request);

#endif
