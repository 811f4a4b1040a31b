/* The command line. One table says what each command takes, and everything else follows from it:
 * parsing, the count of words, --help. Decides that a word too many is never text: what a person
 * writes about a person must not stand in the process list. */
#include "agent/cli/commands.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "lib/base/clock.h"
#include "lib/edge/args.h"
#include "lib/edge/daemon.h"

#define FLAG(name, help, field)                                                                    \
    {                                                                                              \
        name, '\0', ARGS_FLAG, NULL, help, offsetof(struct cli_options, field), 0, 0               \
    }
#define TEXT(name, value, help, field)                                                             \
    {                                                                                              \
        name, '\0', ARGS_TEXT, value, help, offsetof(struct cli_options, field), 0, 0              \
    }
#define NUMBER(name, value, help, field, min, max)                                                 \
    {                                                                                              \
        name, '\0', ARGS_INTEGER, value, help, offsetof(struct cli_options, field), min, max       \
    }

/* clang-format off */
static const struct args_option options[] = {
    TEXT("home", "DIR",
         "the agent's directory (default: REFLOOP_HOME,\nelse " DAEMON_AGENT_HOME ")", home),
    FLAG("json", "print the agent's answer as one line of JSON", json),
    TEXT("to", "ORG", "the organization it goes to (refloop members)", to),
    TEXT("priority", "WORD", "routine or urgent", priority),
    TEXT("needed-by", "DATE", "when help is needed at the latest: 2026-12-01", needed_by),
    FLAG("check", "only look: say what would be sent, or whether FILE fits", check),
    FLAG("needs-me", "only those that need you", needs_me),
    FLAG("open", "all that are not closed (the default)", open),
    FLAG("closed", "only those that are closed", closed),
    FLAG("all", "open and closed ones", all),
    NUMBER("limit", "N", "show at most so many (default 1000)", limit, 1, 1000000),
    TEXT("text", "FILE", "a text for the partner; - is standard input, where\nyou can type it", text),
    TEXT("due", "DATE", "when it will be done or looked at again: 2026-12-01", due),
    TEXT("contact", "FILE", "who to ask for: first line the name, second the\ntelephone", contact),
    TEXT("at", "TIME", "of the appointment, local: \"2026-12-01 14:30\"", at),
    TEXT("next-loop", "LOOP", "the referral that goes on (with re-referred)", next_loop),
    FLAG("fhir", "as a FHIR R4 Bundle, the one form there is", fhir),
    TEXT("out", "FILE", "write to this new file", out),
    FLAG("with-body", "show what was said, too: the file holds personal data\nthen", with_body),
    TEXT("svg", "FILE", "draw it as a picture into this new file", svg),
    TEXT("save", "DIR", "write the proof of each alarm to a file there", save),
    FLAG("settle", "the administrator says it is clear: sending goes on", settle),
    FLAG("yes", "with --settle: do not ask", yes),
};
/* clang-format on */

#define EVERY "home json"
#define NO_LIST REASON_LIST_COUNT

/* clang-format off */
static const struct command commands[] = {
    {"send", "FILE...", "send referrals: a form, a CSV file, or FHIR",
     "Each FILE is a referral in refloop's form (JSON), a CSV file with one referral per row, or\n"
     "FHIR R4 JSON; \"-\" is standard input. Rows that are not complete are refused by field, the\n"
     "others are sent. What was sent is on this machine's disk and goes out without further help.",
     EVERY " to priority needed-by check", NO_LIST, cmd_send, true},
    {"list", "", "list referrals, what is to be done and by whom", NULL,
     EVERY " needs-me open closed all limit", NO_LIST, cmd_list, true},
    {"show", "LOOP", "everything about one referral", NULL, EVERY, NO_LIST, cmd_show, true},
    {"watch", "[LOOP]", "a line for every change, until Ctrl-C", NULL, EVERY, NO_LIST, cmd_watch, true},
    {"accept", "LOOP", "take the referral on", NULL, EVERY " due contact text", NO_LIST, cmd_step, true},
    {"decline", "LOOP REASON", "say no, and why", NULL, EVERY " text", REASON_DECLINE, cmd_step, true},
    {"ask", "LOOP", "ask the sender for what is missing", NULL, EVERY " text", NO_LIST, cmd_step, true},
    {"answer", "LOOP", "answer the partner's question", NULL, EVERY " text", NO_LIST, cmd_step, true},
    {"note", "LOOP", "write to the partner; changes no state", NULL, EVERY " text", NO_LIST,
     cmd_step, true},
    {"progress", "LOOP KIND", "say what has happened so far", NULL, EVERY " at text",
     REASON_PROGRESS, cmd_step, true},
    {"hold", "LOOP REASON", "put it on hold, until a date", NULL, EVERY " due text", REASON_HOLD,
     cmd_step, true},
    {"complete", "LOOP OUTCOME", "report what the person got", NULL, EVERY " text",
     REASON_OUTCOME, cmd_step, true},
    {"fail", "LOOP REASON", "say that it could not be done, and why", NULL, EVERY " text",
     REASON_NOT_COMPLETED, cmd_step, true},
    {"release", "LOOP REASON", "give an accepted referral back", NULL, EVERY " text",
     REASON_WITHDRAW, cmd_step, true},
    {"acknowledge", "LOOP [NEXT-STEP]", "sign for the outcome: this closes the loop",
     "NEXT-STEP is \"none\" unless another is given.", EVERY " next-loop text", REASON_NEXT_STEP,
     cmd_step, true},
    {"withdraw", "LOOP REASON", "take your referral back before it is accepted", NULL,
     EVERY " text", REASON_WITHDRAW, cmd_step, true},
    {"cancel", "LOOP REASON", "ask to stop after it was accepted", NULL, EVERY " text",
     REASON_WITHDRAW, cmd_step, true},
    {"retract", "LOOP", "take a cancel back", NULL, EVERY " text", NO_LIST, cmd_step, true},
    {"void", "LOOP REASON", "your referral was entered in error", NULL, EVERY " text",
     REASON_VOID, cmd_step, true},
    {"export", "LOOP", "the referral as FHIR", NULL, EVERY " fhir out", NO_LIST, cmd_export, false},
    {"evidence", "LOOP", "one file that proves the referral to an outsider",
     "The file is checked with refloop-verify, without network or account. It names the two\n"
     "organizations, the steps and their times, and nothing about the person unless --with-body\n"
     "is given. Without --out its name is loop-XXXXXXXX.evidence, here.",
     EVERY " with-body out svg", NO_LIST, cmd_evidence, false},
    {"status", "", "is all well, and if not, why", NULL, EVERY, NO_LIST, cmd_status, false},
    {"alarms", "", "what the broker was caught at, and what to do",
     "Each alarm is kept with its proof. --settle says that people have looked: sending goes on.",
     EVERY " save settle yes", NO_LIST, cmd_alarms, false},
    {"events", "", "who joined, left or changed keys, and when", NULL, EVERY " limit", NO_LIST,
     cmd_events, false},
    {"checkpoint", "[FILE]", "the broker's log as we know it, to compare",
     "Prints a signed note. With the FILE of another member's: whether both saw the same log.",
     EVERY " check", NO_LIST, cmd_checkpoint, false},
    {"members", "", "the organizations of the network", NULL, EVERY, NO_LIST, cmd_members, false},
    {"codes", "[LIST]", "the codes for reasons, outcomes and categories", NULL, EVERY, NO_LIST,
     cmd_codes, false},
    {"verify", "", "check this machine's records against the log", NULL, EVERY, NO_LIST,
     cmd_verify, false},
};
/* clang-format on */

enum { CLI_OPTIONS = ARRAY_LEN(options), USAGE_BYTES = 256 };

static const char usage_of_all[] = "[--home DIR] [--json] COMMAND [ARGUMENTS] [OPTIONS]";

static void
free_text(char **text)
{
    free(*text);
}

const struct command *
commands_all(size_t *n_out)
{
    *n_out = ARRAY_LEN(commands);
    return commands;
}

const struct command *
commands_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

void
commands_count_words(const char *arguments, size_t *min_out, size_t *max_out)
{
    size_t min = 0;
    size_t max = 0;
    while (*arguments != '\0') {
        size_t len = strcspn(arguments, " ");
        min += arguments[0] != '[' ? 1 : 0;
        bool many = len > 3 && strncmp(arguments + len - 3, "...", 3) == 0;
        max = many ? SIZE_MAX : max + 1;
        arguments += len + strspn(arguments + len, " ");
    }
    *min_out = min;
    *max_out = max;
}

/* --- help ------------------------------------------------------------------------------------ */

static bool
has_option(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == len && strncmp(at, name, len) == 0) {
            return true;
        }
        at += word;
    }
    return false;
}

static size_t
choose_options(const char *names, struct args_option chosen[CLI_OPTIONS])
{
    size_t n = 0;
    for (size_t i = 0; i < CLI_OPTIONS; i++) {
        if (has_option(names, options[i].name)) {
            chosen[n++] = options[i];
        }
    }
    return n;
}

static void
put_codes(const struct command *command, FILE *out)
{
    size_t n = 0;
    const struct reason *reasons = reason_all(command->list, &n);
    const char *word = strchr(command->arguments, ' ');
    (void)fprintf(out, "%s:\n", word != NULL ? word + 1 : ""); /* a stream of memory */
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, "  %-25s %s%s", reasons[i].code, reasons[i].words,
                      i + 1 < n ? "\n" : "");
    }
}

static void
put_commands(FILE *out)
{
    (void)fputs("Commands:\n", out); /* a stream of memory */
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[USAGE_BYTES];
        (void)snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
        (void)fprintf(out, "  %-29s %s\n", left, commands[i].help);
    }
    (void)fputs("LOOP is the first four or more digits of a referral's id, as the list shows it.\n"
                "'refloop COMMAND --help' tells more. Exit codes: 0 done, 1 refused or failed,\n"
                "2 wrong usage, 3 the agent is not running.",
                out);
}

/* The lines under the options: the codes of one command, or all commands. NULL when there are none
 * or no memory for them. */
static char *
make_epilogue(const struct command *command)
{
    char *text = NULL;
    size_t size = 0;
    if (command != NULL && command->list == NO_LIST) {
        return NULL;
    }
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL) {
        return NULL;
    }
    if (command != NULL) {
        put_codes(command, stream);
    } else {
        put_commands(stream);
    }
    (void)fclose(stream); /* settles `text`, which is NULL when memory ran out */
    return text;
}

/* --- parsing --------------------------------------------------------------------------------- */

static enum args_result
parse_globals(int argc, char **argv, struct cli_options *given, int *first_word_out)
{
    struct args_option chosen[CLI_OPTIONS];
    CLEANUP(free_text) char *epilogue = make_epilogue(NULL);
    const struct args_program program = {
        .name = "refloop",
        .usage = usage_of_all,
        .description = "Sends referrals, shows what has become of them, and says what is next.",
        .epilogue = epilogue,
        .options = chosen,
        .n_options = choose_options(EVERY, chosen),
        .stop_at_first = true,
    };
    enum args_result result =
        args_parse(&program, argc, argv, given, sizeof(*given), first_word_out);
    if (result == ARGS_RUN && *first_word_out >= argc) {
        (void)args_usage_error(&program, "a command is missing");
        return ARGS_WRONG;
    }
    if (result == ARGS_RUN && commands_find(argv[*first_word_out]) == NULL) {
        (void)args_usage_error(&program, "there is no such command");
        return ARGS_WRONG;
    }
    return result;
}

static enum args_result
check_words(const struct args_program *program, const struct command *command, size_t n)
{
    size_t min = 0;
    size_t max = 0;
    commands_count_words(command->arguments, &min, &max);
    if (n < min) {
        (void)args_usage_error(program, "something is missing: refloop %s %s", command->name,
                               command->arguments);
        return ARGS_WRONG;
    }
    if (n > max) {
        /* The word itself is not repeated: it may be about a person. */
        bool takes_text = has_option(command->options, "text");
        (void)args_usage_error(program, "that is %zu word%s too many%s", n - max,
                               n - max == 1 ? "" : "s",
                               takes_text ? ". Texts are never given as arguments,\n"
                                            "because others on this machine could see them: use "
                                            "--text FILE, or --text - to type it."
                                          : "");
        return ARGS_WRONG;
    }
    return ARGS_RUN;
}

static enum args_result
check_options(const struct args_program *program, const struct cli_options *given)
{
    int n = given->needs_me + given->open + given->closed + given->all;
    if (n > 1) {
        (void)args_usage_error(program, "only one of --needs-me, --open, --closed and --all");
        return ARGS_WRONG;
    }
    return ARGS_RUN;
}

static enum args_result
parse_command(const struct command *command, int argc, char **argv, struct cli *cli)
{
    struct args_option chosen[CLI_OPTIONS];
    char name[USAGE_BYTES];
    char usage[USAGE_BYTES];
    char description[2 * 1024];
    int first = 0;
    CLEANUP(free_text) char *epilogue = make_epilogue(command);
    (void)snprintf(name, sizeof(name), "refloop %s", command->name); /* our own short words */
    (void)snprintf(usage, sizeof(usage), "%s%s[OPTIONS]", command->arguments,
                   command->arguments[0] != '\0' ? " " : "");
    (void)snprintf(description, sizeof(description), "%c%s.%s%s",
                   toupper((unsigned char)command->help[0]), command->help + 1,
                   command->details != NULL ? "\n\n" : "",
                   command->details != NULL ? command->details : "");
    const struct args_program program = {
        .name = name,
        .usage = usage,
        .description = description,
        .epilogue = epilogue,
        .options = chosen,
        .n_options = choose_options(command->options, chosen),
    };
    enum args_result result =
        args_parse(&program, argc, argv, &cli->options, sizeof(cli->options), &first);
    if (result == ARGS_RUN) {
        cli->words = argv + first;
        cli->n_words = (size_t)(argc - first);
        result = check_words(&program, command, cli->n_words);
    }
    return result == ARGS_RUN ? check_options(&program, &cli->options) : result;
}

int
commands_run(int argc, char **argv, FILE *out, FILE *err)
{
    int first = 0;
    struct cli cli = {0};
    enum args_result result = parse_globals(argc, argv, &cli.options, &first);
    if (result == ARGS_RUN) {
        cli.command = commands_find(argv[first]);
        result = parse_command(cli.command, argc - first, argv + first, &cli);
    }
    if (result != ARGS_RUN) {
        return result == ARGS_DONE ? CLI_EXIT_DONE : CLI_EXIT_USAGE;
    }
    int64_t now_ms = clock_now().wall_ms;
    cli.screen = screen_of(out, now_ms);
    cli.errors = screen_of(err, now_ms);
    int code = cli.command->run(&cli);
    if (!screen_finish(&cli.screen)) {
        screen_line(&cli.errors, SCREEN_PLAIN, 0, "refloop: the output could not be written");
        code = code == CLI_EXIT_DONE ? CLI_EXIT_REFUSED : code;
    }
    return code;
}
