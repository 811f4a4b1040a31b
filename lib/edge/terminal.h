/* Talking to a person at a terminal: colour, width, text that cannot harm the screen, progress,
 * passphrases. */
#ifndef REFLOOP_LIB_EDGE_TERMINAL_H
#define REFLOOP_LIB_EDGE_TERMINAL_H

#include <jansson.h>
#include <stdio.h>

#include "lib/base/bytes.h"

/* A terminal, NO_COLOR not set, TERM not "dumb". */
bool terminal_wants_colour(int fd);
/* Columns of the terminal, 0 when fd is none: then nothing is cut. */
size_t terminal_width(int fd);

/* Columns the text takes on screen, as terminal_put prints it. */
size_t terminal_columns(const char *text);
/* Appends the text so that it is one line and cannot steer the terminal: control characters,
 * direction marks and bytes that are no UTF-8 become '?', tabs and newlines blanks. Cut to
 * `columns` (0: not cut) with an ellipsis. Returns the columns it takes. */
size_t terminal_put(struct buffer *out, const char *text, size_t columns);

/* Writes JSON on one line without its end. To a terminal nothing but printable ASCII, so that no
 * text in it can steer it; a pipe or a file gets plain UTF-8. False when there is no memory or the
 * stream fails. */
bool terminal_put_json(FILE *out, const json_t *value);

/* One line on standard error that replaces the one before; nothing when that is no terminal. */
void terminal_progress(const char *format, ...) PRINTF_LIKE(1, 2);
void terminal_progress_done(void);

/* From the file when one is given (a private one; its last newline does not count), else from the
 * terminal, without echo. out[size] is wiped by the caller. ERR_INVALID when it is empty or was
 * interrupted, ERR_TOO_LARGE, ERR_NOT_FOUND, ERR_PERMISSION, ERR_IO (no terminal). */
enum err terminal_read_passphrase(const char *prompt, const char *file, char *out, size_t size,
                                  struct complaint *complaint) MUST_CHECK;

#endif
