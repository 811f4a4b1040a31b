/* The network loses, doubles and delays frames from a seeded source, so a run can be had again. */
#include "tests/unit/agent/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/alarm.h"

enum { LOOPS_MAX = 2048, SETTLE_ROUNDS = 4000, TICK_MS = 50, QUIET_MS = 9000 };

uint32_t
rig_random(struct rig *rig, uint32_t bound)
{
    rig->random ^= rig->random << 13;
    rig->random ^= rig->random >> 7;
    rig->random ^= rig->random << 17;
    return (uint32_t)(rig->random >> 32) % bound;
}

void
rig_init(struct rig *rig, size_t n_members)
{
    memset(rig, 0, sizeof(*rig));
    fixture_init(&rig->fixture, n_members);
    rig->now = (struct instant){.wall_ms = 1700000000000, .boot_ms = 5000};
    rig->random = 0x9E3779B97F4A7C15ULL;
    for (size_t i = 0; i < n_members; i++) {
        (void)snprintf(rig->peer[i].store, sizeof(rig->peer[i].store), "store%zu", i);
        rig->peer[i].agent = fixture_open_agent(&rig->fixture, i, rig->peer[i].store);
    }
}

static void
wire_clear(struct rig_wire *wire)
{
    for (size_t i = 0; i < wire->n; i++)
        buffer_done(&wire->frames[i]);
    wire->n = 0;
}

void
rig_done(struct rig *rig)
{
    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        wire_clear(&rig->peer[i].in);
        wire_clear(&rig->peer[i].out);
        agent_free(rig->peer[i].agent);
    }
    fixture_done(&rig->fixture);
}

void
rig_up(struct rig *rig, size_t peer)
{
    rig_down(rig, peer);
    rig->broker.connect(rig->broker.broker, peer);
    rig->peer[peer].up = true;
    agent_link_up(rig->peer[peer].agent, rig->now);
}

void
rig_down(struct rig *rig, size_t peer)
{
    if (rig->peer[peer].up)
        agent_link_down(rig->peer[peer].agent, rig->now);
    rig->peer[peer].up = false;
    wire_clear(&rig->peer[peer].in);
    wire_clear(&rig->peer[peer].out);
}

void
rig_restart(struct rig *rig, size_t peer)
{
    rig_down(rig, peer);
    agent_free(rig->peer[peer].agent);
    rig->peer[peer].agent = fixture_open_agent(&rig->fixture, peer, rig->peer[peer].store);
}

void
rig_wipe(struct rig *rig, size_t peer)
{
    (void)snprintf(rig->peer[peer].store, sizeof(rig->peer[peer].store), "wiped%zu", peer);
    rig_restart(rig, peer);
}

/* Puts a frame on the wire: lost, twice, or ahead of others. Takes the frame over. */
static void
wire_put(struct rig *rig, struct rig_wire *wire, struct buffer *frame)
{
    bool trouble = rig_random(rig, 100) < rig->trouble;
    uint32_t kind = rig_random(rig, 3);

    rig->n_troubled += trouble;
    if (wire->n + 2 > RIG_WIRE_FRAMES || (trouble && kind == 0)) {
        buffer_done(frame);
        return;
    }
    if (trouble && kind == 1) {
        struct buffer again = BUFFER_INIT(LIMIT_FRAME_BYTES);
        buffer_put(&again, frame->data, frame->len);
        wire->frames[wire->n++] = again;
    }
    wire->frames[wire->n++] = *frame;
    if (trouble && kind == 2 && wire->n > 1) {
        size_t other = rig_random(rig, (uint32_t)wire->n);
        struct buffer last = wire->frames[wire->n - 1];
        wire->frames[wire->n - 1] = wire->frames[other];
        wire->frames[other] = last;
    }
}

static bool
wire_take(struct rig_wire *wire, struct buffer *frame)
{
    if (wire->n == 0)
        return false;
    *frame = wire->frames[0];
    wire->n--;
    memmove(&wire->frames[0], &wire->frames[1], wire->n * sizeof(wire->frames[0]));
    return true;
}

static bool
say_all(struct rig *rig, size_t peer)
{
    bool moved = false;

    for (;;) {
        struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        assert_int_equal(agent_next_frame(rig->peer[peer].agent, rig->now, &frame, &none), ERR_OK);
        if (none) {
            /* Otherwise the caller's loop would spin. */
            assert_true(agent_next_deadline_ms(rig->peer[peer].agent) > rig->now.boot_ms ||
                        agent_link_doubt(rig->peer[peer].agent, rig->now));
            return moved;
        }
        wire_put(rig, &rig->peer[peer].out, &frame);
        moved = true;
    }
}

static bool
move(struct rig *rig, size_t peer)
{
    struct rig_peer *at = &rig->peer[peer];
    struct buffer frame;
    bool moved = say_all(rig, peer);

    while (wire_take(&at->out, &frame)) {
        rig->broker.receive(rig->broker.broker, peer, buffer_view(&frame), rig->now);
        buffer_done(&frame);
    }
    if (rig->broker.tick != NULL)
        rig->broker.tick(rig->broker.broker, rig->now);
    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        while (rig->broker.take(rig->broker.broker, i, &frame)) {
            if (rig->peer[i].up)
                wire_put(rig, &rig->peer[i].in, &frame);
            else
                buffer_done(&frame);
        }
    }
    while (wire_take(&at->in, &frame)) {
        enum err err = agent_receive(at->agent, buffer_view(&frame), rig->now);
        buffer_done(&frame);
        moved = true;
        if (err == ERR_DISK_FULL) {
            rig->n_full++;
            rig_down(rig, peer); /* as the link does, to try again later */
            break;
        }
        assert_int_equal(err, ERR_OK);
    }
    return moved;
}

void
rig_move(struct rig *rig, size_t peer)
{
    if (!rig->peer[peer].up)
        return;
    if (agent_link_doubt(rig->peer[peer].agent, rig->now))
        rig_up(rig, peer);
    (void)move(rig, peer);
}

static int64_t
next_deadline(const struct rig *rig)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        int64_t deadline = agent_next_deadline_ms(rig->peer[i].agent);
        if (deadline < next)
            next = deadline;
    }
    return next;
}

static bool
is_quiet(struct rig *rig)
{
    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        struct agent_queue_status queue;
        struct agent_link_status link;
        agent_get_queue_status(rig->peer[i].agent, &queue);
        agent_get_link_status(rig->peer[i].agent, &link);
        if (queue.waiting > 0 || !link.ready || link.cursor < link.head)
            return false;
    }
    return true;
}

/* Long enough for a ping to find out what was lost before, and for doubt about the ping itself. */
void
rig_settle(struct rig *rig)
{
    unsigned trouble = rig->trouble;
    int64_t quiet_since_ms = INT64_MAX;

    rig->trouble = 0;
    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        if (!rig->peer[i].up)
            rig_up(rig, i);
    }
    for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
        bool moved = false;
        for (size_t i = 0; i < rig->fixture.n_members; i++) {
            if (agent_link_doubt(rig->peer[i].agent, rig->now))
                rig_up(rig, i);
            moved |= move(rig, i);
        }
        if (!is_quiet(rig))
            quiet_since_ms = INT64_MAX;
        else if (quiet_since_ms == INT64_MAX)
            quiet_since_ms = rig->now.boot_ms;
        if (rig->now.boot_ms - QUIET_MS >= quiet_since_ms)
            break;
        if (moved)
            continue;
        /* Nothing to do at this moment: go on to the next one that matters. */
        int64_t next = next_deadline(rig);
        int64_t step = next - rig->now.boot_ms < TICK_MS ? TICK_MS : next - rig->now.boot_ms;
        rig->now.boot_ms += step;
        rig->now.wall_ms += step;
    }
    rig->trouble = trouble;
}

static struct agent_content
content_of(struct rig *rig, char text[64])
{
    rig->serial++;
    (void)snprintf(text, 64, "serial=%u", rig->serial);
    return (struct agent_content){.facts = bytes_of_text(text), .body = bytes_of_text(text)};
}

unsigned
rig_start(struct rig *rig, size_t from, size_t to, struct loop_id *loop_out)
{
    char text[64];
    struct agent_content content = content_of(rig, text);
    enum err err = agent_start_loop(rig->peer[from].agent, fixture_orgs[to], PRIORITY_ROUTINE, 0,
                                    &content, rig->now, loop_out, &rig->complaint);
    rig->last = err;

    rig->peer[from].said += err == ERR_OK;
    rig->peer[from].refused += err != ERR_OK;
    return err == ERR_OK ? rig->serial : 0;
}

unsigned
rig_say(struct rig *rig, size_t peer, const struct loop_id *loop, enum loop_event event)
{
    char text[64];
    struct agent_content content = content_of(rig, text);
    enum err err = agent_say(rig->peer[peer].agent, loop, event, 0, false, &content, rig->now,
                             &rig->complaint);
    rig->last = err;

    rig->peer[peer].said += err == ERR_OK && !rig_view(rig, peer, loop).dropped;
    rig->peer[peer].refused += err != ERR_OK;
    return err == ERR_OK ? rig->serial : 0;
}

struct ids {
    struct loop_id id[LOOPS_MAX];
    size_t n;
};

static bool
collect(void *context, const struct loop_view *loop)
{
    struct ids *ids = context;

    assert_true(ids->n < LOOPS_MAX);
    ids->id[ids->n++] = loop->loop;
    return true;
}

static void
list_loops(struct rig *rig, size_t peer, struct ids *ids)
{
    ids->n = 0;
    assert_int_equal(agent_each_loop(rig->peer[peer].agent, collect, ids), ERR_OK);
}

void
rig_act(struct rig *rig, size_t peer)
{
    static struct ids ids;
    struct loop_id loop;

    list_loops(rig, peer, &ids);
    if (ids.n == 0 || rig_random(rig, 5) == 0) {
        size_t n = rig->fixture.n_members;
        size_t to = (peer + 1 + rig_random(rig, (uint32_t)n - 1)) % n;
        (void)rig_start(rig, peer, to, &loop);
        return;
    }
    loop = ids.id[rig_random(rig, (uint32_t)(ids.n < 6 ? ids.n : 6))];
    (void)rig_say(rig, peer, &loop, (enum loop_event)rig_random(rig, EVENT_DELIVERED));
}

static bool
keep_step(void *context, const struct step_view *step)
{
    struct rig_steps *steps = context;

    assert_true(steps->n < 128 && step->facts.len < 64);
    memcpy(steps->facts[steps->n], step->facts.data, step->facts.len);
    steps->facts[steps->n][step->facts.len] = '\0';
    assert_true(step->unreadable || bytes_equal(step->facts, step->body));
    steps->view[steps->n] = *step;
    steps->view[steps->n].facts = steps->view[steps->n].body = bytes_of(NULL, 0);
    steps->n++;
    return true;
}

void
rig_read_steps(struct rig *rig, size_t peer, const struct loop_id *loop, struct rig_steps *out)
{
    memset(out, 0, sizeof(*out));
    assert_int_equal(agent_each_step(rig->peer[peer].agent, loop, keep_step, out), ERR_OK);
}

struct loop_view
rig_view(struct rig *rig, size_t peer, const struct loop_id *loop)
{
    struct loop_view view;

    memset(&view, 0, sizeof(view));
    assert_int_equal(agent_get_loop(rig->peer[peer].agent, loop, &view), ERR_OK);
    return view;
}

static void
check_same_step(const struct rig_steps *a, const struct rig_steps *b, size_t i)
{
    assert_true(digest_equal(&a->view[i].id, &b->view[i].id));
    assert_int_equal(a->view[i].index, b->view[i].index);
    assert_int_equal(a->view[i].event, b->view[i].event);
    assert_int_equal(a->view[i].superseded, b->view[i].superseded);
    assert_int_equal(a->view[i].state_after, b->view[i].state_after);
    assert_string_equal(a->facts[i], b->facts[i]);
}

static size_t
n_logged(const struct rig_steps *steps)
{
    size_t n = 0;

    while (n < steps->n && steps->view[n].stage != STAGE_REFUSED) {
        assert_int_equal(steps->view[n].stage, STAGE_DELIVERED);
        assert_true(steps->view[n].delivered_ms > 0);
        n++;
    }
    return n;
}

static void
check_loop(struct rig *rig, size_t peer, const struct loop_id *loop, unsigned *own_steps)
{
    static struct rig_steps mine, theirs;
    struct loop_view view = rig_view(rig, peer, loop);
    size_t other = 0;

    while (strcmp(fixture_orgs[other], view.partner_org) != 0)
        other++;
    rig_read_steps(rig, peer, loop, &mine);
    size_t logged = n_logged(&mine);
    for (size_t i = 0; i < mine.n; i++)
        *own_steps += mine.view[i].role == view.role;
    assert_int_equal(view.n_waiting, 0);
    assert_int_equal(view.n_undelivered, 0);
    assert_int_equal(view.position.state, view.queued_position.state);
    if (logged == 0)
        return; /* its request was refused: nobody else knows of it */
    struct loop_view seen = rig_view(rig, other, loop);
    assert_int_equal(seen.position.state, view.position.state);
    rig_read_steps(rig, other, loop, &theirs);
    assert_int_equal(n_logged(&theirs), logged);
    for (size_t i = 0; i < logged; i++)
        check_same_step(&mine, &theirs, i);
    for (size_t i = 0; i < mine.n; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(mine.facts[i], mine.facts[k]);
    }
}

static bool
fail_for_alarm(void *context, const struct alarm *alarm)
{
    if (alarm->settled_ms == 0)
        fail_msg("%s has an alarm: %s, entry %llu, %s", (const char *)context,
                 alarm_word(alarm->kind), (unsigned long long)alarm->index, alarm->about);
    return true;
}

void
rig_check_agreement(struct rig *rig)
{
    static struct ids ids;
    char org[ORG_ID_BYTES];

    for (size_t i = 0; i < rig->fixture.n_members; i++) {
        struct complaint complaint = {""};
        struct agent_link_status link;
        unsigned own_steps = 0;
        (void)snprintf(org, sizeof(org), "%s", fixture_orgs[i]);
        assert_int_equal(agent_each_alarm(rig->peer[i].agent, fail_for_alarm, org), ERR_OK);
        list_loops(rig, i, &ids);
        for (size_t k = 0; k < ids.n; k++)
            check_loop(rig, i, &ids.id[k], &own_steps);
        assert_int_equal(own_steps, rig->peer[i].said);
        if (agent_check_store(rig->peer[i].agent, &complaint) != ERR_OK)
            fail_msg("%s: %s", fixture_orgs[i], complaint.text);
        agent_get_link_status(rig->peer[i].agent, &link);
        assert_int_equal(link.bad_entries, 0);
        assert_int_equal(link.bad_frames, 0);
    }
}
