/* The short commands: members, codes, verify, watch. None of them decides anything; each prints
 * what another part knows. */
#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "lib/loop/reason.h"

json_t *
cmd_other_members(struct command_context *context, json_t *request)
{
    const struct directory *directory = agent_directory(context->agent);
    const char *self = agent_identity(context->agent)->org;
    json_auto_t *members = json_array();

    (void)request; /* has no fields */
    for (size_t i = 0; i < directory_count(directory); i++) {
        const struct member *member = directory_at(directory, i);
        json_t *made =
            json_pack("{s:s, s:s, s:s, s:b}", "org", member->org, "name", member->name, "state",
                      directory_state_name(member->state), "me", strcmp(member->org, self) == 0);
        if (made == NULL || json_array_append_new(members, made) != 0)
            return NULL;
    }
    return json_pack("{s:b, s:O}", "ok", 1, "members", members);
}

static json_t *
make_list(enum reason_list list)
{
    size_t n;
    const struct reason *reasons = reason_all(list, &n);
    json_auto_t *made = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *reason = json_pack("{s:s, s:s, s:b}", "code", reasons[i].code, "words",
                                   reasons[i].words, "needs_text", reasons[i].needs_text);
        if (reason == NULL || json_array_append_new(made, reason) != 0)
            return NULL;
    }
    return json_incref(made);
}

/* A list goes by the name of the step that draws from it: that is what people know. Two belong to
 * the request. */
json_t *
cmd_other_codes(struct command_context *context, json_t *request)
{
    json_auto_t *lists = json_object();
    enum reason_list list;

    (void)context; /* the codes are the same everywhere */
    (void)request; /* has no fields */
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        if (reason_list_for(event, &list) &&
            json_object_set_new(lists, lifecycle_event_name(event), make_list(list)) != 0)
            return NULL;
    }
    return json_object_set_new(lists, "category", make_list(REASON_CATEGORY)) == 0 &&
                   json_object_set_new(lists, "basis", make_list(REASON_BASIS)) == 0
               ? json_pack("{s:b, s:O}", "ok", 1, "lists", lists)
               : NULL;
}

json_t *
cmd_other_verify(struct command_context *context, json_t *request)
{
    struct complaint complaint = {.text = ""};
    enum err err = agent_check_store(context->agent, &complaint);

    (void)request; /* has no fields */
    return err == ERR_OK ? json_pack("{s:b}", "ok", 1) : error_answer(err, NULL, complaint.text);
}

json_t *
cmd_other_watch(struct command_context *context, json_t *request)
{
    (void)context; /* the changes come later, as they happen */
    (void)request; /* has no fields */
    return json_pack("{s:b, s:b}", "ok", 1, "more", 1);
}
