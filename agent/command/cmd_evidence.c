/* evidence: one loop's file of proofs, handed over in the answer. Asking the broker for proofs
 * takes a moment: until they are here the answer is that they are not, and whoever asked asks
 * again, so that nobody else's request waits. Decides how large a file may be that way. */
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "lib/base/text.h"

/* Four bytes of base64 for three, and room for the rest of the answer. */
enum { FILE_BYTES_MAX = LIMIT_CONTROL_BYTES / 4 * 3 - 4096 };

static json_t *
hand_over(const struct command_context *context, const struct loop_id *loop, struct bytes file)
{
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(LIMIT_CONTROL_BYTES);
    const struct identity *self = agent_identity(context->agent);
    char root[2 * sizeof(self->network.bytes) + 1];
    char id[LOOP_ID_TEXT];

    ident_format(loop, id);
    text_hex(bytes_of(self->network.bytes, sizeof(self->network.bytes)), root);
    text_base64(file, &text);
    if (buffer_err(&text) != ERR_OK)
        return NULL;
    return json_pack("{s:b, s:b, s:s, s:s, s:s%}", "ok", 1, "ready", 1, "loop", id, "root", root,
                     "file", (const char *)text.data, text.len);
}

json_t *
cmd_evidence_run(struct command_context *context, json_t *request)
{
    CLEANUP(buffer_wipe) struct buffer file = BUFFER_INIT(FILE_BYTES_MAX);
    bool with_body = json_is_true(json_object_get(request, "with_body"));
    bool ready = json_is_true(json_object_get(request, "now"));
    struct complaint complaint = {.text = ""};
    json_t *refusal = NULL;
    enum err err = ERR_OK;
    struct loop_id id;

    if (!view_find(context, request, "loop", &id, &refusal))
        return refusal;
    if (!ready)
        err = agent_want_proofs(context->agent, &id, context->now, &ready);
    if (err == ERR_OK && !ready)
        return json_pack("{s:b, s:b}", "ok", 1, "ready", 0);
    if (err == ERR_OK)
        err = agent_evidence(context->agent, &id, with_body, &file, &complaint);
    if (err == ERR_TOO_LARGE)
        return error_answer(err, NULL,
                            with_body ? "with its contents this referral is too large for one "
                                        "file; write it without them"
                                      : "this referral is too large for one file");
    return err == ERR_OK ? hand_over(context, &id, buffer_view(&file))
                         : error_answer(err, NULL, complaint.text);
}
