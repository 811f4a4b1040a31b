/* Carries frames between an agent's core and a broker in memory, and plays the partner, who makes
 * statements without an agent. Decides how an honest statement looks; what is done to it, the
 * targets decide. */
#include "tests/fuzz/office.h"

#include <string.h>

#include "lib/base/logging.h"
#include "lib/wire/sealed.h"
#include "tests/fuzz/fixed_random.h"

enum { SEED = 1911, ROUNDS_MAX = 64, FRAMES_MAX = 256, STEP_MS = 1000 };

static void
open_broker(struct office *office)
{
    fake_init(&office->broker, &office->fixture);
    office->now = office->start;
}

struct office *
office_new(void)
{
    struct office *office = calloc(1, sizeof(*office));
    FUZZ_HOLDS(office != NULL && setenv("CMOCKA_TEST_ABORT", "1", 1) == 0);
    fixed_random_start(SEED);
    fuzz_start();
    logging_set_level(LOGGING_ERROR);
    fixture_init(&office->fixture, OFFICE_MEMBERS);
    stage_remove(office->fixture.dir); /* stores lie where the stage is */
    office->start = (struct instant){.wall_ms = INT64_C(1700000000000), .boot_ms = 5000};
    stage_path("agent", office->store);
    office_open_agent(office);
    agent_freep(&office->agent);
    stage_keep_store(office->store, &office->empty);
    return office;
}

enum err
office_try_open(struct office *office, struct complaint *complaint)
{
    const struct agent_options options = {
        .store_dir = office->store,
        .map_bytes = 4 << 20,
        .map_max_bytes = 64 << 20,
        .identity = &office->fixture.member[OFFICE_SELF].identity,
        .ping_ms = 1000,
        .silence_ms = 3000,
        .credit_bytes = LIMIT_FRAME_BYTES,
        .window = 64,
        .witnesses_wanted = 1,
        .witness_ms = 60000,
    };
    return agent_open(&options, &office->agent, complaint);
}

void
office_open_agent(struct office *office)
{
    struct complaint complaint = {.text = ""};
    enum err err = office_try_open(office, &complaint);
    if (err != ERR_OK) {
        fprintf(stderr, "the agent does not open: %s (%s)\n", complaint.text, err_name(err));
    }
    FUZZ_HOLDS(err == ERR_OK);
}

void
office_open(struct office *office)
{
    fixed_random_start(SEED + 1);
    stage_put_store(office->store, buffer_view(&office->empty));
    open_broker(office);
    office_open_agent(office);
}

void
office_close(struct office *office)
{
    agent_freep(&office->agent);
    fake_done(&office->broker);
}

bool
office_carry_out(struct office *office)
{
    bool moved = false;
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        FUZZ_HOLDS(agent_next_frame(office->agent, office->now, &frame, &none) == ERR_OK);
        if (none) {
            return moved;
        }
        fake_receive(&office->broker, OFFICE_SELF, buffer_view(&frame), office->now);
        moved = true;
    }
    fuzz_broken("an agent that has no end of things to say");
    return moved;
}

static bool
carry_in(struct office *office)
{
    struct buffer frame;
    bool moved = false;
    while (fake_take(&office->broker, OFFICE_SELF, &frame)) {
        FUZZ_HOLDS(agent_receive(office->agent, buffer_view(&frame), office->now) == ERR_OK);
        buffer_done(&frame);
        moved = true;
    }
    return moved;
}

void
office_settle(struct office *office)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        bool moved = office_carry_out(office);
        moved |= carry_in(office);
        if (!moved) {
            return;
        }
    }
}

/* --- the partner --- */

struct statement
office_statement(struct office *office, const struct office_step *step)
{
    const struct identity *self = &office->fixture.member[OFFICE_PARTNER].identity;
    const struct identity *other = &office->fixture.member[OFFICE_SELF].identity;
    const struct track *track = fake_track(&office->broker, step->loop);
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = office->fixture.network,
                                  .author_key = self->key_id,
                                  .authored_ms = office->now.wall_ms};
    struct statement_loop *loop = &statement.as.loop;
    memcpy(statement.author, self->org, sizeof(statement.author));
    loop->loop = *step->loop;
    loop->event = step->event;
    loop->seq = 1;
    loop->n_readers = 1;
    loop->priority = PRIORITY_ROUTINE;
    memcpy(loop->readers[0].org, other->org, sizeof(loop->readers[0].org));
    loop->readers[0].key = other->key_id;
    if (track != NULL) {
        bool is_source = strcmp(track->side[LOOP_SOURCE].org, self->org) == 0;
        enum loop_role mine = is_source ? LOOP_SOURCE : LOOP_TARGET;
        loop->seq = track->side[mine].last_seq + 1;
        loop->previous = track->side[mine].last_id;
        loop->heard = track_last_mark(track, is_source ? LOOP_TARGET : LOOP_SOURCE);
    }
    if (step->event == EVENT_DELIVERED) {
        loop->delivered = loop->heard;
    }
    return statement;
}

bool
office_sign(struct office *office, struct bytes statement, struct bytes sealed,
            struct buffer *envelope_out)
{
    const struct identity *self = &office->fixture.member[OFFICE_PARTNER].identity;
    struct envelope envelope = {.statement = statement, .sealed = sealed};
    return turn_sign(SIGN_STATEMENTS, &office->fixture.network, &envelope.statement, 1,
                     &self->secrets->sign, &envelope.signature) == ERR_OK &&
           envelope_encode(&envelope, envelope_out) == ERR_OK;
}

bool
office_seal(struct office *office, struct statement *statement, struct bytes facts,
            struct bytes body, struct buffer *envelope_out)
{
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    const struct fixture *fixture = &office->fixture;
    const struct identity *self = &fixture->member[OFFICE_PARTNER].identity;
    const struct identity *other = &fixture->member[OFFICE_SELF].identity;
    const struct sealed_reader sides[] = {
        {statement->as.loop.readers[0].key, other->keys.seal},
        {statement->author_key, self->keys.seal},
    };
    const struct sealed_reader auditor = {key_set_id(&fixture->genesis.auditor),
                                          fixture->genesis.auditor.seal};
    if (statement->as.loop.event != EVENT_DELIVERED &&
        sealed_make(statement, body, facts, sides, ARRAY_LEN(sides), &auditor, &sealed, NULL) !=
            ERR_OK) {
        return false;
    }
    return statement_encode(statement, &bytes) == ERR_OK &&
           office_sign(office, buffer_view(&bytes), buffer_view(&sealed), envelope_out);
}

void
office_submit(struct office *office, struct bytes envelope)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct buffer answer;
    office->said.kind = MESSAGE_SUBMIT;
    office->said.as.submit.n = 1;
    office->said.as.submit.envelopes[0] = envelope;
    if (message_encode(&office->said, &frame) == ERR_OK) {
        office->broker.session[OFFICE_PARTNER].greeted = true;
        fake_receive(&office->broker, OFFICE_PARTNER, buffer_view(&frame), office->now);
    }
    while (fake_take(&office->broker, OFFICE_PARTNER, &answer)) {
        buffer_done(&answer);
    }
}
