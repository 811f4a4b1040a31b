/* The broker's tests play both ends of the network with this: members that make real statements,
 * and the edge that carries frames. It asserts whatever every test takes for granted, so that the
 * tests hold only what they are about. */
#include "tests/unit/broker/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/secret.h"

enum { START_MS = 1795000000, MIB = 1 << 20 };

static void
copy_text(char *to, size_t size, const char *from)
{
    size_t len = strlen(from);
    assert_true(len < size);
    memcpy(to, from, len + 1);
}

struct rig_org *
rig_org_new(struct rig_org *org, const char *id)
{
    *org = (struct rig_org){.org = ""};
    copy_text(org->org, sizeof(org->org), id);
    sign_new_pair(&org->keys.sign, &org->sign);
    seal_new_pair(&org->keys.seal, &org->seal);
    curve_new_pair(&org->keys.curve, &org->curve);
    org->key_id = key_set_id(&org->keys);
    secret_random(org->route.bytes, ROUTE_BYTES);
    return org;
}

void
rig_envelope(const struct rig *rig, const struct statement *statement, struct bytes sealed,
             const struct sign_secret *secret, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope = {.sealed = sealed};
    assert_int_equal(statement_encode(statement, &bytes), ERR_OK);
    struct bytes leaf = buffer_view(&bytes);
    assert_int_equal(
        turn_sign(SIGN_STATEMENTS, &rig->network, &leaf, 1, secret, &envelope.signature), ERR_OK);
    envelope.statement = leaf;
    assert_int_equal(envelope_encode(&envelope, out), ERR_OK);
}

static struct statement
root_statement(const struct rig *rig, enum statement_kind kind)
{
    struct sign_public root;
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = kind,
                                  .network = rig->network,
                                  .authored_ms = START_MS * 1000LL};
    memcpy(root.bytes, rig->network.bytes, sizeof(root.bytes));
    statement.author_key = key_id_of_signer(&root);
    return statement;
}

static void
found(struct rig *rig)
{
    struct sign_public root;
    struct curve_secret broker_curve;
    sign_new_pair(&root, &rig->root);
    sign_new_pair(&rig->log_public, &rig->log);
    memcpy(rig->network.bytes, root.bytes, sizeof(root.bytes));
    struct statement statement = root_statement(rig, STATEMENT_GENESIS);
    struct statement_genesis *genesis = &statement.as.genesis;
    copy_text(genesis->network_name, sizeof(genesis->network_name), "Test County");
    copy_text(genesis->endpoint, sizeof(genesis->endpoint), "tcp://broker.example.org:7707");
    curve_new_pair(&genesis->broker_curve, &broker_curve);
    genesis->broker_log = rig->log_public;
    copy_text(genesis->auditor_org, sizeof(genesis->auditor_org), rig->admin.org);
    genesis->auditor = rig->admin.keys;
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &rig->root, &rig->genesis);
}

void
rig_open(struct rig *rig)
{
    struct complaint complaint = {.text = ""};
    enum err err = broker_open(&rig->options, &rig->broker, &complaint);
    if (err != ERR_OK) {
        fail_msg("the broker does not open: %s (%s)", complaint.text, err_name(err));
    }
}

struct kv *
rig_open_store(struct rig *rig)
{
    struct kv *kv = NULL;
    struct complaint complaint = {.text = ""};
    const struct kv_options options = {.dir = rig->dir,
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = (size_t)rig->options.map_bytes,
                                       .map_max_bytes = (size_t)rig->options.map_max_bytes};
    assert_int_equal(kv_open(&options, &kv, &complaint), ERR_OK);
    return kv;
}

void
rig_close(struct rig *rig)
{
    broker_freep(&rig->broker);
    rig_proof_restarted(rig);
}

void
rig_reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

int
rig_start(void **state)
{
    bool locked;
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    assert_int_equal(secret_start(&locked), ERR_OK);
    rig->frames = calloc(RIG_FRAMES_MAX, sizeof(*rig->frames));
    assert_non_null(rig->frames);
    copy_text(rig->dir, sizeof(rig->dir), "/tmp/refloop-broker-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    rig->genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    rig->now = (struct instant){.wall_ms = (START_MS + 10) * 1000LL, .boot_ms = 1000000};
    rig_org_new(&rig->admin, "county");
    rig_org_new(&rig->clinic, "oak-clinic");
    rig_org_new(&rig->pantry, "elm-pantry");
    rig_org_new(&rig->shelter, "ash-shelter");
    found(rig);
    rig->options = (struct broker_options){
        .store_dir = rig->dir,
        .map_bytes = 2 * MIB,
        .map_max_bytes = 256 * MIB,
        .genesis_envelope = buffer_view(&rig->genesis),
        .network = rig->network,
        .log_secret = &rig->log,
        .gather_ms = 5,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 1000000,
    };
    rig_open(rig);
    rig_add(rig, &rig->clinic);
    rig_add(rig, &rig->pantry);
    *state = rig;
    return 0;
}

int
rig_stop(void **state)
{
    struct rig *rig = *state;
    char path[RIG_PATH_MAX + 16];
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "store.lock"};
    rig_close(rig);
    for (size_t i = 0; i < rig->n_frames; i++) {
        buffer_done(&rig->frames[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, names[i]);
        (void)unlink(path);
    }
    int left = rmdir(rig->dir);
    rig_proof_done(rig);
    buffer_done(&rig->genesis);
    free(rig->frames);
    free(rig);
    return left;
}

struct receipt
rig_invite(struct rig *rig, struct rig_org *org, int64_t expires_ms, bool replaces)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct curve_secret once;
    struct receipt receipt;
    struct statement statement = root_statement(rig, STATEMENT_INVITE);
    struct statement_invite *invite = &statement.as.invite;
    sign_new_pair(&org->once_sign_public, &org->once_sign);
    curve_new_pair(&org->once_curve, &once);
    copy_text(invite->org, sizeof(invite->org), org->org);
    copy_text(invite->name, sizeof(invite->name), org->org);
    invite->once_sign = org->once_sign_public;
    invite->once_curve = org->once_curve;
    invite->expires_ms = expires_ms;
    invite->replaces = replaces;
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &rig->root, &envelope);
    assert_int_equal(broker_submit_root(rig->broker, buffer_view(&envelope), rig->now, &receipt),
                     ERR_OK);
    return receipt;
}

struct receipt
rig_revoke(struct rig *rig, const char *org)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct receipt receipt;
    struct statement statement = root_statement(rig, STATEMENT_REVOKE);
    copy_text(statement.as.revoke.org, sizeof(statement.as.revoke.org), org);
    copy_text(statement.as.revoke.reason, sizeof(statement.as.revoke.reason), "left the network");
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &rig->root, &envelope);
    assert_int_equal(broker_submit_root(rig->broker, buffer_view(&envelope), rig->now, &receipt),
                     ERR_OK);
    return receipt;
}

void
rig_join_envelope(struct rig *rig, const struct rig_org *org, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer possession = BUFFER_INIT(1024);
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_JOIN,
                                  .network = rig->network,
                                  .author_key = key_id_of_signer(&org->once_sign_public),
                                  .authored_ms = rig->now.wall_ms};
    struct statement_join *join = &statement.as.join;
    copy_text(statement.author, sizeof(statement.author), org->org);
    copy_text(join->org, sizeof(join->org), org->org);
    join->invite = statement.author_key;
    join->keys = org->keys;
    statement_possession_bytes(&rig->network, org->org, &org->keys, &possession);
    struct bytes part = buffer_view(&possession);
    sign_make(SIGN_POSSESSION, &part, 1, &org->sign, join->possession);
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &org->once_sign, out);
}

void
rig_rotate_envelope(const struct rig *rig, const struct rig_org *org, const struct rig_org *next,
                    struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer possession = BUFFER_INIT(1024);
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_ROTATE,
                                  .network = rig->network,
                                  .author_key = org->key_id,
                                  .authored_ms = rig->now.wall_ms};
    memcpy(statement.author, org->org, sizeof(statement.author));
    statement.as.rotate.keys = next->keys;
    statement_possession_bytes(&rig->network, org->org, &next->keys, &possession);
    struct bytes part = buffer_view(&possession);
    sign_make(SIGN_POSSESSION, &part, 1, &next->sign, statement.as.rotate.possession);
    rig_envelope(rig, &statement, bytes_of(NULL, 0), &org->sign, out);
}

void
rig_add(struct rig *rig, struct rig_org *org)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct receipt receipt = rig_invite(rig, org, rig->now.wall_ms + 3600000, false);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    rig_join_envelope(rig, org, &envelope);
    receipt = rig_submit(rig, &org->once_curve, &org->route, &envelope);
    assert_int_equal(receipt.refusal, ERR_OK);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
}

struct rig_loop
rig_loop_new(struct rig_org *source, struct rig_org *target)
{
    struct rig_loop loop = {.side = {[LOOP_SOURCE] = source, [LOOP_TARGET] = target}};
    secret_random(loop.id.bytes, sizeof(loop.id.bytes));
    return loop;
}

struct statement
rig_statement(const struct rig *rig, const struct rig_loop *loop, enum loop_role role,
              enum loop_event event)
{
    enum loop_role other = role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
    const struct rig_org *author = loop->side[role];
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = rig->network,
                                  .author_key = author->key_id,
                                  .authored_ms = rig->now.wall_ms};
    struct statement_loop *said = &statement.as.loop;
    copy_text(statement.author, sizeof(statement.author), author->org);
    said->loop = loop->id;
    said->event = event;
    said->seq = loop->seq[role] + 1;
    said->previous = loop->last[role];
    said->heard = loop->mark[other];
    said->n_readers = 1;
    copy_text(said->readers[0].org, sizeof(said->readers[0].org), loop->side[other]->org);
    said->readers[0].key = loop->side[other]->key_id;
    said->priority = PRIORITY_ROUTINE;
    return statement;
}

static const struct rig_org *
find_org(const struct rig *rig, const char *org)
{
    const struct rig_org *all[] = {&rig->admin, &rig->clinic, &rig->pantry, &rig->shelter};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(all[i]->org, org) == 0) {
            return all[i];
        }
    }
    fail_msg("no organization %s", org);
    return NULL;
}

struct digest
rig_seal(const struct rig *rig, struct statement *statement, size_t body_bytes,
         const struct rig_org *author, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement_loop *loop = &statement->as.loop;
    struct sealed_reader sides[LIMIT_READERS + 1];
    struct sealed_reader auditor = {rig->admin.key_id, rig->admin.keys.seal};
    struct complaint complaint = {.text = ""};
    if (loop->event != EVENT_DELIVERED) {
        uint8_t *body = calloc(1, body_bytes + 1);
        assert_non_null(body);
        /* In the statement's own order: its readers, then its author. */
        for (size_t i = 0; i < loop->n_readers; i++) {
            const struct rig_org *reader = find_org(rig, loop->readers[i].org);
            sides[i] = (struct sealed_reader){loop->readers[i].key, reader->keys.seal};
        }
        sides[loop->n_readers] = (struct sealed_reader){statement->author_key, author->keys.seal};
        enum err err = sealed_make(statement, bytes_of(body, body_bytes), bytes_of_text("{}"),
                                   sides, loop->n_readers + 1, &auditor, &sealed, &complaint);
        free(body);
        if (err != ERR_OK) {
            fail_msg("not sealed: %s (%s)", complaint.text, err_name(err));
        }
    }
    assert_int_equal(statement_encode(statement, &bytes), ERR_OK);
    rig_envelope(rig, statement, buffer_view(&sealed), &author->sign, out);
    return statement_id(buffer_view(&bytes));
}

void
rig_took(struct rig_loop *loop, enum loop_role role, const struct digest *id, enum loop_event event)
{
    loop->seq[role]++;
    loop->last[role] = *id;
    if (event != EVENT_DELIVERED) {
        loop->mark[role] = *id;
    }
}

struct receipt
rig_step(struct rig *rig, struct rig_loop *loop, enum loop_role role, enum loop_event event)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org *author = loop->side[role];
    struct statement statement = rig_statement(rig, loop, role, event);
    if (event == EVENT_DELIVERED) {
        statement.as.loop.delivered = statement.as.loop.heard;
    }
    struct digest id = rig_seal(rig, &statement, 100, author, &envelope);
    struct receipt receipt = rig_submit_as(rig, author, &envelope);
    if (receipt.result != RECEIPT_REFUSED) {
        assert_true(digest_equal(&receipt.id, &id));
        rig_took(loop, role, &id, event);
    }
    return receipt;
}

void
rig_send(struct rig *rig, const struct curve_public *peer, const struct route *route,
         const struct message *message)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    assert_int_equal(message_encode(message, &frame), ERR_OK);
    rig_proof_sent(rig, peer, route, message);
    assert_int_equal(broker_receive(rig->broker, peer, route, buffer_view(&frame), rig->now),
                     ERR_OK);
}

void
rig_submit_only(struct rig *rig, const struct curve_public *peer, const struct route *route,
                const struct buffer *envelopes, size_t n)
{
    rig->said.kind = MESSAGE_SUBMIT;
    rig->said.as.submit.n = n;
    for (size_t i = 0; i < n; i++) {
        rig->said.as.submit.envelopes[i] = buffer_view(&envelopes[i]);
    }
    rig_send(rig, peer, route, &rig->said);
}

void
rig_turn(struct rig *rig)
{
    struct verify_job *job;
    while ((job = broker_take_job(rig->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(rig->broker, job, rig->now);
    }
    rig->now.wall_ms += 10;
    rig->now.boot_ms += 10;
    assert_int_equal(broker_turn(rig->broker, rig->now), ERR_OK);
}

static void
drain(struct rig *rig)
{
    struct route route;
    struct buffer frame;
    while (broker_take_output(rig->broker, &route, &frame)) {
        assert_true(rig->n_frames < RIG_FRAMES_MAX);
        rig_proof_heard(rig, &route, buffer_view(&frame));
        rig->frames[rig->n_frames++] = (struct rig_frame){.route = route, .bytes = frame};
    }
}

static bool
is_for(const struct rig_frame *frame, const struct route *route)
{
    return !frame->taken && memcmp(&frame->route, route, sizeof(*route)) == 0;
}

size_t
rig_count(struct rig *rig, const struct route *route)
{
    size_t n = 0;
    drain(rig);
    for (size_t i = 0; i < rig->n_frames; i++) {
        n += is_for(&rig->frames[i], route) ? 1 : 0;
    }
    return n;
}

bool
rig_take(struct rig *rig, const struct route *route)
{
    drain(rig);
    for (size_t i = 0; i < rig->n_frames; i++) {
        struct rig_frame *frame = &rig->frames[i];
        if (is_for(frame, route)) {
            frame->taken = true;
            assert_int_equal(message_decode(buffer_view(&frame->bytes), &rig->heard), ERR_OK);
            return true;
        }
    }
    return false;
}

struct receipt
rig_submit(struct rig *rig, const struct curve_public *peer, const struct route *route,
           const struct buffer *envelope)
{
    rig_submit_only(rig, peer, route, envelope, 1);
    rig_turn(rig);
    while (rig_take(rig, route)) {
        if (rig->heard.kind == MESSAGE_RECEIPTS) {
            assert_int_equal(rig->heard.as.receipts.n, 1);
            return rig->heard.as.receipts.receipts[0];
        }
    }
    fail_msg("no receipts, the last word was %s", message_name(rig->heard.kind));
    return (struct receipt){.result = RECEIPT_REFUSED};
}

struct receipt
rig_submit_as(struct rig *rig, const struct rig_org *org, const struct buffer *envelope)
{
    return rig_submit(rig, &org->keys.curve, &org->route, envelope);
}

void
rig_fetch(struct rig *rig, const struct rig_org *org, uint64_t cursor, uint32_t credit,
          bool with_own)
{
    rig->said.kind = MESSAGE_FETCH;
    rig->said.as.fetch = (struct message_fetch){
        .cursor = cursor, .credit_bytes = credit, .with_own_sealed = with_own};
    rig_send(rig, &org->keys.curve, &org->route, &rig->said);
}

void
rig_hello(struct rig *rig, const struct rig_org *org)
{
    rig->said.kind = MESSAGE_HELLO;
    rig->said.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL,
        .network = rig->network,
        .version = "0.1.0",
        .checkpoint = buffer_view(&rig_peer_of(rig, &org->keys.curve)->note)};
    rig_send(rig, &org->keys.curve, &org->route, &rig->said);
}

struct broker_status
rig_status(const struct rig *rig)
{
    struct broker_status status;
    broker_get_status(rig->broker, &status);
    return status;
}

void
rig_expect_code(enum err code, enum err expected)
{
    assert_string_equal(err_name(code), err_name(expected));
}

void
rig_expect_refused(struct receipt receipt, enum err code)
{
    assert_int_equal(receipt.result, RECEIPT_REFUSED);
    rig_expect_code(receipt.refusal, code);
}

void
rig_expect_only_refused(struct rig *rig, const struct route *route, enum err code)
{
    assert_true(rig_take(rig, route));
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
    rig_expect_code(rig->heard.as.refused.code, code);
    assert_int_equal(rig_count(rig, route), 0);
}
