/* watch: one line per change until the user has seen enough. Decides which changes concern the
 * referral asked for: its own, and those of the link. Ends well on Ctrl-C; ends with an explanation
 * when the agent goes away. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

enum { SHORT_ID = 8, WHO_COLUMNS = 22, STATE_COLUMNS = 15, GAPS = 10 };

static const char needs[] = "needs you:";

/* Every line has been flushed, so there is nothing left to do. */
static void
leave(int number)
{
    (void)number;
    _exit(CLI_EXIT_DONE);
}

void
cmd_print_change(struct screen *screen, const json_t *loop)
{
    const json_t *partner = json_object_get(loop, "partner");
    const json_t *next = json_object_get(loop, "next");
    const char *who = fields_text(next, "who");
    const char *name = fields_text(partner, "name");
    const char *notice = words_notice(loop);
    const char *queued = fields_text(loop, "queued_state");
    const char *logged = fields_text(loop, "state");
    bool waits = queued[0] != '\0' && strcmp(queued, logged) != 0;
    char state[WORDS_BYTES];
    bool ours = who[0] != '\0' && strcmp(who, fields_text(loop, "role")) == 0;
    char moment[WORDS_BYTES];
    char id[SHORT_ID + 1];
    (void)snprintf(id, sizeof(id), "%s", fields_text(loop, "loop")); /* cut on purpose */
    (void)text_format(state, sizeof(state), "%s%s", words_state(waits ? queued : logged),
                      waits ? "*" : "");
    words_moment_near(screen->now_ms, screen->now_ms, screen->now_ms, moment);
    size_t used = strlen(moment) + SHORT_ID + WHO_COLUMNS + STATE_COLUMNS + strlen(needs) + GAPS;
    size_t room = screen->width > used ? screen->width - used : 0;
    const struct screen_cell cells[] = {
        {moment, 0, SCREEN_FAINT},
        {id, SHORT_ID, SCREEN_PLAIN},
        {name[0] != '\0' ? name : fields_text(partner, "org"), WHO_COLUMNS, SCREEN_PLAIN},
        {state, STATE_COLUMNS, SCREEN_BOLD},
        {needs, 0, SCREEN_BOLD},
        {fields_text(next, "step"), room, SCREEN_PLAIN},
    };
    screen_row(screen, cells, ours ? ARRAY_LEN(cells) : ARRAY_LEN(cells) - 2);
    if (notice[0] != '\0') {
        screen_line(screen, SCREEN_WARN, 2, "! %s", notice);
    }
}

/* No referral changed, but how far what is said here can get. */
static void
print_link(struct screen *screen, const json_t *status)
{
    char moment[WORDS_BYTES];
    screen->now_ms = clock_now().wall_ms;
    words_moment_near(screen->now_ms, screen->now_ms, screen->now_ms, moment);
    if (strcmp(fields_text(status, "sentence"), fields_text(status, "warning")) == 0) {
        return; /* has been told */
    }
    screen_field(screen, fields_flag(status, "problem") ? SCREEN_WARN : SCREEN_PLAIN, moment,
                 strlen(moment) + 2, "%s", fields_text(status, "sentence"));
}

static bool
concerns(const json_t *message, const json_t *wanted)
{
    const json_t *loop = json_object_get(message, "loop");
    return wanted == NULL || !json_is_object(loop) ||
           json_equal(json_object_get(loop, "loop"), wanted) != 0;
}

static void
show_message(struct cli *cli, const json_t *message)
{
    if (cli->options.json) {
        talk_print_json(cli, message);
        return;
    }
    if (json_is_object(json_object_get(message, "status"))) {
        talk_warn(cli, json_object_get(message, "status"));
    }
    if (json_is_object(json_object_get(message, "loop"))) {
        cli->screen.now_ms = clock_now().wall_ms;
        cmd_print_change(&cli->screen, json_object_get(message, "loop"));
    } else if (json_is_object(json_object_get(message, "status"))) {
        print_link(&cli->screen, json_object_get(message, "status"));
    }
}

/* Returns the exit code once the agent or standard output has gone. */
static int
follow(struct cli *cli, struct control_client *client, const json_t *wanted)
{
    struct complaint complaint = {0};
    for (;;) {
        json_auto_t *message = NULL;
        enum err err = control_client_next(client, -1, &message, &complaint);
        if (err == ERR_BUSY) {
            continue;
        }
        if (err != ERR_OK) {
            return talk_fail(cli, err, complaint.text);
        }
        if (concerns(message, wanted)) {
            show_message(cli, message);
        }
        if (!screen_finish(&cli->screen)) {
            return CLI_EXIT_REFUSED;
        }
    }
}

static int
begin(struct cli *cli, struct control_client *client)
{
    struct complaint complaint = {0};
    json_auto_t *answer = NULL;
    json_auto_t *request = json_pack("{s:s}", "command", "watch");
    enum err err = control_client_call(client, request, TALK_PATIENCE_MS, &answer, &complaint);
    if (err != ERR_OK) {
        return talk_fail(cli, err, complaint.text);
    }
    if (fields_flag(answer, "ok")) {
        return CLI_EXIT_DONE;
    }
    const json_t *error = json_object_get(answer, "error");
    if (cli->options.json) {
        talk_print_json(cli, answer);
    } else {
        talk_tell(cli, error);
    }
    return CLI_EXIT_REFUSED;
}

int
cmd_watch(struct cli *cli)
{
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    json_auto_t *wanted = NULL;
    int code = CLI_EXIT_DONE;
    if (cli_word(cli, 0) != NULL) {
        code = talk_find_loop(cli, cli_word(cli, 0), &wanted);
    }
    if (code == CLI_EXIT_DONE) {
        code = talk_open(cli, &client);
    }
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        talk_ask_warning(cli, client); /* before: later answers could be changes */
    }
    if (code == CLI_EXIT_DONE) {
        code = begin(cli, client);
    }
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    (void)signal(SIGINT, leave); /* else Ctrl-C ends it the hard way, with the same effect */
    (void)signal(SIGTERM, leave);
    if (!cli->options.json) {
        screen_line(&cli->errors, SCREEN_FAINT, 0, "Watching; Ctrl-C ends it.");
    }
    return follow(cli, client, wanted);
}
