/* The commands, as one table, and the options they share. Decides what may be typed: options go
 * before or after the command, words are counted, the rest is the command's. It refuses to know
 * what a command does. */
#include "broker/admin/commands.h"

#include <stdio.h>
#include <string.h>

#include "broker/admin/cmd.h"
#include "broker/admin/talk.h"
#include "lib/edge/daemon.h"

enum { EXPIRES_DEFAULT_H = 72, EXPIRES_MAX_H = 24 * 366, PROGRAM_NAME_BYTES = 64 };

#define FIELD(name) offsetof(struct admin_options, name)
static const struct args_option all_options[] = {
    {"home", 0, ARGS_TEXT, "DIR", "the broker's home; else REFLOOP_HOME,\nelse " DAEMON_BROKER_HOME,
     FIELD(home), 0, 0},
    {"passphrase-file", 0, ARGS_TEXT, "FILE",
     "read the root key's passphrase from a private file;\n"
     "- is standard input (default: ask on the terminal)",
     FIELD(passphrase_file), 0, 0},
    {"root-key", 0, ARGS_TEXT, "FILE", "where the root key is (default: HOME/root.key)",
     FIELD(root_key), 0, 0},
    {"json", 0, ARGS_FLAG, NULL, "print one JSON object, errors too", FIELD(json), 0, 0},
    {"name", 0, ARGS_TEXT, "NAME", "its name for people", FIELD(name), 0, 0},
    {"endpoint", 0, ARGS_TEXT, "tcp://HOST:PORT",
     "where members reach the broker; it cannot be\nchanged later", FIELD(endpoint), 0, 0},
    {"listen", 0, ARGS_TEXT, "tcp://ADDR:PORT",
     "where the broker listens (default: the endpoint's\nport on every address)", FIELD(listen), 0,
     0},
    {"auditor", 0, ARGS_TEXT, "ORG", "the administrator's own member id\n(default: administrator)",
     FIELD(auditor), 0, 0},
    {"quick-passphrase", 0, ARGS_FLAG, NULL,
     "protect the keys weakly: for tests and\nthrow-away networks only", FIELD(quick_passphrase), 0,
     0},
    {"expires-h", 0, ARGS_INTEGER, "HOURS", "how long the invite works (default: 72)",
     FIELD(expires_h), 0, EXPIRES_MAX_H},
    {"out", 0, ARGS_TEXT, "FILE", "where the invite goes (default: ORG.token);\n- prints it",
     FIELD(out), 0, 0},
    {"replace", 0, ARGS_FLAG, NULL,
     "for a member that must join anew: its machine was\nlost, or it was revoked", FIELD(replace),
     0, 0},
    {"reason", 0, ARGS_TEXT, "TEXT", "why; every member can read it, so it names no person",
     FIELD(reason), 0, 0},
    {"yes", 0, ARGS_FLAG, NULL, "do not ask", FIELD(yes), 0, 0},
};
#undef FIELD
static const char shared_options[] = "home passphrase-file root-key json";

static const struct command {
    const char *name;
    const char *usage;   /* what follows the name */
    const char *help;    /* one line */
    const char *details; /* more of it */
    const char *options; /* names of its own, blank-separated */
    size_t n_words;      /* that it needs */
    int (*run)(struct admin *admin);
} commands[] = {
    {"init", "--name NAME --endpoint tcp://HOST:PORT [options]", "found a network",
     "Makes the network's root key, wrapped under a passphrase, the broker's keys and\n"
     "its configuration in the home directory. The broker need not be running.",
     "name endpoint listen auditor quick-passphrase", 0, cmd_init},
    {"invite", "ORG --name NAME [options]", "let an organization in",
     "Writes a token with which one agent can join as ORG, once. ORG is the short id\n"
     "of the organization: a-z, 0-9 and inner hyphens, as in elm-pantry.",
     "name expires-h out replace", 1, cmd_invite},
    {"members", "[options]", "list the organizations",
     "Who is in the network, since when, and who is online.", "", 0, cmd_members},
    {"revoke", "ORG --reason TEXT [options]", "end an organization's access",
     "From the moment it is logged the broker refuses every message of ORG's keys.\n"
     "Open referrals with it stay open and are listed as open by the other side.",
     "reason yes", 1, cmd_revoke},
    {"status", "[options]", "how the broker is doing",
     "What the broker has taken and refused since it started, and who is online.", "", 0,
     cmd_status},
    {"check", "[options]", "compare the broker's store with its log",
     "Folds the whole log afresh, checks every signature in it, and compares the\n"
     "result with what is stored. The broker answers nobody meanwhile.",
     "", 0, cmd_check},
};

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool
has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (n == len && strncmp(at, word, len) == 0) {
            return true;
        }
        at += n + strspn(at + n, " ");
    }
    return false;
}

/* The command's own options first: they are what its help is read for. */
static size_t
pick_options(const char *own, struct args_option out[ARRAY_LEN(all_options)])
{
    const char *const lists[] = {own, shared_options};
    size_t n = 0;
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; i < ARRAY_LEN(all_options); i++) {
            if (has_word(lists[k], all_options[i].name)) {
                out[n++] = all_options[i];
            }
        }
    }
    return n;
}

static int
exit_code(enum args_result result)
{
    return result == ARGS_DONE ? ADMIN_EXIT_DONE : ADMIN_EXIT_USAGE;
}

static int
run_at_home(const struct command *command, struct admin *admin)
{
    struct complaint complaint = {.text = ""};
    enum err err =
        daemon_home_find(admin->options.home, DAEMON_BROKER_HOME, admin->home, &complaint);
    return err == ERR_OK ? command->run(admin) : talk_fail(admin, err, complaint.text);
}

/* `shared` are the options that stood before the command. */
static int
run_command(const struct command *command, const struct admin_options *shared, bool memory_locked,
            int argc, char **argv)
{
    struct args_option options[ARRAY_LEN(all_options)];
    char name[PROGRAM_NAME_BYTES];
    int first = 0;
    (void)snprintf(name, sizeof(name), "refloop-admin %s", command->name); /* names are short */
    const struct args_program program = {
        .name = name,
        .usage = command->usage,
        .description = command->details,
        .options = options,
        .n_options = pick_options(command->options, options),
    };
    struct admin admin = {.program = &program, .options = *shared, .memory_locked = memory_locked};
    enum args_result result =
        args_parse(&program, argc, argv, &admin.options, sizeof(admin.options), &first);
    if (result != ARGS_RUN) {
        return exit_code(result);
    }
    admin.words = argv + first;
    admin.n_words = (size_t)(argc - first);
    if (admin.n_words < command->n_words) {
        return args_usage_error(&program, "which organization?");
    }
    if (admin.n_words > command->n_words) {
        return args_usage_error(&program, "'%s' is too much (a text of several words needs quotes)",
                                admin.words[command->n_words]);
    }
    return run_at_home(command, &admin);
}

static void
list_commands(struct buffer *out)
{
    char line[128];
    static const char head[] = "Commands:";
    buffer_put(out, head, sizeof(head) - 1);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int len = snprintf(line, sizeof(line), "\n  %-24s%s", commands[i].name, commands[i].help);
        buffer_put(out, line, (size_t)len);
    }
    static const char tail[] = "\n\n'refloop-admin COMMAND --help' says more.\n"
                               "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 the "
                               "broker is not running.";
    buffer_put(out, tail, sizeof(tail)); /* with its NUL */
}

int
commands_run(int argc, char **argv, bool memory_locked)
{
    CLEANUP(buffer_done) struct buffer epilogue = BUFFER_INIT(4096);
    struct args_option options[ARRAY_LEN(all_options)];
    struct admin_options shared = {.expires_h = EXPIRES_DEFAULT_H};
    int first = 0;
    list_commands(&epilogue);
    const struct args_program program = {
        .name = "refloop-admin",
        .usage = "[options] COMMAND",
        .description = "Founds a refloop network and looks after its members.",
        .epilogue = buffer_err(&epilogue) == ERR_OK ? (const char *)epilogue.data : NULL,
        .options = options,
        .n_options = pick_options("", options),
        .stop_at_first = true,
    };
    enum args_result result = args_parse(&program, argc, argv, &shared, sizeof(shared), &first);
    if (result != ARGS_RUN) {
        return exit_code(result);
    }
    if (first >= argc) {
        return args_usage_error(&program, "a command is missing");
    }
    const struct command *command = find_command(argv[first]);
    if (command == NULL) {
        return args_usage_error(&program, "there is no command '%s'", argv[first]);
    }
    return run_command(command, &shared, memory_locked, argc - first, argv + first);
}
