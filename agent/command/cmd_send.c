/* Decides what becomes of the files a person gives: each referral that can go is queued, each that
 * cannot is told by row and field, and one bad row does not stop the others. A check does the same
 * but for the queueing.
 *
 * It refuses to know the forms of input (agent/intake does), and repeats nothing of what was in
 * them. */
#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/intake/intake.h"

struct sending {
    struct command_context *context;
    bool only_check;
    struct intake_file files[INTAKE_FILES_MAX];
    size_t n_files;
    struct intake_result result; /* owned */
    json_t *sent, *refused;      /* owned */
    json_t *error;               /* owned: the first refusal */
};

static void
sending_done(struct sending *sending)
{
    intake_done(&sending->result);
    json_decref(sending->sent);
    json_decref(sending->refused);
    json_decref(sending->error);
}

static enum err
take_file(struct sending *sending, json_t *given, struct content_fault *fault)
{
    struct intake_file *file = &sending->files[sending->n_files];
    const char *name = json_string_value(json_object_get(given, "name"));
    json_t *text = json_object_get(given, "text");

    if (name == NULL || !json_is_string(text) || json_object_size(given) != 2)
        return content_blame(fault, "files", "a file is an object with \"name\" and \"text\"");
    file->name = name;
    file->text = bytes_of(json_string_value(text), json_string_length(text));
    sending->n_files++;
    return ERR_OK;
}

static enum err
take_files(struct sending *sending, json_t *list, struct content_fault *fault)
{
    size_t i;
    json_t *given;

    if (json_array_size(list) == 0 || json_array_size(list) > INTAKE_FILES_MAX) {
        return content_blame(fault, "files", "give at least one file and at most %d",
                             INTAKE_FILES_MAX);
    }
    json_array_foreach(list, i, given)
    {
        enum err err = take_file(sending, given, fault);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* Invited and revoked ones are known too: their refusal says more. While the list of members has
 * not arrived, nobody can be told apart, and the core says so. */
static bool
is_member(void *context, const char *org)
{
    const struct command_context *command = context;
    const struct directory *directory = agent_directory(command->agent);

    return directory_find(directory, org) != NULL || directory_count(directory) == 0;
}

/* What the core would say to a send, asked without queueing. */
static enum err
judge_partner(const struct sending *sending, const char *org, struct complaint *complaint)
{
    const struct agent *agent = sending->context->agent;
    const struct member *member = directory_find(agent_directory(agent), org);

    if (strcmp(org, agent_identity(agent)->org) == 0)
        return complain(complaint, ERR_SELF_ADDRESSED, "%s is this organization itself", org);
    if (member != NULL && member->state == MEMBER_ACTIVE)
        return ERR_OK;
    if (member != NULL && member->state == MEMBER_REVOKED)
        return complain(complaint, ERR_REVOKED, "%s is no longer in this network", org);
    return complain(complaint, ERR_UNKNOWN_MEMBER, "%s is not a member yet", org);
}

static enum err
start(struct sending *sending, const struct intake_referral *referral, struct loop_id *loop_out,
      struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    CLEANUP(buffer_wipe) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
    enum err err = content_print(referral->facts, &facts);

    if (err == ERR_OK)
        err = content_print(referral->body, &body);
    if (err == ERR_OK && sending->only_check)
        err = judge_partner(sending, referral->to, complaint);
    if (err != ERR_OK || sending->only_check)
        return err;
    const struct agent_content content = {.facts = buffer_view(&facts), .body = buffer_view(&body)};
    return agent_start_loop(sending->context->agent, referral->to, referral->priority,
                            referral->needed_by_ms, &content, sending->context->now, loop_out,
                            complaint);
}

static json_t *
make_row(const struct intake_referral *referral)
{
    return referral->row > 0 ? json_integer((json_int_t)referral->row) : json_null();
}

static enum err
add_refused(struct sending *sending, const struct intake_referral *referral, enum err why,
            const char *field, const char *text)
{
    json_auto_t *error = error_object(why, field, text);
    json_t *row = json_pack("{s:o, s:s, s:O}", "row", make_row(referral), "field", field, "text",
                            json_object_get(error, "text"));

    if (row == NULL || json_array_append_new(sending->refused, row) != 0)
        return ERR_MEMORY;
    if (sending->error == NULL)
        sending->error = json_incref(error);
    return ERR_OK;
}

/* Before anything is queued: what has been taken must be told as taken, memory or not. */
static enum err
add_sent(struct sending *sending, const struct intake_referral *referral)
{
    json_t *row =
        json_pack("{s:n, s:s, s:o}", "loop", "to", referral->to, "row", make_row(referral));

    return row != NULL && json_array_append_new(sending->sent, row) == 0 ? ERR_OK : ERR_MEMORY;
}

static size_t
last_sent(const struct sending *sending)
{
    return json_array_size(sending->sent) - 1;
}

/* Without memory its name stays null. */
static void
name_sent(struct sending *sending, const struct loop_id *loop)
{
    char id[LOOP_ID_TEXT];

    if (sending->only_check)
        return;
    ident_format(loop, id);
    (void)json_object_set_new(json_array_get(sending->sent, last_sent(sending)), "loop",
                              json_string(id));
}

static bool
blames_partner(enum err err)
{
    return err == ERR_UNKNOWN_MEMBER || err == ERR_REVOKED || err == ERR_SELF_ADDRESSED;
}

/* Whatever stops one referral, what was queued before it is queued, and has to be told. */
static enum err
treat(struct sending *sending, const struct intake_referral *referral)
{
    struct complaint complaint = {.text = ""};
    struct loop_id loop = {.bytes = {0}};

    if (!referral->ready)
        return add_refused(sending, referral, ERR_INVALID, referral->fault.field,
                           referral->fault.text);
    if (add_sent(sending, referral) != ERR_OK)
        return ERR_MEMORY;
    enum err err = start(sending, referral, &loop, &complaint);
    if (err == ERR_OK) {
        name_sent(sending, &loop);
        return ERR_OK;
    }
    (void)json_array_remove(sending->sent, last_sent(sending)); /* it is there */
    return add_refused(sending, referral, err, blames_partner(err) ? "to" : "", complaint.text);
}

/* Made before anything is queued, with a row for what could not be treated: it goes again when all
 * was. */
static json_t *
begin_answer(struct sending *sending)
{
    json_t *untold = json_pack("{s:n, s:s, s:s}", "row", "field", "", "text",
                               "no memory: what is not named here was not taken");

    if (untold == NULL || json_array_append_new(sending->refused, untold) != 0)
        return NULL;
    return json_pack("{s:b, s:O, s:O, s:O, s:O}", "ok", 0, "sent", sending->sent, "refused",
                     sending->refused, "notices", sending->result.notices, "carried",
                     sending->result.carried);
}

/* Takes the answer over. */
static json_t *
end_answer(struct sending *sending, json_t *answer, enum err err)
{
    bool ok = json_array_size(sending->sent) > 0;

    if (err == ERR_OK)
        (void)json_array_remove(sending->refused, 0); /* it is there */
    if (ok) {
        (void)json_object_set_new(answer, "ok", json_true()); /* takes a place that it has */
        return answer;
    }
    if (err == ERR_OK && sending->error == NULL)
        sending->error = error_object(ERR_INVALID, "files", "there is no referral in it");
    if (err == ERR_OK && json_object_set(answer, "error", sending->error) == 0)
        return answer;
    json_decref(answer);
    return NULL; /* nothing was taken */
}

static json_t *
send_files(struct sending *sending, json_t *request)
{
    const struct intake_defaults defaults = {
        .to = content_text(request, "to"),
        .priority = content_text(request, "priority"),
        .needed_by = content_text(request, "needed_by"),
    };
    struct content_fault fault = {.field = ""};
    enum err err = take_files(sending, json_object_get(request, "files"), &fault);

    if (err == ERR_OK)
        err = intake_read(sending->files, sending->n_files, &defaults, is_member, sending->context,
                          sending->context->now.wall_ms, &sending->result, &fault);
    if (err != ERR_OK)
        return error_of_fault(err, &fault);
    json_t *answer = begin_answer(sending);
    if (answer == NULL)
        return NULL;
    for (size_t i = 0; err == ERR_OK && i < sending->result.n; i++)
        err = treat(sending, &sending->result.referrals[i]);
    return end_answer(sending, answer, err);
}

json_t *
cmd_send_run(struct command_context *context, json_t *request)
{
    CLEANUP(sending_done)
    struct sending sending = {.context = context, .sent = json_array(), .refused = json_array()};

    return send_files(&sending, request);
}

json_t *
cmd_send_check(struct command_context *context, json_t *request)
{
    CLEANUP(sending_done)
    struct sending sending = {
        .context = context, .only_check = true, .sent = json_array(), .refused = json_array()};

    return send_files(&sending, request);
}
