/* Decides what the people here may say, and queues it: the step, its content, its place in the
 * outbox and the loop's counters in one transaction, or nothing. A step is judged against the loop
 * as it will be once what is queued has arrived; the broker has the last word. It refuses to know
 * what the content means and when it is sent. */
#include <string.h>

#include "agent/draft.h"
#include "agent/mirror.h"
#include "agent/state.h"
#include "agent/steps.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"

enum { POSSIBLE_TEXT_BYTES = 256, FILL_PERCENT_MAX = 90 };
static const char empty_content[] = "{}";

/* One command on its way through its transaction. */
struct saying {
    struct loop_id loop;
    enum loop_event event;
    const char *target; /* request only */
    enum statement_priority priority;
    int64_t due_ms;
    bool automatic;
    const struct agent_content *content;
    struct complaint *complaint;
};

static enum err
judge_content(const struct agent_content *content, struct complaint *complaint)
{
    if (content->facts.len > LIMIT_FACTS_BYTES)
        return complain(complaint, ERR_TOO_LARGE,
                        "the coded part is %zu bytes long, %d are possible", content->facts.len,
                        LIMIT_FACTS_BYTES);
    if (content->body.len > LIMIT_BODY_BYTES)
        return complain(complaint, ERR_TOO_LARGE, "the message is %zu bytes long, %d are possible",
                        content->body.len, LIMIT_BODY_BYTES);
    return ERR_OK;
}

static enum err
judge_partner(const struct agent *agent, const char *org, struct complaint *complaint)
{
    const struct member *member = directory_find(agent->directory, org);

    if (member != NULL && member->state == MEMBER_ACTIVE)
        return ERR_OK;
    if (member != NULL && member->state == MEMBER_REVOKED)
        return complain(
            complaint, ERR_REVOKED,
            "the administrator has ended the membership of %s: nothing can be sent there", org);
    if (member != NULL)
        return complain(complaint, ERR_UNKNOWN_MEMBER, "%s is invited but has not joined yet", org);
    if (directory_count(agent->directory) == 0)
        return complain(complaint, ERR_UNKNOWN_MEMBER,
                        "the list of members has not arrived yet: this agent has not reached the "
                        "broker so far");
    return complain(complaint, ERR_UNKNOWN_MEMBER, "no member of this network is called \"%.*s\"",
                    ORG_ID_MAX, org);
}

/* The partner's keys have been revoked: what can still be said is what ends the loop. */
static enum err
refuse_revoked(const struct mirror *mirror, struct loop_position position,
               struct complaint *complaint)
{
    char possible[POSSIBLE_TEXT_BYTES] = "";

    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        struct loop_position next;
        size_t used = strlen(possible);
        if (draft_ends_alone(event) && lifecycle_step(position, event, mirror->role, &next))
            (void)text_format(possible + used, sizeof(possible) - used, "%s%s",
                              used == 0 ? "" : ", ", lifecycle_event_name(event)); /* short words */
    }
    return complain(complaint, ERR_REVOKED,
                    "the administrator has ended the membership of %s: nothing can be said to them "
                    "any more; possible now: %s",
                    mirror_partner(mirror), possible[0] == '\0' ? "nothing" : possible);
}

static struct bytes
or_empty(struct bytes content)
{
    return content.len > 0 ? content : bytes_of_text(empty_content);
}

static enum err
queue(struct unit *unit, struct mirror *mirror, const struct saying *saying)
{
    const struct step step = {
        .number = ++mirror->n_steps,
        .role = mirror->role,
        .event = saying->event,
        .stage = STAGE_QUEUED,
        .authored_ms = unit->now.wall_ms,
        .due_ms = saying->due_ms,
        .automatic = saying->automatic,
    };
    struct bytes facts = or_empty(saying->content->facts);
    struct bytes body = or_empty(saying->content->body);
    const struct row row = {
        .kind = ROW_STEP,
        .event = saying->event,
        .number = step.number,
        .content_bytes = (uint32_t)body.len,
        .heard = track_last_mark(&mirror->track, mirror_other(mirror->role)),
    };

    mirror->n_waiting++;
    if (saying->event != EVENT_NOTE) {
        mirror->newest_own = step.number;
        mirror->last_superseded = false;
    }
    enum err err = mirror_ahead_add(mirror, step.number, saying->event);
    if (err == ERR_OK)
        err = step_store(unit, &saying->loop, &step);
    if (err == ERR_OK)
        err = step_close_content(unit, &saying->loop, step.number, facts, body);
    if (err == ERR_OK)
        err = outbox_add(unit, &saying->loop, &row);
    return err == ERR_OK ? mirror_store(unit, mirror) : err;
}

static enum err
start(struct unit *unit, void *context)
{
    const struct saying *saying = context;
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};

    mirror_init(&mirror, &saying->loop, LOOP_SOURCE, unit->agent->identity->org, saying->target);
    mirror.priority = saying->priority;
    mirror.created_ms = unit->now.wall_ms;
    mirror.needed_by_ms = saying->due_ms;
    return queue(unit, &mirror, saying);
}

static enum err
refuse_step(const struct mirror *mirror, struct loop_position position, const struct saying *saying)
{
    char possible[POSSIBLE_TEXT_BYTES];

    if (position.state == LOOP_NONE)
        return complain(saying->complaint, ERR_WRONG_STATE,
                        "this referral's request was refused for good: nothing can be said in it; "
                        "possible now: withdraw, void, which end it here");
    return complain(saying->complaint, ERR_WRONG_STATE, "this referral is %s; possible now: %s",
                    lifecycle_state_name(position.state),
                    lifecycle_possible(position, mirror->role, possible, sizeof(possible)));
}

static enum err
judge_step(const struct agent *agent, const struct mirror *mirror, const struct saying *saying)
{
    struct loop_position position = mirror_queued_position(mirror);
    struct loop_position next;
    enum err err = judge_partner(agent, mirror_partner(mirror), NULL);

    if (err == ERR_REVOKED && !draft_ends_alone(saying->event))
        return refuse_revoked(mirror, position, saying->complaint);
    if (err != ERR_OK && err != ERR_REVOKED)
        return judge_partner(agent, mirror_partner(mirror), saying->complaint);
    if (!lifecycle_step(position, saying->event, mirror->role, &next))
        return refuse_step(mirror, position, saying);
    if (mirror->track.n_marks + mirror->n_ahead >= TRACK_MARKS_MAX)
        return complain(saying->complaint, ERR_LOOP_FULL,
                        "this referral holds as many steps as a referral may: start a new one");
    return ERR_OK;
}

static enum err
say(struct unit *unit, void *context)
{
    const struct saying *saying = context;
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = mirror_load(unit->txn, &saying->loop, &mirror);

    if (err == ERR_NOT_FOUND)
        return complain(saying->complaint, ERR_UNKNOWN_LOOP, "there is no such referral here");
    if (err != ERR_OK)
        return err;
    if (mirror_is_stillborn(&mirror) &&
        (saying->event == EVENT_VOID || saying->event == EVENT_WITHDRAW)) {
        mirror.dropped = true;
        return mirror_store(unit, &mirror);
    }
    err = judge_step(unit->agent, &mirror, saying);
    return err == ERR_OK ? queue(unit, &mirror, saying) : err;
}

static enum err
run(struct agent *agent, struct instant now, unit_step step, struct saying *saying)
{
    enum err err = unit_run(agent, now, step, saying);

    if (err == ERR_DISK_FULL)
        return complain(saying->complaint, err,
                        "the disk is full: nothing was queued; make room and try again");
    if (err != ERR_OK && !err_is_peer(err))
        return complain(saying->complaint, err, "nothing was queued: %s", err_text(err));
    return err;
}

enum err
agent_start_loop(struct agent *agent, const char *target_org, enum statement_priority priority,
                 int64_t due_ms, const struct agent_content *content, struct instant now,
                 struct loop_id *loop_out, struct complaint *complaint)
{
    struct saying saying = {
        .event = EVENT_REQUEST,
        .target = target_org,
        .priority = priority,
        .due_ms = due_ms,
        .content = content,
        .complaint = complaint,
    };

    if (strcmp(target_org, agent->identity->org) == 0)
        return complain(complaint, ERR_SELF_ADDRESSED,
                        "%s is this organization itself: a referral goes to another one",
                        target_org);
    if ((priority != PRIORITY_ROUTINE && priority != PRIORITY_URGENT) || due_ms < 0)
        return complain(complaint, ERR_INVALID, "the priority or the date is not usable");
    enum err err = judge_partner(agent, target_org, complaint);
    if (err == ERR_OK)
        err = judge_content(content, complaint);
    if (err != ERR_OK)
        return err;
    /* What answers, receipts and other people's steps need must still fit afterwards. */
    if (kv_fill_percent(agent->kv) >= FILL_PERCENT_MAX)
        return complain(complaint, ERR_DISK_FULL,
                        "the store is nearly full: no new referrals until its limit is raised");
    secret_random(saying.loop.bytes, sizeof(saying.loop.bytes));
    err = run(agent, now, start, &saying);
    if (err == ERR_OK)
        *loop_out = saying.loop;
    return err;
}

enum err
agent_say(struct agent *agent, const struct loop_id *loop, enum loop_event event, int64_t due_ms,
          bool automatic, const struct agent_content *content, struct instant now,
          struct complaint *complaint)
{
    struct saying saying = {
        .loop = *loop,
        .event = event,
        .due_ms = due_ms,
        .automatic = automatic,
        .content = content,
        .complaint = complaint,
    };

    if (event == EVENT_DELIVERED || event >= EVENT_COUNT || due_ms < 0)
        return complain(complaint, ERR_INVALID, "this is not a step that people take");
    enum err err = judge_content(content, complaint);
    return err == ERR_OK ? run(agent, now, say, &saying) : err;
}
