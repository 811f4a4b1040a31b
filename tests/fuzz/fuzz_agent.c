/* A conversation of a whole agent core with a broker that may lie, lose, delay, repeat and spoil,
 * and with a partner who may say anything. Input: one byte for what, then what the action asks for,
 * as often as there is more. Whatever comes: nothing of it is an error of ours; what staff said is
 * there once; what is shown as accepted is in the broker's log where it is said to be; and the
 * store checks. */
#include <string.h>

#include "agent/alarm.h"
#include "tests/fuzz/office.h"

enum { ACTIONS_MAX = 24, LOOPS_MAX = 8, KEPT_MAX = 12, DAY_MS = 24 * 3600 * 1000 };

struct talk {
    struct office *office;
    struct reader input;
    struct loop_id loops[LOOPS_MAX];
    size_t n_loops;
    struct buffer kept[KEPT_MAX]; /* frames of the broker */
    size_t n_kept;
    unsigned said; /* steps of ours that were taken */
    struct message heard;
};

static void
note_loop(struct talk *talk, const struct loop_id *loop)
{
    if (talk->n_loops < LOOPS_MAX) {
        talk->loops[talk->n_loops++] = *loop;
    }
}

static void
receive(struct talk *talk, struct bytes frame)
{
    struct office *office = talk->office;
    struct agent_link_status before, after;
    uint64_t changes = agent_change_count(office->agent);
    bool is_message = message_decode(frame, &talk->heard) == ERR_OK;
    agent_get_link_status(office->agent, &before);
    FUZZ_HOLDS(agent_receive(office->agent, frame, office->now) == ERR_OK);
    agent_get_link_status(office->agent, &after);
    FUZZ_HOLDS(is_message ||
               (after.cursor == before.cursor && agent_change_count(office->agent) == changes));
}

static void
change_entries(struct message_entries *entries, uint8_t what, uint8_t by)
{
    struct entry *entry = &entries->entries[by % entries->n];
    const struct entry *other = &entries->entries[(by >> 4) % entries->n];
    uint64_t *const numbers[] = {&entry->index, &entries->next, &entries->head,
                                 &entries->proved.from};
    if (what % 8 < ARRAY_LEN(numbers)) {
        *numbers[what % 8] ^= by;
    } else if (what % 8 == 4) {
        entry->log_time_ms ^= by;
    } else if (what % 8 == 5) {
        entry->inclusion = other->inclusion;
    } else if (what % 8 == 6) {
        entry->envelope = other->envelope;
    } else {
        entries->n = by % entries->n;
    }
}

static void
change_receipts(struct message_receipts *receipts, uint8_t what, uint8_t by)
{
    struct receipt *receipt = &receipts->receipts[by % receipts->n];
    if (what % 8 == 0) {
        receipt->index ^= by;
    } else if (what % 8 == 1) {
        receipt->log_time_ms ^= by;
    } else if (what % 8 == 2) {
        receipt->id.bytes[0] ^= by;
    } else if (what % 8 == 3) {
        receipt->result = RECEIPT_REFUSED;
        receipt->refusal = (enum err)(1 + by % ERR_MEMBER_EXISTS);
    } else if (what % 8 == 4) {
        receipt->result = RECEIPT_SUPERSEDED;
    } else if (what % 8 == 5) {
        receipt->state = (enum loop_state)(by % 16);
    } else if (what % 8 == 6) {
        receipts->proved.present = false;
    } else {
        receipt->inclusion = bytes_of(receipt->inclusion.data, receipt->inclusion.len / 2);
    }
}

/* A message that says other things, written anew: false when it cannot be. */
static bool
change_fields(struct talk *talk, struct bytes frame, struct buffer *out)
{
    struct message *m = &talk->heard;
    uint8_t what = reader_u8(&talk->input);
    uint8_t by = reader_u8(&talk->input);
    if (message_decode(frame, m) != ERR_OK) {
        return false;
    }
    if (m->kind == MESSAGE_ENTRIES && m->as.entries.n > 0) {
        change_entries(&m->as.entries, what, by);
    } else if (m->kind == MESSAGE_RECEIPTS && m->as.receipts.n > 0) {
        change_receipts(&m->as.receipts, what, by);
    } else if (m->kind == MESSAGE_WELCOME) {
        uint64_t *const numbers[] = {&m->as.welcome.head, &m->as.welcome.recall_from,
                                     &m->as.welcome.proved.from};
        *numbers[what % ARRAY_LEN(numbers)] ^= by;
        m->as.welcome.incarnation[0] ^= what >> 6;
    } else if (m->kind == MESSAGE_PONG) {
        m->as.pong.nonce ^= by;
        m->as.pong.proved.present = what % 2 == 0;
    }
    return message_encode(m, out) == ERR_OK;
}

static void
keep(struct talk *talk, struct bytes frame)
{
    struct buffer *kept = &talk->kept[talk->n_kept % KEPT_MAX];
    if (talk->n_kept >= KEPT_MAX) {
        buffer_done(kept);
    }
    *kept = BUFFER_INIT(LIMIT_FRAME_BYTES);
    buffer_put(kept, frame.data, frame.len);
    talk->n_kept++;
}

/* --- actions --- */

static void
link_up(struct talk *talk)
{
    fake_drop(&talk->office->broker, OFFICE_SELF);
    agent_link_up(talk->office->agent, talk->office->now);
}

static void
link_down(struct talk *talk)
{
    agent_link_down(talk->office->agent, talk->office->now);
}

static void
settle(struct talk *talk)
{
    office_settle(talk->office);
}

static void
say_all(struct talk *talk)
{
    (void)office_carry_out(talk->office);
}

/* The next frame of the broker: as it is, lost, twice, kept, spoilt, or with other fields. */
static void
hear(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer changed = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct buffer taken;
    uint8_t how = reader_u8(&talk->input);
    if (!fake_take(&talk->office->broker, OFFICE_SELF, &taken)) {
        return;
    }
    frame = taken;
    keep(talk, buffer_view(&frame));
    if ((how & 4) != 0 && change_fields(talk, buffer_view(&frame), &changed)) {
        receive(talk, buffer_view(&changed));
        return;
    }
    if ((how & 8) != 0) {
        stage_splice(&talk->input, frame.data, frame.len);
    }
    for (unsigned i = 0; i < (how & 3u); i++) {
        receive(talk, buffer_view(&frame));
    }
}

static void
hear_again(struct talk *talk)
{
    size_t which = reader_u8(&talk->input);
    size_t n = talk->n_kept < KEPT_MAX ? talk->n_kept : KEPT_MAX;
    if (n > 0) {
        struct buffer *kept = &talk->kept[which % n];
        stage_splice(&talk->input, kept->data, kept->len);
        receive(talk, buffer_view(kept));
    }
}

static void
hear_bytes(struct talk *talk)
{
    receive(talk, reader_take(&talk->input, reader_u8(&talk->input)));
}

static void
hear_refused(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct message *m = &talk->heard;
    m->kind = (reader_u8(&talk->input) & 1) != 0 ? MESSAGE_RECALL : MESSAGE_REFUSED;
    if (m->kind == MESSAGE_RECALL) {
        m->as.recall = (struct message_recall){.from = reader_u8(&talk->input)};
    } else {
        m->as.refused = (struct message_refused){
            .code = (enum err)(1 + reader_u8(&talk->input) % ERR_MEMBER_EXISTS),
            .retry_ms = reader_u16(&talk->input)};
    }
    if (message_encode(m, &frame) == ERR_OK) {
        receive(talk, buffer_view(&frame));
    }
}

static void
make_broker_lie(struct talk *talk)
{
    struct fake_broker *broker = &talk->office->broker;
    uint8_t which = reader_u8(&talk->input);
    uint8_t value = reader_u8(&talk->input);
    bool *const flags[] = {
        &broker->forge_receipts,  &broker->swallow_receipts, &broker->show_everything,
        &broker->strip_sealed,    &broker->fork_view,        &broker->strip_consistency,
        &broker->strip_head,      &broker->strip_inclusion,  &broker->falsify_receipts,
        &broker->falsify_entries, &broker->refuse_but_log,
    };
    if (which % 16 < ARRAY_LEN(flags)) {
        *flags[which % 16] = (value & 1) != 0;
    } else if (which % 16 == 11) {
        broker->spoil_entry = value % (broker->n_log + 1);
    } else if (which % 16 == 12) {
        broker->hide_entry = value % (broker->n_log + 1);
    } else if (which % 16 == 13) {
        broker->n_refuse_next = value & 3;
        broker->refuse_next = (enum err)(1 + (value >> 2) % ERR_MEMBER_EXISTS);
    } else if (which % 16 == 14) {
        broker->head_shown = value;
    } else {
        broker->time_shift_ms += (int64_t)value << 12;
    }
}

static struct loop_id
pick_loop(struct talk *talk)
{
    struct loop_id loop;
    size_t which = reader_u8(&talk->input) % (LOOPS_MAX + 1);
    if (which < talk->n_loops) {
        return talk->loops[which];
    }
    memset(&loop, (int)(0x40 + which), sizeof(loop));
    return loop;
}

static void
act(struct talk *talk)
{
    struct office *office = talk->office;
    struct complaint complaint = {.text = ""};
    const struct agent_content content = {bytes_of_text("{}"), bytes_of_text("{}")};
    struct loop_id loop = pick_loop(talk);
    enum loop_event event = (enum loop_event)(reader_u8(&talk->input) % EVENT_DELIVERED);
    struct loop_view view = {.dropped = false};
    enum err err;
    if (event == EVENT_REQUEST) {
        err = agent_start_loop(office->agent, fixture_orgs[OFFICE_PARTNER], PRIORITY_ROUTINE, 0,
                               &content, office->now, &loop, &complaint);
        if (err == ERR_OK) {
            note_loop(talk, &loop);
        }
    } else {
        err = agent_say(office->agent, &loop, event, 0, false, &content, office->now, &complaint);
    }
    FUZZ_HOLDS(err == ERR_OK || (err_is_peer(err) && complaint.text[0] != '\0'));
    if (err == ERR_OK) {
        FUZZ_HOLDS(agent_get_loop(office->agent, &loop, &view) == ERR_OK);
        talk->said += view.dropped ? 0 : 1;
    }
}

/* The partner says a step, sound or changed before it is sealed, or signed. */
static void
let_partner_say(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct office *office = talk->office;
    struct loop_id loop = pick_loop(talk);
    uint8_t how = reader_u8(&talk->input);
    const struct office_step step = {
        .loop = &loop, .event = (enum loop_event)(reader_u8(&talk->input) % EVENT_COUNT)};
    struct statement statement = office_statement(office, &step);
    if ((how & 1) != 0) {
        void *const fields[] = {&statement.as.loop.seq, &statement.as.loop.previous,
                                &statement.as.loop.heard, &statement.as.loop.delivered};
        stage_splice(&talk->input, fields[(how >> 1) & 3], sizeof(statement.as.loop.seq));
    }
    if (!office_seal(office, &statement, bytes_of_text("{}"), bytes_of_text("{}"), &envelope)) {
        return;
    }
    if (step.event == EVENT_REQUEST && fake_track(&office->broker, &loop) == NULL) {
        note_loop(talk, &loop);
    }
    if ((how & 16) != 0) {
        fake_log(&office->broker, buffer_view(&envelope)); /* whatever it says */
    } else {
        office_submit(office, buffer_view(&envelope));
    }
}

static void
log_more(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct office *office = talk->office;
    uint8_t what = reader_u8(&talk->input);
    size_t index = reader_u8(&talk->input) % office->broker.n_log;
    if (what % 4 == 0) {
        fake_log_again(&office->broker, index);
    } else if (what % 4 == 1) {
        fake_log_forged(&office->broker, index);
    } else if (what % 4 == 2) {
        fixture_revoke(&office->fixture, what / 4 % OFFICE_MEMBERS, &envelope);
        fake_log(&office->broker, buffer_view(&envelope));
    } else {
        struct key_set keys;
        struct sign_secret sign;
        struct seal_secret unused_seal;
        struct curve_secret unused_curve;
        sign_new_pair(&keys.sign, &sign);
        seal_new_pair(&keys.seal, &unused_seal);
        curve_new_pair(&keys.curve, &unused_curve);
        fixture_rotate(&office->fixture, what / 4 % OFFICE_MEMBERS, &keys, &sign, &envelope);
        fake_log(&office->broker, buffer_view(&envelope));
    }
}

static void
let_time_pass(struct talk *talk)
{
    struct office *office = talk->office;
    int64_t ms = (int64_t)reader_u32(&talk->input) % DAY_MS;
    office->now.boot_ms += ms;
    office->now.wall_ms += (ms & 1) != 0 ? ms : -ms;
    agent_tend(office->agent, office->now);
    if (agent_link_doubt(office->agent, office->now)) {
        link_up(talk);
    }
}

static void
ask_evidence(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(4 << 20);
    struct office *office = talk->office;
    struct complaint complaint = {.text = ""};
    struct loop_id loop = pick_loop(talk);
    bool ready = false;
    enum err err = agent_want_proofs(office->agent, &loop, office->now, &ready);
    if (err == ERR_OK && ready) {
        err = agent_evidence(office->agent, &loop, true, &file, &complaint);
        FUZZ_HOLDS(err != ERR_CORRUPT && err != ERR_INTERNAL);
    }
}

static void
settle_alarms(struct talk *talk)
{
    enum err err = agent_settle_alarms(talk->office->agent, talk->office->now);
    FUZZ_HOLDS(err == ERR_OK || err == ERR_NOT_FOUND);
}

static void
restart(struct talk *talk)
{
    fake_drop(&talk->office->broker, OFFICE_SELF);
    agent_freep(&talk->office->agent);
    office_open_agent(talk->office);
    link_up(talk);
}

typedef void (*action)(struct talk *talk);
static const action actions[32] = {
    settle,
    say_all,
    hear,
    hear,
    hear,
    hear_again,
    hear_again,
    hear_bytes,
    hear_refused,
    act,
    act,
    act,
    act,
    let_partner_say,
    let_partner_say,
    let_partner_say,
    make_broker_lie,
    make_broker_lie,
    make_broker_lie,
    log_more,
    let_time_pass,
    ask_evidence,
    settle_alarms,
    restart,
    link_up,
    link_down,
    settle,
    settle,
    act,
    let_partner_say,
    hear,
    let_time_pass,
};

/* --- what must hold --- */

struct census {
    struct talk *talk;
    const struct loop_view *loop;
    unsigned own;
    uint64_t ids[256]; /* first bytes of the steps' ids */
    size_t n_ids;
};

static bool
is_logged(const struct fake_broker *broker, const struct step_view *step)
{
    struct envelope envelope;
    if (step->index >= broker->n_log ||
        envelope_decode(buffer_view(&broker->log[step->index].envelope), &envelope) != ERR_OK) {
        return false;
    }
    struct digest id = statement_id(envelope.statement);
    return digest_equal(&id, &step->id);
}

static bool
check_step(void *context, const struct step_view *step)
{
    struct census *census = context;
    bool accepted = step->stage == STAGE_ACCEPTED || step->stage == STAGE_DELIVERED;
    bool mine = step->role == census->loop->role;
    uint64_t start;
    memcpy(&start, step->id.bytes, sizeof(start));
    census->own += mine ? 1 : 0;
    FUZZ_HOLDS(!accepted || !step->proved || is_logged(&census->talk->office->broker, step));
    FUZZ_HOLDS(!accepted || !mine || is_logged(&census->talk->office->broker, step));
    for (size_t i = 0; start != 0 && i < census->n_ids; i++) {
        FUZZ_HOLDS(census->ids[i] != start);
    }
    if (census->n_ids < ARRAY_LEN(census->ids)) {
        census->ids[census->n_ids++] = start;
    }
    return true;
}

static bool
check_loop(void *context, const struct loop_view *loop)
{
    struct census *census = context;
    census->loop = loop;
    FUZZ_HOLDS(agent_each_step(census->talk->office->agent, &loop->loop, check_step, census) ==
               ERR_OK);
    return true;
}

static void
check_all(struct talk *talk)
{
    static struct census census;
    struct complaint complaint = {.text = ""};
    census = (struct census){.talk = talk};
    enum err err = agent_check_store(talk->office->agent, &complaint);
    if (err != ERR_OK) {
        fprintf(stderr, "the store does not check: %s\n", complaint.text);
    }
    FUZZ_HOLDS(err == ERR_OK);
    FUZZ_HOLDS(agent_each_loop(talk->office->agent, check_loop, &census) == ERR_OK);
    FUZZ_HOLDS(census.own == talk->said);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct talk *talk;
    if (talk == NULL) {
        talk = calloc(1, sizeof(*talk));
        FUZZ_HOLDS(talk != NULL);
        talk->office = office_new();
    }
    talk->input = reader_of(bytes_of(data, size));
    talk->n_loops = talk->n_kept = talk->said = 0;
    office_open(talk->office);
    agent_link_up(talk->office->agent, talk->office->now);
    for (unsigned i = 0; i < ACTIONS_MAX && !talk->input.bad && talk->input.rest.len > 0; i++) {
        actions[reader_u8(&talk->input) & 31](talk);
    }
    check_all(talk);
    for (size_t i = 0; i < talk->n_kept && i < KEPT_MAX; i++) {
        buffer_done(&talk->kept[i]);
    }
    office_close(talk->office);
    return 0;
}
