/* Alarms as they lie on disk. For alarm.c, alarm_views.c and check.c. */
#ifndef REFLOOP_AGENT_ALARM_RECORD_H
#define REFLOOP_AGENT_ALARM_RECORD_H

#include "agent/alarm.h"

enum { ALARM_KEY_BYTES = 4 };

struct bytes alarm_record_key(uint32_t number, uint8_t out[ALARM_KEY_BYTES]);
/* The proof is a view into the record. ERR_CORRUPT. */
enum err
alarm_record_decode(struct bytes key, struct bytes record, struct alarm *alarm_out) MUST_CHECK;
enum err alarm_record_put(struct unit *unit, const struct alarm *alarm) MUST_CHECK;
/* All of them, in order of their numbers. */
enum err alarm_record_open(struct kv_txn *txn, struct kv_cursor **cursor_out) MUST_CHECK;
/* Whether one of the kind with these words was ever raised and is still kept, settled or not. */
enum err alarm_record_find(struct kv_txn *txn, enum alarm_kind kind, const char *about,
                           bool *found_out) MUST_CHECK;
enum err alarm_record_clear_stop(struct unit *unit) MUST_CHECK;

#endif
