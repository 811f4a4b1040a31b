/* Any bytes as what a partner has written in a referral, delivered as every referral is: sealed,
 * signed, logged. Staff can look at it in every way there is: the answers have the promised shape,
 * the export is a Bundle, evidence can be made, and what is printed is clean. Input: facts, NUL,
 * body. */
#include <string.h>

#include "tests/fuzz/fuzz_print.h"
#include "tests/fuzz/office_story.h"

enum { INPUTS_PER_OFFICE = 16 };

/* One office for some inputs: each has a loop of its own in it. */
static struct office *
open_office(unsigned n)
{
    static struct office *office;
    if (office == NULL) {
        office = office_new();
    } else if (n % INPUTS_PER_OFFICE == 0) {
        office_close(office);
    }
    if (n % INPUTS_PER_OFFICE == 0) {
        office_open(office);
        agent_link_up(office->agent, office->now);
        office_settle(office);
    }
    return office;
}

static bool
deliver(struct office *office, const struct loop_id *loop, struct bytes facts, struct bytes body)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    const struct office_step step = {.loop = loop, .event = EVENT_REQUEST};
    struct statement statement = office_statement(office, &step);
    if (!office_seal(office, &statement, facts, body, &envelope)) {
        return false;
    }
    office_submit(office, buffer_view(&envelope));
    office_settle(office);
    return true;
}

static void
look(struct office *office, const struct loop_id *loop)
{
    static const char *const commands[] = {"show", "export", "evidence"};
    struct fuzz_paper paper;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        json_t *answer = office_ask(office, commands[i], loop);
        FUZZ_HOLDS(json_is_true(json_object_get(answer, "ok")));
        fuzz_paper_open(&paper, 80);
        cmd_print_show(&paper.screen, answer);
        fuzz_paper_check(&paper);
        json_decref(answer);
    }
    json_t *list = office_ask(office, "list", NULL);
    fuzz_paper_open(&paper, 100);
    cmd_print_list(&paper.screen, list, "open");
    fuzz_paper_check(&paper);
    json_decref(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned n;
    const uint8_t *cut = size > 0 ? memchr(data, 0, size) : NULL;
    size_t len = cut != NULL ? (size_t)(cut - data) : 0;
    size_t start = cut != NULL ? len + 1 : 0;
    struct agent_link_status link;
    struct loop_id loop;
    struct office *office = open_office(n);
    memset(&loop, 0x11, sizeof(loop));
    memcpy(&loop, &n, sizeof(n));
    if (deliver(office, &loop, bytes_of(data, len), bytes_of(data + start, size - start))) {
        look(office, &loop);
    }
    agent_get_link_status(office->agent, &link);
    FUZZ_HOLDS(link.bad_entries == 0 && link.bad_frames == 0);
    n++;
    return 0;
}
