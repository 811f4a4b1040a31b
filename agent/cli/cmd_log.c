/* checkpoint and events: what this organization knows of the broker's log itself. A checkpoint is
 * printed as it is, byte for byte, so that others can hold it against theirs. */
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/text_input.h"
#include "agent/cli/words.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/table.h"

enum { CHECKPOINT_BYTES_MAX = 64 * 1024, EVENT_WORDS_BYTES = 512 };

/* --- checkpoint ------------------------------------------------------------------------------ */

static enum err
fill_check(const struct cli *cli, json_t *request, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CHECKPOINT_BYTES_MAX);
    const char *path = cli_word(cli, 0);
    if (path == NULL) {
        return cli->options.check ? complain(complaint, ERR_INVALID,
                                             "--check needs the file with the other checkpoint")
                                  : ERR_OK;
    }
    enum err err = text_input_file(path, "Paste the other member's checkpoint", &text, complaint);
    if (err != ERR_OK) {
        return err;
    }
    json_t *content = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
    return content != NULL && json_object_set_new(request, "check", content) == 0
               ? ERR_OK
               : complain(complaint, ERR_INVALID, "%s is not a checkpoint: it is no text", path);
}

static void
print_verdict(struct screen *screen, const json_t *answer)
{
    bool split = strcmp(fields_text(answer, "verdict"), "split") == 0;
    bool same = strcmp(fields_text(answer, "verdict"), "same") == 0;
    screen_line(screen,
                split  ? SCREEN_ALARM
                : same ? SCREEN_BOLD
                       : SCREEN_PLAIN,
                0, "%s", fields_text(answer, "text"));
}

int
cmd_checkpoint(struct cli *cli)
{
    json_auto_t *request = json_pack("{s:s}", "command", "checkpoint");
    json_auto_t *answer = NULL;
    struct complaint complaint = {0};
    enum err err = request != NULL ? fill_check(cli, request, &complaint) : ERR_MEMORY;
    if (err != ERR_OK) {
        return talk_fail(cli, err, complaint.text);
    }
    int code = talk_ask(cli, json_incref(request), TALK_PATIENCE_MS, &answer);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    bool split = strcmp(fields_text(answer, "verdict"), "split") == 0;
    if (!cli->options.json && json_object_get(answer, "verdict") != NULL) {
        print_verdict(&cli->screen, answer);
    } else if (!cli->options.json) {
        struct screen whole = cli->screen; /* a line that was wrapped would be another one */
        whole.width = 0;
        screen_text(&whole, 0, fields_text(answer, "note"));
        cli->screen.failed = cli->screen.failed || whole.failed;
    }
    return split ? CLI_EXIT_REFUSED : code;
}

/* --- events ---------------------------------------------------------------------------------- */

static void
put_event(const json_t *event, char out[EVENT_WORDS_BYTES])
{
    const char *reason = fields_text(event, "reason");
    (void)text_format(out, EVENT_WORDS_BYTES, "%s%s%s",
                      words_key_event(fields_text(event, "event")), reason[0] != '\0' ? ": " : "",
                      reason);
}

static enum err
add_event(const struct screen *screen, struct table *table, const json_t *event)
{
    char day[WORDS_BYTES] = "";
    char words[EVENT_WORDS_BYTES];
    const char *name = fields_text(event, "name");
    int64_t ms = 0;
    if (fields_time(event, "time", &ms)) {
        words_moment(ms, screen->now_ms, day);
    }
    put_event(event, words);
    const char *cells[] = {day, name[0] != '\0' ? name : fields_text(event, "org"), words};
    return table_add(table, cells);
}

void
cmd_print_events(struct screen *screen, const json_t *answer)
{
    static const char *const titles[] = {"WHEN", "ORGANIZATION", "WHAT HAPPENED"};
    const json_t *events = json_object_get(answer, "events");
    size_t total = fields_count(answer, "total");
    CLEANUP(table_freep) struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i = 0;
    const json_t *event = NULL;
    json_array_foreach(events, i, event)
    {
        if (table == NULL || add_event(screen, table, event) != ERR_OK) {
            screen->failed = true;
            return;
        }
    }
    if (json_array_size(events) == 0) {
        screen_line(screen, SCREEN_PLAIN, 0, "Nothing of the network has been heard yet.");
        return;
    }
    screen_table(screen, table, NULL);
    if (total > json_array_size(events)) {
        screen_line(screen, SCREEN_PLAIN, 0, "Shown: the newest %zu of %zu; --limit %zu shows all.",
                    json_array_size(events), total, total);
    }
}

int
cmd_events(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "command", "events");
    if (cli->options.limit > 0) {
        (void)json_object_set_new(request, "limit", json_integer(cli->options.limit));
    }
    int code = talk_ask(cli, request, TALK_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        cmd_print_events(&cli->screen, answer);
    }
    return code;
}
