/* Plain words for states, events, codes, stages and times. Pure. */
#ifndef REFLOOP_AGENT_CLI_WORDS_H
#define REFLOOP_AGENT_CLI_WORDS_H

#include <jansson.h>

#include "lib/base/bytes.h"
#include "lib/loop/reason.h"

enum { WORDS_BYTES = 64 };

/* "question asked" for "info-requested"; a word nobody knows stays as it is. */
const char *words_state(const char *state);
/* What somebody did: "asked a question" for "ask". */
const char *words_event(const char *event);
/* What happened to an organization: "changed its keys" for "new-keys". */
const char *words_key_event(const char *event);
/* True when a person of the other side is expected to answer such a step. */
bool words_event_expects(const char *event);
/* "no room at the moment" for no-capacity; the code itself when it is in no list. */
const char *words_code(enum reason_list list, const char *code);
/* The code a step carries (its reason, kind, outcome or next step) in words, "" when none. */
const char *words_step_code(const char *event, const json_t *facts);
/* Name of the field that holds the code of such a step: "reason", "kind", "outcome", "next". */
const char *words_code_field(enum loop_event event);

/* The loop's notice, "" when it only repeats the no_contact flag, which has a line of its own. */
const char *words_notice(const json_t *loop);

/* Local time: "Nov 20 17:02", with the year when it is not this one. Empty for an unknown time. */
void words_moment(int64_t ms, int64_t now_ms, char out[WORDS_BYTES]);
/* The same, but only "17:02" when it is the day of `near_ms`. */
void words_moment_near(int64_t ms, int64_t near_ms, int64_t now_ms, char out[WORDS_BYTES]);
/* A day: "Nov 25". What was given as a bare date (the last second of a day in UTC) stays that day
 * in every time zone. */
void words_day(int64_t ms, int64_t now_ms, char out[WORDS_BYTES]);
/* words_day of a field, "" when it has none. */
void words_field_day(const json_t *object, const char *name, int64_t now_ms, char out[WORDS_BYTES]);

/* How far a step of the timeline has come: "on this machine", "sent", "on the broker's disk 10:02",
 * "on their disk 10:03", "refused"; for a step of theirs "", or "reached us 10:03" when it was
 * late. */
void words_stage(const json_t *step, int64_t now_ms, char out[WORDS_BYTES]);

/* "2026-12-01 14:30" (local time) as RFC 3339 in UTC; anything else unchanged. */
void words_to_utc(const char *text, char out[WORDS_BYTES]);
/* What a date or time typed by a person must look like when this one is neither, "" when it is all
 * right. `with_time`: a bare date will not do. */
const char *words_bad_time(const char *text, bool with_time);

#endif
