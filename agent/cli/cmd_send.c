/* send: hands the files to the agent, which alone knows what a referral needs. Decides only how the
 * result is told: what is safely on this machine, and what was refused and why, row by row. */
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/text_input.h"
#include "agent/cli/words.h"
#include "lib/edge/fields.h"

/* A longer name of a field that stands in the sentence already is not said twice. */
enum { SHORT_ID = 8, NAMED_MIN = 4 };

static enum err
add_file(json_t *files, const char *path, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(TEXT_INPUT_FILE_BYTES);
    enum err err = text_input_file(path, "Type or paste the referral", &text, complaint);
    if (err != ERR_OK) {
        return err;
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : path;
    name = strcmp(path, "-") == 0 ? "standard input" : name;
    json_t *content = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
    if (content == NULL) {
        return complain(complaint, ERR_INVALID,
                        "%s is not UTF-8 text; save it as \"UTF-8\" or \"CSV UTF-8\"", name);
    }
    if (json_array_append_new(files, json_pack("{s:s, s:o}", "name", name, "text", content)) != 0) {
        return complain(complaint, ERR_INVALID, "%s: the file's name is not UTF-8", path);
    }
    return ERR_OK;
}

static enum err
fill_request(const struct cli *cli, json_t *request, struct complaint *complaint)
{
    json_t *files = json_array();
    if (json_object_set_new(request, "files", files) != 0) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < cli->n_words; i++) {
        enum err err = add_file(files, cli->words[i], complaint);
        if (err != ERR_OK) {
            return err;
        }
    }
    char needed_by[WORDS_BYTES];
    const char *wanted =
        cli->options.needed_by != NULL ? words_bad_time(cli->options.needed_by, false) : "";
    const char *priority = cli->options.priority;
    if (wanted[0] != '\0') {
        return complain(complaint, ERR_INVALID, "--needed-by takes %s", wanted);
    }
    if (priority != NULL && strcmp(priority, "routine") != 0 && strcmp(priority, "urgent") != 0) {
        return complain(complaint, ERR_INVALID, "--priority takes routine or urgent");
    }
    words_to_utc(cli->options.needed_by != NULL ? cli->options.needed_by : "", needed_by);
    const struct {
        const char *name, *value;
    } options[] = {
        {"command", cli->options.check ? "check" : "send"},
        {"to", cli->options.to},
        {"priority", cli->options.priority},
        {"needed_by", cli->options.needed_by != NULL ? needed_by : NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        enum err err = fields_set(request, options[i].name, options[i].value);
        if (err != ERR_OK) {
            return complain(complaint, err, "--%s is not plain text", options[i].name);
        }
    }
    return ERR_OK;
}

static void
print_sent(struct screen *screen, const json_t *row, bool check)
{
    const char *loop = fields_text(row, "loop");
    const char *to = fields_text(row, "to");
    size_t number = fields_count(row, "row");
    char place[32] = "";
    if (number > 0) {
        (void)snprintf(place, sizeof(place), " (row %zu)", number); /* fits: a number */
    }
    if (check) {
        screen_line(screen, SCREEN_PLAIN, 0, "would be sent to %s%s", to, place);
    } else {
        screen_line(screen, SCREEN_PLAIN, 0, "%.*s  to %s%s", SHORT_ID, loop, to, place);
    }
}

static void
print_refused(struct screen *errors, const json_t *row)
{
    const char *field = fields_text(row, "field");
    size_t number = fields_count(row, "row");
    char place[32] = "";
    if (number > 0) {
        (void)snprintf(place, sizeof(place), "row %zu ", number); /* fits: a number */
    }
    const char *text = fields_text(row, "text");
    bool named = strlen(field) < NAMED_MIN ? field[0] == '\0' : strstr(text, field) != NULL;
    screen_line(errors, SCREEN_PLAIN, 0, "%srefused: %s%s%s", place, named ? "" : field,
                named ? "" : ": ", text);
}

static void
print_texts(struct screen *screen, const char *label, const json_t *texts)
{
    size_t i = 0;
    const json_t *text = NULL;
    json_array_foreach(texts, i, text)
    {
        const char *words = json_string_value(text);
        screen_line(screen, SCREEN_PLAIN, 0, "%s: %s", label, words != NULL ? words : "");
    }
}

void
cmd_print_send(struct screen *screen, struct screen *errors, const json_t *answer, bool check)
{
    const json_t *sent = json_object_get(answer, "sent");
    const json_t *refused = json_object_get(answer, "refused");
    size_t n_sent = json_array_size(sent);
    size_t n_refused = json_array_size(refused);
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(sent, i, row) print_sent(screen, row, check);
    print_texts(screen, "notice", json_object_get(answer, "notices"));
    print_texts(screen, "carried along unchanged", json_object_get(answer, "carried"));
    if (n_sent > 0 && check) {
        screen_line(screen, SCREEN_PLAIN, 0, "Nothing was sent: this was a check.");
    } else if (n_sent > 0) {
        screen_line(screen, SCREEN_PLAIN, 0,
                    "%zu referral%s safe on this machine and will go out without further help.",
                    n_sent, n_sent == 1 ? " is" : "s are");
    }
    json_array_foreach(refused, i, row) print_refused(errors, row);
    if (n_refused > 0) {
        screen_line(errors, SCREEN_PLAIN, 0, "%zu %s refused; correct %s and send only %s again.",
                    n_refused, n_refused == 1 ? "referral was" : "referrals were",
                    n_refused == 1 ? "it" : "them", n_refused == 1 ? "that one" : "those");
    }
}

int
cmd_send(struct cli *cli)
{
    json_auto_t *request = json_object();
    json_auto_t *answer = NULL;
    struct complaint complaint = {0};
    enum err err = fill_request(cli, request, &complaint);
    if (err != ERR_OK) {
        return talk_fail(cli, err, complaint.text);
    }
    int code = talk_ask(cli, json_incref(request), TALK_LONG_PATIENCE_MS, &answer);
    if (answer != NULL && !cli->options.json) {
        cmd_print_send(&cli->screen, &cli->errors, answer, cli->options.check);
    }
    bool any_refused = json_array_size(json_object_get(answer, "refused")) > 0;
    return code == CLI_EXIT_DONE && any_refused ? CLI_EXIT_REFUSED : code;
}
