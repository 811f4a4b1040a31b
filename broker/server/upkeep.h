/* What the server does without being asked, and when it must do it next. */
#ifndef REFLOOP_BROKER_SERVER_UPKEEP_H
#define REFLOOP_BROKER_SERVER_UPKEEP_H

#include "broker/broker.h"
#include "broker/server/connections.h"

struct upkeep {
    struct broker *broker;
    struct connections *connections;
    int64_t tended_ms;
    bool was_read_only;
};

/* Whatever is due now. */
void upkeep_turn(struct upkeep *upkeep, struct instant now);
/* Milliseconds until something is due, a turn of the broker included; 0 when it is now. */
long upkeep_wait_ms(const struct upkeep *upkeep, struct instant now);
/* Says so when there are fewer descriptors than all members may need. */
void upkeep_check_limit(const struct upkeep *upkeep);

#endif
