/* Fixed keys and sound examples. Asserts stand for errors: a fixture that cannot be made is no
 * test. */
#include "tests/unit/wire/fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [AUDITOR] = "county-office",
    [CLINIC] = "hill-clinic",
    [PANTRY] = "elm-pantry",
    [SHELTER] = "river-shelter",
};

static void
put_text(char *out, size_t size, const char *text)
{
    assert(strlen(text) < size);
    memset(out, 0, size);
    memcpy(out, text, strlen(text));
}

static void
must(enum err err)
{
    if (err != ERR_OK) {
        fprintf(stderr, "fixture: %s\n", err_name(err));
        abort();
    }
}

/* X25519 either way: the public key is the secret times the base point. */
static void
x25519_pair(uint8_t kind, unsigned number, uint8_t secret_out[32], uint8_t public_out[32])
{
    struct curve_secret secret;
    struct curve_public public_key;
    memset(secret.bytes, kind, sizeof(secret.bytes));
    secret.bytes[1] = (uint8_t)number;
    secret.bytes[2] = (uint8_t)(number >> 8);
    curve_public_of(&secret, &public_key);
    memcpy(secret_out, secret.bytes, 32);
    memcpy(public_out, public_key.bytes, 32);
}

struct fixture_org
fixture_org(unsigned number)
{
    struct fixture_org org = {0};
    if (number < ARRAY_LEN(names) && names[number] != NULL) {
        put_text(org.org, sizeof(org.org), names[number]);
    } else {
        (void)snprintf(org.org, sizeof(org.org), "org-%u", number);
    }
    memset(org.seed, 0x51, sizeof(org.seed));
    org.seed[0] = (uint8_t)number;
    org.seed[1] = (uint8_t)(number >> 8);
    sign_pair_from_seed(org.seed, &org.keys.sign, &org.sign);
    x25519_pair(0x52, number, org.seal.bytes, org.keys.seal.bytes);
    x25519_pair(0x53, number, org.curve.bytes, org.keys.curve.bytes);
    org.key_id = key_set_id(&org.keys);
    return org;
}

const struct fixture_org *
fixture_who(unsigned number)
{
    static struct fixture_org kept[64];
    assert(number < ARRAY_LEN(kept));
    if (kept[number].org[0] == '\0') {
        kept[number] = fixture_org(number);
    }
    return &kept[number];
}

struct network_id
fixture_network(void)
{
    struct network_id network;
    struct fixture_org root = fixture_org(ROOT);
    memcpy(network.bytes, root.keys.sign.bytes, sizeof(network.bytes));
    return network;
}

struct key_id
fixture_root_key(void)
{
    struct fixture_org root = fixture_org(ROOT);
    return key_id_of_signer(&root.keys.sign);
}

static struct statement
blank(enum statement_kind kind)
{
    return (struct statement){.suite = STATEMENT_SUITE_1,
                              .kind = kind,
                              .network = fixture_network(),
                              .author_key = fixture_root_key(),
                              .authored_ms = FIXTURE_TIME_MS};
}

static struct statement
blank_by(enum statement_kind kind, const struct fixture_org *author)
{
    struct statement statement = blank(kind);
    put_text(statement.author, sizeof(statement.author), author->org);
    statement.author_key = author->key_id;
    return statement;
}

struct statement
fixture_genesis(void)
{
    struct statement statement = blank(STATEMENT_GENESIS);
    struct statement_genesis *genesis = &statement.as.genesis;
    struct fixture_org broker = fixture_org(BROKER);
    struct fixture_org auditor = fixture_org(AUDITOR);
    put_text(genesis->network_name, sizeof(genesis->network_name), "Example County");
    put_text(genesis->endpoint, sizeof(genesis->endpoint), "tcp://broker.example.org:7443");
    put_text(genesis->auditor_org, sizeof(genesis->auditor_org), auditor.org);
    genesis->broker_curve = broker.keys.curve;
    genesis->broker_log = broker.keys.sign;
    genesis->auditor = auditor.keys;
    return statement;
}

struct statement
fixture_invite(const char *org, unsigned once)
{
    struct statement statement = blank(STATEMENT_INVITE);
    struct statement_invite *invite = &statement.as.invite;
    struct fixture_org keys = fixture_org(once);
    put_text(invite->org, sizeof(invite->org), org);
    put_text(invite->name, sizeof(invite->name), "Elm Street Pantry \xc3\x89lan");
    invite->once_sign = keys.keys.sign;
    invite->once_curve = keys.keys.curve;
    invite->expires_ms = 5000;
    return statement;
}

void
fixture_possess(const char *org, const struct key_set *keys, const struct sign_secret *holder,
                uint8_t possession_out[SIGN_BYTES])
{
    CLEANUP(buffer_done) struct buffer signed_bytes = BUFFER_INIT(512);
    struct network_id network = fixture_network();
    statement_possession_bytes(&network, org, keys, &signed_bytes);
    must(buffer_err(&signed_bytes));
    struct bytes part = buffer_view(&signed_bytes);
    sign_make(SIGN_POSSESSION, &part, 1, holder, possession_out);
}

struct statement
fixture_join(unsigned who, unsigned once)
{
    struct fixture_org org = fixture_org(who);
    struct fixture_org invite = fixture_org(once);
    struct statement statement = blank_by(STATEMENT_JOIN, &org);
    struct statement_join *join = &statement.as.join;
    statement.author_key = key_id_of_signer(&invite.keys.sign);
    put_text(join->org, sizeof(join->org), org.org);
    join->invite = statement.author_key;
    join->keys = org.keys;
    fixture_possess(org.org, &org.keys, &org.sign, join->possession);
    return statement;
}

struct statement
fixture_revoke(const char *org)
{
    struct statement statement = blank(STATEMENT_REVOKE);
    put_text(statement.as.revoke.org, sizeof(statement.as.revoke.org), org);
    put_text(statement.as.revoke.reason, sizeof(statement.as.revoke.reason), "left the network");
    return statement;
}

struct statement
fixture_rotate(unsigned who, unsigned next)
{
    struct fixture_org org = fixture_org(who);
    struct fixture_org keys = fixture_org(next);
    struct statement statement = blank_by(STATEMENT_ROTATE, &org);
    statement.as.rotate.keys = keys.keys;
    fixture_possess(org.org, &keys.keys, &keys.sign, statement.as.rotate.possession);
    return statement;
}

static struct statement
blank_loop(unsigned author, unsigned reader)
{
    struct fixture_org from = fixture_org(author);
    struct fixture_org to = fixture_org(reader);
    struct statement statement = blank_by(STATEMENT_LOOP, &from);
    struct statement_loop *loop = &statement.as.loop;
    memset(loop->loop.bytes, 0x77, sizeof(loop->loop.bytes));
    loop->seq = 1;
    loop->n_readers = 1;
    put_text(loop->readers[0].org, sizeof(loop->readers[0].org), to.org);
    loop->readers[0].key = to.key_id;
    loop->priority = PRIORITY_ROUTINE;
    return statement;
}

struct statement
fixture_request(void)
{
    struct statement statement = blank_loop(CLINIC, PANTRY);
    statement.as.loop.event = EVENT_REQUEST;
    statement.as.loop.priority = PRIORITY_URGENT;
    statement.as.loop.due_ms = 900000;
    return statement;
}

struct statement
fixture_delivered(const struct digest *id)
{
    struct statement statement = blank_loop(PANTRY, CLINIC);
    statement.as.loop.event = EVENT_DELIVERED;
    statement.as.loop.delivered = *id;
    statement.as.loop.heard = *id;
    return statement;
}

/* A later statement with every optional field and four readers. */
static struct statement
full_loop(void)
{
    struct statement statement = blank_loop(CLINIC, PANTRY);
    struct statement_loop *loop = &statement.as.loop;
    loop->event = EVENT_NOTE;
    loop->seq = 70000;
    memset(loop->previous.bytes, 0x31, DIGEST_BYTES);
    memset(loop->heard.bytes, 0x32, DIGEST_BYTES);
    loop->due_ms = INT64_MAX;
    loop->automatic = true;
    loop->has_sealed = true;
    memset(loop->sealed_digest.bytes, 0x33, DIGEST_BYTES);
    loop->body_class = SEAL_192K;
    for (unsigned i = 1; i < LIMIT_READERS; i++) {
        struct fixture_org org = fixture_org(SHELTER + i);
        put_text(loop->readers[i].org, sizeof(loop->readers[i].org), org.org);
        loop->readers[i].key = org.key_id;
    }
    loop->n_readers = LIMIT_READERS;
    return statement;
}

size_t
fixture_statements(struct statement out[8])
{
    struct digest id;
    size_t n = 0;
    memset(id.bytes, 0x21, sizeof(id.bytes));
    out[n++] = fixture_genesis();
    out[n++] = fixture_invite("elm-pantry", ONCE);
    out[n++] = fixture_join(PANTRY, ONCE);
    out[n++] = fixture_revoke("elm-pantry");
    out[n++] = fixture_rotate(PANTRY, SHELTER);
    out[n++] = fixture_delivered(&id);
    out[n++] = full_loop();
    out[n] = fixture_invite("elm-pantry", ONCE);
    out[n++].as.invite.replaces = true;
    return n;
}

void
fixture_seal(struct statement *statement, const char *body, const char *facts,
             struct buffer *sealed_out)
{
    struct fixture_org clinic = fixture_org(CLINIC);
    struct fixture_org pantry = fixture_org(PANTRY);
    struct fixture_org auditor = fixture_org(AUDITOR);
    const struct sealed_reader sides[] = {{clinic.key_id, clinic.keys.seal},
                                          {pantry.key_id, pantry.keys.seal}};
    const struct sealed_reader reader = {auditor.key_id, auditor.keys.seal};
    must(sealed_make(statement, bytes_of_text(body), bytes_of_text(facts), sides, ARRAY_LEN(sides),
                     &reader, sealed_out, NULL));
}

void
fixture_envelope(const struct statement *statement, const struct sign_secret *secret,
                 struct bytes sealed, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    must(statement_encode(statement, &bytes));
    struct envelope envelope = {.statement = buffer_view(&bytes), .sealed = sealed};
    must(turn_sign(SIGN_STATEMENTS, &statement->network, &envelope.statement, 1, secret,
                   &envelope.signature));
    must(envelope_encode(&envelope, out));
}

/* ---- messages ---- */

static const uint8_t some_bytes[] = "an envelope, as far as a session message can tell";
/* Hashes and notes too are opaque to a session message. */
static const uint8_t some_hashes[4 * MERKLE_HASH_BYTES] = {0x81, 0x82, 0x83};
static const char some_note[] = "broker.example.org/log\n"
                                "9\n"
                                "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"
                                "\n"
                                "\xe2\x80\x94 broker.example.org/log AAAAAAAA\n";

static struct bytes
note_bytes(void)
{
    return bytes_of(some_note, sizeof(some_note) - 1);
}

static struct bytes
proof_of(size_t n_hashes)
{
    return bytes_of(some_hashes, n_hashes * MERKLE_HASH_BYTES);
}

static struct message_head
head(void)
{
    return (struct message_head){
        .present = true, .checkpoint = note_bytes(), .from = 7, .consistency = proof_of(3)};
}

static struct message_witnessed
witnessed(void)
{
    return (struct message_witnessed){
        .present = true, .checkpoint = note_bytes(), .consistency = proof_of(2)};
}

static void
put_receipts(struct message_receipts *receipts)
{
    struct buffer signed_bytes[2] = {BUFFER_INIT(RECEIPT_BYTES_MAX),
                                     BUFFER_INIT(RECEIPT_BYTES_MAX)};
    struct network_id network = fixture_network();
    struct fixture_org broker = fixture_org(BROKER);
    struct turn_signature signatures[2];
    struct bytes leaves[2];
    receipts->n = 3;
    for (size_t i = 0; i < receipts->n; i++) {
        memset(receipts->receipts[i].id.bytes, (int)(0x41 + i), DIGEST_BYTES);
    }
    receipts->receipts[0].result = RECEIPT_ACCEPTED;
    receipts->receipts[0].state = LOOP_REQUESTED;
    receipts->receipts[1].result = RECEIPT_SUPERSEDED;
    receipts->receipts[1].state = LOOP_VOID;
    receipts->receipts[1].index = UINT64_MAX;
    receipts->receipts[1].log_time_ms = INT64_MAX;
    memset(receipts->receipts[1].superseded_by.bytes, 0x44, DIGEST_BYTES);
    receipts->receipts[2].result = RECEIPT_REFUSED;
    receipts->receipts[2].refusal = ERR_QUOTA;
    receipts->receipts[2].state = LOOP_NONE;
    receipts->receipts[2].retry_ms = 1500;
    for (size_t i = 0; i < 2; i++) {
        receipt_signed_bytes(&receipts->receipts[i], &signed_bytes[i]);
        leaves[i] = buffer_view(&signed_bytes[i]);
    }
    must(turn_sign(SIGN_RECEIPTS, &network, leaves, 2, &broker.sign, signatures));
    receipts->receipts[0].signature = signatures[0];
    receipts->receipts[1].signature = signatures[1];
    receipts->receipts[0].inclusion = proof_of(4);
    receipts->proved = head();
    buffer_done(&signed_bytes[0]);
    buffer_done(&signed_bytes[1]);
}

static void
put_entries(struct message_entries *entries)
{
    entries->n = 3;
    entries->next = 300;
    entries->head = 301;
    for (size_t i = 0; i < entries->n; i++) {
        entries->entries[i] =
            (struct entry){.index = 7 * i,
                           .log_time_ms = (int64_t)(1000 * i),
                           .envelope = bytes_of(some_bytes, sizeof(some_bytes) - i),
                           .inclusion = proof_of(i)};
    }
    entries->proved = head();
}

static void
put_copies(struct message_copies *copies)
{
    copies->n = 2;
    copies->more = true;
    for (size_t i = 0; i < copies->n; i++) {
        copies->copies[i] =
            (struct message_copy){.index = 5 * i,
                                  .log_time_ms = (int64_t)(1000 * i),
                                  .envelope = bytes_of(some_bytes, sizeof(some_bytes) - i),
                                  .checkpoint = note_bytes(),
                                  .inclusion = proof_of(3 * i)};
    }
}

static void
put_proofs(struct message_proofs *proofs)
{
    proofs->size = 9;
    proofs->n = 2;
    proofs->indexes[0] = 8;
    proofs->inclusions[0] = proof_of(1);
    proofs->indexes[1] = 0;
}

static void
put_part(struct message *message)
{
    switch (message->kind) {
    case MESSAGE_HELLO:
        message->as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                                   .network = fixture_network(),
                                                   .cursor = 12,
                                                   .version = "0.1.0",
                                                   .checkpoint = note_bytes()};
        break;
    case MESSAGE_SUBMIT:
        message->as.submit.n = 2;
        message->as.submit.envelopes[0] = bytes_of(some_bytes, sizeof(some_bytes));
        message->as.submit.envelopes[1] = bytes_of(some_bytes, 1);
        break;
    case MESSAGE_FETCH:
        message->as.fetch = (struct message_fetch){5, 65536, true};
        break;
    case MESSAGE_PING:
        message->as.ping.nonce = UINT64_MAX;
        break;
    case MESSAGE_BYE:
        break;
    case MESSAGE_WELCOME:
        message->as.welcome = (struct message_welcome){.incarnation = {1, 2, 3},
                                                       .head = 9,
                                                       .broker_clock_ms = 77,
                                                       .version = "0.1.0",
                                                       .proved = head(),
                                                       .witnessed = witnessed()};
        break;
    case MESSAGE_RECEIPTS:
        put_receipts(&message->as.receipts);
        break;
    case MESSAGE_ENTRIES:
        put_entries(&message->as.entries);
        break;
    case MESSAGE_PONG:
        message->as.pong = (struct message_pong){3, 9, 78, true, head(), witnessed()};
        break;
    case MESSAGE_REFUSED:
        message->as.refused = (struct message_refused){ERR_BUSY, 250};
        break;
    case MESSAGE_COSIGN:
        message->as.cosign = (struct message_cosign){.size = 9, .time_s = 1700000000};
        memset(message->as.cosign.signature, 0x91, SIGN_BYTES);
        break;
    case MESSAGE_RECALL:
        message->as.recall.from = 6;
        break;
    case MESSAGE_COPIES:
        put_copies(&message->as.copies);
        break;
    case MESSAGE_PROVE:
        message->as.prove = (struct message_prove){.size = 9, .n = 2, .indexes = {8, 0}};
        break;
    case MESSAGE_PROOFS:
        put_proofs(&message->as.proofs);
        break;
    }
}

struct message *
fixture_message(enum message_kind kind)
{
    struct message *message = calloc(1, sizeof(*message));
    assert(message != NULL);
    message->kind = kind;
    put_part(message);
    return message;
}
