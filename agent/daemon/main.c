/* refloop-agent: argv, exit codes, and what a person reads when it does not start. Exit 0: done or
 * stopped in order; 1: failed; 2: the command line is wrong; 3: the store is damaged. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon/join.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/rotate.h"
#include "lib/base/secret.h"
#include "lib/edge/args.h"
#include "lib/edge/daemon.h"
#include "lib/edge/store_guard.h"

struct arguments {
    const char *home;
    bool check_config, print_config, check_store, probe_store;
    int64_t timeout_s;
};

static const struct args_option options[] = {
    {"home", 0, ARGS_TEXT, "DIR",
     "where keys, records and configuration are\n"
     "(default: REFLOOP_HOME, else " DAEMON_AGENT_HOME ")",
     offsetof(struct arguments, home), 0, 0},
    {"timeout-s", 0, ARGS_INTEGER, "N", "join, rotate: give up after so many seconds (default 30)",
     offsetof(struct arguments, timeout_s), 1, 3600},
    {"check-config", 0, ARGS_FLAG, NULL, "say whether agent.conf is right, and end",
     offsetof(struct arguments, check_config), 0, 0},
    {"print-config", 0, ARGS_FLAG, NULL, "print every setting as it would be used, and end",
     offsetof(struct arguments, print_config), 0, 0},
    {"check-store", 0, ARGS_FLAG, NULL,
     "compare the records with the log they come from, and end\n"
     "(the agent must not be running)",
     offsetof(struct arguments, check_store), 0, 0},
    {STORE_GUARD_OPTION, 0, ARGS_FLAG, NULL, NULL, offsetof(struct arguments, probe_store), 0, 0},
};

#define ADVICE                                                                                     \
    "Move it aside and start again: what reached the broker is read afresh from there. What was "  \
    "only queued here is lost, to be said again. See docs/operation.md, \"A damaged store\"."

static const struct args_program program = {
    .name = "refloop-agent",
    .usage = "[options]\n   or: refloop-agent [options] join TOKEN-FILE\n"
             "   or: refloop-agent [options] rotate",
    .description = "Holds one organization's keys, queue and records, and keeps the link to the\n"
                   "broker. 'join' takes the invite that the administrator has sent, once;\n"
                   "'-' reads it from standard input. 'rotate' gives the organization new keys;\n"
                   "stop the agent before. Staff use the program refloop.",
    .options = options,
    .n_options = ARRAY_LEN(options),
};

enum { RESUME_WITHIN_MS = 10000 };

static void
fail(const struct complaint *complaint)
{
    (void)fprintf(stderr, "refloop-agent: %s\n", complaint->text); /* the last resort */
}

static enum err
check_store(const struct loop_options *loop, struct complaint *complaint)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    enum err err = loop_open_store(loop, &agent, complaint);
    if (err == ERR_OK) {
        err = agent_check_store(agent, complaint);
    }
    if (err == ERR_OK) {
        (void)printf("the store is sound\n");
    } else if (complaint->text[0] == '\0') {
        return complain(complaint, err, "the check failed: %s", err_text(err));
    }
    return err;
}

static enum err
load_identity(const char *home, struct identity *identity, struct complaint *complaint)
{
    enum err err = identity_load(home, identity, complaint);
    if (err == ERR_NOT_FOUND) {
        return complain(complaint, err,
                        "%s belongs to no organization yet; with the invite of the administrator: "
                        "refloop-agent --home %s join TOKEN-FILE",
                        home, home);
    }
    if (err == ERR_OK && !identity->joined) {
        return complain(complaint, ERR_NOT_PERMITTED,
                        "joining was begun here but not finished; run it again: "
                        "refloop-agent --home %s join TOKEN-FILE",
                        home);
    }
    return err;
}

/* A change of keys that was cut off is finished first: which keys hold, the broker knows. As long
 * as it cannot be asked, the old ones are used, and if they are refused, it is asked again. */
static enum err
serve(struct loop_options *loop, struct identity *identity, struct complaint *complaint)
{
    for (;;) {
        const struct rotate_options change = {.home = loop->home,
                                              .config = loop->config,
                                              .identity = identity,
                                              .timeout_ms = RESUME_WITHIN_MS};
        loop->leave_when_refused = false;
        enum err err = identity->has_next
                           ? rotate_resume(&change, &loop->leave_when_refused, complaint)
                           : ERR_OK;
        if (err == ERR_OK) {
            err = loop_run(loop, complaint);
        }
        if (err != ERR_KEY || !loop->leave_when_refused) {
            return err;
        }
    }
}

/* What a child is asked before, as --probe-store: to open the store as we would. */
static int
probe_store(const char *home, const struct config *config)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    struct identity identity = {.joined = false};
    struct complaint complaint = {.text = ""};
    const struct loop_options loop = {.home = home, .config = config, .identity = &identity};
    int status = ARGS_EXIT_OK;
    store_guard_follow();
    if (load_identity(home, &identity, &complaint) == ERR_OK) {
        status = store_guard_answer(loop_open_store(&loop, &agent, &complaint), &complaint);
    }
    agent_freep(&agent);
    identity_done(&identity);
    return status;
}

static enum err
guard_store(const char *home, struct complaint *complaint)
{
    const struct store_guard guard = {.home = home, .advice = ADVICE};
    enum err err = store_guard_probe(&guard, complaint);
    if (err == ERR_OK && store_guard_watch(&guard) != ERR_OK) {
        logging_line(LOGGING_WARNING, "store.unguarded", "signals=refused");
    }
    return err;
}

static enum err
run(const char *home, const struct config *config, bool only_check, struct complaint *complaint)
{
    struct identity identity = {.joined = false};
    struct loop_options loop = {
        .home = home, .config = config, .identity = &identity, .signal_fd = -1};
    /* Before any thread: one of ZeroMQ's would take the signals the old way. */
    enum err err = daemon_signals_open(&loop.signal_fd);
    if (err != ERR_OK) {
        return complain(complaint, err, "signals cannot be watched");
    }
    err = load_identity(home, &identity, complaint);
    if (err == ERR_OK) {
        err = daemon_home_make(home, complaint);
    }
    if (err == ERR_OK) {
        err = only_check ? check_store(&loop, complaint) : serve(&loop, &identity, complaint);
    }
    identity_done(&identity);
    (void)close(loop.signal_fd); /* a signalfd: nothing is lost */
    return err;
}

static enum err
rotate(const char *home, const struct config *config, int64_t timeout_ms,
       struct complaint *complaint)
{
    struct identity identity = {.joined = false};
    const struct rotate_options change = {
        .home = home, .config = config, .identity = &identity, .timeout_ms = timeout_ms};
    enum err err = load_identity(home, &identity, complaint);
    if (err == ERR_OK) {
        err = rotate_run(&change, complaint);
    }
    identity_done(&identity);
    return err;
}

/* `word` is join, rotate or NULL; `token` the file of a join. *status_out is what the program ends
 * with when this fails. */
static enum err
act(const struct arguments *arguments, const char *word, const char *token, int *status_out,
    struct complaint *complaint)
{
    char home[FILE_PATH_MAX];
    struct config config;
    enum err err = daemon_home_find(arguments->home, DAEMON_AGENT_HOME, home, complaint);
    if (err == ERR_OK) {
        err = config_load(home, &config, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (arguments->print_config) {
        config_print(&config, stdout);
    }
    if (arguments->print_config || arguments->check_config) {
        return fflush(stdout) == 0 ? ERR_OK : complain(complaint, ERR_IO, "writing failed");
    }
    logging_set_level((enum logging_level)config.log_level);
    if (token != NULL) {
        const struct join_options join = {.home = home,
                                          .config = &config,
                                          .token = token,
                                          .timeout_ms = arguments->timeout_s * 1000};
        return join_run(&join, complaint);
    }
    if (word != NULL) {
        return rotate(home, &config, arguments->timeout_s * 1000, complaint);
    }
    if (arguments->probe_store) {
        *status_out = probe_store(home, &config);
        return *status_out == ARGS_EXIT_OK ? ERR_OK : ERR_CORRUPT;
    }
    err = guard_store(home, complaint);
    if (err != ERR_OK) {
        *status_out = ARGS_EXIT_DAMAGED;
        return err;
    }
    return run(home, &config, arguments->check_store, complaint);
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {.timeout_s = 30};
    struct complaint complaint = {.text = ""};
    bool locked = false;
    int first = 0;
    int status = ARGS_EXIT_FAILURE;
    if (secret_start(&locked) != ERR_OK) {
        (void)fputs("refloop-agent: the cryptographic library does not start\n", stderr);
        return ARGS_EXIT_FAILURE;
    }
    enum args_result result =
        args_parse(&program, argc, argv, &arguments, sizeof(arguments), &first);
    if (result != ARGS_RUN) {
        return result == ARGS_DONE ? ARGS_EXIT_OK : ARGS_EXIT_USAGE;
    }
    const char *word = first < argc ? argv[first] : NULL;
    bool join = word != NULL && strcmp(word, "join") == 0;
    if (word != NULL && !join && strcmp(word, "rotate") != 0) {
        return args_usage_error(&program, "'%s' is not understood here", word);
    }
    if (join && argc - first != 2) {
        return args_usage_error(&program, "join takes one file, the invite");
    }
    if (word != NULL && !join && argc - first != 1) {
        return args_usage_error(&program, "rotate takes nothing more");
    }
    if (!locked) {
        logging_line(LOGGING_WARNING, "memory.unlocked", "limit=memlock");
    }
    if (act(&arguments, word, join ? argv[first + 1] : NULL, &status, &complaint) != ERR_OK) {
        fail(&complaint);
        return status;
    }
    return ARGS_EXIT_OK;
}
