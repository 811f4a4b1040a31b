/* What people read about alarms: the one line that stands before everything else, and what to do
 * about each kind. Pure. */
#ifndef REFLOOP_AGENT_COMMAND_ALARM_WORDS_H
#define REFLOOP_AGENT_COMMAND_ALARM_WORDS_H

#include <stddef.h>

#include "agent/alarm.h"

enum { ALARM_WARNING_BYTES = 512 };

/* What stands, counted from the newest. */
struct alarm_standing {
    bool stopped;         /* nothing is sent */
    bool has_stopping;    /* one that stops is on record */
    enum alarm_kind kind; /* the newest that stops, else the newest */
    size_t n;
};

/* What people can do about it, one or more sentences. */
const char *alarm_advice(enum alarm_kind kind);
/* Counts one more that stands. */
void alarm_standing_add(struct alarm_standing *standing, enum alarm_kind kind);
/* The line; "" when nothing stands. */
void alarm_warning(const struct alarm_standing *standing, char out[ALARM_WARNING_BYTES]);

#endif
