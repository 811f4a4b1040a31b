/* What stands, for every answer that has to tell it. */
#ifndef REFLOOP_AGENT_COMMAND_ALARMS_H
#define REFLOOP_AGENT_COMMAND_ALARMS_H

#include "agent/command/command.h"

/* Sets "stopped", "warning" (one line, "" when nothing stands) and "alarms" (newest first). */
enum err
alarms_tell(struct command_context *context, bool standing_only, json_t *answer) MUST_CHECK;

#endif
