/* Printing for people. Decides how text is cleaned, wrapped and coloured. The only escape sequences
 * that ever reach the terminal are the ones in the table below.
 *
 * It refuses to know what is printed. A stream that fails is noticed once, in screen_finish. */
#include "agent/cli/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/edge/table.h"
#include "lib/edge/terminal.h"

enum { TEXT_MAX_BYTES = 1024 * 1024, WIDTH_MAX = 10000, WIDTH_MIN = 20, GAP_COLUMNS = 2 };

static const char *const ink_codes[] = {
    [SCREEN_PLAIN] = "",        [SCREEN_BOLD] = "\033[1m",     [SCREEN_FAINT] = "\033[2m",
    [SCREEN_WARN] = "\033[33m", [SCREEN_ALARM] = "\033[1;31m",
};
static const char ink_end[] = "\033[0m";

static void
free_text(char **text)
{
    free(*text);
}

static void
close_stream(FILE **stream)
{
    if (*stream != NULL) {
        (void)fclose(*stream); /* of memory: what it held was checked before */
    }
}

/* A width in COLUMNS wins, as in other programs: it is how a person asks for another one. */
static size_t
find_width(FILE *out)
{
    const char *given = getenv("COLUMNS");
    char *end = NULL;
    long columns = given != NULL ? strtol(given, &end, 10) : 0;
    if (columns >= WIDTH_MIN && columns <= WIDTH_MAX && *end == '\0') {
        return (size_t)columns;
    }
    return terminal_width(fileno(out));
}

/* As the C library finds the character set, whose locales we do not load. */
static bool
shows_utf8(FILE *out)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *locale = getenv(names[i]);
        if (locale != NULL && locale[0] != '\0') {
            bool utf8 = strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL;
            return utf8 && isatty(fileno(out)) == 1;
        }
    }
    return false;
}

struct screen
screen_of(FILE *out, int64_t now_ms)
{
    return (struct screen){
        .out = out,
        .width = find_width(out),
        .marks = shows_utf8(out),
        .colour = terminal_wants_colour(fileno(out)),
        .now_ms = now_ms,
    };
}

bool
screen_finish(struct screen *screen)
{
    return fflush(screen->out) == 0 && ferror(screen->out) == 0 && !screen->failed;
}

/* Results of single writes are not looked at: the stream remembers a failure. */
static void
put_ink(const struct screen *screen, enum screen_ink ink)
{
    if (screen->colour && ink != SCREEN_PLAIN) {
        (void)fputs(ink_codes[ink], screen->out);
    }
}

static void
end_ink(const struct screen *screen, enum screen_ink ink)
{
    if (screen->colour && ink != SCREEN_PLAIN) {
        (void)fputs(ink_end, screen->out);
    }
}

static void
put_blanks(const struct screen *screen, size_t n)
{
    for (; n > 0; n--) {
        (void)fputc(' ', screen->out);
    }
}

/* Columns of a part of an already clean text. */
static size_t
columns_of(const char *text, size_t len)
{
    CLEANUP(free_text) char *part = strndup(text, len);
    return part != NULL ? terminal_columns(part) : len;
}

/* How many bytes of `text` go on a line of `room` columns (0: all): whole words, at least one. */
static size_t
line_length(const char *text, size_t room)
{
    size_t len = 0;
    size_t used = 0;
    if (room == 0) {
        return strlen(text);
    }
    while (text[len] != '\0') {
        size_t blanks = strspn(text + len, " ");
        size_t word = strcspn(text + len + blanks, " ");
        size_t columns = blanks + columns_of(text + len + blanks, word);
        if (used > 0 && used + columns > room) {
            break;
        }
        used += columns;
        len += blanks + word;
    }
    return len;
}

static void
put_wrapped(const struct screen *screen, enum screen_ink ink, const char *label, size_t indent,
            const char *clean)
{
    size_t labelled = terminal_columns(label);
    size_t room = screen->width > indent + WIDTH_MIN ? screen->width - indent
                  : screen->width > 0                ? WIDTH_MIN
                                                     : 0;
    (void)fputs(label, screen->out);
    put_blanks(screen, indent > labelled ? indent - labelled : 0);
    for (;;) {
        size_t len = line_length(clean, room);
        put_ink(screen, ink);
        (void)fwrite(clean, 1, len, screen->out);
        end_ink(screen, ink);
        (void)fputc('\n', screen->out);
        clean += len + strspn(clean + len, " ");
        if (*clean == '\0') {
            return;
        }
        put_blanks(screen, indent);
    }
}

/* Cleans `len` bytes of `text` as one line and prints it wrapped. */
static void
put_clean(struct screen *screen, enum screen_ink ink, const char *label, size_t indent,
          const char *text, size_t len)
{
    CLEANUP(buffer_wipe) struct buffer clean = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(free_text) char *line = strndup(text, len);
    if (line == NULL) {
        screen->failed = true;
        return;
    }
    (void)terminal_put(&clean, line, 0);
    buffer_put_u8(&clean, 0);
    if (buffer_err(&clean) != ERR_OK) {
        screen->failed = true;
        return;
    }
    put_wrapped(screen, ink, label, indent, (const char *)clean.data);
}

void
screen_line(struct screen *screen, enum screen_ink ink, size_t indent, const char *format, ...)
{
    CLEANUP(free_text) char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0) {
        text = NULL;
        screen->failed = true;
        return;
    }
    put_clean(screen, ink, "", indent, text, (size_t)len);
}

void
screen_field(struct screen *screen, enum screen_ink ink, const char *label, size_t indent,
             const char *format, ...)
{
    CLEANUP(free_text) char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0) {
        text = NULL;
        screen->failed = true;
    } else if (len > 0) {
        put_clean(screen, ink, label, indent, text, (size_t)len);
    }
}

void
screen_text(struct screen *screen, size_t indent, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (len > 0) {
            put_clean(screen, SCREEN_PLAIN, "", indent, text, len);
        } else {
            screen_gap(screen);
        }
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

void
screen_gap(struct screen *screen)
{
    (void)fputc('\n', screen->out);
}

void
screen_row(struct screen *screen, const struct screen_cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_wipe) struct buffer clean = BUFFER_INIT(TEXT_MAX_BYTES);
        size_t used = terminal_put(&clean, cells[i].text, cells[i].width);
        if (buffer_err(&clean) != ERR_OK) {
            screen->failed = true;
            return;
        }
        put_ink(screen, cells[i].ink);
        if (clean.len > 0) {
            (void)fwrite(clean.data, 1, clean.len, screen->out);
        }
        end_ink(screen, cells[i].ink);
        if (i + 1 < n) {
            put_blanks(screen, (cells[i].width > used ? cells[i].width - used : 0) + GAP_COLUMNS);
        }
    }
    (void)fputc('\n', screen->out);
}

void
screen_table(struct screen *screen, const struct table *table, const enum screen_ink *inks)
{
    CLEANUP(free_text) char *text = NULL;
    size_t size = 0;
    CLEANUP(close_stream) FILE *stream = open_memstream(&text, &size);
    if (stream == NULL || table_print(table, screen->width, false, stream) != ERR_OK ||
        fflush(stream) != 0) {
        screen->failed = true;
        return;
    }
    enum screen_ink ink = SCREEN_BOLD; /* the titles */
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        put_ink(screen, ink);
        (void)fwrite(line, 1, len, screen->out);
        end_ink(screen, ink);
        (void)fputc('\n', screen->out);
        line += len + (line[len] == '\n' ? 1 : 0);
        ink = inks != NULL && *line != '\0' ? *inks++ : SCREEN_PLAIN;
    }
}
