/* How long one member waits for a receipt while another floods the broker.
 *
 * The honest member sends one request after the other, some time apart, and waits for each receipt:
 * first with nobody else there, then beside a flood of each kind. Both in one run, so that the
 * ratio is of one machine and one hour. The flood is a process of its own, at a low priority: on a
 * real network it has a machine of its own, here it must not take the broker's processors.
 *
 * usage: bench_flood SECONDS HONEST-HOME READER-HOME FLOODER-HOME FLOODER-HOME ...
 *
 * A flooder for each kind: one alone would be out of its shares after the first. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "lib/base/secret.h"
#include "tests/support/raw_member.h"

enum {
    SAMPLES_MAX = 100000,
    PAUSE_MS = 15, /* between a receipt and the next request: within the usual share of a member */
    PATIENCE_MS = 60 * 1000,
    FLOOD_STATEMENTS = 4096, /* then the same again */
    FLOOD_NICE = 10,
    GARBAGE_BYTES = 2000,
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
};

static struct message said, heard; /* large */
static struct buffer frame;
static struct buffer made[FLOOD_STATEMENTS];

struct place {
    struct identity flooder, honest, reader;
    void *context;
};

static int64_t
now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * MS_PER_S * NS_PER_MS + time.tv_nsec;
}

/* --- the flood -------------------------------------------------------------------------------- */

static void
prepare_statements(const struct place *place)
{
    for (size_t i = 0; i < FLOOD_STATEMENTS; i += LIMIT_ENVELOPES_PER_FRAME) {
        raw_requests(&place->flooder, &place->reader, LIMIT_ENVELOPES_PER_FRAME, made + i);
    }
}

static void
flood_statements(void *socket, size_t turn)
{
    said.kind = MESSAGE_SUBMIT;
    said.as.submit.n = LIMIT_ENVELOPES_PER_FRAME;
    for (size_t i = 0; i < LIMIT_ENVELOPES_PER_FRAME; i++) {
        size_t which = (turn * LIMIT_ENVELOPES_PER_FRAME + i) % FLOOD_STATEMENTS;
        said.as.submit.envelopes[i] = buffer_view(&made[which]);
    }
    raw_say(socket, &said);
}

static void
flood_garbage(void *socket, size_t turn)
{
    static uint8_t bytes[GARBAGE_BYTES];
    (void)turn;
    secret_random(bytes, 16);
    raw_must_zmq(zmq_send(socket, bytes, sizeof(bytes), 0), "send");
}

static const struct identity *flooder_identity;

static void
flood_talk(void *socket, size_t turn)
{
    if (turn % 2 == 0) {
        raw_hello(flooder_identity, socket);
        return;
    }
    said.kind = MESSAGE_PING;
    said.as.ping = (struct message_ping){.nonce = turn};
    raw_say(socket, &said);
}

static void
flood_questions(void *socket, size_t turn)
{
    if (turn % 2 == 0) {
        said.kind = MESSAGE_FETCH;
        said.as.fetch =
            (struct message_fetch){.credit_bytes = LIMIT_FRAME_BYTES, .with_own_sealed = true};
    } else {
        said.kind = MESSAGE_PROVE;
        said.as.prove = (struct message_prove){.size = 4, .n = LIMIT_PROOFS_PER_FRAME};
        for (size_t i = 0; i < LIMIT_PROOFS_PER_FRAME; i++) {
            said.as.prove.indexes[i] = i % 4;
        }
    }
    raw_say(socket, &said);
}

static const struct {
    const char *name;
    void (*prepare)(const struct place *place);
    void (*flood)(void *socket, size_t turn);
} floods[] = {
    {"valid statements", prepare_statements, flood_statements},
    {"garbage frames", NULL, flood_garbage},
    {"hellos and pings", NULL, flood_talk},
    {"fetches and proofs", NULL, flood_questions},
};

/* Goes on until it is killed; says when it has begun. */
static void
run_flood(struct place *place, size_t kind, int ready_fd)
{
    zmq_pollitem_t item = {.events = ZMQ_POLLIN};
    (void)!nice(FLOOD_NICE); /* before ZeroMQ's thread; at worst the flood is stronger */
    place->context = zmq_ctx_new();
    if (floods[kind].prepare != NULL) {
        floods[kind].prepare(place);
    }
    void *socket = raw_open(place->context, &place->flooder);
    flooder_identity = &place->flooder;
    item.socket = socket;
    raw_hello(&place->flooder, socket);
    if (!raw_hear(socket, PATIENCE_MS, &frame, &heard) || write(ready_fd, "x", 1) != 1) {
        raw_die("the flood was not welcomed");
    }
    for (size_t turn = 0;; turn++) {
        floods[kind].flood(socket, turn);
        while (zmq_poll(&item, 1, 0) > 0) {
            zmq_msg_t part;
            (void)zmq_msg_init(&part); /* cannot fail */
            (void)zmq_msg_recv(&part, socket, ZMQ_DONTWAIT);
            (void)zmq_msg_close(&part);
        }
    }
}

static pid_t
begin_flood(struct place *place, size_t kind)
{
    int ends[2];
    char byte;
    (void)fflush(stdout);
    if (pipe(ends) != 0) {
        raw_die("no pipe");
    }
    pid_t child = fork(); /* before any ZeroMQ context of ours */
    if (child == 0) {
        run_flood(place, kind, ends[1]);
    }
    (void)close(ends[1]);
    if (child < 0 || read(ends[0], &byte, 1) != 1) {
        raw_die("the flood did not begin");
    }
    (void)close(ends[0]);
    return child;
}

/* --- the honest member ------------------------------------------------------------------------ */

static int
by_value(const void *a, const void *b)
{
    const int64_t *one = a;
    const int64_t *other = b;
    return (*one > *other) - (*one < *other);
}

static void
wait_for_receipt(void *socket, const struct digest *id)
{
    do {
        if (!raw_hear(socket, PATIENCE_MS, &frame, &heard)) {
            raw_die("no receipt within a minute");
        }
    } while (heard.kind != MESSAGE_RECEIPTS);
    const struct receipt *receipt = &heard.as.receipts.receipts[0];
    if (!digest_equal(&receipt->id, id) || receipt->result != RECEIPT_ACCEPTED) {
        raw_die("the honest member was refused");
    }
}

static int64_t
ask_once(const struct place *place, void *socket)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(0);
    struct envelope outer;
    raw_requests(&place->honest, &place->reader, 1, &envelope);
    raw_must(envelope_decode(buffer_view(&envelope), &outer), "envelope");
    const struct digest id = statement_id(outer.statement);
    said.kind = MESSAGE_SUBMIT;
    said.as.submit.n = 1;
    said.as.submit.envelopes[0] = buffer_view(&envelope);
    int64_t begin_ns = now_ns();
    raw_say(socket, &said);
    wait_for_receipt(socket, &id);
    return now_ns() - begin_ns;
}

struct figures {
    size_t n;
    double p50_ms, p99_ms, most_ms;
};

static struct figures
measure(struct place *place, long seconds)
{
    static int64_t samples[SAMPLES_MAX];
    const struct timespec pause = {.tv_nsec = PAUSE_MS * NS_PER_MS};
    size_t n = 0;
    place->context = zmq_ctx_new();
    void *socket = raw_open(place->context, &place->honest);
    raw_hello(&place->honest, socket);
    int64_t end_ns = now_ns() + (int64_t)seconds * MS_PER_S * NS_PER_MS;
    while (now_ns() < end_ns && n < SAMPLES_MAX) {
        samples[n++] = ask_once(place, socket);
        (void)nanosleep(&pause, NULL); /* the pace of the load: it waits for nothing */
    }
    (void)zmq_close(socket);
    (void)zmq_ctx_term(place->context);
    qsort(samples, n, sizeof(*samples), by_value);
    return (struct figures){n, (double)samples[n / 2] / NS_PER_MS,
                            (double)samples[(n - 1) * 99 / 100] / NS_PER_MS,
                            (double)samples[n - 1] / NS_PER_MS};
}

static void
print(const char *name, struct figures figures)
{
    (void)printf("%-20s p50 %7.2f ms   p99 %7.2f ms   most %7.2f ms   of %zu", name, figures.p50_ms,
                 figures.p99_ms, figures.most_ms, figures.n);
}

int
main(int argc, char **argv)
{
    static struct place place;
    bool locked;
    double most = 0;
    if (argc != 4 + (int)ARRAY_LEN(floods) || atol(argv[1]) < 1) {
        raw_die("usage: bench_flood SECONDS HONEST-HOME READER-HOME FLOODER-HOME ...");
    }
    raw_must(secret_start(&locked), "start");
    raw_load(argv[2], &place.honest);
    raw_load(argv[3], &place.reader);
    struct figures quiet = measure(&place, atol(argv[1]));
    print("quiet", quiet);
    (void)printf("\n");
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        raw_load(argv[4 + i], &place.flooder);
        pid_t child = begin_flood(&place, i);
        struct figures figures = measure(&place, atol(argv[1]));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        identity_done(&place.flooder);
        double ratio = figures.p99_ms / quiet.p99_ms;
        print(floods[i].name, figures);
        (void)printf("   p99 %.2f x quiet\n", ratio);
        most = ratio > most ? ratio : most;
    }
    (void)printf("worst ratio %.2f\n", most);
    return most <= 3 ? 0 : 1;
}
