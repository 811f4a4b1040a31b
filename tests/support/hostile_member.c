/* A member's keys and connection in the hands of tests/integration/27_hostile_member.py. It does
 * only what a script cannot: it speaks CURVE, signs what it is told to sign, and seals what it is
 * told to seal. What is said, and how wrong it is, is made by the script byte by byte (puppet.py);
 * so is the reading of what comes back. It judges nothing.
 *
 * usage: hostile-member HOME [TOKEN-FILE]
 *
 * Commands come on standard input, one a line, words between blanks, bytes in hex; each is answered
 * by one line. With a token file connection and signatures are those of the invite.
 *
 *   key HOME                         org, key id, signing, sealing and CURVE key of an agent
 *   network                          network id, auditor's key id and sealing key
 *   new                              makes a pair of each kind: the public keys
 *   sign BYTES                       root signature of a turn of this one statement
 *   sign-note BYTES                  as a cosignature
 *   possess BYTES                    as a proof of possession, by the keys of `new`
 *   seal STATEMENT BODY FACTS N (KEY-ID KEY)...   the first N are the sides
 *   connect                          a new connection
 *   send COUNT FRAME                 "sent"
 *   hear MS                          the next frame, or "silence" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "agent/identity.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/wire/sealed.h"

enum { ROUTE_BYTES = 16, WORDS_MAX = 32, HEX_MAX = 2 * 1024 * 1024 };

struct puppet {
    struct identity identity;
    struct sign_secret sign; /* of the member, or of the invite */
    struct curve_public curve;
    struct curve_secret curve_secret;
    struct sign_secret new_sign;
    void *context, *socket;
};

struct words {
    size_t n;
    char *at[WORDS_MAX];
};

static void
die(const char *what)
{
    (void)fprintf(stderr, "hostile-member: %s\n", what);
    exit(1);
}

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        (void)fprintf(stderr, "hostile-member: %s: %s\n", what, err_text(err));
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

/* "-" stands for nothing. */
static struct buffer
unhex(const char *hex)
{
    struct buffer bytes = BUFFER_INIT(HEX_MAX / 2);
    size_t len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    uint8_t *place = len == 0 ? NULL : buffer_extend(&bytes, len);
    if (len > 0) {
        must(place == NULL ? ERR_MEMORY : text_unhex(hex, place, len), "hex");
    }
    return bytes;
}

static void
print_hex(const void *data, size_t len, const char *after)
{
    char *hex = malloc(2 * len + 1);
    if (hex == NULL) {
        die("no memory");
    }
    text_hex(bytes_of(data, len), hex);
    (void)printf("%s%s", hex, after);
    free(hex);
}

static void
load(const char *home, struct identity *identity)
{
    struct complaint complaint = {.text = ""};
    must(identity_load(home, identity, &complaint), home);
}

/* --- keys and signatures ---------------------------------------------------------------------- */

static void
print_keys(const struct key_set *keys)
{
    struct key_id id = key_set_id(keys);
    print_hex(id.bytes, sizeof(id.bytes), " ");
    print_hex(keys->sign.bytes, sizeof(keys->sign.bytes), " ");
    print_hex(keys->seal.bytes, sizeof(keys->seal.bytes), " ");
    print_hex(keys->curve.bytes, sizeof(keys->curve.bytes), "\n");
}

static void
do_key(struct puppet *puppet, const struct words *words)
{
    struct identity other;
    (void)puppet;
    load(words->at[1], &other);
    (void)printf("%s ", other.org);
    print_keys(&other.keys);
    identity_done(&other);
}

static void
do_network(struct puppet *puppet, const struct words *words)
{
    const struct statement_genesis *genesis = &puppet->identity.genesis;
    (void)words;
    print_hex(puppet->identity.network.bytes, SIGN_PUBLIC_BYTES, " ");
    print_keys(&genesis->auditor);
}

static void
do_new(struct puppet *puppet, const struct words *words)
{
    struct key_set keys;
    struct seal_secret seal;
    struct curve_secret curve;
    (void)words;
    sign_new_pair(&keys.sign, &puppet->new_sign);
    seal_new_pair(&keys.seal, &seal);
    curve_new_pair(&keys.curve, &curve);
    print_keys(&keys);
}

static void
do_sign(struct puppet *puppet, const struct words *words)
{
    CLEANUP(buffer_done) struct buffer bytes = unhex(words->at[1]);
    struct bytes leaf = buffer_view(&bytes);
    struct turn_signature signature;
    must(turn_sign(SIGN_STATEMENTS, &puppet->identity.network, &leaf, 1, &puppet->sign, &signature),
         "sign");
    print_hex(signature.root_signature, SIGN_BYTES, "\n");
}

static void
do_sign_note(struct puppet *puppet, const struct words *words)
{
    CLEANUP(buffer_done) struct buffer bytes = unhex(words->at[1]);
    uint8_t signature[SIGN_BYTES];
    sign_note(buffer_view(&bytes), &puppet->sign, signature);
    print_hex(signature, sizeof(signature), "\n");
}

static void
do_possess(struct puppet *puppet, const struct words *words)
{
    CLEANUP(buffer_done) struct buffer bytes = unhex(words->at[1]);
    struct bytes part = buffer_view(&bytes);
    uint8_t signature[SIGN_BYTES];
    sign_make(SIGN_POSSESSION, &part, 1, &puppet->new_sign, signature);
    print_hex(signature, sizeof(signature), "\n");
}

static struct sealed_reader
reader_of_words(const struct words *words, size_t at)
{
    struct sealed_reader reader;
    must(at + 1 < words->n ? ERR_OK : ERR_INVALID, "readers");
    must(text_unhex(words->at[at], reader.key.bytes, KEY_ID_BYTES), "key id");
    must(text_unhex(words->at[at + 1], reader.seal.bytes, SEAL_PUBLIC_BYTES), "key");
    return reader;
}

static void
do_seal(struct puppet *puppet, const struct words *words)
{
    CLEANUP(buffer_done) struct buffer bytes = unhex(words->at[1]);
    CLEANUP(buffer_done) struct buffer body = unhex(words->at[2]);
    CLEANUP(buffer_done) struct buffer facts = unhex(words->at[3]);
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    struct sealed_reader sides[LIMIT_READERS + 1];
    struct complaint complaint = {.text = ""};
    struct statement statement;
    size_t n = (size_t)(words->at[4][0] - '0');
    (void)puppet;
    must(n < ARRAY_LEN(sides) ? ERR_OK : ERR_INVALID, "sides");
    must(statement_decode(buffer_view(&bytes), &statement), "statement");
    for (size_t i = 0; i < n; i++) {
        sides[i] = reader_of_words(words, 5 + 2 * i);
    }
    struct sealed_reader auditor = reader_of_words(words, 5 + 2 * n);
    must(sealed_make(&statement, buffer_view(&body), buffer_view(&facts), sides, n, &auditor,
                     &sealed, &complaint),
         complaint.text);
    print_hex(sealed.data, sealed.len, "\n");
}

/* --- the connection --------------------------------------------------------------------------- */

static void
do_connect(struct puppet *puppet, const struct words *words)
{
    const struct statement_genesis *genesis = &puppet->identity.genesis;
    uint8_t route[ROUTE_BYTES];
    int no_linger = 0;
    (void)words;
    secret_random(route, sizeof(route));
    route[0] |= 1;
    if (puppet->socket != NULL) {
        must_zmq(zmq_close(puppet->socket), "close");
    }
    void *socket = zmq_socket(puppet->context, ZMQ_DEALER);
    if (socket == NULL) {
        die("no socket");
    }
    must_zmq(
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, genesis->broker_curve.bytes, CURVE_KEY_BYTES),
        "server key");
    must_zmq(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, puppet->curve.bytes, CURVE_KEY_BYTES),
             "key");
    must_zmq(
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, puppet->curve_secret.bytes, CURVE_KEY_BYTES),
        "secret");
    must_zmq(zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger)), "linger");
    must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, sizeof(route)), "routing id");
    must_zmq(zmq_connect(socket, genesis->endpoint), "connect");
    puppet->socket = socket;
    (void)printf("connected\n");
}

static void
do_send(struct puppet *puppet, const struct words *words)
{
    CLEANUP(buffer_done) struct buffer frame = unhex(words->at[2]);
    unsigned long n = strtoul(words->at[1], NULL, 10);
    for (unsigned long i = 0; i < n; i++) {
        must_zmq(zmq_send(puppet->socket, frame.data, frame.len, 0), "send");
    }
    (void)printf("sent\n");
}

static void
do_hear(struct puppet *puppet, const struct words *words)
{
    zmq_pollitem_t item = {.socket = puppet->socket, .events = ZMQ_POLLIN};
    zmq_msg_t frame;
    if (zmq_poll(&item, 1, strtol(words->at[1], NULL, 10)) <= 0) {
        (void)printf("silence\n");
        return;
    }
    (void)zmq_msg_init(&frame); /* cannot fail */
    must_zmq(zmq_msg_recv(&frame, puppet->socket, ZMQ_DONTWAIT), "receive");
    print_hex(zmq_msg_data(&frame), zmq_msg_size(&frame), "\n");
    (void)zmq_msg_close(&frame); /* it is one */
}

/* --- commands --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t n_words; /* at least, with the name */
    void (*run)(struct puppet *puppet, const struct words *words);
} commands[] = {
    {"key", 2, do_key},   {"network", 1, do_network},     {"new", 1, do_new},
    {"sign", 2, do_sign}, {"sign-note", 2, do_sign_note}, {"possess", 2, do_possess},
    {"seal", 7, do_seal}, {"connect", 1, do_connect},     {"send", 3, do_send},
    {"hear", 2, do_hear},
};

static struct words
split(char *line)
{
    struct words words = {.n = 0};
    char *rest = line;
    line[strcspn(line, "\n")] = '\0';
    while (words.n < WORDS_MAX && rest != NULL) {
        words.at[words.n++] = strsep(&rest, " ");
    }
    return words;
}

static void
run(struct puppet *puppet, char *line)
{
    const struct words words = split(line);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (words.n >= commands[i].n_words && strcmp(words.at[0], commands[i].name) == 0) {
            commands[i].run(puppet, &words);
            (void)fflush(stdout);
            return;
        }
    }
    die("no such command");
}

static void
take_token(struct puppet *puppet, const char *path)
{
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(TOKEN_TEXT_MAX);
    struct token token;
    struct sign_public sign;
    must(file_read(path, &text), path);
    must(token_parse(buffer_view(&text), &token), path);
    sign_pair_from_seed(token.once_sign_seed, &sign, &puppet->sign);
    puppet->curve = token.invite.once_curve;
    puppet->curve_secret = token.once_curve;
    token_done(&token);
}

int
main(int argc, char **argv)
{
    static struct puppet puppet;
    char *line = NULL;
    size_t size = 0;
    bool locked;
    if (argc < 2 || argc > 3) {
        die("usage: hostile-member HOME [TOKEN-FILE]");
    }
    must(secret_start(&locked), "start");
    load(argv[1], &puppet.identity);
    puppet.sign = puppet.identity.secrets->sign;
    puppet.curve = puppet.identity.keys.curve;
    puppet.curve_secret = puppet.identity.secrets->curve;
    if (argc == 3) {
        take_token(&puppet, argv[2]);
    }
    puppet.context = zmq_ctx_new();
    while (getline(&line, &size, stdin) > 0) {
        run(&puppet, line);
    }
    free(line);
    if (puppet.socket != NULL) {
        (void)zmq_close(puppet.socket); /* one that we made */
    }
    (void)zmq_ctx_term(puppet.context);
    identity_done(&puppet.identity);
    return 0;
}
