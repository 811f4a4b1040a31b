/* Any lines as requests to an agent's core, in turn. Each has an answer of the shape that
 * docs/json.md promises, which can be written and read again; what is refused changes nothing; and
 * the store checks. In a request, the texts "@ours" and "@theirs" are loops that exist. */
#include <string.h>

#include "tests/fuzz/office_story.h"

enum { REQUESTS_MAX = 8 };

/* So that an input need not guess a random id. */
static void
name_loops(const struct office_story *story, json_t *request)
{
    static const char *const fields[] = {"loop", "next_loop"};
    char id[LOOP_ID_TEXT];
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *text = json_string_value(json_object_get(request, fields[i]));
        if (text != NULL && text[0] == '@') {
            ident_format(text[1] == 'o' ? &story->ours : &story->theirs, id);
            FUZZ_HOLDS(json_object_set_new(request, fields[i], json_string(id)) == 0);
        }
    }
}

static void
check_answer(json_t *answer)
{
    json_error_t error;
    char *text = json_dumps(answer, JSON_COMPACT);
    FUZZ_HOLDS(text != NULL);
    json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    FUZZ_HOLDS(again != NULL && json_equal(again, answer));
    json_decref(again);
    free(text);
}

/* True when it may have changed something. */
static bool
run(const struct office_story *story, struct bytes line)
{
    json_error_t error;
    struct agent_queue_status before, after;
    json_t *request = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(request)) {
        json_decref(request);
        return false;
    }
    name_loops(story, request);
    agent_get_queue_status(story->office->agent, &before);
    json_t *answer = office_run(story->office, request);
    agent_get_queue_status(story->office->agent, &after);
    bool is_fine = json_is_true(json_object_get(answer, "ok"));
    FUZZ_HOLDS(is_fine || after.waiting == before.waiting);
    check_answer(answer);
    json_decref(answer);
    json_decref(request);
    return is_fine;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct office_story *story;
    static bool is_dirty;
    struct complaint complaint = {.text = ""};
    struct bytes rest = bytes_of(data, size);
    if (story == NULL) {
        story = office_story_new();
        office_story_open(story);
    }
    if (is_dirty) {
        agent_freep(&story->office->agent);
        office_story_open(story);
    }
    uint64_t changes = agent_change_count(story->office->agent);
    for (unsigned i = 0; i < REQUESTS_MAX && rest.len > 0; i++) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
        (void)run(story, bytes_of(rest.data, len));
        len += end != NULL ? 1 : 0;
        rest = bytes_of(rest.data + len, rest.len - len);
    }
    is_dirty = agent_change_count(story->office->agent) != changes;
    if (is_dirty) {
        FUZZ_HOLDS(agent_check_store(story->office->agent, &complaint) == ERR_OK);
    }
    return 0;
}
