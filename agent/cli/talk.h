/* Talking with the agent, and how every failure is told. */
#ifndef REFLOOP_AGENT_CLI_TALK_H
#define REFLOOP_AGENT_CLI_TALK_H

#include <jansson.h>

#include "agent/cli/cli.h"
#include "lib/edge/control.h"

enum { TALK_PATIENCE_MS = 30000, TALK_LONG_PATIENCE_MS = 600000 };

/* Connects to the agent of this home. The exit code, 0 when connected; a failure has been told. */
int talk_open(struct cli *cli, struct control_client **client_out) MUST_CHECK;
/* Asks once (takes the reference of `request`; NULL is out of memory). With --json the answer is
 * printed as it is; a refusal is told. Returns the exit code; *answer_out is a new reference
 * whenever the agent has answered, also with a refusal, else NULL. */
int talk_ask(struct cli *cli, json_t *request, int patience_ms, json_t **answer_out) MUST_CHECK;
/* The same, but an answer that is no refusal is not printed: whoever asks says what is. */
int
talk_ask_quietly(struct cli *cli, json_t *request, int patience_ms, json_t **answer_out) MUST_CHECK;
/* Asks for something that can be done without: NULL when there is no good answer, and nothing is
 * told. Takes the reference of `request`; returns a new one. */
json_t *talk_look(struct cli *cli, struct control_client *client, json_t *request);
/* Tells what stands by an answer that says so, unless it was the last thing told about it. */
void talk_warn(struct cli *cli, const json_t *answer);
/* Asks for it and tells it. */
void talk_ask_warning(struct cli *cli, struct control_client *client);
/* The full id of the loop that `short_form` means, a new reference in *loop_out. */
int talk_find_loop(struct cli *cli, const char *short_form, json_t **loop_out) MUST_CHECK;

/* One JSON value on one line of standard output. */
void talk_print_json(struct cli *cli, const json_t *value);
/* Tells a failure of our own side; returns the exit code. */
int talk_fail(struct cli *cli, enum err err, const char *sentence);
/* Tells the agent's refusal: what happened, to which referral, what to do next. */
void talk_tell(struct cli *cli, const json_t *error);

#endif
