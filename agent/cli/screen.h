/* What a person sees. Every text that is printed goes through here, so that no byte of a partner's
 * text can steer the terminal, and every line fits its width. */
#ifndef REFLOOP_AGENT_CLI_SCREEN_H
#define REFLOOP_AGENT_CLI_SCREEN_H

#include <stdio.h>

#include "lib/base/bytes.h"

struct screen {
    FILE *out;
    size_t width; /* columns, 0: nothing is cut or wrapped */
    bool colour;
    bool marks;     /* a terminal that shows more than ASCII: a check mark is a check mark there */
    int64_t now_ms; /* wall time: "2 days" is counted from here */
    bool failed;    /* something could not be printed for lack of memory */
};

enum screen_ink { SCREEN_PLAIN, SCREEN_BOLD, SCREEN_FAINT, SCREEN_WARN, SCREEN_ALARM };

/* The screen behind `out`: width from COLUMNS or the terminal, colour only where it is wanted. */
struct screen screen_of(FILE *out, int64_t now_ms);
/* True when everything has reached the system. */
bool screen_finish(struct screen *screen);

/* One paragraph, cleaned, wrapped at words, every line indented. */
void screen_line(struct screen *screen, enum screen_ink ink, size_t indent, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The same with a label before the first line, in the indent. Nothing when the text is empty. */
void screen_field(struct screen *screen, enum screen_ink ink, const char *label, size_t indent,
                  const char *format, ...) PRINTF_LIKE(5, 6);
/* A text of several lines: its line breaks are kept. */
void screen_text(struct screen *screen, size_t indent, const char *text);
void screen_gap(struct screen *screen); /* an empty line */

struct screen_cell {
    const char *text;
    size_t width; /* columns it is cut and filled to, 0: neither */
    enum screen_ink ink;
};
/* Cells side by side, two blanks between. */
void screen_row(struct screen *screen, const struct screen_cell *cells, size_t n);

struct table;
/* The table as wide as the screen; row i (from 0) is printed in inks[i] (inks may be NULL). */
void screen_table(struct screen *screen, const struct table *table, const enum screen_ink *inks);

#endif
