/* Decides how a step that a person gave becomes one of ours: which loop, what it carries, by when.
 * Whether the codes fit is content's business, whether the step is possible now the core's, and
 * both say so in their own words. */
#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "agent/content/content.h"

struct step {
    struct loop_id loop;
    enum loop_event event;
    int64_t due_ms;
    bool automatic;
    struct buffer facts, body; /* owned */
};

static void
step_done(struct step *step)
{
    buffer_wipe(&step->facts);
    buffer_wipe(&step->body);
}

static enum err
take_due(json_t *request, int64_t now_ms, struct step *step, struct content_fault *fault)
{
    const char *due = content_text(request, "due");

    due += strspn(due, " ");
    if (due[0] == '\0')
        return ERR_OK;
    if (clock_parse(due, true, &step->due_ms) != ERR_OK)
        return content_blame(
            fault, "due", "due must be a date like 2026-12-01 or a time like 2026-12-01T14:30:00Z");
    if (step->due_ms < now_ms)
        return content_blame(fault, "due", "due is in the past: it says when the next word comes");
    return ERR_OK;
}

static enum err
take_content(json_t *fields, struct step *step, struct content_fault *fault)
{
    json_t *facts = NULL;
    json_t *body = NULL;
    enum err err = content_from_step(step->event, fields, &facts, &body, fault);

    if (err != ERR_OK)
        return err;
    err = content_print(facts, &step->facts);
    if (err == ERR_OK)
        err = content_print(body, &step->body);
    json_decref(facts);
    json_decref(body);
    return err;
}

static enum err
take(json_t *fields, int64_t now_ms, struct step *step, struct content_fault *fault)
{
    const char *event = content_text(fields, "event");

    if (!lifecycle_find_event(event, &step->event))
        return content_blame(fault, "event", "there is no such step; see the list of commands");
    step->automatic = json_is_true(json_object_get(fields, "automatic"));
    enum err err = take_content(fields, step, fault);
    return err == ERR_OK ? take_due(fields, now_ms, step, fault) : err;
}

/* The loop that goes on may be given by its short form too, but is written out for the partner and
 * the auditor. */
static bool
complete_next_loop(struct command_context *context, json_t *fields, json_t **refusal_out)
{
    char text[LOOP_ID_TEXT];
    struct loop_id loop;

    if (content_text(fields, "next_loop")[0] == '\0')
        return true;
    if (!view_find(context, fields, "next_loop", &loop, refusal_out))
        return false;
    ident_format(&loop, text);
    return json_object_set_new(fields, "next_loop", json_string(text)) == 0;
}

static json_t *
say(struct command_context *context, const struct step *step)
{
    const struct agent_content content = {.facts = buffer_view(&step->facts),
                                          .body = buffer_view(&step->body)};
    struct complaint complaint = {.text = ""};
    /* Made before the step is queued: what has been taken must be told as taken, memory or not. */
    json_t *answer = json_pack("{s:b, s:n}", "ok", 1, "loop");
    json_t *view = NULL;
    if (answer == NULL)
        return NULL;
    enum err err = agent_say(context->agent, &step->loop, step->event, step->due_ms,
                             step->automatic, &content, context->now, &complaint);

    if (err != ERR_OK) {
        json_decref(answer);
        return error_answer(err, NULL, complaint.text);
    }
    if (view_make_by_id(context, &step->loop, &view) == ERR_OK)
        (void)json_object_set_new(answer, "loop", view); /* takes a place that it has */
    return answer;
}

json_t *
cmd_step_run(struct command_context *context, json_t *request)
{
    CLEANUP(step_done)
    struct step step = {.facts = BUFFER_INIT(LIMIT_FACTS_BYTES),
                        .body = BUFFER_INIT(LIMIT_BODY_BYTES)};
    json_auto_t *fields = json_copy(request);
    struct content_fault fault = {.field = ""};
    json_t *refusal = NULL;

    if (fields == NULL || !view_find(context, fields, "loop", &step.loop, &refusal) ||
        !complete_next_loop(context, fields, &refusal))
        return refusal;
    enum err err = take(fields, context->now.wall_ms, &step, &fault);
    return err == ERR_OK ? say(context, &step) : error_of_fault(err, &fault);
}
