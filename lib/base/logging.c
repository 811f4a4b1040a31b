/* One line per event, written with one write so that lines of several threads and processes do not
 * mix. Decides the form of a line and nothing else: what may be said is the caller's duty. */
#include "lib/base/logging.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"

enum { LOGGING_LINE_BYTES = 1024 };

const char *const logging_words[LOGGING_LEVEL_COUNT + 1] = {
    [LOGGING_ERROR] = "error",
    [LOGGING_WARNING] = "warning",
    [LOGGING_INFO] = "info",
    [LOGGING_DEBUG] = "debug",
};

/* sd-daemon(3) */
static const int priorities[LOGGING_LEVEL_COUNT] = {
    [LOGGING_ERROR] = 3,
    [LOGGING_WARNING] = 4,
    [LOGGING_INFO] = 6,
    [LOGGING_DEBUG] = 7,
};

static _Atomic int highest_level = LOGGING_INFO;

void
logging_set_level(enum logging_level level)
{
    atomic_store(&highest_level, (int)level);
}

static void
format_head(enum logging_level level, char *out, size_t size)
{
    if (getenv("JOURNAL_STREAM") != NULL) {
        (void)text_format(out, size, "<%d>", priorities[level]);
        return;
    }
    char now[CLOCK_TEXT_BYTES];
    clock_format_utc(clock_now().wall_ms, now);
    (void)text_format(out, size, "%s %s ", now, logging_words[level]);
}

/* A line that cannot be written is lost: there is nowhere left to say so. */
static void
write_line(char *line)
{
    size_t len = strlen(line);
    line[len++] = '\n';
    const char *rest = line;
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, rest, len);
        if (done < 0 && errno != EINTR) {
            return;
        }
        if (done > 0) {
            rest += done;
            len -= (size_t)done;
        }
    }
}

void
logging_line(enum logging_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load(&highest_level)) {
        return;
    }
    int saved_errno = errno;
    char pairs[LOGGING_LINE_BYTES] = "";
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        if (vsnprintf(pairs, sizeof(pairs), format, args) < 0) {
            pairs[0] = '\0';
        }
        va_end(args);
    }
    char said[LOGGING_LINE_BYTES];
    (void)text_format(said, sizeof(said), "%s%s%s", event, pairs[0] != '\0' ? " " : "", pairs);

    char head[2 * CLOCK_TEXT_BYTES];
    format_head(level, head, sizeof(head));
    char line[sizeof(head) + LOGGING_LINE_BYTES + 1];
    size_t len = strlen(head);
    memcpy(line, head, len);
    /* More than control characters goes: a log line is ids and codes, all of them plain ASCII. */
    text_printable(bytes_of_text(said), line + len, LOGGING_LINE_BYTES);
    write_line(line);
    errno = saved_errno;
}

_Bool
logging_allowed(struct logging_limit *limit, long long boot_ms, unsigned burst, long long window_ms,
                unsigned *dropped_out)
{
    *dropped_out = 0;
    if (boot_ms - limit->window_start_ms >= window_ms) {
        *dropped_out = limit->dropped;
        *limit = (struct logging_limit){.window_start_ms = boot_ms};
    }
    if (limit->used >= burst) {
        limit->dropped++;
        return false;
    }
    limit->used++;
    return true;
}
