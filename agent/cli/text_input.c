/* Texts that staff write. Decides how a missing, unreadable, empty or binary text is explained.
 * What a text may say and how long it may be is the agent's business. */
#include "agent/cli/text_input.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/text.h"

static bool
is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

enum err
text_input_file(const char *path, const char *prompt, struct buffer *out,
                struct complaint *complaint)
{
    const char *shown = is_standard_input(path) ? "standard input" : path;
    if (is_standard_input(path) && isatty(STDIN_FILENO) == 1) {
        (void)fprintf(stderr, "%s, end with Ctrl-D on a line of its own:\n", prompt);
    }
    enum err err = file_read(path, out);
    if (err == ERR_TOO_LARGE) {
        return complain(complaint, err, "%s is too long; at most %zu KiB can be taken at once",
                        shown, out->max / 1024);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "%s cannot be read: %s", shown, err_text(err));
    }
    return ERR_OK;
}

void
text_input_tidy(struct buffer *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->len; i++) {
        bool pair = text->data[i] == '\r' && i + 1 < text->len && text->data[i + 1] == '\n';
        if (!pair) {
            text->data[kept++] = text->data[i];
        }
    }
    while (kept > 0 && strchr(" \t\r\n", text->data[kept - 1]) != NULL &&
           text->data[kept - 1] != '\0') {
        kept--;
    }
    text->len = kept;
}

enum err
text_input_note(const char *path, const char *prompt, struct buffer *out,
                struct complaint *complaint)
{
    enum err err = text_input_file(path, prompt, out, complaint);
    if (err != ERR_OK) {
        return err;
    }
    text_input_tidy(out);
    if (out->len == 0) {
        return complain(complaint, ERR_INVALID, "the text is empty, so nothing was said");
    }
    if (!text_is_clean(buffer_view(out), out->len)) {
        return complain(complaint, ERR_INVALID,
                        "the text is not plain UTF-8 text (a text file, not a document)");
    }
    buffer_put_u8(out, 0);
    return buffer_err(out) == ERR_OK ? ERR_OK
                                     : complain(complaint, buffer_err(out), "the text is too long");
}
