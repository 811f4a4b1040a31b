/* Talking with the agent. Decides what is said when it cannot be reached, does not answer or
 * refuses, and what a person could do next. Knows no command.
 *
 * What standard error gets is for people; with --json standard output gets one object in every
 * case, so that a script needs to look at one place only. */
#include "agent/cli/talk.h"

#include <stdlib.h>
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/commands.h"
#include "lib/base/text.h"
#include "lib/edge/daemon.h"
#include "lib/edge/fields.h"
#include "lib/edge/terminal.h"
#include "lib/loop/ident.h"

/* What to do next, by the code of a refusal and, where it matters, the field at fault. */
static const struct {
    const char *code, *field, *advice;
    enum {
        NOTHING,
        NAME,
        LOOP
    } fill; /* what stands for the %s: the command's name, its referral */
} advices[] = {
    {"wrong-state", NULL, "'refloop show %s' tells what has happened so far.", LOOP},
    {"unknown-loop", NULL, "'refloop list --all' shows every referral with its id.", NOTHING},
    {"ambiguous", NULL, "Give more digits of the id; 'refloop list --all' shows them.", NOTHING},
    {"unknown-member", NULL, "'refloop members' shows who is in the network.", NOTHING},
    {"invalid", "to", "'refloop members' shows who is in the network.", NOTHING},
    {"invalid", "reason", "'refloop codes %s' shows the codes and what they mean.", NAME},
    {"invalid", "kind", "'refloop codes %s' shows the codes and what they mean.", NAME},
    {"invalid", "outcome", "'refloop codes %s' shows the codes and what they mean.", NAME},
    {"invalid", "next", "'refloop codes %s' shows the codes and what they mean.", NAME},
    {"invalid", "category", "'refloop codes category' shows the codes and what they mean.",
     NOTHING},
    {"invalid", "text", "Give the text with --text FILE, or --text - to type it.", NOTHING},
    {"revoked", NULL, "The network's administrator can say why.", NOTHING},
    {"busy", NULL, "Nothing was changed; try again in a moment.", NOTHING},
    {"quota", NULL, "Nothing was changed; try again in a moment.", NOTHING},
    {"disk-full", NULL, "Make room on this machine's disk, then try again; nothing was lost.",
     NOTHING},
    {"internal", NULL, "Please report this with the agent's log lines of this minute.", NOTHING},
};

static void
put_advice(const struct cli *cli, const char *code, const char *field, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        if (strcmp(advices[i].code, code) != 0 ||
            (advices[i].field != NULL && strcmp(advices[i].field, field) != 0)) {
            continue;
        }
        const char *loop = cli_word(cli, 0) != NULL ? cli_word(cli, 0) : "LOOP";
        const char *words = advices[i].advice;
        const char *gap = strstr(words, "%s");
        int before = gap != NULL ? (int)(gap - words) : (int)strlen(words);
        (void)snprintf(out, size, "%.*s%s%s", before, words,
                       advices[i].fill == NAME   ? cli->command->name
                       : advices[i].fill == LOOP ? loop
                                                 : "",
                       gap != NULL ? gap + 2 : ""); /* cut when somebody typed a very long word */
        return;
    }
}

/* "refloop accept 3f2a": a command's first word is its referral when it takes one. */
static void
name_call(const struct cli *cli, char *out, size_t size)
{
    const char *loop = strncmp(cli->command->arguments, "LOOP", 4) == 0 ? cli_word(cli, 0) : NULL;
    (void)snprintf(out, size, "refloop %s%s%s", cli->command->name, loop != NULL ? " " : "",
                   loop != NULL ? loop : ""); /* cut when somebody typed a very long word */
}

static void
tell(struct cli *cli, const char *sentence, const char *advice)
{
    char call[128];
    name_call(cli, call, sizeof(call));
    screen_line(&cli->errors, SCREEN_PLAIN, 0, "%s: %s", call, sentence);
    if (advice[0] != '\0') {
        screen_line(&cli->errors, SCREEN_PLAIN, 2, "%s", advice);
    }
}

void
talk_tell(struct cli *cli, const json_t *error)
{
    const char *text = fields_text(error, "text");
    const char *code = fields_text(error, "code");
    char advice[256];
    put_advice(cli, code, fields_text(error, "field"), advice, sizeof(advice));
    tell(cli, text[0] != '\0' ? text : "the agent refused without saying why", advice);
}

void
talk_print_json(struct cli *cli, const json_t *value)
{
    if (!terminal_put_json(cli->screen.out, value)) {
        cli->screen.failed = true;
    }
    screen_gap(&cli->screen);
}

int
talk_fail(struct cli *cli, enum err err, const char *sentence)
{
    const char *text = sentence != NULL && sentence[0] != '\0' ? sentence : err_text(err);
    if (cli->options.json) {
        json_auto_t *answer = control_error(err, text);
        talk_print_json(cli, answer);
    } else {
        tell(cli, text, "");
    }
    return err == ERR_UNREACHABLE ? CLI_EXIT_NO_AGENT : CLI_EXIT_REFUSED;
}

int
talk_open(struct cli *cli, struct control_client **client_out)
{
    char home[FILE_PATH_MAX];
    struct complaint complaint = {0};
    enum err err = daemon_home_find(cli->options.home, DAEMON_AGENT_HOME, home, &complaint);
    if (err == ERR_OK) {
        err = control_client_open(home, "refloop-agent", client_out, &complaint);
    }
    return err == ERR_OK ? CLI_EXIT_DONE : talk_fail(cli, err, complaint.text);
}

static int
judge(struct cli *cli, const json_t *answer, bool quietly)
{
    bool ok = fields_flag(answer, "ok");
    if (cli->options.json && (!ok || !quietly)) {
        talk_print_json(cli, answer);
    }
    if (ok) {
        return CLI_EXIT_DONE;
    }
    /* A batch names the first of its refused rows as the error: the rows are told one by one. */
    bool by_row = json_array_size(json_object_get(answer, "refused")) > 0;
    const json_t *error = json_object_get(answer, "error");
    if (!cli->options.json && error != NULL && !by_row) {
        talk_tell(cli, error);
    }
    return CLI_EXIT_REFUSED;
}

json_t *
talk_look(struct cli *cli, struct control_client *client, json_t *request)
{
    CLEANUP(control_client_closep) struct control_client *own = NULL;
    json_auto_t *owned = request;
    json_auto_t *answer = NULL;
    struct complaint complaint = {0};
    char home[FILE_PATH_MAX];
    enum err err = request != NULL ? ERR_OK : ERR_MEMORY;
    if (err == ERR_OK && client == NULL) {
        err = daemon_home_find(cli->options.home, DAEMON_AGENT_HOME, home, &complaint);
        if (err == ERR_OK) {
            err = control_client_open(home, "refloop-agent", &own, &complaint);
        }
        client = own;
    }
    if (err == ERR_OK) {
        err = control_client_call(client, owned, TALK_PATIENCE_MS, &answer, &complaint);
    }
    return err == ERR_OK && fields_flag(answer, "ok") ? json_incref(answer) : NULL;
}

void
talk_warn(struct cli *cli, const json_t *answer)
{
    const char *warning = fields_text(answer, "warning");
    if (strcmp(warning, cli->warning) == 0) {
        return;
    }
    (void)text_format(cli->warning, sizeof(cli->warning), "%s", warning); /* only compared */
    cmd_print_warning(&cli->screen, answer);
}

void
talk_ask_warning(struct cli *cli, struct control_client *client)
{
    json_auto_t *answer =
        talk_look(cli, client, json_pack("{s:s, s:b}", "command", "alarms", "standing", 1));
    if (answer != NULL) {
        talk_warn(cli, answer);
    }
}

static int
call(struct cli *cli, json_t *request, int patience_ms, json_t **answer_out)
{
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    struct complaint complaint = {0};
    int code = talk_open(cli, &client);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    enum err err = control_client_call(client, request, patience_ms, answer_out, &complaint);
    if (err != ERR_OK) {
        return talk_fail(cli, err, complaint.text);
    }
    if (cli->command->warns && !cli->options.json) {
        talk_ask_warning(cli, client);
    }
    return CLI_EXIT_DONE;
}

static int
ask(struct cli *cli, json_t *request, int patience_ms, bool quietly, json_t **answer_out)
{
    json_auto_t *owned = request;
    *answer_out = NULL;
    if (owned == NULL) {
        return talk_fail(cli, ERR_MEMORY, NULL);
    }
    int code = call(cli, owned, patience_ms, answer_out);
    return code == CLI_EXIT_DONE ? judge(cli, *answer_out, quietly) : code;
}

int
talk_ask(struct cli *cli, json_t *request, int patience_ms, json_t **answer_out)
{
    return ask(cli, request, patience_ms, false, answer_out);
}

int
talk_ask_quietly(struct cli *cli, json_t *request, int patience_ms, json_t **answer_out)
{
    return ask(cli, request, patience_ms, true, answer_out);
}

int
talk_find_loop(struct cli *cli, const char *short_form, json_t **loop_out)
{
    json_auto_t *answer = NULL;
    json_auto_t *request = json_pack("{s:s, s:s}", "command", "show", "loop", short_form);
    if (strlen(short_form) == LOOP_ID_TEXT - 1 || request == NULL) {
        /* Whole, or no text the agent could understand: it judges both. */
        *loop_out = json_string(short_form);
        return *loop_out != NULL ? CLI_EXIT_DONE
                                 : talk_fail(cli, ERR_INVALID, "the loop id is not plain text");
    }
    int code = call(cli, request, TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    if (!fields_flag(answer, "ok")) {
        return judge(cli, answer, false);
    }
    *loop_out = json_incref(json_object_get(json_object_get(answer, "loop"), "loop"));
    return *loop_out != NULL ? CLI_EXIT_DONE : talk_fail(cli, ERR_INTERNAL, NULL);
}
