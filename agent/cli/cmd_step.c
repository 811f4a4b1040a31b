/* Every step of a referral: accept, decline, ask, complete and so on. They differ only in what the
 * second word means, which lib/loop's lists say; the agent decides what is allowed.
 *
 * It refuses text as an argument: arguments stand in the process list and the shell's history. */
#include <string.h>
#include <unistd.h>

#include "agent/cli/cmd.h"
#include "agent/cli/commands.h"
#include "agent/cli/talk.h"
#include "agent/cli/text_input.h"
#include "agent/cli/words.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

enum { SHORT_ID = 8, CONTACT_BYTES = 4096 };

/* The code the second word gives; acknowledging without a word means that nothing goes on. */
static const char *
find_code(const struct cli *cli, enum loop_event event)
{
    const char *code = cli_word(cli, 1);
    return code == NULL && event == EVENT_ACKNOWLEDGE ? "none" : code;
}

static bool
needs_text(enum loop_event event, const char *code)
{
    enum reason_list list;
    if (event == EVENT_ASK || event == EVENT_ANSWER || event == EVENT_NOTE) {
        return true;
    }
    /* "other" explains nothing by itself: a person at the terminal is asked at once. */
    if (code == NULL || !reason_list_for(event, &list) || isatty(STDIN_FILENO) != 1) {
        return false;
    }
    const struct reason *reason = reason_find(list, code);
    return reason != NULL && reason->needs_text;
}

static enum err
add_text(const struct cli *cli, enum loop_event event, const char *code, json_t *request,
         struct complaint *complaint)
{
    const char *path = cli->options.text;
    if (path == NULL && !needs_text(event, code)) {
        return ERR_OK;
    }
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(TEXT_INPUT_MAX_BYTES);
    const char *prompt = event == EVENT_ASK      ? "Type the question"
                         : event == EVENT_ANSWER ? "Type the answer"
                                                 : "Type the note";
    enum err err = text_input_note(path != NULL ? path : "-", prompt, &text, complaint);
    return err == ERR_OK ? fields_set(request, "text", (const char *)text.data) : err;
}

/* First line the name, second line the telephone number. */
static enum err
add_contact(const struct cli *cli, json_t *request, struct complaint *complaint)
{
    if (cli->options.contact == NULL) {
        return ERR_OK;
    }
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(CONTACT_BYTES);
    enum err err = text_input_note(cli->options.contact, "Type the name, then the telephone number",
                                   &text, complaint);
    if (err != ERR_OK) {
        return err;
    }
    char *name = (char *)text.data;
    char *phone = strchr(name, '\n');
    if (phone != NULL) {
        *phone++ = '\0';
    }
    if (phone != NULL && strchr(phone, '\n') != NULL) {
        return complain(complaint, ERR_INVALID,
                        "the contact has two lines: the name, then the telephone number");
    }
    err = fields_set(request, "contact_name", name);
    return err == ERR_OK ? fields_set(request, "contact_phone", phone) : err;
}

static enum err
check_times(const struct cli *cli, struct complaint *complaint)
{
    const struct {
        const char *name, *value;
        bool with_time;
    } times[] = {{"due", cli->options.due, false}, {"at", cli->options.at, true}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        const char *wanted =
            times[i].value != NULL ? words_bad_time(times[i].value, times[i].with_time) : "";
        if (wanted[0] != '\0') {
            return complain(complaint, ERR_INVALID, "--%s takes %s", times[i].name, wanted);
        }
    }
    return ERR_OK;
}

static enum err
fill_request(const struct cli *cli, enum loop_event event, json_t *request,
             struct complaint *complaint)
{
    const char *code = find_code(cli, event);
    const char *code_field = words_code_field(event);
    char appointment[WORDS_BYTES];
    char due[WORDS_BYTES];
    words_to_utc(cli->options.at != NULL ? cli->options.at : "", appointment);
    words_to_utc(cli->options.due != NULL ? cli->options.due : "", due);
    const struct {
        const char *name, *value;
    } fields[] = {
        {"command", "step"},
        {"loop", cli_word(cli, 0)},
        {"event", lifecycle_event_name(event)},
        {code_field, code},
        {"due", cli->options.due != NULL ? due : NULL},
        {"next_loop", cli->options.next_loop},
        {"appointment", cli->options.at != NULL ? appointment : NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].name == NULL) {
            continue;
        }
        enum err err = fields_set(request, fields[i].name, fields[i].value);
        if (err != ERR_OK) {
            return complain(complaint, err, "the %s is not plain text", fields[i].name);
        }
    }
    enum err err = add_contact(cli, request, complaint);
    return err == ERR_OK ? add_text(cli, event, code, request, complaint) : err;
}

json_t *
cmd_step_request(const struct cli *cli, struct complaint *complaint)
{
    enum loop_event event = EVENT_NOTE;
    const char *text = cli->options.text;
    const char *contact = cli->options.contact;
    json_auto_t *request = json_object();
    if (!lifecycle_find_event(cli->command->name, &event)) {
        return NULL; /* a row of the table that is no step: shows in the first test */
    }
    if (text != NULL && contact != NULL && strcmp(text, "-") == 0 && strcmp(contact, "-") == 0) {
        (void)complain(complaint, ERR_INVALID,
                       "only one of --text and --contact can come from standard input");
        return NULL;
    }
    if (check_times(cli, complaint) != ERR_OK ||
        fill_request(cli, event, request, complaint) != ERR_OK) {
        return NULL;
    }
    return json_incref(request);
}

static void
print_done(struct cli *cli, const json_t *loop)
{
    const json_t *partner = json_object_get(loop, "partner");
    const char *notice = fields_text(loop, "notice");
    const char *name = fields_text(partner, "name");
    screen_line(&cli->screen, SCREEN_PLAIN, 0, "%.*s  you %s: kept on this machine, going to %s",
                SHORT_ID, fields_text(loop, "loop"), words_event(cli->command->name),
                name[0] != '\0' ? name : "the partner");
    if (notice[0] != '\0') {
        screen_line(&cli->screen, SCREEN_WARN, 2, "! %s", notice);
    }
}

int
cmd_step(struct cli *cli)
{
    struct complaint complaint = {0};
    json_auto_t *answer = NULL;
    json_auto_t *request = cmd_step_request(cli, &complaint);
    if (request == NULL) {
        return talk_fail(cli, ERR_INVALID, complaint.text);
    }
    int code = talk_ask(cli, json_incref(request), TALK_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        print_done(cli, json_object_get(answer, "loop"));
    }
    return code;
}
