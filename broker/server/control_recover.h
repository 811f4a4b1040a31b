/* What the administrator sees of a recovery and says to it: the commands recover and recover-go-on,
 * and what status tells of it. */
#ifndef REFLOOP_BROKER_SERVER_CONTROL_RECOVER_H
#define REFLOOP_BROKER_SERVER_CONTROL_RECOVER_H

#include "broker/server/control.h"

/* A sentence for whoever is refused meanwhile. */
extern const char control_recover_why[];

/* The recovery that is under way. */
json_t *control_recover_json(struct broker *broker);
/* Active members without the administrator's own membership: who could cosign, and is waited for.
 */
uint64_t control_recover_members(const struct broker *broker);

json_t *control_recover_answer(struct control_view *view, json_t *request, struct instant now);
json_t *control_recover_go_on(struct control_view *view, json_t *request, struct instant now);

#endif
