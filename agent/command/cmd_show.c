/* Decides how a loop is told in full: every step with how far it came and what it carried, as it
 * was read. It refuses to judge the steps; what is odd about the loop is the view's notice. */
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "agent/content/content.h"
#include "lib/base/text.h"

/* What one answer can carry (lib/edge/control.h), with room for escaping and for the rest. */
enum { TELL_BYTES_MAX = LIMIT_CONTROL_BYTES / 2 };

struct telling {
    enum loop_role role;        /* ours */
    const char *self, *partner; /* organizations */
    size_t bytes;               /* of contents, so far */
    json_t *timeline;           /* owned */
    json_t *request;            /* owned; the body of the request */
    bool left_out;              /* the later steps are too much for one answer */
    enum err err;
};

static void
telling_done(struct telling *telling)
{
    json_decref(telling->timeline);
    json_decref(telling->request);
}

static const char *
stage_name(enum step_stage stage)
{
    static const char *const names[] = {
        [STAGE_QUEUED] = "queued",       [STAGE_SENT] = "sent",       [STAGE_ACCEPTED] = "accepted",
        [STAGE_DELIVERED] = "delivered", [STAGE_REFUSED] = "refused",
    };

    return names[stage];
}

static json_t *
make_id(const struct digest *id)
{
    char text[2 * DIGEST_BYTES + 1];

    if (bytes_all_zero(bytes_of(id->bytes, DIGEST_BYTES)))
        return json_null();
    text_hex(bytes_of(id->bytes, DIGEST_BYTES), text);
    return json_string(text);
}

static json_t *
make_refusal(const struct step_view *step)
{
    return step->stage == STAGE_REFUSED ? error_object(step->refusal, NULL, NULL) : json_null();
}

/* Takes neither of the two references. */
static json_t *
make_step(const struct telling *telling, const struct step_view *step, json_t *facts, json_t *body,
          bool sound)
{
    bool logged = step->stage == STAGE_ACCEPTED || step->stage == STAGE_DELIVERED;

    return json_pack("{s:I, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o, "
                     "s:o, s:O, s:O, "
                     "s:o, s:b, s:s?}",
                     "n", (json_int_t)step->number, "event", lifecycle_event_name(step->event),
                     "by", lifecycle_role_name(step->role), "org",
                     step->role == telling->role ? telling->self : telling->partner, "mine",
                     step->role == telling->role, "stage", stage_name(step->stage), "authored",
                     view_time(step->authored_ms), "accepted", view_time(step->accepted_ms),
                     "delivered", view_time(step->delivered_ms), "index",
                     logged ? json_integer((json_int_t)step->index) : json_null(), "state_after",
                     logged ? json_string(lifecycle_state_name(step->state_after)) : json_null(),
                     "superseded", step->superseded, "automatic", step->automatic, "unreadable",
                     step->unreadable || !sound, "refusal", make_refusal(step), "due",
                     view_time(step->due_ms), "facts", facts, "body", body, "id",
                     make_id(&step->id), "proved", step->proved, "unproved", step->unproved);
}

static bool
tell_step(void *context, const struct step_view *step)
{
    struct telling *telling = context;
    json_t *facts = NULL;
    json_t *body = NULL;
    bool sound = false;

    telling->bytes += step->facts.len + step->body.len;
    if (telling->bytes > TELL_BYTES_MAX) {
        telling->left_out = true;
        return false;
    }
    telling->err = content_read(step->facts, step->body, &facts, &body, &sound);
    if (telling->err != ERR_OK)
        return false;
    if (step->event == EVENT_REQUEST && telling->request == NULL)
        telling->request = json_incref(body);
    json_t *made = make_step(telling, step, facts, body, sound);
    if (made == NULL || json_array_append_new(telling->timeline, made) != 0)
        telling->err = ERR_MEMORY;
    json_decref(facts);
    json_decref(body);
    return telling->err == ERR_OK;
}

json_t *
cmd_show_run(struct command_context *context, json_t *request)
{
    CLEANUP(telling_done) struct telling telling = {.timeline = json_array()};
    json_auto_t *view = NULL;
    json_t *refusal = NULL;
    struct loop_view loop = {.role = LOOP_SOURCE};
    struct loop_id id;

    if (!view_find(context, request, "loop", &id, &refusal))
        return refusal;
    enum err err = agent_get_loop(context->agent, &id, &loop);
    if (err == ERR_OK)
        err = view_make(context, &loop, &view);
    telling.role = loop.role;
    telling.self = agent_identity(context->agent)->org;
    telling.partner = loop.partner_org;
    if (err == ERR_OK)
        err = agent_each_step(context->agent, &id, tell_step, &telling);
    if (err == ERR_OK)
        err = telling.err;
    if (err != ERR_OK)
        return error_answer(err, NULL, NULL);
    if (telling.request == NULL)
        telling.request = json_object();
    return json_pack("{s:b, s:O, s:O, s:O, s:b}", "ok", 1, "loop", view, "request", telling.request,
                     "timeline", telling.timeline, "cut", telling.left_out);
}
