/* Checkpoints as C2SP tlog-checkpoint has them: origin, size and root, a line each. It decides
 * whether a text is one, in its one written form. Whose log it is, and whether the root is right,
 * is not asked here. */
#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "lib/base/text.h"
#include "lib/log/note.h"
#include "lib/log/note_text.h"
#include "lib/log/tree.h"

enum {
    BASE64 = sodium_base64_VARIANT_ORIGINAL,
    ROOT_DIGITS = sodium_base64_ENCODED_LEN(MERKLE_HASH_BYTES, BASE64) - 1,
    SIZE_TEXT_BYTES = sizeof("18446744073709551615\n"),
};

static enum err
parse_origin(struct bytes line, struct checkpoint *checkpoint)
{
    if (line.len > NOTE_NAME_MAX) {
        return ERR_TOO_LARGE;
    }
    memcpy(checkpoint->origin, line.data, line.len);
    return ERR_OK;
}

static enum err
parse_size(struct bytes line, struct checkpoint *checkpoint)
{
    if (line.data[0] == '0' && line.len > 1) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') {
            return ERR_MALFORMED;
        }
    }
    for (size_t i = 0; i < line.len; i++) {
        /* No overflow: what was left of it is at most 2^62 / 10. */
        uint64_t digit = (uint64_t)(line.data[i] - '0');
        if (checkpoint->size > (TREE_SIZE_MAX - digit) / 10) {
            return ERR_TOO_LARGE;
        }
        checkpoint->size = 10 * checkpoint->size + digit;
    }
    return ERR_OK;
}

static enum err
parse_root(struct bytes line, struct checkpoint *checkpoint)
{
    size_t len = 0;
    bool is_root = note_unbase64(line, checkpoint->root.bytes, MERKLE_HASH_BYTES, &len) &&
                   len == MERKLE_HASH_BYTES;
    return is_root ? ERR_OK : ERR_MALFORMED;
}

enum err
checkpoint_parse(struct bytes text, struct checkpoint *checkpoint_out)
{
    static enum err (*const parse[])(struct bytes, struct checkpoint *) = {parse_origin, parse_size,
                                                                           parse_root};
    struct checkpoint checkpoint = {0};
    struct bytes line;
    if (!note_is_text(text)) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < ARRAY_LEN(parse); i++) {
        if (!note_take_line(&text, &line)) {
            return ERR_MALFORMED;
        }
        enum err err = parse[i](line, &checkpoint);
        if (err != ERR_OK) {
            return err;
        }
    }
    while (text.len > 0) {
        if (!note_take_line(&text, &line)) {
            return ERR_MALFORMED;
        }
    }
    *checkpoint_out = checkpoint;
    return ERR_OK;
}

void
checkpoint_format(const struct checkpoint *checkpoint, struct buffer *out)
{
    char size[SIZE_TEXT_BYTES];
    char root[ROOT_DIGITS + 1];
    (void)text_format(size, sizeof(size), "%" PRIu64 "\n", checkpoint->size);
    sodium_bin2base64(root, sizeof(root), checkpoint->root.bytes, MERKLE_HASH_BYTES, BASE64);
    buffer_put(out, checkpoint->origin, strlen(checkpoint->origin));
    buffer_put(out, "\n", 1);
    buffer_put(out, size, strlen(size));
    buffer_put(out, root, strlen(root));
    buffer_put(out, "\n", 1);
}
