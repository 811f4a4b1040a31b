/* checkpoint: what this member believes of the log, as the signed note that others can hold against
 * theirs; and the same the other way round. Decides how much can be said from two sizes and roots
 * alone: of one size they must be the same, and of two sizes only the broker's own log, read whole,
 * can tell. */
#include <string.h>

#include "agent/alarm.h"
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/content/content_text.h"
#include "agent/rotate.h"
#include "lib/base/text.h"
#include "lib/proof/checkpoint.h"

enum { SENTENCE_MAX = 512 };

static json_t *
make_place(const struct checkpoint *checkpoint)
{
    char root[2 * MERKLE_HASH_BYTES + 1];

    text_hex(bytes_of(checkpoint->root.bytes, MERKLE_HASH_BYTES), root);
    return json_pack("{s:I, s:s}", "size", (json_int_t)checkpoint->size, "root", root);
}

static enum err
open_note(const struct command_context *context, struct bytes note,
          struct checkpoint *checkpoint_out)
{
    const struct identity *self = agent_identity(context->agent);

    return checkpoint_open(note, &self->network, &self->genesis.broker_log, checkpoint_out);
}

/* Fills the places we know of: the last one we verified, and the last that others have cosigned. */
static enum err
load_ours(struct command_context *context, struct checkpoint ours_out[2], size_t *n_out,
          struct buffer *note)
{
    struct view view = rotate_view(context->agent);
    enum err err = agent_get_checkpoint(context->agent, note);

    if (err == ERR_OK)
        err = open_note(context, buffer_view(note), &ours_out[0]);
    if (err != ERR_OK)
        return err;
    *n_out = 1;
    if (view.has && view.last.size != ours_out[0].size)
        ours_out[(*n_out)++] = view.last;
    return ERR_OK;
}

static json_t *
refuse_theirs(enum err err)
{
    const char *text = err == ERR_SIGNATURE ? "this network's broker has not signed this "
                                              "checkpoint, or it was changed afterwards"
                       : err == ERR_WRONG_NETWORK
                           ? "this is a checkpoint of another network"
                           : "this is not a checkpoint as 'refloop checkpoint' prints it";

    return error_answer(err, "check", err == ERR_MEMORY ? NULL : text);
}

static json_t *
compare(const struct checkpoint *ours, size_t n, const struct checkpoint *theirs)
{
    const struct checkpoint *near = &ours[0];
    const char *verdict = "other-size";
    char text[SENTENCE_MAX];

    for (size_t i = 0; i < n; i++) {
        if (ours[i].size == theirs->size)
            near = &ours[i];
    }
    if (near->size != theirs->size) {
        (void)text_format(text, sizeof(text),
                          "Theirs is of %llu entries and ours of %llu, so the two cannot be "
                          "compared here. Both come from the broker: let a little time pass, and "
                          "compare new ones; or let the administrator run 'refloop-admin verify "
                          "--since FILE' with theirs, which settles it.",
                          (unsigned long long)theirs->size, (unsigned long long)near->size);
    } else if (memcmp(&near->root, &theirs->root, sizeof(near->root)) == 0) {
        verdict = "same";
        (void)text_format(text, sizeof(text),
                          "Both are of the same log: its first %llu entries are the same for them "
                          "and for us.",
                          (unsigned long long)theirs->size);
    } else {
        verdict = "split";
        (void)text_format(text, sizeof(text),
                          "%s They and we were shown different ones. Keep both checkpoints, and "
                          "telephone the administrator and the other members.",
                          alarm_sentence(ALARM_SPLIT_VIEW));
    }
    return json_pack("{s:b, s:s, s:s, s:o, s:o}", "ok", 1, "verdict", verdict, "text", text, "ours",
                     make_place(near), "theirs", make_place(theirs));
}

static json_t *
tell(const struct checkpoint *ours, struct bytes note)
{
    json_auto_t *place = make_place(ours);

    return json_pack("{s:b, s:s%, s:O, s:O}", "ok", 1, "note", (const char *)note.data, note.len,
                     "size", json_object_get(place, "size"), "root",
                     json_object_get(place, "root"));
}

json_t *
cmd_checkpoint_run(struct command_context *context, json_t *request)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    const char *given = content_text(request, "check");
    struct checkpoint ours[2];
    struct checkpoint theirs;
    size_t n = 0;
    enum err err = load_ours(context, ours, &n, &note);

    if (err == ERR_NOT_FOUND)
        return error_answer(err, NULL,
                            "there is no checkpoint here yet; it comes with the first answer of "
                            "the broker");
    if (err != ERR_OK)
        return error_answer(err, NULL, NULL);
    if (given[0] == '\0')
        return tell(&ours[0], buffer_view(&note));
    err = open_note(context, bytes_of_text(given), &theirs);
    return err == ERR_OK ? compare(ours, n, &theirs) : refuse_theirs(err);
}
