/* Signed notes and checkpoints as text (C2SP signed-note and tlog-checkpoint): who signed is told
 * here, whether the signature is right is not (lib/proof).
 *
 *   origin LF size LF base64(root) LF [further lines LF] LF "\u2014 " name " " base64(key id ||
 * signature) LF ...
 */
#ifndef REFLOOP_LIB_LOG_NOTE_H
#define REFLOOP_LIB_LOG_NOTE_H

#include "lib/log/merkle.h"

enum {
    NOTE_TEXT_MAX = 1024,     /* bytes before the blank line */
    NOTE_SIGNATURES_MAX = 64, /* more is refused */
    NOTE_NAME_MAX = 160,      /* bytes of a key name, and of an origin */
    NOTE_SIGNATURE_BYTES_MAX = 96,
    NOTE_KEY_ID_BYTES = 4,
    NOTE_BYTES_MAX = 24 * 1024,
    NOTE_TYPE_ED25519 = 0x01,
    NOTE_TYPE_COSIGNATURE = 0x04,
};

struct note_signature {
    struct bytes name; /* view */
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    uint8_t signature[NOTE_SIGNATURE_BYTES_MAX];
    size_t len;
};
/* Views into the bytes it was parsed from. */
struct note {
    struct bytes text; /* with its last newline, without the blank line */
    size_t n_signatures;
    struct note_signature signatures[NOTE_SIGNATURES_MAX];
};
/* ERR_MALFORMED (no blank line, no signature, control characters, not UTF-8, base64 not in its one
 * form, a name that is empty or holds a space or plus), ERR_TOO_LARGE. */
enum err note_parse(struct bytes bytes, struct note *note_out) MUST_CHECK;
/* Appends the blank line that ends the text of a note, then signature lines one by one. */
void note_end_text(struct buffer *note);
void note_put_signature(struct buffer *note, const char *name,
                        const uint8_t key_id[NOTE_KEY_ID_BYTES], struct bytes signature);
/* First four bytes of SHA-256(name LF type key). */
void note_key_id(const char *name, uint8_t type, struct bytes public_key,
                 uint8_t key_id_out[NOTE_KEY_ID_BYTES]);

struct checkpoint {
    char origin[NOTE_NAME_MAX + 1];
    uint64_t size;
    struct merkle_hash root;
};
/* The text of a note. Further lines are accepted and ignored, as tlog-checkpoint asks.
 * ERR_MALFORMED, ERR_TOO_LARGE (origin past NOTE_NAME_MAX, size past TREE_SIZE_MAX). */
enum err checkpoint_parse(struct bytes text, struct checkpoint *checkpoint_out) MUST_CHECK;
void checkpoint_format(const struct checkpoint *checkpoint, struct buffer *out);

#endif
