/* Decides which steps an exported loop holds: those the log has, and before that the request alone,
 * as it waits here. How they look in FHIR is agent/intake's business. */
#include <stdlib.h>
#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "agent/intake/fhir_export.h"

struct gathering {
    struct export_step *steps; /* owned, with their contents */
    size_t n, capacity;
    enum err err;
};

static void
gathering_done(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->n; i++) {
        json_decref(gathering->steps[i].facts);
        json_decref(gathering->steps[i].body);
    }
    free(gathering->steps);
}

static enum err
make_room(struct gathering *gathering)
{
    if (gathering->n < gathering->capacity)
        return ERR_OK;
    size_t capacity = gathering->capacity == 0 ? 16 : 2 * gathering->capacity;
    struct export_step *grown = reallocarray(gathering->steps, capacity, sizeof(*grown));
    if (grown == NULL)
        return ERR_MEMORY;
    gathering->steps = grown;
    gathering->capacity = capacity;
    return ERR_OK;
}

static bool
gather(void *context, const struct step_view *step)
{
    struct gathering *gathering = context;
    bool logged = step->stage == STAGE_ACCEPTED || step->stage == STAGE_DELIVERED;
    struct export_step made = {
        .event = step->event,
        .role = step->role,
        .time_ms = logged ? step->accepted_ms : step->authored_ms,
        .superseded = step->superseded,
    };
    bool sound;

    if (!logged && step->event != EVENT_REQUEST)
        return true;
    gathering->err = make_room(gathering);
    if (gathering->err == ERR_OK)
        gathering->err = content_read(step->facts, step->body, &made.facts, &made.body, &sound);
    if (gathering->err == ERR_OK)
        gathering->steps[gathering->n++] = made;
    return gathering->err == ERR_OK;
}

static json_t *export(struct command_context *context, const struct loop_view *loop,
                      const struct gathering *gathering)
{
    const struct identity *self = agent_identity(context->agent);
    bool is_source = loop->role == LOOP_SOURCE;
    const struct export_loop exported = {
        .loop = loop->loop,
        .position = loop->position,
        .source_org = is_source ? self->org : loop->partner_org,
        .source_name = is_source ? self->name : loop->partner_name,
        .target_org = is_source ? loop->partner_org : self->org,
        .target_name = is_source ? loop->partner_name : self->name,
        .urgent = loop->priority == PRIORITY_URGENT,
        .created_ms = loop->created_ms,
        .changed_ms = loop->since_ms,
        .needed_by_ms = loop->needed_by_ms,
        .steps = gathering->steps,
        .n_steps = gathering->n,
    };
    json_t *bundle = NULL;
    enum err err = fhir_export(&exported, &bundle);

    if (err != ERR_OK)
        return error_answer(err, NULL, NULL);
    return json_pack("{s:b, s:o}", "ok", 1, "bundle", bundle);
}

json_t *
cmd_export_run(struct command_context *context, json_t *request)
{
    CLEANUP(gathering_done) struct gathering gathering = {.n = 0};
    const char *format = content_text(request, "format");
    json_t *refusal = NULL;
    struct loop_view loop;
    struct loop_id id;

    if (format[0] != '\0' && strcmp(format, "fhir") != 0)
        return error_answer(ERR_INVALID, "format", "the only format is fhir");
    if (!view_find(context, request, "loop", &id, &refusal))
        return refusal;
    enum err err = agent_get_loop(context->agent, &id, &loop);
    if (err == ERR_OK)
        err = agent_each_step(context->agent, &id, gather, &gathering);
    if (err == ERR_OK)
        err = gathering.err;
    return err == ERR_OK ? export(context, &loop, &gathering) : error_answer(err, NULL, NULL);
}
