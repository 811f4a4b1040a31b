/* Log lines for operators: one event name and stable key=value pairs per line, to standard error.
 *
 *   2026-11-21T09:30:00Z warning link.lost reason=timeout member=elm-pantry
 *
 * Ids and codes only: never a name, note, need, key or payload. Library code (rank 0-3) does not
 * log; it returns errors. Under systemd (JOURNAL_STREAM set) the time is left out and the level is
 * the sd-daemon prefix "<4>". */
#ifndef REFLOOP_LIB_BASE_LOGGING_H
#define REFLOOP_LIB_BASE_LOGGING_H

#include "lib/base/attr.h"

enum logging_level {
    LOGGING_ERROR,
    LOGGING_WARNING,
    LOGGING_INFO,
    LOGGING_DEBUG,
    LOGGING_LEVEL_COUNT
};

/* "error", "warning", "info", "debug", then NULL: places are levels. */
extern const char *const logging_words[LOGGING_LEVEL_COUNT + 1];

/* Lines above `level` are dropped. Default LOGGING_INFO. */
void logging_set_level(enum logging_level level);

/* `event` is a dotted word; `format` gives the pairs: "member=%s index=%llu". Control characters in
 * the result are replaced by '?'. Thread safe. */
void logging_line(enum logging_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Rate limit for lines a peer can cause: at most `burst` lines per `window_ms` per object. */
struct logging_limit {
    long long window_start_ms;
    unsigned used;
    unsigned dropped;
};
/* False when the line should be dropped; when a window ends with drops, *dropped_out says how many.
 */
_Bool logging_allowed(struct logging_limit *limit, long long boot_ms, unsigned burst,
                      long long window_ms, unsigned *dropped_out);

#endif
