/* Writes the frozen vectors and the seeds of the fuzz corpora from the fixture:
 *
 *   make_vectors tests/vectors tests/fuzz/corpus
 *
 * A file that exists is left alone: vectors are frozen, and what a new version of the format needs
 * is a new file beside them. Sealed parts hold random keys, so a second run elsewhere gives other
 * bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"
#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/vectors.h"

enum { WORK_BYTES = 1 << 20, FILE_MODE = 0644 };

static const char *vectors_dir;
static const char *corpus_dir;

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK && err != ERR_EXISTS) {
        fprintf(stderr, "make_vectors: %s: %s\n", what, err_text(err));
        exit(EXIT_FAILURE);
    }
}

static void
write_file(const char *dir, const char *name, struct bytes content)
{
    char path[FILE_PATH_MAX];
    must(file_path(path, dir, name), name);
    must(file_create(path, content, FILE_MODE), path);
}

static void
write_vector(const char *name, struct bytes content)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(WORK_BYTES);
    uint8_t *hex = buffer_extend(&text, 2 * content.len + 1);
    must(buffer_err(&text), name);
    text_hex(content, (char *)hex);
    hex[2 * content.len] = '\n';
    write_file(vectors_dir, name, buffer_view(&text));
}

static void
write_seed(const char *target, const char *name, struct bytes content)
{
    char dir[FILE_PATH_MAX];
    must(file_path(dir, corpus_dir, target), target);
    must(file_make_dir(dir), dir);
    write_file(dir, name, content);
}

static void
write_statements(void)
{
    struct statement all[8];
    size_t n = fixture_statements(all);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
        char name[48];
        must(statement_encode(&all[i], &bytes), "statement");
        (void)snprintf(name, sizeof(name), "kind-%d-%zu", (int)all[i].kind, i);
        write_seed("statement", name, buffer_view(&bytes));
    }
}

static void
write_request(void)
{
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(WORK_BYTES);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    struct fixture_org clinic = fixture_org(CLINIC);
    struct statement request = fixture_request();
    fixture_seal(&request, VECTOR_BODY, VECTOR_FACTS, &sealed);
    fixture_envelope(&request, &clinic.sign, buffer_view(&sealed), &bytes);
    write_vector(VECTOR_ENVELOPE, buffer_view(&bytes));
    write_seed("sealed", "request", buffer_view(&sealed));
    write_seed("envelope", "request", buffer_view(&bytes));
}

static void
write_turn(void)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(WORK_BYTES);
    struct buffer statements[3];
    struct bytes views[3];
    struct turn_signature signatures[3];
    struct network_id network = fixture_network();
    struct fixture_org pantry = fixture_org(PANTRY);
    for (uint8_t i = 0; i < 3; i++) {
        struct digest id = statement_id(bytes_of(&i, 1));
        struct statement delivered = fixture_delivered(&id);
        statements[i] = BUFFER_INIT(WORK_BYTES);
        must(statement_encode(&delivered, &statements[i]), "statement");
        views[i] = buffer_view(&statements[i]);
    }
    must(turn_sign(SIGN_STATEMENTS, &network, views, 3, &pantry.sign, signatures), "turn");
    const struct envelope envelope = {.statement = views[2], .signature = signatures[2]};
    must(envelope_encode(&envelope, &bytes), "envelope");
    envelope_leaf(&envelope, &leaf);
    write_vector(VECTOR_TURN, buffer_view(&bytes));
    write_vector(VECTOR_LEAF, buffer_view(&leaf));
    write_seed("envelope", "turn", buffer_view(&bytes));
    for (size_t i = 0; i < 3; i++) {
        buffer_done(&statements[i]);
    }
}

static void
write_token(void)
{
    CLEANUP(buffer_done) struct buffer genesis = BUFFER_INIT(WORK_BYTES);
    CLEANUP(buffer_done) struct buffer invite = BUFFER_INIT(WORK_BYTES);
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(WORK_BYTES);
    struct fixture_org root = fixture_org(ROOT);
    struct fixture_org once = fixture_org(ONCE);
    struct statement genesis_said = fixture_genesis();
    struct statement invite_said = fixture_invite("elm-pantry", ONCE);
    fixture_envelope(&genesis_said, &root.sign, bytes_of(NULL, 0), &genesis);
    fixture_envelope(&invite_said, &root.sign, bytes_of(NULL, 0), &invite);
    must(token_format(buffer_view(&genesis), buffer_view(&invite), once.seed, &once.curve, &line),
         "token");
    buffer_put_u8(&line, '\n');
    write_vector(VECTOR_GENESIS, buffer_view(&genesis));
    write_file(vectors_dir, VECTOR_TOKEN, buffer_view(&line));
    write_seed("token", "elm-pantry", buffer_view(&line));
}

static const char *
vector_of(enum message_kind kind)
{
    switch ((int)kind) {
    case MESSAGE_RECEIPTS:
        return VECTOR_RECEIPTS;
    case MESSAGE_ENTRIES:
        return VECTOR_ENTRIES;
    case MESSAGE_WELCOME:
        return VECTOR_WELCOME;
    default:
        return NULL;
    }
}

static void
write_message(const struct message *message, const char *seed, const char *vector)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    must(message_encode(message, &bytes), "message");
    write_seed("message", seed, buffer_view(&bytes));
    if (vector != NULL) {
        write_vector(vector, buffer_view(&bytes));
    }
}

/* The other shape of a kind that has two: what stands in it when something else is absent. */
static bool
make_bare(struct message *message)
{
    switch ((int)message->kind) {
    case MESSAGE_HELLO:
        message->as.hello.checkpoint.len = 0;
        break;
    case MESSAGE_WELCOME:
        message->as.welcome.proved.present = message->as.welcome.witnessed.present = false;
        message->as.welcome.recall_from = 4;
        break;
    case MESSAGE_RECEIPTS:
        message->as.receipts.receipts[0] = message->as.receipts.receipts[2];
        message->as.receipts.n = 1;
        message->as.receipts.proved.present = false;
        break;
    case MESSAGE_ENTRIES:
        message->as.entries.n = 0;
        message->as.entries.proved.present = false;
        break;
    case MESSAGE_PONG:
        message->as.pong.proved.from = 0;
        message->as.pong.proved.consistency.len = 0;
        message->as.pong.witnessed.present = false;
        break;
    case MESSAGE_COPIES:
        message->as.copies = (struct message_copies){0};
        break;
    default:
        return false;
    }
    return true;
}

static void
write_messages(void)
{
    for (int kind = MESSAGE_HELLO; kind <= MESSAGE_PROOFS; kind++) {
        char name[48];
        struct message *message = fixture_message((enum message_kind)kind);
        write_message(message, message_name(message->kind), vector_of(message->kind));
        if (make_bare(message)) {
            (void)snprintf(name, sizeof(name), "%s-bare", message_name(message->kind));
            write_message(message, name, NULL);
        }
        free(message);
    }
}

int
main(int argc, char **argv)
{
    bool locked = false;
    if (argc != 3) {
        fprintf(stderr, "usage: make_vectors VECTORS CORPUS\n");
        return EXIT_FAILURE;
    }
    vectors_dir = argv[1];
    corpus_dir = argv[2];
    must(secret_start(&locked), "start");
    must(file_make_dir(vectors_dir), vectors_dir);
    must(file_make_dir(corpus_dir), corpus_dir);
    write_statements();
    write_request();
    write_turn();
    write_token();
    write_messages();
    return EXIT_SUCCESS;
}
