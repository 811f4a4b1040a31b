/* alarms, alarm, settle: what this agent has caught somebody at, with the proof of it, and people's
 * word that they have looked. Decides that nobody settles what they cannot have seen. */
#include "agent/command/alarm_words.h"
#include "agent/command/alarms.h"
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "lib/base/text.h"

struct listing {
    bool standing_only;
    struct alarm_standing standing;
    json_t *alarms; /* owned */
    enum err err;
};

static void
listing_done(struct listing *listing)
{
    json_decref(listing->alarms);
}

static json_t *
make_alarm(const struct alarm *alarm)
{
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "n", (json_int_t)alarm->number, "kind",
        alarm_word(alarm->kind), "text", alarm_sentence(alarm->kind), "about", alarm->about,
        "advice", alarm_advice(alarm->kind), "stops", alarm_stops(alarm->kind), "raised",
        view_time(alarm->raised_ms), "settled", view_time(alarm->settled_ms), "index",
        alarm->index == UINT64_MAX ? json_null() : json_integer((json_int_t)alarm->index));
}

static bool
list_alarm(void *context, const struct alarm *alarm)
{
    struct listing *listing = context;

    if (alarm->settled_ms == 0)
        alarm_standing_add(&listing->standing, alarm->kind);
    else if (listing->standing_only)
        return true;
    json_t *made = make_alarm(alarm);
    if (made == NULL || json_array_append_new(listing->alarms, made) != 0)
        listing->err = ERR_MEMORY;
    return listing->err == ERR_OK;
}

enum err
alarms_tell(struct command_context *context, bool standing_only, json_t *answer)
{
    CLEANUP(listing_done)
    struct listing listing = {.standing_only = standing_only,
                              .standing = {.stopped = context->stopped},
                              .alarms = json_array()};
    char warning[ALARM_WARNING_BYTES];
    enum err err = agent_each_alarm(context->agent, list_alarm, &listing);

    if (err == ERR_OK)
        err = listing.err;
    if (err != ERR_OK)
        return err;
    alarm_warning(&listing.standing, warning);
    return json_object_set_new(answer, "stopped", json_boolean(context->stopped)) == 0 &&
                   json_object_set_new(answer, "warning", json_string(warning)) == 0 &&
                   json_object_set(answer, "alarms", listing.alarms) == 0
               ? ERR_OK
               : ERR_MEMORY;
}

json_t *
cmd_alarms_run(struct command_context *context, json_t *request)
{
    json_auto_t *answer = json_pack("{s:b}", "ok", 1);
    bool standing_only = json_is_true(json_object_get(request, "standing"));

    if (answer == NULL)
        return NULL;
    enum err err = alarms_tell(context, standing_only, answer);
    return err == ERR_OK ? json_incref(answer) : error_answer(err, NULL, NULL);
}

/* --- one, with its proof --- */

struct search {
    json_int_t number;
    bool found;
    json_t *answer; /* NULL when out of memory */
};

static bool
find_alarm(void *context, const struct alarm *alarm)
{
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(2 * ALARM_PROOF_MAX);
    struct search *search = context;

    if ((json_int_t)alarm->number != search->number)
        return true;
    search->found = true;
    text_base64(alarm->proof, &proof);
    buffer_put_u8(&proof, 0);
    if (buffer_err(&proof) == ERR_OK)
        search->answer = json_pack("{s:b, s:o, s:s}", "ok", 1, "alarm", make_alarm(alarm), "proof",
                                   (const char *)proof.data);
    return false;
}

json_t *
cmd_alarms_one(struct command_context *context, json_t *request)
{
    struct search search = {.number = json_integer_value(json_object_get(request, "n"))};
    enum err err = agent_each_alarm(context->agent, find_alarm, &search);

    if (err == ERR_OK && !search.found)
        return error_answer(ERR_NOT_FOUND, "n", "there is no alarm of that number");
    return err == ERR_OK ? search.answer : error_answer(err, NULL, NULL);
}

/* --- settling --- */

struct census {
    json_int_t newest; /* that stands */
    size_t n;
};

static bool
count_standing(void *context, const struct alarm *alarm)
{
    struct census *census = context;

    if (alarm->settled_ms != 0)
        return true;
    census->n++;
    if ((json_int_t)alarm->number > census->newest)
        census->newest = alarm->number;
    return true;
}

json_t *
cmd_alarms_settle(struct command_context *context, json_t *request)
{
    struct census census = {.n = 0};
    enum err err = agent_each_alarm(context->agent, count_standing, &census);

    if (err == ERR_OK && census.newest > json_integer_value(json_object_get(request, "newest")))
        return error_answer(ERR_BUSY, "newest", "there is an alarm newer than those you have seen");
    if (err == ERR_OK)
        err = agent_settle_alarms(context->agent, context->now);
    if (err == ERR_NOT_FOUND)
        return error_answer(err, NULL, "no alarm stands, so there is nothing to settle");
    return err == ERR_OK ? json_pack("{s:b, s:I}", "ok", 1, "settled", (json_int_t)census.n)
                         : error_answer(err, NULL, NULL);
}
