/* alarms: what this agent has caught the broker, or somebody with our keys, doing. Decides how it
 * is told, first of all in one line before everything else, and that a person must have said yes
 * before sending goes on. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

enum { DETAIL_INDENT = 6, PROOF_MODE = 0600, PROOF_BYTES_MAX = 1024 * 1024, ANSWER_BYTES = 16 };

void
cmd_print_warning(struct screen *screen, const json_t *answer)
{
    enum screen_ink ink = fields_flag(answer, "stopped") ? SCREEN_ALARM : SCREEN_WARN;
    const char *warning = fields_text(answer, "warning");
    if (warning[0] != '\0') {
        screen_line(screen, ink, 0, "%s", warning);
    }
}

/* --- the list -------------------------------------------------------------------------------- */

static void
print_alarm(struct screen *screen, const json_t *alarm)
{
    char raised[WORDS_BYTES] = "";
    char settled[WORDS_BYTES] = "";
    int64_t ms = 0;
    if (fields_time(alarm, "raised", &ms)) {
        words_moment(ms, screen->now_ms, raised);
    }
    bool stands = !fields_time(alarm, "settled", &ms);
    if (!stands) {
        words_moment(ms, screen->now_ms, settled);
    }
    bool stops = stands && fields_flag(alarm, "stops");
    enum screen_ink ink = stops ? SCREEN_ALARM : stands ? SCREEN_WARN : SCREEN_FAINT;
    screen_line(screen, ink, 0, "%zu. %s  %s%s", (size_t)fields_count(alarm, "n"), raised,
                fields_text(alarm, "text"), stops ? " Sending is stopped." : "");
    if (fields_text(alarm, "about")[0] != '\0') {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "About: %s", fields_text(alarm, "about"));
    }
    if (stands) {
        screen_line(screen, SCREEN_PLAIN, DETAIL_INDENT, "What to do: %s",
                    fields_text(alarm, "advice"));
    } else {
        screen_line(screen, SCREEN_FAINT, DETAIL_INDENT, "Settled %s.", settled);
    }
}

static size_t
count_standing(const json_t *alarms, json_int_t *newest_out)
{
    size_t n = 0;
    size_t i = 0;
    const json_t *alarm = NULL;
    *newest_out = 0;
    json_array_foreach(alarms, i, alarm)
    {
        int64_t ms = 0;
        json_int_t number = (json_int_t)fields_count(alarm, "n");
        if (!fields_time(alarm, "settled", &ms)) {
            n++;
            *newest_out = number > *newest_out ? number : *newest_out;
        }
    }
    return n;
}

void
cmd_print_alarms(struct screen *screen, const json_t *answer)
{
    const json_t *alarms = json_object_get(answer, "alarms");
    bool stopped = fields_flag(answer, "stopped");
    json_int_t newest = 0;
    size_t n = count_standing(alarms, &newest);
    size_t i = 0;
    const json_t *alarm = NULL;
    json_array_foreach(alarms, i, alarm)
    {
        print_alarm(screen, alarm);
        screen_gap(screen);
    }
    if (json_array_size(alarms) == 0 && !stopped) {
        screen_line(screen, SCREEN_PLAIN, 0,
                    "No alarm: nothing that the broker told has proved to be untrue.");
    } else if (n == 0 && !stopped) {
        screen_line(screen, SCREEN_PLAIN, 0, "No alarm stands. Sending goes on.");
    } else {
        screen_line(screen, stopped ? SCREEN_ALARM : SCREEN_PLAIN, 0,
                    "%zu alarm%s. %s When the administrator says that it is clear: 'refloop alarms "
                    "--settle'.",
                    n, n == 1 ? " stands" : "s stand",
                    stopped ? "Nothing is sent; what is said here is kept, and arriving referrals "
                              "are still taken in."
                            : "Sending goes on.");
    }
}

/* --- settling -------------------------------------------------------------------------------- */

static int
ask_person(struct cli *cli)
{
    char line[ANSWER_BYTES] = "";
    if (cli->options.json || isatty(STDIN_FILENO) != 1) {
        return talk_fail(cli, ERR_INVALID,
                         "nobody can be asked here: look at 'refloop alarms' "
                         "first, then give --yes");
    }
    screen_line(&cli->screen, SCREEN_BOLD, 0,
                "Has the administrator told you that sending may go on? Type yes:");
    (void)fflush(cli->screen.out); /* the question is seen late at worst */
    bool yes = fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "yes\n") == 0;
    return yes ? CLI_EXIT_DONE : talk_fail(cli, ERR_INVALID, "nothing was changed");
}

static int
settle(struct cli *cli, const json_t *answer)
{
    json_int_t newest = 0;
    json_auto_t *settled = NULL;
    size_t n = count_standing(json_object_get(answer, "alarms"), &newest);
    int code = CLI_EXIT_DONE;
    if (!cli->options.json) {
        cmd_print_alarms(&cli->screen, answer);
    }
    if (!cli->options.yes && (n > 0 || fields_flag(answer, "stopped"))) {
        code = ask_person(cli);
    }
    if (code == CLI_EXIT_DONE) {
        code = talk_ask(cli, json_pack("{s:s, s:I}", "command", "settle", "newest", newest),
                        TALK_PATIENCE_MS, &settled);
    }
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        screen_line(&cli->screen, SCREEN_PLAIN, 0, "Settled. Sending goes on.");
    }
    return code;
}

/* --- proofs as files ------------------------------------------------------------------------- */

/* Numbers and our own words: no name of a person or an organization. */
static enum err
proof_path(const json_t *alarm, const char *dir, char out[FILE_PATH_MAX])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    const char *kind = fields_text(alarm, "kind");
    char name[64];
    size_t len = strspn(kind, letters);
    (void)text_format(name, sizeof(name), "alarm-%zu-%.*s.proof", (size_t)fields_count(alarm, "n"),
                      len > 32 ? 32 : (int)len, kind);
    return file_path(out, dir, name);
}

static int
save_one(struct cli *cli, const json_t *alarm)
{
    json_auto_t *answer = NULL;
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(PROOF_BYTES_MAX);
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    json_t *request =
        json_pack("{s:s, s:I}", "command", "alarm", "n", (json_int_t)fields_count(alarm, "n"));
    int code = talk_ask_quietly(cli, request, TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    enum err err = text_unbase64(bytes_of_text(fields_text(answer, "proof")), &proof);
    if (err == ERR_OK) {
        err = proof_path(alarm, cli->options.save, path);
    }
    if (err != ERR_OK) {
        return talk_fail(cli, err, NULL);
    }
    err = file_create(path, buffer_view(&proof), PROOF_MODE);
    if (err != ERR_OK && err != ERR_EXISTS) {
        err = complain(&complaint, err, "%s cannot be written: %s", path, err_text(err));
        return talk_fail(cli, err, complaint.text);
    }
    if (!cli->options.json) {
        screen_line(&cli->screen, SCREEN_PLAIN, 0, "%s%s", path,
                    err == ERR_EXISTS ? " (was there already)" : "");
    }
    return CLI_EXIT_DONE;
}

static int
save(struct cli *cli, const json_t *answer)
{
    struct complaint complaint = {0};
    size_t i = 0;
    const json_t *alarm = NULL;
    int code = CLI_EXIT_DONE;
    enum err err = file_make_dir(cli->options.save);
    if (err != ERR_OK) {
        err = complain(&complaint, err, "%s cannot be used: %s", cli->options.save, err_text(err));
        return talk_fail(cli, err, complaint.text);
    }
    json_array_foreach(json_object_get(answer, "alarms"), i, alarm)
    {
        code = code == CLI_EXIT_DONE ? save_one(cli, alarm) : code;
    }
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        screen_line(&cli->screen, SCREEN_PLAIN, 0,
                    "%zu proof%s saved. Give them to whoever has to judge; nothing in them can be "
                    "read by others.",
                    i, i == 1 ? "" : "s");
    } else if (code == CLI_EXIT_DONE) {
        talk_print_json(cli, answer);
    }
    return code;
}

int
cmd_alarms(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "command", "alarms");
    bool only_look = cli->options.save == NULL && !cli->options.settle;
    int code = only_look ? talk_ask(cli, request, TALK_PATIENCE_MS, &answer)
                         : talk_ask_quietly(cli, request, TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    if (cli->options.save != NULL) {
        code = save(cli, answer);
    } else if (only_look && !cli->options.json) {
        cmd_print_alarms(&cli->screen, answer);
    }
    return code == CLI_EXIT_DONE && cli->options.settle ? settle(cli, answer) : code;
}
