/* refloop-broker: argv, exit codes, and what an operator reads when it does not start. Exit 0: done
 * or stopped in order; 1: failed; 2: the command line is wrong; 3: the store is damaged. */
#include <stdio.h>
#include <unistd.h>

#include "broker/server/server.h"
#include "lib/base/secret.h"
#include "lib/edge/args.h"
#include "lib/edge/daemon.h"
#include "lib/edge/store_guard.h"

struct arguments {
    const char *home;
    bool check_config, print_config, check_store, rebuild_store, probe_store;
};

static const struct args_option options[] = {
    {"home", 0, ARGS_TEXT, "DIR",
     "where the broker's keys, store and configuration are\n"
     "(default: REFLOOP_HOME, else " DAEMON_BROKER_HOME ")",
     offsetof(struct arguments, home), 0, 0},
    {"check-config", 0, ARGS_FLAG, NULL, "say whether broker.conf is right, and end",
     offsetof(struct arguments, check_config), 0, 0},
    {"print-config", 0, ARGS_FLAG, NULL, "print every setting as it would be used, and end",
     offsetof(struct arguments, print_config), 0, 0},
    {"check-store", 0, ARGS_FLAG, NULL,
     "compare the store with its log, and end\n"
     "(the broker must not be running)",
     offsetof(struct arguments, check_store), 0, 0},
    {"rebuild-store", 0, ARGS_FLAG, NULL,
     "fold mailboxes and loops afresh from the log, check, and end\n"
     "(the broker must not be running)",
     offsetof(struct arguments, rebuild_store), 0, 0},
    {STORE_GUARD_OPTION, 0, ARGS_FLAG, NULL, NULL, offsetof(struct arguments, probe_store), 0, 0},
};

#define ADVICE                                                                                     \
    "Move it aside and restore the newest backup: docs/operation.md, \"A damaged store\". What "   \
    "the backup lacks the members bring back."

static const struct args_program program = {
    .name = "refloop-broker",
    .usage = "[options]",
    .description =
        "Routes, logs and proves the statements of one network, and can read none of them.\n"
        "Make the network first, with refloop-admin init.",
    .options = options,
    .n_options = ARRAY_LEN(options),
};

/* A child is asked first; --probe-store is that child. */
static int
probe_store(const char *home, const struct config *config)
{
    CLEANUP(setup_close) struct setup setup = {.broker = NULL};
    struct complaint complaint = {.text = ""};
    store_guard_follow();
    return store_guard_answer(setup_open(home, config, &setup, &complaint), &complaint);
}

static int
fail(const struct complaint *complaint)
{
    (void)fprintf(stderr, "refloop-broker: %s\n", complaint->text);
    return ARGS_EXIT_FAILURE;
}

static enum err
check_store(struct setup *setup, struct complaint *complaint)
{
    struct broker_status status;
    enum err err = broker_check_store(setup->broker, complaint);
    if (err != ERR_OK && complaint->text[0] == '\0') {
        return complain(complaint, err, "the check failed: %s", err_text(err));
    }
    broker_get_status(setup->broker, &status);
    if (err == ERR_OK) {
        (void)printf("the store is sound: %llu entries, %llu loops\n",
                     (unsigned long long)status.entries, (unsigned long long)status.loops);
    }
    return err;
}

static enum err
rebuild_store(struct setup *setup, struct complaint *complaint)
{
    enum err err = broker_rebuild(setup->broker, complaint);
    if (err != ERR_OK && complaint->text[0] == '\0') {
        return complain(complaint, err, "the store cannot be rebuilt: %s", err_text(err));
    }
    return err == ERR_OK ? check_store(setup, complaint) : err;
}

static enum err
serve_or_check(struct setup *setup, const struct arguments *arguments, int signal_fd,
               struct complaint *complaint)
{
    if (arguments->rebuild_store) {
        return rebuild_store(setup, complaint);
    }
    return arguments->check_store ? check_store(setup, complaint)
                                  : server_run(setup, signal_fd, complaint);
}

static enum err
run(const char *home, const struct config *config, const struct arguments *arguments,
    struct complaint *complaint)
{
    CLEANUP(setup_close) struct setup setup = {.broker = NULL};
    int signal_fd = -1;
    /* Before any thread: the pool's, and those of ZeroMQ. */
    enum err err = daemon_signals_open(&signal_fd);
    if (err != ERR_OK) {
        return complain(complaint, err, "signals cannot be watched");
    }
    err = setup_open(home, config, &setup, complaint);
    if (err == ERR_OK) {
        err = serve_or_check(&setup, arguments, signal_fd, complaint);
    }
    (void)close(signal_fd); /* a signalfd: nothing is lost */
    return err;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {.home = NULL};
    struct complaint complaint = {.text = ""};
    struct config config;
    char home[FILE_PATH_MAX];
    bool locked = false;
    int first_word = 0;
    if (secret_start(&locked) != ERR_OK) {
        (void)fputs("refloop-broker: the cryptographic library does not start\n", stderr);
        return ARGS_EXIT_FAILURE;
    }
    enum args_result result =
        args_parse(&program, argc, argv, &arguments, sizeof(arguments), &first_word);
    if (result != ARGS_RUN) {
        return result == ARGS_DONE ? ARGS_EXIT_OK : ARGS_EXIT_USAGE;
    }
    if (first_word < argc) {
        return args_usage_error(&program, "'%s' is not understood here", argv[first_word]);
    }
    if (daemon_home_find(arguments.home, DAEMON_BROKER_HOME, home, &complaint) != ERR_OK ||
        config_load(home, &config, &complaint) != ERR_OK) {
        return fail(&complaint);
    }
    if (arguments.print_config) {
        config_print(&config, stdout);
    }
    if (arguments.print_config || arguments.check_config) {
        return ARGS_EXIT_OK;
    }
    logging_set_level((enum logging_level)config.log_level);
    if (arguments.probe_store) {
        return probe_store(home, &config);
    }
    const struct store_guard guard = {.home = home, .advice = ADVICE};
    if (store_guard_probe(&guard, &complaint) != ERR_OK) {
        (void)fail(&complaint);
        return ARGS_EXIT_DAMAGED;
    }
    if (store_guard_watch(&guard) != ERR_OK) {
        logging_line(LOGGING_WARNING, "store.unguarded", "signals=refused");
    }
    if (!locked) {
        logging_line(LOGGING_WARNING, "memory.unlocked", "limit=memlock");
    }
    return run(home, &config, &arguments, &complaint) == ERR_OK ? ARGS_EXIT_OK : fail(&complaint);
}
