/* Checkpoints as the broker makes them and everybody else takes them: which note is a head of this
 * network's log. It does not know whether that head is a good one (view.c).
 *
 * The log key signs notes and receipts. The two cannot be confused: what is signed for a receipt
 * starts with a tag and a NUL, which no note may hold. */
#include "lib/proof/checkpoint.h"

#include <assert.h>
#include <string.h>

#include "lib/base/text.h"

#define ORIGIN_PREFIX "refloop/"

enum { CHECKPOINT_NOTE_MAX = 1024 };

_Static_assert(sizeof(ORIGIN_PREFIX) + 2 * (size_t)SIGN_PUBLIC_BYTES + ORG_ID_BYTES <=
                   NOTE_NAME_MAX + 1,
               "names of keys");

void
checkpoint_origin(const struct network_id *network, char out[NOTE_NAME_MAX + 1])
{
    size_t prefix = strlen(ORIGIN_PREFIX);
    memcpy(out, ORIGIN_PREFIX, prefix);
    text_hex(bytes_of(network->bytes, sizeof(network->bytes)), out + prefix);
}

void
checkpoint_member_name(const struct network_id *network, const char *org,
                       char out[NOTE_NAME_MAX + 1])
{
    char origin[NOTE_NAME_MAX + 1];
    checkpoint_origin(network, origin);
    bool whole = text_format(out, NOTE_NAME_MAX + 1, "%s/%s", origin, org);
    assert(whole); /* an organization's id is at most ORG_ID_MAX bytes */
    (void)whole;
}

enum err
checkpoint_sign(const struct network_id *network, uint64_t size, const struct merkle_hash *root,
                const struct sign_secret *log_secret, struct buffer *note_out)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(CHECKPOINT_NOTE_MAX);
    struct checkpoint checkpoint = {.size = size, .root = *root};
    struct sign_public key;
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    uint8_t signature[SIGN_BYTES];
    checkpoint_origin(network, checkpoint.origin);
    checkpoint_format(&checkpoint, &note);
    enum err err = buffer_err(&note);
    if (err != ERR_OK) {
        return err; /* before anything is signed: half a text would be a lie */
    }
    sign_note(buffer_view(&note), log_secret, signature);
    sign_public_of(log_secret, &key);
    note_key_id(checkpoint.origin, NOTE_TYPE_ED25519, bytes_of(key.bytes, sizeof(key.bytes)),
                key_id);
    note_end_text(&note);
    note_put_signature(&note, checkpoint.origin, key_id, bytes_of(signature, sizeof(signature)));
    err = buffer_err(&note);
    if (err != ERR_OK) {
        return err;
    }
    buffer_put(note_out, note.data, note.len);
    return buffer_err(note_out);
}

/* Every line of the log's key has to be right, as signed-note asks for known keys; a line that
 * shares only its name or only its id is a stranger's. One that repeats a right one is right: it is
 * not checked again, or whoever shows a note could make its reader work as often as it has lines.
 */
static enum err
check_log_lines(const struct note *note, const char *origin, const struct sign_public *log_key)
{
    struct bytes name = bytes_of_text(origin);
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    const struct note_signature *right = NULL;
    note_key_id(origin, NOTE_TYPE_ED25519, bytes_of(log_key->bytes, sizeof(log_key->bytes)),
                key_id);
    for (size_t i = 0; i < note->n_signatures; i++) {
        const struct note_signature *line = &note->signatures[i];
        if (!bytes_equal(line->name, name) || memcmp(line->key_id, key_id, sizeof(key_id)) != 0) {
            continue;
        }
        bool repeated = right != NULL && line->len == SIGN_BYTES &&
                        memcmp(line->signature, right->signature, SIGN_BYTES) == 0;
        if (!repeated && (line->len != SIGN_BYTES ||
                          sign_note_check(note->text, log_key, line->signature) != ERR_OK)) {
            return ERR_SIGNATURE;
        }
        right = line;
    }
    return right != NULL ? ERR_OK : ERR_SIGNATURE;
}

enum err
checkpoint_open(struct bytes note, const struct network_id *network,
                const struct sign_public *log_key, struct checkpoint *checkpoint_out)
{
    struct note parsed;
    struct checkpoint found;
    char origin[NOTE_NAME_MAX + 1];
    enum err err = note_parse(note, &parsed);
    if (err == ERR_OK) {
        err = checkpoint_parse(parsed.text, &found);
    }
    if (err != ERR_OK) {
        return err;
    }
    checkpoint_origin(network, origin);
    if (strcmp(found.origin, origin) != 0) {
        return ERR_WRONG_NETWORK;
    }
    err = check_log_lines(&parsed, origin, log_key);
    if (err == ERR_OK) {
        *checkpoint_out = found;
    }
    return err;
}
