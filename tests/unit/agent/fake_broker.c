/* Judges with the same libraries as the real broker, in memory. Where it is told to be broken, it
 * is. */
#include "tests/unit/agent/fake_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/map.h"
#include "lib/base/secret.h"

static struct buffer
copy(struct bytes bytes)
{
    struct buffer buffer = BUFFER_INIT(LIMIT_FRAME_BYTES);

    buffer_put(&buffer, bytes.data, bytes.len);
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    return buffer;
}

static int64_t
next_time(const struct fake_broker *broker)
{
    return 1700000001000 + (int64_t)broker->n_log + broker->time_shift_ms;
}

static uint64_t
append(struct fake_broker *broker, struct bytes bytes, const char *author, const char *reader)
{
    struct fake_entry *entry = &broker->log[broker->n_log];
    struct envelope envelope;

    assert_true(broker->n_log < FAKE_LOG_MAX);
    assert_int_equal(envelope_decode(bytes, &envelope), ERR_OK);
    envelope.sealed = bytes_of(NULL, 0);
    *entry = (struct fake_entry){.envelope = copy(bytes),
                                 .bare = BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                                 .log_time_ms = next_time(broker)};
    fake_tree_append(broker->tree, bytes, entry->log_time_ms);
    assert_int_equal(envelope_encode(&envelope, &entry->bare), ERR_OK);
    strcpy(entry->author, author);
    strcpy(entry->reader, reader);
    return broker->n_log++;
}

static void wake(struct fake_broker *broker);

void
fake_log(struct fake_broker *broker, struct bytes bytes)
{
    struct envelope envelope;
    struct statement statement;

    assert_int_equal(envelope_decode(bytes, &envelope), ERR_OK);
    assert_int_equal(statement_decode(envelope.statement, &statement), ERR_OK);
    uint64_t index = append(broker, bytes, statement.author, "");
    enum err err =
        directory_apply(broker->directory, &statement, index, broker->log[index].log_time_ms);
    (void)err; /* a broken broker logs what no directory takes */
    wake(broker);
}

void
fake_log_again(struct fake_broker *broker, size_t index)
{
    const struct fake_entry *entry = &broker->log[index];

    (void)append(broker, buffer_view(&entry->envelope), entry->author, entry->reader);
    wake(broker);
}

void
fake_log_forged(struct fake_broker *broker, size_t index)
{
    const struct fake_entry *entry = &broker->log[index];
    struct buffer forged = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct envelope envelope;

    assert_int_equal(envelope_decode(buffer_view(&entry->envelope), &envelope), ERR_OK);
    envelope.signature.root_signature[7] ^= 1;
    assert_int_equal(envelope_encode(&envelope, &forged), ERR_OK);
    (void)append(broker, buffer_view(&forged), entry->author, entry->reader);
    buffer_done(&forged);
    wake(broker);
}

void
fake_init(struct fake_broker *broker, const struct fixture *fixture)
{
    memset(broker, 0, sizeof(*broker));
    broker->fixture = fixture;
    broker->refuse_event = EVENT_COUNT;
    broker->log = calloc(FAKE_LOG_MAX, sizeof(*broker->log));
    broker->tree = fake_tree_new(&fixture->network, &fixture->log_secret);
    broker->inclusions = calloc(LIMIT_ENTRIES_PER_FRAME, sizeof(*broker->inclusions));
    broker->spoilt = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    broker->tracks = map_new(LOOP_ID_BYTES);
    broker->receipts = map_new(DIGEST_BYTES);
    assert_int_equal(directory_new(&fixture->network, &broker->directory), ERR_OK);
    secret_random(broker->incarnation, sizeof(broker->incarnation));
    fake_log(broker, buffer_view(&fixture->genesis_envelope));
    for (size_t i = 0; i < fixture->n_members; i++) {
        fake_log(broker, buffer_view(&fixture->member[i].invite));
        fake_log(broker, buffer_view(&fixture->member[i].join));
    }
}

void
fake_drop(struct fake_broker *broker, size_t peer)
{
    struct fake_session *session = &broker->session[peer];

    for (size_t i = 0; i < session->n_queued; i++)
        buffer_done(&session->queue[i]);
    *session = (struct fake_session){.greeted = false};
}

void
fake_done(struct fake_broker *broker)
{
    const void *key;
    void *value;

    for (size_t at = 0; map_next(broker->tracks, &at, &key, &value);) {
        track_done(value);
        free(value);
    }
    for (size_t at = 0; map_next(broker->receipts, &at, &key, &value);)
        free(value);
    map_free(broker->tracks);
    map_free(broker->receipts);
    for (size_t i = 0; i < FIXTURE_MEMBERS_MAX; i++)
        fake_drop(broker, i);
    for (size_t i = 0; i < broker->n_log; i++) {
        buffer_done(&broker->log[i].envelope);
        buffer_done(&broker->log[i].bare);
    }
    free(broker->log);
    free(broker->inclusions);
    buffer_done(&broker->spoilt);
    fake_tree_free(broker->tree);
    directory_free(broker->directory);
}

const struct track *
fake_track(const struct fake_broker *broker, const struct loop_id *loop)
{
    return map_find(broker->tracks, loop->bytes);
}

static void
send_out(struct fake_broker *broker, size_t peer)
{
    struct fake_session *session = &broker->session[peer];
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);

    assert_int_equal(message_encode(&broker->out, &frame), ERR_OK);
    if (session->n_queued == FAKE_QUEUE_MAX) {
        buffer_done(&frame); /* as a full pipe does */
        return;
    }
    session->queue[session->n_queued++] = frame;
}

bool
fake_take(struct fake_broker *broker, size_t peer, struct buffer *frame_out)
{
    struct fake_session *session = &broker->session[peer];

    if (session->n_queued == 0)
        return false;
    *frame_out = session->queue[0];
    session->n_queued--;
    memmove(&session->queue[0], &session->queue[1], session->n_queued * sizeof(session->queue[0]));
    return true;
}

/* ---- what it says of its log ---- */

static uint64_t
proved_size(const struct fake_broker *broker)
{
    return broker->proved_size == 0 ? broker->n_log : broker->proved_size;
}

static struct message_head
tell_head(struct fake_broker *broker, size_t peer)
{
    struct fake_session *session = &broker->session[peer];
    uint64_t size = proved_size(broker);
    struct message_head head = {.present = true, .from = session->told_size};

    broker->consistency.n = 0;
    if (session->told_size > 0 && session->told_size < size && !broker->strip_consistency)
        fake_tree_consistency(broker->tree, session->told_size, size, &broker->consistency);
    head.checkpoint = fake_tree_note(broker->tree, size, broker->fork_view);
    head.consistency = proof_bytes(&broker->consistency);
    session->told_size = size;
    return head;
}

static struct bytes
tell_inclusion(struct fake_broker *broker, uint64_t index, size_t place, bool false_one)
{
    struct proof *proof = &broker->inclusions[place];

    fake_tree_inclusion(broker->tree, index, proved_size(broker), proof);
    if (broker->strip_inclusion)
        proof->n = 0;
    if (false_one)
        proof->hashes[0].bytes[0] ^= 1;
    return proof_bytes(proof);
}

/* ---- statements ---- */

static enum err
judge_track(struct fake_broker *broker, const struct opened_envelope *opened,
            struct receipt *receipt)
{
    const struct statement_loop *loop = &opened->statement.as.loop;
    struct track *track = map_find(broker->tracks, loop->loop.bytes);
    struct track_verdict verdict = {.superseded = false};

    if (track == NULL && loop->event != EVENT_REQUEST)
        return ERR_UNKNOWN_LOOP;
    if (track == NULL) {
        track = calloc(1, sizeof(*track));
        track_init(track, &loop->loop, opened->statement.author, loop->readers[0].org);
        assert_int_equal(map_put(broker->tracks, loop->loop.bytes, track), ERR_OK);
    }
    const struct track_step step = {
        .role = strcmp(track->side[LOOP_SOURCE].org, opened->statement.author) == 0 ? LOOP_SOURCE
                                                                                    : LOOP_TARGET,
        .event = loop->event,
        .seq = loop->seq,
        .previous = loop->previous,
        .heard = loop->heard,
        .id = opened->id,
    };
    receipt->index = broker->n_log;
    receipt->log_time_ms = next_time(broker);
    enum err err = track_apply(track, &step, receipt->index, receipt->log_time_ms, &verdict);
    receipt->result = verdict.superseded ? RECEIPT_SUPERSEDED : RECEIPT_ACCEPTED;
    receipt->state = track->position.state;
    receipt->superseded_by = verdict.superseded_by;
    return err;
}

static enum err
judge(struct fake_broker *broker, const struct member *member, struct bytes bytes,
      struct receipt *receipt)
{
    struct opened_envelope opened;
    enum err err =
        envelope_open(bytes, &broker->fixture->network, &member->keys.sign, false, NULL, &opened);

    if (err != ERR_OK)
        return err;
    if (member->state != MEMBER_ACTIVE)
        return ERR_REVOKED;
    const struct statement_loop *loop = &opened.statement.as.loop;
    const struct member *reader = directory_find(broker->directory, loop->readers[0].org);
    /* No broker finds a delivery receipt in the wrong state. */
    bool may_refuse = broker->refuse_next != ERR_WRONG_STATE || loop->event != EVENT_DELIVERED;
    if (broker->n_refuse_next > 0 && may_refuse &&
        (broker->refuse_event == EVENT_COUNT || broker->refuse_event == loop->event)) {
        broker->n_refuse_next--;
        receipt->retry_ms = broker->refuse_retry_ms;
        if (broker->refuse_but_log && judge_track(broker, &opened, receipt) == ERR_OK)
            (void)append(broker, bytes, opened.statement.author, loop->readers[0].org);
        return broker->refuse_next;
    }
    bool ends_alone = loop->event == EVENT_WITHDRAW || loop->event == EVENT_ACKNOWLEDGE ||
                      loop->event == EVENT_VOID;
    if (reader == NULL || (reader->state != MEMBER_ACTIVE && !ends_alone))
        return ERR_REVOKED;
    if (memcmp(&loop->readers[0].key, &reader->key_id, KEY_ID_BYTES) != 0)
        return ERR_READER_KEY;
    err = judge_track(broker, &opened, receipt);
    if (err == ERR_OK)
        (void)append(broker, bytes, opened.statement.author, loop->readers[0].org);
    return err;
}

static void
take_statement(struct fake_broker *broker, size_t peer, struct bytes bytes, struct receipt *receipt)
{
    const struct member *member = directory_find(broker->directory, fixture_orgs[peer]);
    struct envelope envelope;

    broker->n_submitted++;
    assert_int_equal(envelope_decode(bytes, &envelope), ERR_OK);
    *receipt = (struct receipt){.id = statement_id(envelope.statement)};
    const struct receipt *before = map_find(broker->receipts, receipt->id.bytes);
    if (before != NULL) {
        *receipt = *before;
        return;
    }
    enum err err = judge(broker, member, bytes, receipt);
    if (err != ERR_OK) {
        receipt->result = RECEIPT_REFUSED;
        receipt->refusal = err;
        receipt->index = 0;
        receipt->log_time_ms = 0;
        memset(&receipt->superseded_by, 0, sizeof(receipt->superseded_by));
        return;
    }
    struct receipt *kept = malloc(sizeof(*kept));
    *kept = *receipt;
    assert_int_equal(map_put(broker->receipts, receipt->id.bytes, kept), ERR_OK);
}

static void
sign_receipt(struct fake_broker *broker, struct receipt *receipt)
{
    const struct sign_secret *secret =
        broker->forge_receipts ? &broker->fixture->root : &broker->fixture->log_secret;
    struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);

    if (receipt->result == RECEIPT_REFUSED)
        return;
    receipt_signed_bytes(receipt, &leaf);
    struct bytes view = buffer_view(&leaf);
    assert_int_equal(
        turn_sign(SIGN_RECEIPTS, &broker->fixture->network, &view, 1, secret, &receipt->signature),
        ERR_OK);
    buffer_done(&leaf);
}

static bool
concerns(const struct fake_broker *broker, size_t peer, const struct fake_entry *entry)
{
    return broker->show_everything || entry->reader[0] == '\0' ||
           strcmp(entry->reader, fixture_orgs[peer]) == 0 ||
           strcmp(entry->author, fixture_orgs[peer]) == 0;
}

static struct bytes
shown(struct fake_broker *broker, size_t peer, size_t index)
{
    struct fake_entry *entry = &broker->log[index];
    bool own = strcmp(entry->author, fixture_orgs[peer]) == 0 && entry->reader[0] != '\0';
    bool bare = (own && !broker->session[peer].with_own_sealed) ||
                (broker->strip_sealed && entry->reader[0] != '\0');
    struct buffer *buffer = bare ? &entry->bare : &entry->envelope;

    if (broker->spoil_entry != index || index == 0)
        return buffer_view(buffer);
    buffer_clear(&broker->spoilt);
    buffer_put(&broker->spoilt, buffer->data, buffer->len);
    broker->spoilt.data[buffer->len / 2] ^= 1;
    return buffer_view(&broker->spoilt);
}

static void
answer_fetch(struct fake_broker *broker, size_t peer)
{
    struct fake_session *session = &broker->session[peer];
    struct message_entries *entries = &broker->out.as.entries;
    size_t bytes = 0;
    size_t at = session->cursor;

    if (!session->fetching)
        return;
    entries->n = 0;
    for (; at < broker->n_log && entries->n < LIMIT_ENTRIES_PER_FRAME; at++) {
        if (!concerns(broker, peer, &broker->log[at]) || (at > 0 && at == broker->hide_entry))
            continue;
        struct bytes envelope = shown(broker, peer, at);
        if (entries->n > 0 && bytes + envelope.len > LIMIT_FRAME_BYTES - 16384)
            break;
        struct bytes inclusion = tell_inclusion(broker, at, entries->n, broker->falsify_entries);
        bytes += envelope.len + inclusion.len;
        entries->entries[entries->n++] = (struct entry){.index = at,
                                                        .log_time_ms = broker->log[at].log_time_ms,
                                                        .envelope = envelope,
                                                        .inclusion = inclusion};
    }
    if (entries->n == 0)
        return; /* a long poll waits */
    broker->out.kind = MESSAGE_ENTRIES;
    entries->next = at;
    entries->head = broker->n_log;
    entries->proved = tell_head(broker, peer);
    session->fetching = false;
    send_out(broker, peer);
}

static void
wake(struct fake_broker *broker)
{
    for (size_t i = 0; i < broker->fixture->n_members; i++)
        answer_fetch(broker, i);
}

static void
on_submit(struct fake_broker *broker, size_t peer)
{
    const struct message_submit *submit = &broker->in.as.submit;
    struct message_receipts *receipts = &broker->out.as.receipts;
    bool claims = false;

    broker->out.kind = MESSAGE_RECEIPTS;
    receipts->n = submit->n;
    for (size_t i = 0; i < submit->n; i++) {
        take_statement(broker, peer, submit->envelopes[i], &receipts->receipts[i]);
        sign_receipt(broker, &receipts->receipts[i]);
    }
    for (size_t i = 0; i < submit->n; i++) {
        struct receipt *receipt = &receipts->receipts[i];
        if (receipt->result == RECEIPT_REFUSED)
            continue;
        claims = true;
        receipt->inclusion = tell_inclusion(broker, receipt->index, i, broker->falsify_receipts);
    }
    receipts->proved = (struct message_head){.present = false};
    if (!broker->swallow_receipts) {
        if (claims)
            receipts->proved = tell_head(broker, peer);
        send_out(broker, peer);
    }
    wake(broker);
}

static void
hear_checkpoint(struct fake_broker *broker, size_t peer)
{
    struct bytes note = broker->in.as.hello.checkpoint;
    struct checkpoint checkpoint = {.size = 0};

    if (note.len > 0)
        assert_int_equal(checkpoint_open(note, &broker->fixture->network,
                                         &broker->fixture->genesis.broker_log, &checkpoint),
                         ERR_OK);
    broker->n_hellos++;
    broker->shown_size = checkpoint.size;
    broker->session[peer].told_size = checkpoint.size;
}

static void
on_hello(struct fake_broker *broker, size_t peer, struct instant now)
{
    struct message_welcome *welcome = &broker->out.as.welcome;

    hear_checkpoint(broker, peer);
    broker->out.kind = MESSAGE_WELCOME;
    *welcome = (struct message_welcome){.head = broker->n_log,
                                        .broker_clock_ms = now.wall_ms,
                                        .version = "test",
                                        .recall_from = broker->recall_from};
    if (broker->head_shown != 0)
        welcome->head = broker->head_shown;
    memcpy(welcome->incarnation, broker->incarnation, INCARNATION_BYTES);
    if (broker->recall_from == 0)
        welcome->proved = tell_head(broker, peer);
    broker->session[peer].greeted = true;
    broker->session[peer].fetching = false;
    send_out(broker, peer);
}

static void
on_ping(struct fake_broker *broker, size_t peer, struct instant now)
{
    broker->n_pings++;
    broker->out.kind = MESSAGE_PONG;
    broker->out.as.pong = (struct message_pong){.nonce = broker->in.as.ping.nonce,
                                                .head = broker->n_log,
                                                .broker_clock_ms = now.wall_ms,
                                                .fetch_waiting = broker->session[peer].fetching};
    if (broker->recall_from == 0 && !broker->strip_head)
        broker->out.as.pong.proved = tell_head(broker, peer);
    send_out(broker, peer);
}

void
fake_receive(struct fake_broker *broker, size_t peer, struct bytes frame, struct instant now)
{
    struct fake_session *session = &broker->session[peer];

    assert_int_equal(message_decode(frame, &broker->in), ERR_OK);
    if (broker->in.kind == MESSAGE_HELLO) {
        on_hello(broker, peer, now);
    } else if (!session->greeted) {
        broker->out.kind = MESSAGE_REFUSED;
        broker->out.as.refused = (struct message_refused){.code = ERR_NOT_PERMITTED, .retry_ms = 1};
        send_out(broker, peer);
    } else if (broker->in.kind == MESSAGE_SUBMIT) {
        on_submit(broker, peer);
    } else if (broker->in.kind == MESSAGE_FETCH) {
        session->fetching = true;
        session->cursor = broker->in.as.fetch.cursor;
        session->with_own_sealed = broker->in.as.fetch.with_own_sealed;
        answer_fetch(broker, peer);
    } else if (broker->in.kind == MESSAGE_PING) {
        on_ping(broker, peer, now);
    } else if (broker->in.kind == MESSAGE_COPIES) {
        broker->n_recalls++;
        broker->n_copies += broker->in.as.copies.n;
    }
}
