/* How fast a running broker takes statements, beside what this machine can do at all.
 *
 * Members (agent homes given as arguments, joined and with no agent running) send pre-made requests
 * to one another over real CURVE connections and wait for signed receipts. Three ways: one in
 * flight; many in flight, each statement signed by itself; many in flight, a turn of statements
 * under one signature. Beside them, in the same run: fdatasync of 4 KiB, an LMDB commit of one
 * record, Ed25519 verifications on one core. Quote medians of several runs, and ratios within one.
 *
 * usage: bench_submit STATEMENTS SCRATCH-DIRECTORY HOME HOME [HOME ...] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "agent/identity.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/store/kv.h"
#include "lib/wire/message.h"
#include "lib/wire/sealed.h"

enum {
    MEMBERS_MAX = 16,
    STATEMENTS_MAX = 200000,
    BODY_BYTES = 600,
    PRIMITIVE_ROUNDS = 2000,
    POLL_MS = 10000
};

struct made {
    struct buffer envelope;
    struct digest id;
    int64_t sent_ns;
};

struct sender {
    struct identity identity;
    void *socket;
    struct made *made;
    size_t n_made, n_sent, n_done;
};

struct bench {
    struct sender members[MEMBERS_MAX];
    size_t n_members;
    void *context;
    int64_t *latencies;
    size_t n_latencies;
};

static struct message out_message, in_message; /* large */

static void
die(const char *what)
{
    fprintf(stderr, "bench_submit: %s\n", what);
    exit(1);
}

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        fprintf(stderr, "bench_submit: %s: %s\n", what, err_text(err));
        exit(1);
    }
}

static int64_t
now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
    const int64_t *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static double
percentile_us(int64_t *values, size_t n, double share)
{
    qsort(values, n, sizeof(*values), by_value);
    return (double)values[(size_t)((double)(n - 1) * share)] / 1e3;
}

/* --- primitives ------------------------------------------------------------------------------ */

static void
bench_fdatasync(const char *scratch, int64_t *samples)
{
    char path[FILENAME_MAX], block[4096] = {1};

    (void)snprintf(path, sizeof(path), "%s/fdatasync", scratch);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0)
        die("cannot write in the scratch directory");
    for (size_t i = 0; i < PRIMITIVE_ROUNDS; i++) {
        int64_t begin = now_ns();
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(fd) != 0)
            die("cannot write in the scratch directory");
        samples[i] = now_ns() - begin;
    }
    (void)close(fd);
    (void)unlink(path);
    printf("%-34s p50 %8.0f us   p99 %8.0f us\n", "append + fdatasync of 4 KiB",
           percentile_us(samples, PRIMITIVE_ROUNDS, 0.5),
           percentile_us(samples, PRIMITIVE_ROUNDS, 0.99));
}

static void
bench_commit(const char *scratch, int64_t *samples)
{
    static const char *const tables[] = {"bench"};
    char path[FILENAME_MAX];
    uint8_t key[8], value[1024] = {1};
    struct kv *kv = NULL;

    (void)snprintf(path, sizeof(path), "%s/lmdb", scratch);
    const struct kv_options options = {.dir = path,
                                       .tables = tables,
                                       .n_tables = 1,
                                       .map_bytes = 64 << 20,
                                       .map_max_bytes = 64 << 20};
    must(kv_open(&options, &kv, NULL), "store");
    for (size_t i = 0; i < PRIMITIVE_ROUNDS; i++) {
        struct kv_txn *txn = NULL;
        int64_t begin = now_ns();
        must(kv_begin(kv, &txn), "store");
        must(kv_put(txn, 0, kv_key_u64(i, key), bytes_of(value, sizeof(value))), "store");
        must(kv_commit(&txn), "store");
        samples[i] = now_ns() - begin;
    }
    kv_close(kv);
    printf("%-34s p50 %8.0f us   p99 %8.0f us\n", "LMDB commit of one 1 KiB record",
           percentile_us(samples, PRIMITIVE_ROUNDS, 0.5),
           percentile_us(samples, PRIMITIVE_ROUNDS, 0.99));
}

static double
bench_verify(const struct sender *member)
{
    uint8_t text[512] = {1}, signature[SIGN_BYTES];
    struct bytes part = bytes_of(text, sizeof(text));

    sign_make(SIGN_STATEMENTS, &part, 1, &member->identity.secrets->sign, signature);
    int64_t begin = now_ns();
    for (size_t i = 0; i < PRIMITIVE_ROUNDS; i++)
        must(sign_check(SIGN_STATEMENTS, &part, 1, &member->identity.keys.sign, signature),
             "signature");
    double rate = PRIMITIVE_ROUNDS / ((double)(now_ns() - begin) / 1e9);
    printf("%-34s %.0f /s\n", "Ed25519 verifications, one core", rate);
    return rate;
}

/* --- statements ------------------------------------------------------------------------------ */

/* One request to the next member, sealed, in the shape an agent makes it. */
static void
make_statement(const struct bench *bench, const struct sender *author, const struct sender *target,
               struct buffer *statement_out, struct buffer *sealed_out)
{
    uint8_t body[BODY_BYTES];
    static const char facts[] = "{\"v\":1,\"category\":\"food-insecurity\",\"basis\":\"consent\"}";
    const struct statement_genesis *genesis = &author->identity.genesis;
    struct statement statement = {
        .suite = STATEMENT_SUITE_1,
        .kind = STATEMENT_LOOP,
        .network = author->identity.network,
        .author_key = author->identity.key_id,
        .authored_ms = clock_now().wall_ms,
        .as.loop = {.event = EVENT_REQUEST,
                    .seq = 1,
                    .n_readers = 1,
                    .readers[0].key = target->identity.key_id,
                    .priority = PRIORITY_ROUTINE},
    };
    const struct sealed_reader sides[] = {{target->identity.key_id, target->identity.keys.seal},
                                          {author->identity.key_id, author->identity.keys.seal}};
    const struct sealed_reader auditor = {key_set_id(&genesis->auditor), genesis->auditor.seal};

    (void)bench;
    memset(body, 'x', sizeof(body));
    memcpy(statement.author, author->identity.org, sizeof(statement.author));
    memcpy(statement.as.loop.readers[0].org, target->identity.org, sizeof(statement.author));
    secret_random(statement.as.loop.loop.bytes, LOOP_ID_BYTES);
    must(sealed_make(&statement, bytes_of(body, sizeof(body)), bytes_of_text(facts), sides,
                     ARRAY_LEN(sides), &auditor, sealed_out, NULL),
         "seal");
    must(statement_encode(&statement, statement_out), "statement");
}

static void
make_turn(const struct bench *bench, struct sender *author, const struct sender *target, size_t n)
{
    struct buffer statements[LIMIT_ENVELOPES_PER_FRAME], sealed[LIMIT_ENVELOPES_PER_FRAME];
    struct bytes leaves[LIMIT_ENVELOPES_PER_FRAME] = {{0}};
    static struct turn_signature signatures[LIMIT_ENVELOPES_PER_FRAME];

    for (size_t i = 0; i < n; i++) {
        statements[i] = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        sealed[i] = BUFFER_INIT(LIMIT_SEALED_BYTES);
        make_statement(bench, author, target, &statements[i], &sealed[i]);
        leaves[i] = buffer_view(&statements[i]);
    }
    must(turn_sign(SIGN_STATEMENTS, &author->identity.network, leaves, n,
                   &author->identity.secrets->sign, signatures),
         "sign");
    for (size_t i = 0; i < n; i++) {
        struct made *made = &author->made[author->n_made++];
        const struct envelope envelope = {leaves[i], signatures[i], buffer_view(&sealed[i])};
        *made = (struct made){.envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                              .id = statement_id(leaves[i])};
        must(envelope_encode(&envelope, &made->envelope), "envelope");
        buffer_done(&statements[i]);
        buffer_done(&sealed[i]);
    }
}

static void
make_all(struct bench *bench, size_t n, size_t turn)
{
    for (size_t i = 0; i < bench->n_members; i++) {
        struct sender *member = &bench->members[i];
        member->n_made = member->n_sent = member->n_done = 0;
        while (member->n_made < n)
            make_turn(bench, member, &bench->members[(i + 1) % bench->n_members],
                      n - member->n_made < turn ? n - member->n_made : turn);
    }
}

static void
drop_all(struct bench *bench)
{
    for (size_t i = 0; i < bench->n_members; i++) {
        for (size_t k = 0; k < bench->members[i].n_made; k++)
            buffer_done(&bench->members[i].made[k].envelope);
    }
}

/* --- the wire -------------------------------------------------------------------------------- */

static void
send_message(struct sender *member)
{
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);

    must(message_encode(&out_message, &frame), "encode");
    if (zmq_send(member->socket, frame.data, frame.len, 0) < 0)
        die("cannot send");
    buffer_done(&frame);
}

static void
connect_sender(struct bench *bench, struct sender *member)
{
    const struct identity *identity = &member->identity;
    uint8_t route[16];
    int zero = 0, hwm = 1000;

    secret_random(route, sizeof(route));
    route[0] |= 1;
    member->socket = zmq_socket(bench->context, ZMQ_DEALER);
    if (member->socket == NULL ||
        zmq_setsockopt(member->socket, ZMQ_CURVE_SERVERKEY, identity->genesis.broker_curve.bytes,
                       CURVE_KEY_BYTES) != 0 ||
        zmq_setsockopt(member->socket, ZMQ_CURVE_PUBLICKEY, identity->keys.curve.bytes,
                       CURVE_KEY_BYTES) != 0 ||
        zmq_setsockopt(member->socket, ZMQ_CURVE_SECRETKEY, identity->secrets->curve.bytes,
                       CURVE_KEY_BYTES) != 0 ||
        zmq_setsockopt(member->socket, ZMQ_ROUTING_ID, route, sizeof(route)) != 0 ||
        zmq_setsockopt(member->socket, ZMQ_LINGER, &zero, sizeof(zero)) != 0 ||
        zmq_setsockopt(member->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) != 0 ||
        zmq_connect(member->socket, identity->genesis.endpoint) != 0)
        die("cannot connect");
    memset(&out_message, 0, sizeof(out_message));
    out_message.kind = MESSAGE_HELLO;
    out_message.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL, .network = identity->network, .version = "bench"};
    send_message(member);
}

static void
take_receipts(struct bench *bench, struct sender *member)
{
    const struct message_receipts *receipts = &in_message.as.receipts;
    int64_t now = now_ns();

    for (size_t i = 0; i < receipts->n; i++) {
        const struct made *made = &member->made[member->n_done++];
        if (!digest_equal(&made->id, &receipts->receipts[i].id) ||
            receipts->receipts[i].result != RECEIPT_ACCEPTED) {
            fprintf(stderr, "bench_submit: refused: %s\n", err_text(receipts->receipts[i].refusal));
            exit(1);
        }
        bench->latencies[bench->n_latencies++] = now - made->sent_ns;
    }
}

/* Takes what has come for one member; true when it was the welcome. */
static bool
take_frames(struct bench *bench, struct sender *member)
{
    zmq_msg_t frame;
    bool welcomed = false;

    (void)zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, member->socket, ZMQ_DONTWAIT) >= 0) {
        must(message_decode(bytes_of(zmq_msg_data(&frame), zmq_msg_size(&frame)), &in_message),
             "decode");
        if (in_message.kind == MESSAGE_RECEIPTS)
            take_receipts(bench, member);
        else if (in_message.kind == MESSAGE_REFUSED)
            die("the broker refused");
        welcomed |= in_message.kind == MESSAGE_WELCOME;
    }
    (void)zmq_msg_close(&frame);
    return welcomed;
}

static void
submit(struct sender *member, size_t n)
{
    memset(&out_message, 0, sizeof(out_message));
    out_message.kind = MESSAGE_SUBMIT;
    int64_t now = now_ns();
    for (size_t i = 0; i < n; i++) {
        struct made *made = &member->made[member->n_sent++];
        made->sent_ns = now;
        out_message.as.submit.envelopes[out_message.as.submit.n++] = buffer_view(&made->envelope);
    }
    send_message(member);
}

static void
wait_for_frames(struct bench *bench)
{
    zmq_pollitem_t items[MEMBERS_MAX];

    for (size_t i = 0; i < bench->n_members; i++)
        items[i] = (zmq_pollitem_t){.socket = bench->members[i].socket, .events = ZMQ_POLLIN};
    if (zmq_poll(items, (int)bench->n_members, POLL_MS) <= 0)
        die("the broker has not answered for 10 s");
}

static void
connect_all(struct bench *bench)
{
    size_t n_welcomed = 0;

    for (size_t i = 0; i < bench->n_members; i++)
        connect_sender(bench, &bench->members[i]);
    while (n_welcomed < bench->n_members) {
        wait_for_frames(bench);
        for (size_t i = 0; i < bench->n_members; i++)
            n_welcomed += take_frames(bench, &bench->members[i]) ? 1 : 0;
    }
}

/* Each of `senders` members sends all it made, `window` in flight, `frame` statements per message.
 */
static double
run(struct bench *bench, const char *name, size_t senders, size_t window, size_t frame)
{
    size_t left = senders;

    bench->n_latencies = 0;
    int64_t begin = now_ns();
    while (left > 0) {
        left = 0;
        for (size_t i = 0; i < senders; i++) {
            struct sender *member = &bench->members[i];
            while (member->n_sent < member->n_made &&
                   member->n_sent - member->n_done + frame <= window)
                submit(member, member->n_made - member->n_sent < frame
                                   ? member->n_made - member->n_sent
                                   : frame);
            left += member->n_done < member->n_made ? 1 : 0;
        }
        if (left > 0)
            wait_for_frames(bench);
        for (size_t i = 0; i < bench->n_members; i++)
            (void)take_frames(bench, &bench->members[i]);
    }
    double rate = (double)bench->n_latencies / ((double)(now_ns() - begin) / 1e9);
    printf("%-34s %.0f /s   p50 %8.0f us   p99 %8.0f us\n", name, rate,
           percentile_us(bench->latencies, bench->n_latencies, 0.5),
           percentile_us(bench->latencies, bench->n_latencies, 0.99));
    return rate;
}

int
main(int argc, char **argv)
{
    static struct bench bench;
    struct complaint complaint;
    bool locked;

    if (argc < 5 || argc - 3 > MEMBERS_MAX || atol(argv[1]) < 256 || atol(argv[1]) > STATEMENTS_MAX)
        die("usage: bench_submit STATEMENTS SCRATCH-DIRECTORY HOME HOME [HOME ...]");
    must(secret_start(&locked), "start");
    bench.n_members = (size_t)argc - 3;
    size_t each = (size_t)atol(argv[1]) / bench.n_members;
    bench.latencies = calloc(STATEMENTS_MAX, sizeof(int64_t));
    bench.context = zmq_ctx_new();
    for (size_t i = 0; i < bench.n_members; i++) {
        must(identity_load(argv[i + 3], &bench.members[i].identity, &complaint), argv[i + 3]);
        bench.members[i].made = calloc(each, sizeof(struct made));
        if (bench.members[i].made == NULL || bench.latencies == NULL)
            die("no memory");
    }
    bench_fdatasync(argv[2], bench.latencies);
    bench_commit(argv[2], bench.latencies);
    double verify = bench_verify(&bench.members[0]);
    connect_all(&bench);
    make_all(&bench, each / 8, 1);
    (void)run(&bench, "one in flight", 1, 1, 1);
    drop_all(&bench);
    make_all(&bench, each, 1);
    double alone =
        run(&bench, "many in flight, signed one by one", bench.n_members, 256 / bench.n_members, 1);
    drop_all(&bench);
    make_all(&bench, each, LIMIT_ENVELOPES_PER_FRAME);
    double turns = run(&bench, "many in flight, signed by the turn", bench.n_members, 256,
                       LIMIT_ENVELOPES_PER_FRAME);
    drop_all(&bench);
    printf("ratio to one core's verifications: one by one %.2f, by the turn %.2f\n", alone / verify,
           turns / verify);
    return 0;
}
