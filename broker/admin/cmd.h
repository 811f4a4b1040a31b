/* What each command does. Functions named cmd_ + a command return the exit code and have told
 * whatever went wrong; cmd_print_ ones only turn the broker's answers into text. */
#ifndef REFLOOP_BROKER_ADMIN_CMD_H
#define REFLOOP_BROKER_ADMIN_CMD_H

#include <jansson.h>
#include <stdio.h>

#include "broker/admin/admin.h"

int cmd_init(struct admin *admin);
int cmd_invite(struct admin *admin);
int cmd_members(struct admin *admin);
int cmd_revoke(struct admin *admin);
int cmd_status(struct admin *admin);
int cmd_recover(struct admin *admin);
int cmd_verify(struct admin *admin);
int cmd_checkpoint(struct admin *admin);
int cmd_backup(struct admin *admin);
int cmd_export(struct admin *admin);
int cmd_evidence(struct admin *admin);
int cmd_loops(struct admin *admin);
int cmd_events(struct admin *admin);

/* `width` 0 cuts nothing. Errors are those of the stream, and ERR_MEMORY. */
enum err cmd_print_members(const json_t *answer, int64_t now_ms, size_t width, bool emphasis,
                           FILE *out) MUST_CHECK;
/* `members` is the answer to that command. */
void cmd_print_status(const json_t *status, const json_t *members, FILE *out);
/* The paragraph of a recovery, as status and recover tell it. */
void cmd_print_recovery(const json_t *recovery, FILE *out);
/* All of recover's answer. */
void cmd_print_recover(const json_t *answer, FILE *out);

#endif
