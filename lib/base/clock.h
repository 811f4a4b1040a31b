/* Time, behind one replaceable interface, so that tests and the simulator own it.
 *
 * Wall time is for people and for the log; it decides nothing. Boot time runs on while the machine
 * is suspended and never goes back: every retry timer uses it. */
#ifndef REFLOOP_LIB_BASE_CLOCK_H
#define REFLOOP_LIB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* One reading of both clocks, handed into every call that needs time. */
struct instant {
    int64_t wall_ms; /* since 1970-01-01T00:00:00Z */
    int64_t boot_ms; /* CLOCK_BOOTTIME */
};

struct instant clock_now(void);

/* "2026-11-21T09:30:00Z" (UTC, whole seconds) into out; out holds at least CLOCK_TEXT_BYTES. */
enum { CLOCK_TEXT_BYTES = 32 };
void clock_format_utc(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);

/* Parses RFC 3339 ("2026-11-21T09:30:00Z", fractions and offsets allowed) or a bare date, taken as
 * the last second of that day in UTC when `end_of_day`, else its start. ERR_INVALID otherwise. */
enum err clock_parse(const char *text, bool end_of_day, int64_t *wall_ms_out) MUST_CHECK;

/* A length of time as people say it: "just now", "4 min", "3 h", "2 days". */
void clock_format_span(int64_t span_ms, char out[CLOCK_TEXT_BYTES]);

#endif
