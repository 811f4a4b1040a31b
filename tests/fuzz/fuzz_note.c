/* Any bytes as a signed note, and as a checkpoint: refused, or of the one written form, so that
 * they come back the same from their parts. */
#include <string.h>

#include "lib/log/note.h"
#include "tests/fuzz/fuzz.h"

static void
check_checkpoint(struct bytes text)
{
    struct checkpoint checkpoint = {0};
    enum err err = checkpoint_parse(text, &checkpoint);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_MALFORMED || err == ERR_TOO_LARGE);
        FUZZ_HOLDS(bytes_all_zero(bytes_of(&checkpoint, sizeof(checkpoint))));
        return;
    }
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(NOTE_BYTES_MAX);
    checkpoint_format(&checkpoint, &again);
    FUZZ_HOLDS(buffer_err(&again) == ERR_OK && again.len <= text.len);
    FUZZ_HOLDS(memcmp(again.data, text.data, again.len) == 0);
}

static void
put_signature(const struct note_signature *signature, struct buffer *out)
{
    char name[NOTE_NAME_MAX + 1] = {0};
    FUZZ_HOLDS(signature->name.len > 0 && signature->name.len <= NOTE_NAME_MAX);
    FUZZ_HOLDS(signature->len > 0 && signature->len <= NOTE_SIGNATURE_BYTES_MAX);
    memcpy(name, signature->name.data, signature->name.len);
    note_put_signature(out, name, signature->key_id,
                       bytes_of(signature->signature, signature->len));
}

static void
check_note(struct bytes bytes)
{
    struct note note = {0};
    enum err err = note_parse(bytes, &note);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_MALFORMED || err == ERR_TOO_LARGE);
        FUZZ_HOLDS(bytes_all_zero(bytes_of(&note, sizeof(note))));
        return;
    }
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(NOTE_BYTES_MAX);
    FUZZ_HOLDS(note.n_signatures > 0 && note.n_signatures <= NOTE_SIGNATURES_MAX);
    buffer_put(&again, note.text.data, note.text.len);
    note_end_text(&again);
    for (size_t i = 0; i < note.n_signatures; i++) {
        put_signature(&note.signatures[i], &again);
    }
    FUZZ_HOLDS(buffer_err(&again) == ERR_OK && bytes_equal(buffer_view(&again), bytes));
    check_checkpoint(note.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_start();
    check_note(bytes_of(data, size));
    check_checkpoint(bytes_of(data, size));
    return 0;
}
