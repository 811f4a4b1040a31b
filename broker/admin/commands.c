/* The commands, as one table, and the options they share. Decides what may be typed: options go
 * before or after the command, words are counted, the rest is the command's. It refuses to know
 * what a command does. */
#include "broker/admin/commands.h"

#include <stdio.h>
#include <string.h>

#include "broker/admin/cmd.h"
#include "broker/admin/talk.h"
#include "lib/edge/daemon.h"

enum {
    EXPIRES_DEFAULT_H = 72,
    EXPIRES_MAX_H = 24 * 366,
    PROGRAM_NAME_BYTES = 64,
    THREADS_MAX = 64,
    LIMIT_MAX = 100000000,
    DAYS_MAX = 3650,
    HOURS_MAX = 24 * DAYS_MAX,
};

#define FIELD(name) offsetof(struct admin_options, name)
static const struct args_option all_options[] = {
    {"home", 0, ARGS_TEXT, "DIR", "the broker's home; else REFLOOP_HOME,\nelse " DAEMON_BROKER_HOME,
     FIELD(home), 0, 0},
    {"passphrase-file", 0, ARGS_TEXT, "FILE",
     "read the passphrase from a private file;\n"
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
    {"out", 0, ARGS_TEXT, "FILE",
     "where it goes: a new file (default: ORG.token, or\nloop-ID.evidence)", FIELD(out), 0, 0},
    {"replace", 0, ARGS_FLAG, NULL,
     "for a member that must join anew: its machine was\nlost, or it was revoked", FIELD(replace),
     0, 0},
    {"reason", 0, ARGS_TEXT, "TEXT", "why; every member can read it, so it names no person",
     FIELD(reason), 0, 0},
    {"yes", 0, ARGS_FLAG, NULL, "do not ask", FIELD(yes), 0, 0},
    {"copy", 0, ARGS_TEXT, "DIR", "look into a backup or an exported copy instead of\nthe home",
     FIELD(copy), 0, 0},
    {"since", 0, ARGS_TEXT, "FILE",
     "check only what came after this checkpoint: a file\nprinted by 'checkpoint', or one of a "
     "copy",
     FIELD(since), 0, 0},
    {"threads", 0, ARGS_INTEGER, "N", "work with so many threads (default: one per processor)",
     FIELD(threads), 1, THREADS_MAX},
    {"without-sealed", 0, ARGS_FLAG, NULL, "leave out everything that is sealed",
     FIELD(without_sealed), 0, 0},
    {"svg", 0, ARGS_TEXT, "FILE", "draw the loop as a picture too", FIELD(svg), 0, 0},
    {"org", 0, ARGS_TEXT, "ORG", "only those from or to this organization", FIELD(org), 0, 0},
    {"state", 0, ARGS_TEXT, "STATE", "only those in this state, as in accepted", FIELD(state), 0,
     0},
    {"verdict", 0, ARGS_TEXT, "VERDICT", "only those with this verdict, as in half-closed",
     FIELD(verdict), 0, 0},
    {"older-than", 0, ARGS_TEXT, "AGE", "only those in their state for longer: 36h, 5d, 2w",
     FIELD(older_than), 0, 0},
    {"open", 0, ARGS_FLAG, NULL, "only those that are not closed and not void", FIELD(open), 0, 0},
    {"csv", 0, ARGS_FLAG, NULL, "print CSV for a spreadsheet", FIELD(csv), 0, 0},
    {"facts", 0, ARGS_FLAG, NULL,
     "show the coded facts too: category, reason, outcome;\nneeds the auditor's key", FIELD(facts),
     0, 0},
    {"limit", 0, ARGS_INTEGER, "N", "print at most so many", FIELD(limit), 1, LIMIT_MAX},
    {"silent-days", 0, ARGS_INTEGER, "N",
     "silent after so many days without a word (default:\nby state and priority, see the manual)",
     FIELD(silent_days), 1, DAYS_MAX},
    {"undelivered-hours", 0, ARGS_INTEGER, "N", "broken after so many hours (default: 24)",
     FIELD(undelivered_hours), 1, HOURS_MAX},
    {"auditor-key", 0, ARGS_TEXT, "FILE",
     "where the auditor's key is (default:\nHOME/keys/auditor.key)", FIELD(auditor_key), 0, 0},
    {"events", 0, ARGS_FLAG, NULL, "list what happened to members and their keys, from the log",
     FIELD(events), 0, 0},
    {"go-on", 0, ARGS_FLAG, NULL, "do not wait for the members not heard", FIELD(go_on), 0, 0},
};
#undef FIELD
static const char shared_options[] = "home passphrase-file root-key json";

static const struct command {
    const char *name;
    const char *usage;   /* what follows the name */
    const char *help;    /* one line */
    const char *details; /* more of it */
    const char *options; /* names of its own, blank-separated */
    const char *missing; /* asked when the word it needs is not there; NULL: it needs none */
    int (*run)(struct admin *admin);
} commands[] = {
    {"init", "--name NAME --endpoint tcp://HOST:PORT [options]", "found a network",
     "Makes the network's root key, wrapped under a passphrase, the broker's keys and\n"
     "its configuration in the home directory. The broker need not be running.",
     "name endpoint listen auditor quick-passphrase", NULL, cmd_init},
    {"invite", "ORG --name NAME [options]", "let an organization in",
     "Writes a token with which one agent can join as ORG, once. ORG is the short id\n"
     "of the organization: a-z, 0-9 and inner hyphens, as in elm-pantry.",
     "name expires-h out replace", "which organization?", cmd_invite},
    {"members", "[options]", "list the organizations",
     "Who is in the network, since when, and who is online. With --events the history:\n"
     "who joined, changed keys, was revoked or invited anew.",
     "events", NULL, cmd_members},
    {"revoke", "ORG --reason TEXT [options]", "end an organization's access",
     "From the moment it is logged the broker refuses every message of ORG's keys.\n"
     "Open referrals with it stay open; they are listed, for the other sides to end.",
     "reason yes", "which organization?", cmd_revoke},
    {"status", "[options]", "how the broker is doing",
     "What the broker has taken and refused since it started, and who is online.", "", NULL,
     cmd_status},
    {"verify", "[options]", "check the whole log, and say yes or no",
     "Reads the store of the home, or a copy, and checks the tree, every signature, the\n"
     "keys of that time, every step of every loop, and all that is stored beside them.\n"
     "The broker may run and is not disturbed.",
     "copy since threads", NULL, cmd_verify},
    {"checkpoint", "[options]", "print the log's newest cosigned checkpoint",
     "As a signed note: for 'verify --since', and to be compared by hand with what\n"
     "members have. The last one signed while no member has cosigned any.",
     "copy", NULL, cmd_checkpoint},
    {"backup", "DIR [options]", "copy the store, to restore the broker from",
     "Into a new directory, while the broker runs; read back before it counts. The keys\n"
     "are not in it.",
     "", "into which new directory?", cmd_backup},
    {"export", "DIR [options]", "copy the log for whoever is to look at it",
     "Into a new directory, while the broker runs. Needs no broker to be read: verify,\n"
     "loops, evidence and checkpoint take it with --copy DIR.",
     "without-sealed", "into which new directory?", cmd_export},
    {"evidence", "LOOP [options]", "prove one loop to an outsider",
     "Writes one file with every statement of the loop and what proves it, without\n"
     "person data; 'refloop-verify' checks it without network, broker or account.\n"
     "LOOP is a loop's id, or its first four or more digits.",
     "out svg copy", "which loop?", cmd_evidence},
    {"loops", "[options]", "list the loops, those in trouble first",
     "Each with a verdict: half-closed, silent, broken, overdue, open, closed-met,\n"
     "closed-unmet or void; who must act, and since when. Shows no person.",
     "org state verdict older-than open limit csv facts copy auditor-key silent-days "
     "undelivered-hours",
     NULL, cmd_loops},
    {"recover", "[options]", "what a restored broker waits for",
     "After a backup was restored the members bring back what it lacks. Shows how far\n"
     "that is, and who has been heard; --go-on gives up those who cannot come.",
     "go-on yes", NULL, cmd_recover},
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
    size_t n_wanted = command->missing != NULL ? 1 : 0;
    if (admin.n_words < n_wanted) {
        return args_usage_error(&program, "%s", command->missing);
    }
    if (admin.n_words > n_wanted) {
        return args_usage_error(&program, "'%s' is too much (a text of several words needs quotes)",
                                admin.words[n_wanted]);
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
        .description = "Founds a refloop network, looks after its members, and audits its log.",
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
