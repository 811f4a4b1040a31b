/* What notes and the checkpoints in them have in common as text. Private to lib/log. */
#ifndef REFLOOP_LIB_LOG_NOTE_TEXT_H
#define REFLOOP_LIB_LOG_NOTE_TEXT_H

#include "lib/base/bytes.h"

/* UTF-8 without control characters (below U+0020) other than newline. */
bool note_is_text(struct bytes bytes);
/* Takes the next line, without its newline. False when it is empty or there is no newline. */
bool note_take_line(struct bytes *rest, struct bytes *line_out);
/* Standard base64 with padding, in its one canonical form, of at most `size` bytes (<=
 * NOTE_BASE64_BYTES_MAX). False for anything else; out is then undefined. */
enum { NOTE_BASE64_BYTES_MAX = 102 };
bool note_unbase64(struct bytes text, uint8_t *out, size_t size, size_t *len_out);

#endif
