/* What each command does: ask the agent, show the answer. Functions named cmd_ + a command return
 * the exit code; cmd_print_ ones only turn an answer (docs/json.md) into text. */
#ifndef REFLOOP_AGENT_CLI_CMD_H
#define REFLOOP_AGENT_CLI_CMD_H

#include <jansson.h>

#include "agent/cli/cli.h"

int cmd_send(struct cli *cli);
int cmd_list(struct cli *cli);
int cmd_show(struct cli *cli);
int cmd_step(struct cli *cli);
int cmd_export(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_watch(struct cli *cli);
int cmd_members(struct cli *cli);
int cmd_codes(struct cli *cli);
int cmd_verify(struct cli *cli);
int cmd_alarms(struct cli *cli);
int cmd_checkpoint(struct cli *cli);
int cmd_events(struct cli *cli);
int cmd_evidence(struct cli *cli);

/* `filter` is what was asked for: "open", "needs-me", "closed", "all". */
void cmd_print_list(struct screen *screen, const json_t *answer, const char *filter);
void cmd_print_show(struct screen *screen, const json_t *answer);
void cmd_print_status(struct screen *screen, const json_t *status);
/* The summary goes to `screen`, refused rows to `errors`. */
void cmd_print_send(struct screen *screen, struct screen *errors, const json_t *answer, bool check);
void cmd_print_change(struct screen *screen, const json_t *loop);
void cmd_print_alarms(struct screen *screen, const json_t *answer);
void cmd_print_events(struct screen *screen, const json_t *answer);
/* The one line about standing alarms of an `alarms` or `status` answer; nothing when none stands.
 */
void cmd_print_warning(struct screen *screen, const json_t *answer);
/* The members' key changes of the last week, in one line; nothing when there were none. */
void cmd_print_recent(struct screen *screen, const json_t *events);

/* The `step` request of a command: text and contact are read from the files named in the options.
 * New reference; NULL after a complaint. */
json_t *cmd_step_request(const struct cli *cli, struct complaint *complaint);

#endif
