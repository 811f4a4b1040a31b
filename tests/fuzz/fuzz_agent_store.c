/* An agent's store whose records were changed by somebody who could write them. Every way to look
 * at it says what it finds or that it is corrupt; nobody reads past anything. Input: see
 * store_damage.c. */
#include <string.h>

#include "agent/alarm.h"
#include "tests/fuzz/office_story.h"
#include "tests/fuzz/store_damage.h"

static void
look(struct office *office, const char *command, const struct loop_id *loop)
{
    json_decref(office_ask(office, command, loop));
}

static bool
see_alarm(void *context, const struct alarm *alarm)
{
    size_t *n = context;
    *n += strlen(alarm_word(alarm->kind)) + strlen(alarm_sentence(alarm->kind)) + alarm->proof.len;
    return true;
}

static void
look_at_all(struct office_story *story)
{
    static const char *const commands[] = {"status",  "list",   "alarms",    "events",
                                           "members", "verify", "checkpoint"};
    static const char *const of_loops[] = {"show", "export", "evidence"};
    struct office *office = story->office;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        look(office, commands[i], NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(of_loops); i++) {
        look(office, of_loops[i], &story->ours);
        look(office, of_loops[i], &story->theirs);
    }
    enum err err = agent_each_alarm(office->agent, see_alarm, &n);
    (void)err; /* any: the store is spoilt */
}

/* The link comes up: what is queued is made and sent. */
static void
go_on(struct office *office)
{
    agent_link_up(office->agent, office->now);
    for (unsigned i = 0; i < 8; i++) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        if (agent_next_frame(office->agent, office->now, &frame, &none) != ERR_OK || none) {
            return;
        }
    }
}

/* Why a store is not taken is said, and only a spoilt one is not. */
static void
check_said(enum err err, const struct complaint *complaint, unsigned spoilt)
{
    if (err != ERR_OK && (complaint->text[0] == '\0' || spoilt == 0)) {
        fprintf(stderr, "%s: \"%s\", spoilt %x\n", err_name(err), complaint->text, spoilt);
    }
    FUZZ_HOLDS(err == ERR_OK || (complaint->text[0] != '\0' && spoilt != 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct office_story *story;
    struct reader input = reader_of(bytes_of(data, size));
    struct complaint complaint = {.text = ""};
    unsigned spoilt = 0;
    if (story == NULL) {
        story = office_story_new();
    }
    struct office *office = story->office;
    const struct kv_options options = {.dir = office->store,
                                       .tables = table_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = 4 << 20,
                                       .map_max_bytes = 64 << 20};
    stage_put_store(office->store, buffer_view(&story->store));
    store_damage(&options, &input, &spoilt);
    enum err err = office_try_open(office, &complaint);
    check_said(err, &complaint, spoilt);
    if (err == ERR_OK) {
        err = agent_check_store(office->agent, &complaint);
        check_said(err, &complaint, spoilt);
        look_at_all(story);
        go_on(office);
        agent_freep(&office->agent);
    }
    return 0;
}
