/* Tells the story once, against the broker in memory, and keeps the agent's store. Decides what the
 * past of an office is in the targets that look at it from the staff's side. */
#include "tests/fuzz/office_story.h"

#include <string.h>

static const struct agent_content content = {{(const uint8_t *)"{}", 2},
                                             {(const uint8_t *)"{}", 2}};

static void
let_partner_say(struct office *office, const struct loop_id *loop, enum loop_event event)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    const struct office_step step = {.loop = loop, .event = event};
    struct statement statement = office_statement(office, &step);
    FUZZ_HOLDS(office_seal(office, &statement, content.facts, content.body, &envelope));
    office_submit(office, buffer_view(&envelope));
    office_settle(office);
}

static void
say(struct office *office, const struct loop_id *loop, enum loop_event event)
{
    struct complaint complaint = {.text = ""};
    FUZZ_HOLDS(agent_say(office->agent, loop, event, 0, false, &content, office->now, &complaint) ==
               ERR_OK);
    office_settle(office);
}

struct office_story *
office_story_new(void)
{
    struct office_story *story = calloc(1, sizeof(*story));
    struct complaint complaint = {.text = ""};
    FUZZ_HOLDS(story != NULL);
    struct office *office = story->office = office_new();
    office_open(office);
    agent_link_up(office->agent, office->now);
    office_settle(office);
    FUZZ_HOLDS(agent_start_loop(office->agent, fixture_orgs[OFFICE_PARTNER], PRIORITY_URGENT, 0,
                                &content, office->now, &story->ours, &complaint) == ERR_OK);
    office_settle(office);
    let_partner_say(office, &story->ours, EVENT_ACCEPT);
    memset(&story->theirs, 0x42, sizeof(story->theirs));
    let_partner_say(office, &story->theirs, EVENT_REQUEST);
    say(office, &story->theirs, EVENT_ACCEPT);
    let_partner_say(office, &story->theirs, EVENT_NOTE);
    say(office, &story->theirs, EVENT_COMPLETE);
    fake_log_again(&office->broker, 3);
    office_settle(office);
    agent_link_down(office->agent, office->now);
    FUZZ_HOLDS(agent_say(office->agent, &story->ours, EVENT_CANCEL, 0, false, &content, office->now,
                         &complaint) == ERR_OK);
    story->n_loops = 2;
    agent_freep(&office->agent);
    stage_keep_store(office->store, &story->store);
    return story;
}

void
office_story_open(struct office_story *story)
{
    stage_put_store(story->office->store, buffer_view(&story->store));
    office_open_agent(story->office);
}

json_t *
office_run(struct office *office, json_t *request)
{
    struct command_context context = {
        .agent = office->agent, .link = {.trouble = TROUBLE_NO_ANSWER}, .now = office->now};
    bool watch = false;
    json_t *answer = command_run(&context, request, &watch);
    FUZZ_HOLDS(json_is_object(answer) && json_is_boolean(json_object_get(answer, "ok")));
    if (json_is_false(json_object_get(answer, "ok"))) {
        json_t *error = json_object_get(answer, "error");
        FUZZ_HOLDS(json_string_length(json_object_get(error, "code")) > 0);
        FUZZ_HOLDS(json_string_length(json_object_get(error, "text")) > 0);
    }
    return answer;
}

json_t *
office_ask(struct office *office, const char *command, const struct loop_id *loop)
{
    char id[LOOP_ID_TEXT];
    json_t *request = json_pack("{s:s}", "command", command);
    if (loop != NULL) {
        ident_format(loop, id);
        FUZZ_HOLDS(json_object_set_new(request, "loop", json_string(id)) == 0);
    }
    json_t *answer = office_run(office, request);
    json_decref(request);
    return answer;
}
