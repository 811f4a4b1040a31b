/* Printing sentences. Decides that no byte of a name can steer the terminal, and that people read
 * local time. It refuses to know what is said. */
#include "broker/admin/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/text.h"
#include "lib/edge/terminal.h"

enum { LINE_MAX_BYTES = 64 * 1024, MS_PER_S = 1000 };

static void
free_text(char **text)
{
    free(*text);
}

void
say_line(FILE *out, const char *format, ...)
{
    CLEANUP(buffer_wipe) struct buffer clean = BUFFER_INIT(LINE_MAX_BYTES);
    CLEANUP(free_text) char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (len < 0) {
        line = NULL;
        (void)fputs("(out of memory)\n", out); /* at least the line's absence is seen */
        return;
    }
    (void)terminal_put(&clean, line, 0);
    (void)fprintf(out, "%.*s\n", (int)clean.len, clean.len > 0 ? (const char *)clean.data : "");
}

void
say_time(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ms / MS_PER_S);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(out, CLOCK_TEXT_BYTES, "%Y-%m-%d %H:%M", &local) == 0) {
        clock_format_utc(wall_ms, out);
    }
}

const char *
say_count(uint64_t n, char out[SAY_COUNT_BYTES])
{
    char digits[SAY_COUNT_BYTES];
    size_t at = 0;
    (void)text_format(digits, sizeof(digits), "%llu", (unsigned long long)n);
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *
say_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}
