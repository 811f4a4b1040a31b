/* A conversation with a whole broker core: sound statements, sound ones changed before they are
 * sealed, before they are signed and after, by members, invited, spent, replaced and revoked keys
 * and by strangers; with time that jumps, lost connections, restarts, and an old copy of the store
 * put in its place. Input: one byte for who and what, then what the action asks for, as often as
 * there is more. What must hold is in broker_play.c. */
#include <string.h>

#include "tests/fuzz/broker_play.h"

enum { ACTIONS_MAX = 24, DAY_MS = 24 * 3600 * 1000 };

static struct rig_org *
org_of(struct play *play, unsigned who)
{
    struct rig *rig = play->town->rig;
    struct rig_org *const all[TOWN_WHO_COUNT] = {
        [TOWN_CLINIC] = &rig->clinic,       [TOWN_PANTRY] = &rig->pantry,
        [TOWN_INVITED] = &rig->shelter,     [TOWN_SHELTER] = &rig->shelter,
        [TOWN_SPENT] = &rig->pantry,        [TOWN_REPLACED] = &play->town->former,
        [TOWN_REVOKED] = &play->town->gone, [TOWN_STRANGER] = &rig->shelter,
    };
    return all[who];
}

static void
change_field(struct reader *input, struct statement *statement)
{
    struct statement_loop *loop = &statement->as.loop;
    const struct {
        void *at;
        size_t len;
    } fields[] = {
        {&statement->network, sizeof(statement->network)},
        {statement->author, sizeof(statement->author) - 1},
        {&statement->author_key, sizeof(statement->author_key)},
        {&statement->authored_ms, sizeof(statement->authored_ms)},
        {&loop->loop, sizeof(loop->loop)},
        {&loop->event, 1},
        {&loop->seq, sizeof(loop->seq)},
        {&loop->previous, sizeof(loop->previous)},
        {&loop->heard, sizeof(loop->heard)},
        {&loop->delivered, sizeof(loop->delivered)},
        {loop->readers[0].org, sizeof(loop->readers[0].org) - 1},
        {&loop->readers[0].key, sizeof(loop->readers[0].key)},
        {&loop->priority, 1},
        {&loop->due_ms, sizeof(loop->due_ms)},
        {&statement->suite, 1},
    };
    size_t which = reader_u8(input) % ARRAY_LEN(fields);
    stage_splice(input, fields[which].at, fields[which].len);
}

/* More readers than the other side: the same one again, or somebody else. */
static void
add_reader(struct play *play, struct statement *statement)
{
    struct statement_loop *loop = &statement->as.loop;
    const struct rig_org *org = org_of(play, reader_u8(&play->input) % TOWN_WHO_COUNT);
    if (loop->n_readers < LIMIT_READERS) {
        struct statement_reader *reader = &loop->readers[loop->n_readers++];
        memcpy(reader->org, org->org, sizeof(reader->org));
        reader->key = org->key_id;
    }
}

static const struct rig_org *
find_org(struct play *play, const char *name)
{
    for (unsigned who = 0; who < TOWN_WHO_COUNT; who++) {
        if (strcmp(org_of(play, who)->org, name) == 0) {
            return org_of(play, who);
        }
    }
    return org_of(play, TOWN_STRANGER);
}

static bool
seal(struct play *play, struct statement *statement, const struct rig_org *author,
     struct buffer *sealed)
{
    const struct rig *rig = play->town->rig;
    struct statement_loop *loop = &statement->as.loop;
    struct sealed_reader sides[LIMIT_READERS + 1];
    const struct sealed_reader auditor = {rig->admin.key_id, rig->admin.keys.seal};
    for (size_t i = 0; i < loop->n_readers; i++) {
        const struct rig_org *reader = find_org(play, loop->readers[i].org);
        sides[i] = (struct sealed_reader){loop->readers[i].key, reader->keys.seal};
    }
    sides[loop->n_readers] = (struct sealed_reader){statement->author_key, author->keys.seal};
    return sealed_make(statement, bytes_of_text("{}"), bytes_of_text("{}"), sides,
                       loop->n_readers + 1, &auditor, sealed, NULL) == ERR_OK;
}

enum {
    CHANGE_FIELD = 1,
    CHANGE_READERS = 2,
    CHANGE_SEALED = 4,
    CHANGE_SIGNED = 8,
    CHANGE_OUTER = 16
};

/* Seals and signs; `changes` says where on the way the input has its say. */
static bool
make_envelope(struct play *play, struct statement *statement, unsigned changes,
              const struct rig_org *author, struct digest *id_out, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};
    bool bare = statement->as.loop.event == EVENT_DELIVERED;
    if (!bare && !seal(play, statement, author, &sealed)) {
        return false;
    }
    if (!bare && (changes & CHANGE_SEALED) != 0) {
        stage_splice(&play->input, sealed.data, sealed.len);
        statement->as.loop.sealed_digest = sealed_digest(buffer_view(&sealed));
    }
    if (statement_encode(statement, &bytes) != ERR_OK) {
        return false;
    }
    if ((changes & CHANGE_SIGNED) != 0) {
        stage_splice(&play->input, bytes.data, bytes.len);
    }
    envelope.statement = buffer_view(&bytes);
    envelope.sealed = buffer_view(&sealed);
    if (turn_sign(SIGN_STATEMENTS, &play->town->rig->network, &envelope.statement, 1, &author->sign,
                  &envelope.signature) != ERR_OK ||
        envelope_encode(&envelope, out) != ERR_OK) {
        return false;
    }
    if ((changes & CHANGE_OUTER) != 0) {
        stage_splice(&play->input, out->data, out->len);
    }
    *id_out = statement_id(envelope.statement);
    return true;
}

static void
submit(struct play *play, unsigned who, const struct bytes *envelopes, size_t n)
{
    play->said.kind = MESSAGE_SUBMIT;
    play->said.as.submit.n = n;
    memcpy(play->said.as.submit.envelopes, envelopes, n * sizeof(envelopes[0]));
    play_send(play, who, &play->said);
}

/* Was it taken? Then the loop goes on from it. */
static bool
is_taken(const struct play *play, const struct digest *id)
{
    for (size_t i = play->n_receipts; i > 0; i--) {
        if (digest_equal(&play->receipts[i - 1].id, id)) {
            return true;
        }
    }
    return false;
}

/* --- actions --- */

static void
say_step(struct play *play, unsigned who)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    uint8_t which = reader_u8(&play->input);
    enum loop_event event = (enum loop_event)(reader_u8(&play->input) % EVENT_COUNT);
    uint8_t changes = reader_u8(&play->input);
    struct rig_loop fresh = rig_loop_new(org_of(play, who), org_of(play, (who + 1) % 2));
    bool is_new = which % (TOWN_LOOPS + 1) == TOWN_LOOPS;
    struct rig_loop *loop = is_new ? &fresh : &play->loops[which % (TOWN_LOOPS + 1)];
    enum loop_role role = who == TOWN_PANTRY && !is_new ? LOOP_TARGET : LOOP_SOURCE;
    struct statement statement = rig_statement(play->town->rig, loop, role, event);
    struct digest id;
    statement.author_key = org_of(play, who)->key_id;
    statement.authored_ms = play->now.wall_ms;
    if (event == EVENT_DELIVERED) {
        statement.as.loop.delivered = statement.as.loop.heard;
    }
    if ((changes & CHANGE_FIELD) != 0) {
        change_field(&play->input, &statement);
    }
    if ((changes & CHANGE_READERS) != 0) {
        add_reader(play, &statement);
    }
    if (!make_envelope(play, &statement, changes, org_of(play, who), &id, &envelope)) {
        return;
    }
    const struct bytes view = buffer_view(&envelope);
    submit(play, who, &view, 1);
    play_keep(play, view);
    if ((changes & 0x80) == 0) {
        play_turn(play);
        if (is_taken(play, &id) && digest_equal(&statement.as.loop.previous, &loop->last[role])) {
            rig_took(loop, role, &id, event);
        }
        play->loops[TOWN_LOOPS - 1] = is_new ? fresh : play->loops[TOWN_LOOPS - 1];
    }
}

/* What was said before, by whomever, as it was or changed. */
static void
say_again(struct play *play, unsigned who)
{
    struct bytes views[8];
    size_t n = reader_u8(&play->input) % (ARRAY_LEN(views) + 1);
    for (size_t i = 0; i < n; i++) {
        size_t which = reader_u8(&play->input);
        if (play->n_history == 0) {
            return;
        }
        struct buffer *kept = &play->history[which % play->n_history];
        stage_splice(&play->input, kept->data, kept->len);
        views[i] = buffer_view(kept);
    }
    submit(play, who, views, n);
}

/* The statement of one, the signature of another, the sealed part of a third. */
static void
say_mixed(struct play *play, unsigned who)
{
    CLEANUP(buffer_done) struct buffer mixed = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct envelope parts[3];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t which = reader_u8(&play->input);
        if (play->n_history == 0 ||
            envelope_decode(buffer_view(&play->history[which % play->n_history]), &parts[i]) !=
                ERR_OK) {
            return;
        }
    }
    parts[0].signature = parts[1].signature;
    parts[0].sealed = parts[2].sealed;
    if (envelope_encode(&parts[0], &mixed) == ERR_OK) {
        const struct bytes view = buffer_view(&mixed);
        submit(play, who, &view, 1);
    }
}

static void
say_bytes(struct play *play, unsigned who)
{
    play_send_bytes(play, who, reader_take(&play->input, reader_u8(&play->input)));
}

static void
say_hello(struct play *play, unsigned who)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct message_hello *hello = &play->said.as.hello;
    uint8_t how = reader_u8(&play->input);
    struct bytes shown =
        (how & 1) != 0 ? buffer_view(&play->newest) : broker_checkpoint(play->town->rig->broker);
    if ((how & 2) != 0) {
        buffer_put(&note, shown.data, shown.len);
        stage_splice(&play->input, note.data, note.len);
    }
    play->said.kind = MESSAGE_HELLO;
    *hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                    .network = play->town->rig->network,
                                    .version = "fuzz",
                                    .cursor = reader_u8(&play->input),
                                    .checkpoint = buffer_view(&note)};
    if ((how & 4) != 0) {
        stage_splice(&play->input, hello->network.bytes, sizeof(hello->network.bytes));
        hello->protocol ^= reader_u8(&play->input);
    }
    play_send(play, who, &play->said);
}

static void
say_fetch(struct play *play, unsigned who)
{
    uint8_t how = reader_u8(&play->input);
    play->said.kind = MESSAGE_FETCH;
    play->said.as.fetch = (struct message_fetch){
        .cursor = (how & 1) != 0 ? reader_u64(&play->input) : reader_u8(&play->input),
        .credit_bytes = (how & 2) != 0 ? reader_u32(&play->input) : LIMIT_FRAME_BYTES,
        .with_own_sealed = (how & 4) != 0};
    play_send(play, who, &play->said);
}

static void
say_ping(struct play *play, unsigned who)
{
    play->said.kind = (reader_u8(&play->input) & 7) == 7 ? MESSAGE_BYE : MESSAGE_PING;
    play->said.as.ping.nonce = reader_u8(&play->input);
    play_send(play, who, &play->said);
}

static void
say_prove(struct play *play, unsigned who)
{
    struct message_prove *prove = &play->said.as.prove;
    play->said.kind = MESSAGE_PROVE;
    prove->size = reader_u8(&play->input);
    prove->n = reader_u8(&play->input) % (LIMIT_PROOFS_PER_FRAME + 1);
    for (size_t i = 0; i < prove->n; i++) {
        prove->indexes[i] = (reader_u8(&play->input) & 0x3f) + i;
    }
    play_send(play, who, &play->said);
}

static void
say_cosign(struct play *play, unsigned who)
{
    struct message_cosign *cosign = &play->said.as.cosign;
    struct bytes note = broker_checkpoint(play->town->rig->broker);
    uint8_t how = reader_u8(&play->input);
    play->said.kind = MESSAGE_COSIGN;
    *cosign = (struct message_cosign){
        .size = (how & 1) != 0 ? reader_u8(&play->input) : rig_status(play->town->rig).entries,
        .time_s = (how & 2) != 0 ? reader_u64(&play->input) : (uint64_t)play->now.wall_ms / 1000};
    if (checkpoint_cosign(note, cosign->time_s, &org_of(play, who)->sign, cosign->signature) ==
        ERR_OK) {
        stage_splice(&play->input, cosign->signature, sizeof(cosign->signature));
        play_send(play, who, &play->said);
    }
}

static void
say_copies(struct play *play, unsigned who)
{
    struct message_copies *copies = &play->said.as.copies;
    uint8_t how = reader_u8(&play->input);
    play->said.kind = MESSAGE_COPIES;
    copies->n = 0;
    copies->more = (how & 1) != 0;
    size_t n = reader_u8(&play->input) % (PLAY_COPIES + 1);
    for (size_t i = 0; i < n && play->n_copies > 0; i++) {
        struct play_copy *copy = &play->copies[reader_u8(&play->input) % play->n_copies];
        struct buffer *spoilt[] = {&copy->envelope, &copy->checkpoint, &copy->inclusion};
        if ((how & 2) != 0) {
            struct buffer *one = spoilt[reader_u8(&play->input) % ARRAY_LEN(spoilt)];
            stage_splice(&play->input, one->data, one->len);
        }
        copies->copies[copies->n++] =
            (struct message_copy){.index = copy->index ^ ((how & 4) != 0 ? i : 0),
                                  .log_time_ms = copy->log_time_ms,
                                  .envelope = buffer_view(&copy->envelope),
                                  .checkpoint = buffer_view(&copy->checkpoint),
                                  .inclusion = buffer_view(&copy->inclusion)};
    }
    play_send(play, who, &play->said);
}

static void
say_join(struct play *play, unsigned who)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org *shelter = &play->town->rig->shelter;
    rig_join_envelope(play->town->rig, shelter, &envelope);
    stage_splice(&play->input, envelope.data, envelope.len);
    const struct bytes view = buffer_view(&envelope);
    submit(play, who, &view, 1);
    play_keep(play, view);
    play_turn(play);
}

static void
say_rotate(struct play *play, unsigned who)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org next;
    uint8_t how = reader_u8(&play->input);
    rig_org_new(&next, org_of(play, who)->org);
    if ((how & 1) != 0) {
        next.keys = org_of(play, how % TOWN_WHO_COUNT)->keys;
    }
    rig_rotate_envelope(play->town->rig, org_of(play, who), &next, &envelope);
    stage_splice(&play->input, envelope.data, envelope.len);
    const struct bytes view = buffer_view(&envelope);
    submit(play, who, &view, 1);
    play_keep(play, view);
}

/* What the administrator's machine says, if its bytes were changed on the way. */
static void
say_as_root(struct play *play, unsigned who)
{
    struct rig *rig = play->town->rig;
    struct receipt receipt;
    (void)who;
    if (play->n_history == 0) {
        return;
    }
    struct buffer *kept = &play->history[reader_u8(&play->input) % play->n_history];
    stage_splice(&play->input, kept->data, kept->len);
    uint64_t entries = rig_status(rig).entries;
    FUZZ_HOLDS(broker_submit_root(rig->broker, buffer_view(kept), play->now, &receipt) == ERR_OK);
    FUZZ_HOLDS(receipt.result == RECEIPT_REFUSED && err_is_peer(receipt.refusal));
    FUZZ_HOLDS(rig_status(rig).entries == entries);
}

static void
revoke(struct play *play, unsigned who)
{
    static const char *const orgs[] = {"elm-pantry", "ash-shelter", "oak-clinic", "nobody"};
    if (!rig_status(play->town->rig).recovering) {
        play->town->rig->now = play->now;
        (void)rig_revoke(play->town->rig, orgs[who % ARRAY_LEN(orgs)]);
    }
}

/* --- time and trouble --- */

static void
let_time_pass(struct play *play, unsigned who)
{
    int64_t ms = (int64_t)reader_u32(&play->input) % DAY_MS;
    play->now.boot_ms += ms;
    play->now.wall_ms += who == TOWN_CLINIC ? -ms : ms; /* a wall clock may be put back */
    broker_tend(play->town->rig->broker, play->now);
    play_listen(play);
}

static void
take_turn(struct play *play, unsigned who)
{
    (void)who;
    play_turn(play);
}

/* The worker that has it is slow. */
static void
hold_job(struct play *play, unsigned who)
{
    (void)who;
    if (play->held == NULL) {
        play->held = broker_take_job(play->town->rig->broker);
    }
}

static void
lose_route(struct play *play, unsigned who)
{
    struct route route = play_route(play, who);
    broker_route_lost(play->town->rig->broker, &route);
    play->generation[who]++;
}

static void
restart(struct play *play, unsigned who)
{
    (void)who;
    play_give_back(play);
    town_close(play->town);
    town_reopen(play->town);
}

static void
restore_old_copy(struct play *play, unsigned who)
{
    (void)who;
    play_give_back(play);
    town_close(play->town);
    stage_put_store(play->town->rig->dir, buffer_view(&play->town->store));
    town_reopen(play->town);
    play->was_restored = true;
    play->entries = play->town->entries;
    play->n_receipts = 0;
}

typedef void (*action)(struct play *play, unsigned who);
static const action actions[32] = {
    say_step,   say_step,  say_step,  say_step,      say_again,   say_mixed,        say_bytes,
    say_hello,  say_hello, say_fetch, say_fetch,     say_ping,    say_prove,        say_cosign,
    say_copies, say_join,  say_join,  say_rotate,    say_as_root, revoke,           let_time_pass,
    take_turn,  take_turn, hold_job,  lose_route,    restart,     restore_old_copy, say_copies,
    say_step,   say_again, say_bytes, let_time_pass,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct town *town;
    if (town == NULL) {
        town = town_new();
    }
    struct play *play = play_begin(town, bytes_of(data, size));
    for (unsigned i = 0; i < ACTIONS_MAX && !play->input.bad && play->input.rest.len > 0; i++) {
        uint8_t what = reader_u8(&play->input);
        actions[what & 31](play, what >> 5);
        play_listen(play);
    }
    play_end(play);
    return 0;
}
