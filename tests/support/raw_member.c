/* Decides nothing: keys, sockets and statements as an agent would have them, without its care. */
#include "tests/support/raw_member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/wire/sealed.h"

enum { BODY_BYTES = 600 };

void
raw_die(const char *what)
{
    (void)fprintf(stderr, "raw member: %s\n", what);
    exit(1);
}

void
raw_must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        (void)fprintf(stderr, "raw member: %s: %s\n", what, err_text(err));
        exit(1);
    }
}

void
raw_must_zmq(int result, const char *what)
{
    if (result < 0) {
        (void)fprintf(stderr, "raw member: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

void
raw_load(const char *home, struct identity *identity_out)
{
    struct complaint complaint = {.text = ""};
    raw_must(identity_load(home, identity_out, &complaint), home);
}

void *
raw_socket(void *context, const struct identity *identity, const struct curve_public *key,
           const struct curve_secret *secret)
{
    const int no_linger = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (socket == NULL) {
        raw_die("no socket");
    }
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, identity->genesis.broker_curve.bytes,
                                CURVE_KEY_BYTES),
                 "server key");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, key->bytes, CURVE_KEY_BYTES), "key");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret->bytes, CURVE_KEY_BYTES),
                 "secret");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger)), "linger");
    return socket;
}

void
raw_connect(const struct identity *identity, void *socket)
{
    raw_must_zmq(zmq_connect(socket, identity->genesis.endpoint), "connect");
}

void *
raw_open(void *context, const struct identity *identity)
{
    uint8_t route[RAW_ROUTE_BYTES];
    void *socket = raw_socket(context, identity, &identity->keys.curve, &identity->secrets->curve);
    secret_random(route, sizeof(route));
    route[0] |= 1;
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, sizeof(route)), "routing id");
    raw_connect(identity, socket);
    return socket;
}

void
raw_say(void *socket, const struct message *message)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    raw_must(message_encode(message, &frame), "encode");
    raw_must_zmq(zmq_send(socket, frame.data, frame.len, 0), "send");
}

void
raw_hello(const struct identity *identity, void *socket)
{
    static struct message message; /* large */
    message.kind = MESSAGE_HELLO;
    message.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL, .network = identity->network, .version = "raw"};
    raw_say(socket, &message);
}

bool
raw_hear(void *socket, long patience_ms, struct buffer *frame, struct message *message_out)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    zmq_msg_t part;
    if (zmq_poll(&item, 1, patience_ms) <= 0) {
        return false;
    }
    (void)zmq_msg_init(&part); /* cannot fail */
    raw_must_zmq(zmq_msg_recv(&part, socket, ZMQ_DONTWAIT), "receive");
    buffer_done(frame);
    *frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    buffer_put(frame, zmq_msg_data(&part), zmq_msg_size(&part));
    (void)zmq_msg_close(&part); /* it is one */
    raw_must(message_decode(buffer_view(frame), message_out), "decode");
    return true;
}

static void
make_one(const struct identity *author, const struct identity *reader, struct buffer *bytes,
         struct buffer *sealed)
{
    static const char facts[] = "{\"v\":1,\"category\":\"food-insecurity\",\"basis\":\"consent\"}";
    uint8_t body[BODY_BYTES];
    const struct statement_genesis *genesis = &author->genesis;
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = author->network,
                                  .author_key = author->key_id,
                                  .authored_ms = clock_now().wall_ms,
                                  .as.loop = {.event = EVENT_REQUEST,
                                              .seq = 1,
                                              .n_readers = 1,
                                              .readers[0].key = reader->key_id,
                                              .priority = PRIORITY_ROUTINE}};
    const struct sealed_reader sides[] = {{reader->key_id, reader->keys.seal},
                                          {author->key_id, author->keys.seal}};
    const struct sealed_reader auditor = {key_set_id(&genesis->auditor), genesis->auditor.seal};
    memset(body, 'x', sizeof(body));
    memcpy(statement.author, author->org, sizeof(statement.author));
    memcpy(statement.as.loop.readers[0].org, reader->org, sizeof(statement.author));
    secret_random(statement.as.loop.loop.bytes, LOOP_ID_BYTES);
    raw_must(sealed_make(&statement, bytes_of(body, sizeof(body)), bytes_of_text(facts), sides,
                         ARRAY_LEN(sides), &auditor, sealed, NULL),
             "seal");
    raw_must(statement_encode(&statement, bytes), "statement");
}

void
raw_requests(const struct identity *author, const struct identity *reader, size_t n,
             struct buffer *envelopes_out)
{
    static struct turn_signature signatures[LIMIT_ENVELOPES_PER_FRAME];
    struct buffer statements[LIMIT_ENVELOPES_PER_FRAME];
    struct buffer sealed[LIMIT_ENVELOPES_PER_FRAME];
    struct bytes leaves[LIMIT_ENVELOPES_PER_FRAME] = {{0}};
    for (size_t i = 0; i < n; i++) {
        statements[i] = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        sealed[i] = BUFFER_INIT(LIMIT_SEALED_BYTES);
        make_one(author, reader, &statements[i], &sealed[i]);
        leaves[i] = buffer_view(&statements[i]);
    }
    raw_must(
        turn_sign(SIGN_STATEMENTS, &author->network, leaves, n, &author->secrets->sign, signatures),
        "sign");
    for (size_t i = 0; i < n; i++) {
        const struct envelope envelope = {leaves[i], signatures[i], buffer_view(&sealed[i])};
        envelopes_out[i] = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        raw_must(envelope_encode(&envelope, &envelopes_out[i]), "envelope");
        buffer_done(&statements[i]);
        buffer_done(&sealed[i]);
    }
}
