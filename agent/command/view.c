/* Decides what a list says about a loop. Who must act next follows from where the loop will stand
 * once our queue has arrived, so that nobody is asked to do again what only waits for the network.
 *
 * Content is opened for the request alone; the other steps are read only when something of ours did
 * not count. */
#include "agent/command/view.h"

#include "agent/command/error.h"
#include "agent/command/notice.h"
#include "agent/content/content_text.h"

/* What the steps of a loop say about it. */
struct story {
    const struct loop_view *loop;
    bool whole;           /* read all steps, not only the request */
    json_t *facts, *body; /* of the request; owned */
    bool readable;
    uint32_t newest_number;
    struct notice_facts notice;
    bool has_theirs; /* a step of theirs that counted, so far */
    enum loop_event theirs;
    enum err err;
};

static void
story_done(struct story *story)
{
    json_decref(story->facts);
    json_decref(story->body);
}

static void
read_request(struct story *story, const struct step_view *step)
{
    bool sound = false;

    story->err = content_read(step->facts, step->body, &story->facts, &story->body, &sound);
    story->readable = sound && !step->unreadable;
}

/* Steps come in the order of the log, and those that were refused last of all: only their numbers
 * tell which is the newest. */
static void
note_own(struct story *story, const struct step_view *step)
{
    struct notice_facts *notice = &story->notice;

    bool refused = step->stage == STAGE_REFUSED;

    /* A note behind a step that did not count does not make up for it. */
    if (step->number < story->newest_number || (step->event == EVENT_NOTE && !refused))
        return;
    story->newest_number = step->number;
    notice->newest_own = step->event;
    notice->refused = refused;
    notice->refusal = step->refusal;
    notice->superseded = step->superseded;
    notice->has_winner = story->has_theirs;
    notice->winner = story->theirs;
}

static bool
read_step(void *context, const struct step_view *step)
{
    struct story *story = context;

    if (step->event == EVENT_REQUEST && story->facts == NULL)
        read_request(story, step);
    if (step->role == story->loop->role) {
        note_own(story, step);
    } else if (!step->superseded && step->event != EVENT_NOTE) {
        story->has_theirs = true;
        story->theirs = step->event;
    }
    return story->err == ERR_OK && story->whole;
}

static enum err
read_story(struct agent *agent, struct story *story)
{
    story->whole = story->loop->n_refused > 0 || story->loop->last_superseded;
    enum err err = agent_each_step(agent, &story->loop->loop, read_step, story);

    if (err == ERR_OK)
        err = story->err;
    if (!story->whole)
        story->notice.refused = story->notice.superseded = false;
    return err;
}

bool
view_is_open(const struct loop_view *loop)
{
    enum loop_state state = loop->position.state;

    return lifecycle_is_open(state == LOOP_NONE ? loop->queued_position.state : state);
}

/* A request that was refused never became a loop, and never will. */
static bool
is_stillborn(const struct loop_view *loop)
{
    return loop->position.state == LOOP_NONE && loop->queued_position.state == LOOP_NONE;
}

static bool
is_our_turn(const struct loop_view *loop)
{
    enum loop_role role;

    return lifecycle_next_actor(loop->queued_position.state, &role) && role == loop->role;
}

bool
view_needs_me(const struct loop_view *loop, bool newest_refused)
{
    bool did_not_count = newest_refused || loop->last_superseded;

    if (!view_is_open(loop))
        return is_stillborn(loop) && newest_refused;
    /* Of two sides one is gone: only the source can end it, and the target can do nothing. */
    if (loop->partner_revoked)
        return loop->role == LOOP_SOURCE && lifecycle_is_open(loop->queued_position.state);
    return did_not_count || is_our_turn(loop);
}

enum err
view_newest_refused(struct command_context *context, const struct loop_view *loop,
                    bool *refused_out)
{
    CLEANUP(story_done) struct story story = {.loop = loop};
    enum err err = loop->n_refused == 0 ? ERR_OK : read_story(context->agent, &story);

    if (err == ERR_OK)
        *refused_out = story.notice.refused;
    return err;
}

json_t *
view_time(int64_t ms)
{
    char text[CLOCK_TEXT_BYTES];

    if (ms == 0)
        return json_null();
    clock_format_utc(ms, text);
    return json_string(text);
}

static const char *
partner_name(const struct loop_view *loop)
{
    bool named = loop->partner_name != NULL && loop->partner_name[0] != '\0';

    return named ? loop->partner_name : loop->partner_org;
}

/* What the source can do when the target is gone. */
static const char *
ending_step(const struct loop_view *loop)
{
    struct loop_position next;

    if (lifecycle_is_answered(loop->queued_position.state))
        return lifecycle_next_step(loop->queued_position.state);
    return lifecycle_step(loop->queued_position, EVENT_WITHDRAW, LOOP_SOURCE, &next)
               ? "withdraw or void"
               : "void";
}

static json_t *
make_next(const struct command_context *context, const struct loop_view *loop)
{
    enum loop_state state = loop->queued_position.state;
    const char *step = lifecycle_next_step(state);
    enum loop_role role;

    if (!lifecycle_next_actor(state, &role))
        return json_null();
    if (loop->partner_revoked) {
        if (loop->role != LOOP_SOURCE)
            return json_null();
        role = LOOP_SOURCE;
        step = ending_step(loop);
    }
    const char *org = role == loop->role ? agent_identity(context->agent)->org : loop->partner_org;
    return json_pack("{s:s, s:s, s:s, s:o}", "who", lifecycle_role_name(role), "org", org, "step",
                     step, "since", view_time(loop->since_ms));
}

static bool
is_contact_prohibited(const struct story *story)
{
    const json_t *contact = json_object_get(story->body, "contact");

    return json_is_true(json_object_get(story->facts, "no_contact")) ||
           json_is_true(json_object_get(contact, "prohibited"));
}

static json_t *
make_notice(const struct command_context *context, struct story *story)
{
    char text[NOTICE_BYTES];

    story->notice.partner = partner_name(story->loop);
    story->notice.role = story->loop->role;
    story->notice.open = view_is_open(story->loop);
    story->notice.dropped = story->loop->dropped;
    story->notice.partner_revoked = story->loop->partner_revoked;
    story->notice.unreadable = !story->readable;
    story->notice.held = context->stopped && story->loop->n_waiting > 0;
    story->notice.no_contact = is_contact_prohibited(story);
    notice_write(&story->notice, text);
    json_t *made = json_string(text);
    return made != NULL ? made : json_string("Something about this referral needs attention.");
}

/* One line of a partner's text: however long it is, a list of many loops must stay a list. The
 * whole text is in `show`. */
static json_t *
line_of(json_t *object, const char *field)
{
    bool cut = false;

    json_t *line = content_clean("name", content_text(object, field), &cut);
    if (!cut || line == NULL)
        return line;
    json_t *marked = json_sprintf("%s\xe2\x80\xa6", json_string_value(line));
    json_decref(line);
    return marked;
}

static enum err
set_content(json_t *view, struct story *story)
{
    json_t *person = json_object_get(story->body, "person");
    json_t *made =
        json_pack("{s:o, s:o, s:o, s:o, s:b}", "person", line_of(person, "name"), "category",
                  line_of(story->facts, "category"), "service", line_of(story->facts, "service"),
                  "need", line_of(story->body, "need"), "no_contact", is_contact_prohibited(story));

    if (made == NULL)
        return ERR_MEMORY;
    int failed = json_object_update(view, made);
    json_decref(made);
    return failed == 0 ? ERR_OK : ERR_MEMORY;
}

static json_t *
make_plain(struct command_context *context, const struct loop_view *loop, bool newest_refused)
{
    char id[LOOP_ID_TEXT];

    ident_format(&loop->loop, id);
    return json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:b}, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:I, "
        "s:I, s:I}",
        "loop", id, "role", lifecycle_role_name(loop->role), "partner", "org", loop->partner_org,
        "name", partner_name(loop), "revoked", loop->partner_revoked, "priority",
        loop->priority == PRIORITY_URGENT ? "urgent" : "routine", "state",
        lifecycle_state_name(loop->position.state), "queued_state",
        lifecycle_state_name(loop->queued_position.state), "open", view_is_open(loop), "created",
        view_time(loop->created_ms), "since", view_time(loop->since_ms), "needed_by",
        view_time(loop->needed_by_ms), "due", view_time(loop->due_ms), "next",
        make_next(context, loop), "needs_me", view_needs_me(loop, newest_refused), "waiting",
        (json_int_t)loop->n_waiting, "undelivered", (json_int_t)loop->n_undelivered, "refused",
        (json_int_t)loop->n_refused);
}

enum err
view_make(struct command_context *context, const struct loop_view *loop, json_t **out)
{
    CLEANUP(story_done) struct story story = {.loop = loop};
    enum err err = read_story(context->agent, &story);

    if (err != ERR_OK)
        return err;
    json_auto_t *view = make_plain(context, loop, story.notice.refused);
    if (view == NULL || set_content(view, &story) != ERR_OK ||
        json_object_set_new(view, "notice", make_notice(context, &story)) != 0)
        return ERR_MEMORY;
    *out = json_incref(view);
    return ERR_OK;
}

enum err
view_make_by_id(struct command_context *context, const struct loop_id *loop, json_t **out)
{
    struct loop_view view;
    enum err err = agent_get_loop(context->agent, loop, &view);

    return err == ERR_OK ? view_make(context, &view, out) : err;
}

bool
view_find(struct command_context *context, json_t *request, const char *field,
          struct loop_id *loop_out, json_t **refusal_out)
{
    const char *given = content_text(request, field);
    struct complaint complaint = {.text = ""};
    struct loop_id first, last;

    /* What is no id at all is not repeated: it may be a person's name in the wrong place. */
    if (!ident_prefix_range(given, &first, &last)) {
        *refusal_out = error_answer(ERR_INVALID, field,
                                    "a referral is named by the first four or more hex digits of "
                                    "its id");
        return false;
    }
    enum err err = agent_find_loop(context->agent, given, loop_out, &complaint);
    if (err != ERR_OK)
        *refusal_out = error_answer(err, field, complaint.text);
    return err == ERR_OK;
}
