/* Texts that staff write: from a file or from standard input, never from an argument, because
 * arguments can be seen by everybody on the machine. */
#ifndef REFLOOP_AGENT_CLI_TEXT_INPUT_H
#define REFLOOP_AGENT_CLI_TEXT_INPUT_H

#include "lib/base/bytes.h"

enum { TEXT_INPUT_MAX_BYTES = 64 * 1024, TEXT_INPUT_FILE_BYTES = 2 * 1024 * 1024 };

/* The whole file ("-": standard input) as it is; `out`'s max is the limit. `prompt` is shown when a
 * person is to type it. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO. */
enum err text_input_file(const char *path, const char *prompt, struct buffer *out,
                         struct complaint *complaint) MUST_CHECK;
/* A note, NUL-terminated: line ends made '\n', none at the end. ERR_INVALID when it is empty or no
 * plain UTF-8 text. */
enum err text_input_note(const char *path, const char *prompt, struct buffer *out,
                         struct complaint *complaint) MUST_CHECK;
/* Makes line ends '\n' and drops blanks and line ends at the end. */
void text_input_tidy(struct buffer *text);

#endif
