/* A member, or a stranger, that does what no agent of ours does: the hostile end of the real-socket
 * tests. It prints one line for what it hears, and judges nothing: the test does.
 *
 * usage: hostile HOME stranger|shapes|routes|replay|revoked
 *        hostile HOME impersonate VICTIM-HOME READER-HOME
 *
 * HOME is the home of an agent that has joined and is not running. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "agent/identity.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/wire/message.h"
#include "lib/wire/sealed.h"

enum {
    PATIENCE_MS = 20 * 1000,
    SILENCE_MS = 500, /* after it, nothing more is expected where nothing need come */
    TOO_LARGE_BYTES = 300 * 1024,
    GARBAGE_FRAMES = 300,
    GARBAGE_MAX = 600,
    ROUTE_BYTES = 16,
};

struct hostile {
    struct identity identity;
    void *context;
    char **arguments; /* after the mode */
    int n_arguments;
};

static struct message said, heard; /* large */
static struct buffer last_frame;   /* what `heard` has its views in */

static void
die(const char *what)
{
    (void)fprintf(stderr, "hostile: %s\n", what);
    exit(1);
}

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        (void)fprintf(stderr, "hostile: %s: %s\n", what, err_text(err));
        exit(1);
    }
}

static void
must_zmq(int result, const char *what)
{
    if (result < 0) {
        die(what);
    }
}

static void
load(const char *home, struct identity *identity)
{
    struct complaint complaint = {.text = ""};
    must(identity_load(home, identity, &complaint), home);
}

/* --- connections ------------------------------------------------------------------------------ */

/* Not connected yet: a route, and a monitor, must be set before. */
static void *
new_socket(const struct hostile *hostile, const struct curve_public *key,
           const struct curve_secret *secret)
{
    int no_linger = 0;
    void *socket = zmq_socket(hostile->context, ZMQ_DEALER);
    if (socket == NULL) {
        die("no socket");
    }
    must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY,
                            hostile->identity.genesis.broker_curve.bytes, CURVE_KEY_BYTES),
             "server key");
    must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, key->bytes, CURVE_KEY_BYTES), "key");
    must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret->bytes, CURVE_KEY_BYTES), "secret");
    must_zmq(zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger)), "linger");
    return socket;
}

static void
connect_broker(const struct hostile *hostile, void *socket)
{
    must_zmq(zmq_connect(socket, hostile->identity.genesis.endpoint), "connect");
}

static void *
connect_as(const struct hostile *hostile, const void *route, size_t route_len)
{
    void *socket =
        new_socket(hostile, &hostile->identity.keys.curve, &hostile->identity.secrets->curve);
    must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, route_len), "routing id");
    connect_broker(hostile, socket);
    return socket;
}

static void *
connect_member(const struct hostile *hostile)
{
    uint8_t route[ROUTE_BYTES];
    secret_random(route, sizeof(route));
    route[0] |= 1;
    return connect_as(hostile, route, sizeof(route));
}

static void
say(void *socket)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    must(message_encode(&said, &frame), "encode");
    must_zmq(zmq_send(socket, frame.data, frame.len, 0), "send");
}

static void
say_hello(const struct hostile *hostile, void *socket)
{
    said.kind = MESSAGE_HELLO;
    said.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL, .network = hostile->identity.network, .version = "hostile"};
    say(socket);
}

/* The next message into `heard`; false after the patience is over. */
static bool
hear(void *socket, long patience_ms)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    zmq_msg_t frame;
    if (zmq_poll(&item, 1, patience_ms) <= 0) {
        return false;
    }
    (void)zmq_msg_init(&frame); /* cannot fail */
    must_zmq(zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT), "receive");
    buffer_done(&last_frame);
    last_frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    buffer_put(&last_frame, zmq_msg_data(&frame), zmq_msg_size(&frame));
    (void)zmq_msg_close(&frame); /* it is one */
    must(message_decode(buffer_view(&last_frame), &heard), "decode");
    return true;
}

static void
print_heard(const char *what)
{
    if (heard.kind == MESSAGE_REFUSED) {
        (void)printf("%s: refused %s\n", what, err_name(heard.as.refused.code));
    } else if (heard.kind == MESSAGE_RECEIPTS) {
        for (size_t i = 0; i < heard.as.receipts.n; i++) {
            const struct receipt *receipt = &heard.as.receipts.receipts[i];
            bool refused = receipt->result == RECEIPT_REFUSED;
            (void)printf("%s: receipt %s\n", what,
                         refused ? err_name(receipt->refusal) : "accepted");
        }
    } else {
        (void)printf("%s: %s\n", what, message_name(heard.kind));
    }
}

static void
print_answer(const char *what, void *socket, long patience_ms)
{
    if (hear(socket, patience_ms)) {
        print_heard(what);
    } else {
        (void)printf("%s: silence\n", what);
    }
}

/* --- a key that nobody knows ------------------------------------------------------------------ */

static int
next_event(void *monitor)
{
    zmq_msg_t frame;
    uint16_t event = 0;
    zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, PATIENCE_MS) <= 0) {
        return 0;
    }
    bool more = true;
    for (bool first = true; more; first = false) {
        (void)zmq_msg_init(&frame); /* cannot fail */
        must_zmq(zmq_msg_recv(&frame, monitor, 0), "monitor");
        if (first && zmq_msg_size(&frame) >= sizeof(event)) {
            memcpy(&event, zmq_msg_data(&frame), sizeof(event));
        }
        more = zmq_msg_more(&frame) != 0;
        (void)zmq_msg_close(&frame); /* it is one */
    }
    return event;
}

static void
stranger(struct hostile *hostile)
{
    struct curve_public key;
    struct curve_secret secret;
    curve_new_pair(&key, &secret);
    void *socket = new_socket(hostile, &key, &secret);
    must_zmq(zmq_socket_monitor(socket, "inproc://stranger",
                                ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH),
             "monitor");
    void *monitor = zmq_socket(hostile->context, ZMQ_PAIR);
    must_zmq(zmq_connect(monitor, "inproc://stranger"), "monitor");
    connect_broker(hostile, socket);
    say_hello(hostile, socket);
    int event = next_event(monitor);
    (void)printf("stranger: %s\n", event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? "kept out"
                                   : event == 0                             ? "no answer"
                                                                            : "LET IN");
    print_answer("stranger's hello", socket, SILENCE_MS);
    (void)zmq_close(monitor);
    (void)zmq_close(socket);
}

/* --- frames that are no messages ----------------------------------------------------------------
 */

static void
send_bytes(void *socket, const void *data, size_t len, int flags)
{
    must_zmq(zmq_send(socket, data, len, flags), "send");
}

static void
send_garbage(void *socket)
{
    uint8_t bytes[GARBAGE_MAX];
    for (size_t i = 0; i < GARBAGE_FRAMES; i++) {
        secret_random(bytes, sizeof(bytes));
        size_t len = i * GARBAGE_MAX / GARBAGE_FRAMES;
        send_bytes(socket, bytes, len, 0);
    }
}

/* A real message, cut short, and with each of its first bytes changed. */
static void
send_almost_right(const struct hostile *hostile, void *socket)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    said.kind = MESSAGE_HELLO;
    said.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL, .network = hostile->identity.network, .version = "hostile"};
    must(message_encode(&said, &frame), "encode");
    for (size_t i = 0; i < frame.len; i++) {
        send_bytes(socket, frame.data, i, 0);
        frame.data[i] ^= 0xff;
        send_bytes(socket, frame.data, frame.len, 0);
        frame.data[i] ^= 0xff;
    }
}

static void
drain(void *socket, const char *what)
{
    size_t n = 0;
    bool only_refused = true;
    while (hear(socket, SILENCE_MS)) {
        only_refused = only_refused && heard.kind == MESSAGE_REFUSED;
        n++;
    }
    (void)printf("%s: %s\n", what, n == 0 ? "silence" : only_refused ? "refused" : "ANSWERED");
}

static void
shapes(struct hostile *hostile)
{
    static uint8_t large[TOO_LARGE_BYTES];
    void *socket = connect_member(hostile);
    send_bytes(socket, "two", 3, ZMQ_SNDMORE);
    send_bytes(socket, "frames", 6, 0);
    for (size_t i = 0; i < GARBAGE_FRAMES; i++) {
        send_bytes(socket, "", 0, ZMQ_SNDMORE);
    }
    send_bytes(socket, "many frames", 11, 0);
    drain(socket, "several frames");
    send_bytes(socket, "", 0, 0);
    drain(socket, "empty frame");
    send_garbage(socket);
    drain(socket, "garbage");
    send_bytes(socket, large, sizeof(large), 0);
    print_answer("300 KiB", socket, SILENCE_MS);
    (void)zmq_close(socket);
    socket = connect_member(hostile);
    send_almost_right(hostile, socket);
    (void)hear(socket, SILENCE_MS);
    while (hear(socket, SILENCE_MS)) {
    }
    (void)zmq_close(socket);
    socket = connect_member(hostile);
    say_hello(hostile, socket);
    print_answer("hello", socket, PATIENCE_MS);
    (void)zmq_close(socket);
}

/* --- routing ids --------------------------------------------------------------------------------
 */

static void
routes(struct hostile *hostile)
{
    static const uint8_t zeros[ROUTE_BYTES] = {0};
    static const uint8_t first_auto[] = {0x00, 0x6b, 0x8b, 0x45, 0x67}; /* of an unseeded libzmq */
    static const uint8_t almost[ROUTE_BYTES] = {0x00, 0x6b, 0x8b, 0x45, 0x68};
    static const uint8_t longest[255] = {0x00, 0xff};
    static const uint8_t shared[ROUTE_BYTES] = "the same for two";
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *name;
    } ids[] = {
        {zeros, sizeof(zeros), "zeros"},    {first_auto, sizeof(first_auto), "automatic id"},
        {almost, sizeof(almost), "almost"}, {longest, sizeof(longest), "longest"},
        {shared, sizeof(shared), "first"},  {shared, sizeof(shared), "second with the same"},
    };
    void *sockets[ARRAY_LEN(ids)];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        sockets[i] = connect_as(hostile, ids[i].bytes, ids[i].len);
        say_hello(hostile, sockets[i]);
        bool expects = ids[i].len == ROUTE_BYTES && i + 1 < ARRAY_LEN(ids);
        print_answer(ids[i].name, sockets[i], expects ? PATIENCE_MS : SILENCE_MS);
    }
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        (void)zmq_close(sockets[i]);
    }
}

/* --- statements that are not its own ------------------------------------------------------------
 */

static void
make_request(const struct hostile *hostile, const struct identity *victim,
             const struct identity *reader, const struct key_id *author_key, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    struct complaint complaint = {.text = ""};
    const struct statement_genesis *genesis = &victim->genesis;
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = victim->network,
                                  .author_key = *author_key,
                                  .authored_ms = clock_now().wall_ms};
    struct statement_loop *loop = &statement.as.loop;
    memcpy(statement.author, victim->org, sizeof(statement.author));
    secret_random(loop->loop.bytes, sizeof(loop->loop.bytes));
    loop->event = EVENT_REQUEST;
    loop->seq = 1;
    loop->priority = PRIORITY_ROUTINE;
    loop->n_readers = 1;
    memcpy(loop->readers[0].org, reader->org, sizeof(loop->readers[0].org));
    loop->readers[0].key = reader->key_id;
    const struct sealed_reader sides[] = {{reader->key_id, reader->keys.seal},
                                          {*author_key, hostile->identity.keys.seal}};
    const struct sealed_reader auditor = {key_set_id(&genesis->auditor), genesis->auditor.seal};
    must(sealed_make(&statement, bytes_of_text("{}"), bytes_of_text("{}"), sides, ARRAY_LEN(sides),
                     &auditor, &sealed, &complaint),
         "seal");
    must(statement_encode(&statement, &bytes), "statement");
    struct envelope envelope = {.statement = buffer_view(&bytes), .sealed = buffer_view(&sealed)};
    must(turn_sign(SIGN_STATEMENTS, &victim->network, &envelope.statement, 1,
                   &hostile->identity.secrets->sign, &envelope.signature),
         "sign");
    must(envelope_encode(&envelope, out), "envelope");
}

static void
submit(void *socket, struct bytes envelope, const char *what)
{
    said.kind = MESSAGE_SUBMIT;
    said.as.submit.n = 1;
    said.as.submit.envelopes[0] = envelope;
    say(socket);
    print_answer(what, socket, PATIENCE_MS);
}

static void
impersonate(struct hostile *hostile)
{
    struct identity victim;
    struct identity reader;
    if (hostile->n_arguments != 2) {
        die("impersonate VICTIM-HOME READER-HOME");
    }
    load(hostile->arguments[0], &victim);
    load(hostile->arguments[1], &reader);
    void *socket = connect_member(hostile);
    const struct key_id *keys[] = {&hostile->identity.key_id, &victim.key_id};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        make_request(hostile, &victim, &reader, keys[i], &envelope);
        submit(socket, buffer_view(&envelope), i == 0 ? "with our key" : "with the victim's key");
    }
    (void)zmq_close(socket);
    identity_done(&victim);
    identity_done(&reader);
}

/* Everything others have said to us, said again as if it were ours to say. */
static void
replay(struct hostile *hostile)
{
    static struct message_entries entries;
    CLEANUP(buffer_done) struct buffer kept = BUFFER_INIT(LIMIT_FRAME_BYTES);
    void *socket = connect_member(hostile);
    said.kind = MESSAGE_FETCH;
    said.as.fetch = (struct message_fetch){.credit_bytes = LIMIT_FRAME_BYTES};
    say(socket);
    if (!hear(socket, PATIENCE_MS) || heard.kind != MESSAGE_ENTRIES) {
        die("no entries");
    }
    entries = heard.as.entries;
    kept = last_frame; /* the entries are views of it */
    last_frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    for (size_t i = 0; i < entries.n; i++) {
        struct envelope envelope;
        struct statement statement;
        must(envelope_decode(entries.entries[i].envelope, &envelope), "envelope");
        must(statement_decode(envelope.statement, &statement), "statement");
        if (strcmp(statement.author, hostile->identity.org) != 0) {
            submit(socket, entries.entries[i].envelope,
                   statement.kind == STATEMENT_LOOP ? "loop statement" : "other statement");
        }
    }
    (void)zmq_close(socket);
}

/* --- revoked while a fetch waits ----------------------------------------------------------------
 */

static void
revoked(struct hostile *hostile)
{
    void *socket = connect_member(hostile);
    say_hello(hostile, socket);
    print_answer("hello", socket, PATIENCE_MS);
    said.kind = MESSAGE_FETCH;
    said.as.fetch = (struct message_fetch){.cursor = UINT64_MAX, .credit_bytes = LIMIT_FRAME_BYTES};
    say(socket);
    said.kind = MESSAGE_PING;
    said.as.ping = (struct message_ping){.nonce = 1};
    say(socket);
    print_answer("ping", socket, PATIENCE_MS);
    (void)fflush(stdout);
    (void)getchar(); /* the test revokes us now */
    say(socket);
    print_answer("first heard afterwards", socket, PATIENCE_MS);
    print_answer("then", socket, SILENCE_MS);
    (void)zmq_close(socket);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct hostile *hostile);
    } modes[] = {
        {"stranger", stranger},       {"shapes", shapes}, {"routes", routes},
        {"impersonate", impersonate}, {"replay", replay}, {"revoked", revoked},
    };
    struct hostile hostile = {.n_arguments = argc - 3, .arguments = argv + 3};
    bool locked;
    if (argc < 3) {
        die("usage: hostile HOME MODE [HOME HOME]");
    }
    must(secret_start(&locked), "start");
    load(argv[1], &hostile.identity);
    hostile.context = zmq_ctx_new();
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, argv[2]) == 0) {
            modes[i].run(&hostile);
            (void)zmq_ctx_term(hostile.context);
            buffer_done(&last_frame);
            identity_done(&hostile.identity);
            return 0;
        }
    }
    die("no such mode");
    return 1;
}
