/* refloop-verify: from argv to an exit code. Whoever runs it trusts nobody here: it reads one file
 * and opens no socket, no home and no store. It decides what comes first (nothing is told, and no
 * picture drawn, of a file that is not true) and what comes last (what was printed has really been
 * written). */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/verify/verify.h"
#include "lib/base/secret.h"
#include "lib/edge/args.h"
#include "lib/edge/terminal.h"

enum { SVG_BYTES_MAX = 64 * 1024 * 1024, SVG_MODE = 0644 };

struct options {
    const char *root, *svg;
    bool json;
    const char *path;
    struct verify_root pinned;
};

#define FIELD(name) offsetof(struct options, name)
static const struct args_option option_rows[] = {
    {"root", 0, ARGS_TEXT, "KEY",
     "the network's root key: 64 hex digits, or the\nfingerprint that people compare", FIELD(root),
     0, 0},
    {"json", 0, ARGS_FLAG, NULL, "print one JSON object, refusals too", FIELD(json), 0, 0},
    {"svg", 0, ARGS_TEXT, "FILE", "also draw the loop, as a new file", FIELD(svg), 0, 0},
};
#undef FIELD

static const struct args_program program = {
    .name = VERIFY_NAME,
    .usage = "FILE --root KEY [--json] [--svg FILE]",
    .description =
        "Check a file of evidence and tell what it proves. Needs nothing but the file and\n"
        "the network's root key: no network, no account, no trust in who sent it.\n"
        "FILE - is standard input.",
    .epilogue = "Exit status: 0 the file is true; 1 it is not, or cannot be read; 2 wrong usage.",
    .options = option_rows,
    .n_options = ARRAY_LEN(option_rows),
};

/* Not "proves nothing": the file was never looked at. */
static int
fail(const struct options *options, enum err err, const char *sentence)
{
    if (!options->json) {
        (void)fprintf(stderr, "%s: %s\n", VERIFY_NAME, sentence);
    } else if (verify_tell_json_failure(err, sentence) != ERR_OK) {
        (void)fprintf(stderr, "%s: %s\n", VERIFY_NAME, err_text(ERR_MEMORY));
    }
    return ARGS_EXIT_FAILURE;
}

static int
fail_at(const struct options *options, enum err err, const char *path)
{
    struct complaint complaint;
    (void)complain(&complaint, err, "%s: %s", path, err_text(err));
    return fail(options, err, complaint.text);
}

static int
refuse(const struct options *options, enum err err, const struct complaint *complaint)
{
    struct complaint sentence;
    if (!err_is_peer(err)) {
        return fail(options, err, err_text(err)); /* our trouble, and no word about the file */
    }
    if (!options->json) {
        verify_tell_failure(options->path, complaint->text, terminal_wants_colour(STDOUT_FILENO));
        return ARGS_EXIT_FAILURE;
    }
    (void)complain(&sentence, err, "this file proves nothing: %s", complaint->text);
    return fail(options, err, sentence.text);
}

static int
draw(const struct options *options, const struct evidence_reading *reading)
{
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(SVG_BYTES_MAX);
    enum err err = picture_draw(reading, &svg);
    if (err == ERR_OK) {
        err = file_create(options->svg, buffer_view(&svg), SVG_MODE);
    }
    return err == ERR_OK ? ARGS_EXIT_OK : fail_at(options, err, options->svg);
}

static int
answer(const struct options *options, const struct evidence_reading *reading)
{
    /* The picture first: with --json there is one answer, and it must be the last word. */
    int code = options->svg != NULL ? draw(options, reading) : ARGS_EXIT_OK;
    if (code != ARGS_EXIT_OK) {
        return code;
    }
    if (options->json) {
        enum err err = verify_tell_json(reading, &options->pinned);
        return err == ERR_OK ? code : fail(options, err, err_text(err));
    }
    verify_tell(reading, &options->pinned, terminal_wants_colour(STDOUT_FILENO));
    return code;
}

static int
run(const struct options *options)
{
    CLEANUP(buffer_wipe) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {.n_steps = 0};
    struct complaint complaint = {""};
    struct network_id root;
    enum err err = file_read(options->path, &file);
    if (err != ERR_OK) {
        return fail_at(options, err, options->path);
    }
    err = verify_root_find(&options->pinned, buffer_view(&file), &root, &complaint);
    if (err == ERR_OK) {
        err = evidence_read(buffer_view(&file), &root, &reading, &complaint);
    }
    return err == ERR_OK ? answer(options, &reading) : refuse(options, err, &complaint);
}

static int
start(int argc, char **argv)
{
    struct options options = {.root = NULL};
    int first = 0;
    enum args_result result = args_parse(&program, argc, argv, &options, sizeof(options), &first);
    if (result != ARGS_RUN) {
        return result == ARGS_DONE ? ARGS_EXIT_OK : ARGS_EXIT_USAGE;
    }
    if (argc - first != 1) {
        return args_usage_error(&program,
                                argc == first ? "which file?" : "one file at a time, please");
    }
    if (options.root == NULL) {
        return args_usage_error(&program, "--root is missing: without the network's root key a "
                                          "file proves nothing");
    }
    if (verify_root_parse(options.root, &options.pinned) != ERR_OK) {
        return args_usage_error(&program, "--root must be the root key (64 hex digits) or its "
                                          "fingerprint (24, in six groups)");
    }
    options.path = argv[first];
    return run(&options);
}

int
main(int argc, char **argv)
{
    bool locked = false;
    if (secret_start(&locked) != ERR_OK || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        (void)fprintf(stderr, "%s: cannot start: %s\n", VERIFY_NAME, err_text(ERR_INTERNAL));
        return ARGS_EXIT_FAILURE;
    }
    int code = start(argc, argv);
    if (fclose(stdout) != 0 && code == ARGS_EXIT_OK) {
        (void)fprintf(stderr, "%s: %s\n", VERIFY_NAME, err_text(ERR_IO)); /* nowhere else */
        return ARGS_EXIT_FAILURE;
    }
    return code;
}
