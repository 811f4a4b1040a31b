/* status: is all well, and if not, since when and why. The agent's own sentence comes first; the
 * lines below are for whoever wants to know more. */
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/clock.h"
#include "lib/edge/fields.h"

enum { LABEL_COLUMNS = 15, CLOCK_DOUBT_MS = 120000, WEEK_MS = 604800000, RECENT_MAX = 100 };

/* "since Nov 21 09:30" or nothing. */
static void
print_link(struct screen *screen, const json_t *link)
{
    char since[WORDS_BYTES] = "";
    char heard[WORDS_BYTES] = "";
    int64_t ms = 0;
    if (fields_time(link, "since", &ms)) {
        words_moment(ms, screen->now_ms, since);
    }
    if (fields_time(link, "last_heard", &ms)) {
        words_moment(ms, screen->now_ms, heard);
    }
    screen_field(screen, SCREEN_PLAIN, "  Connection", LABEL_COLUMNS, "%s%s%s%s%s",
                 fields_text(link, "state"), since[0] != '\0' ? " since " : "", since,
                 heard[0] != '\0' ? ", broker last heard " : "", heard);
}

static void
print_queue(struct screen *screen, const json_t *queue)
{
    size_t n = fields_count(queue, "waiting");
    char span[CLOCK_TEXT_BYTES] = "";
    int64_t ms = 0;
    if (fields_time(queue, "oldest", &ms)) {
        clock_format_span(screen->now_ms - ms, span);
    }
    if (n == 0) {
        screen_field(screen, SCREEN_PLAIN, "  Waiting", LABEL_COLUMNS, "nothing");
    } else {
        screen_field(screen, SCREEN_PLAIN, "  Waiting", LABEL_COLUMNS,
                     "%zu step%s on this machine%s%s%s", n, n == 1 ? "" : "s",
                     span[0] != '\0' ? " (the oldest " : "", span, span[0] != '\0' ? ")" : "");
    }
}

static void
print_log(struct screen *screen, const json_t *log)
{
    json_int_t ahead_ms = json_integer_value(json_object_get(log, "broker_clock_ahead_ms"));
    screen_field(screen, SCREEN_PLAIN, "  Log", LABEL_COLUMNS, "read %zu of %zu entries",
                 fields_count(log, "read"), fields_count(log, "head"));
    if (ahead_ms > CLOCK_DOUBT_MS || ahead_ms < -CLOCK_DOUBT_MS) {
        char span[CLOCK_TEXT_BYTES];
        clock_format_span(ahead_ms > 0 ? ahead_ms : -ahead_ms, span);
        screen_line(screen, SCREEN_WARN, 2,
                    "This machine's clock is %s %s the broker's. Set it right, or tell the "
                    "administrator if it is; times shown here may be off.",
                    span, ahead_ms > 0 ? "behind" : "ahead of");
    }
}

static void
print_proof(struct screen *screen, const json_t *proof)
{
    bool problem = fields_flag(proof, "problem");
    screen_field(screen, problem ? SCREEN_WARN : SCREEN_PLAIN, "  Proof", LABEL_COLUMNS, "%s",
                 fields_text(proof, "sentence"));
}

void
cmd_print_recent(struct screen *screen, const json_t *events)
{
    size_t n = 0;
    size_t i = 0;
    const json_t *event = NULL;
    json_array_foreach(json_object_get(events, "events"), i, event)
    {
        int64_t ms = 0;
        n += fields_time(event, "time", &ms) && screen->now_ms - ms < WEEK_MS ? 1 : 0;
    }
    if (n > 0) {
        screen_field(screen, SCREEN_PLAIN, "  Members", LABEL_COLUMNS,
                     "%zu change%s of members or their keys in the last 7 days; see 'refloop "
                     "events'",
                     n, n == 1 ? "" : "s");
    }
}

static void
print_loops(struct screen *screen, const json_t *loops)
{
    size_t mine = fields_count(loops, "needs_me");
    size_t undelivered = fields_count(loops, "undelivered");
    size_t refused = fields_count(loops, "refused");
    screen_field(screen, SCREEN_PLAIN, "  Referrals", LABEL_COLUMNS,
                 "%zu, %zu open, %zu need%s you", fields_count(loops, "total"),
                 fields_count(loops, "open"), mine, mine == 1 ? "s" : "");
    if (undelivered > 0) {
        screen_field(screen, SCREEN_PLAIN, "", LABEL_COLUMNS,
                     "%zu with steps not on the partner's disk yet", undelivered);
    }
    if (refused > 0) {
        screen_field(screen, SCREEN_WARN, "", LABEL_COLUMNS, "%zu with refused steps", refused);
    }
}

void
cmd_print_status(struct screen *screen, const json_t *status)
{
    const json_t *organization = json_object_get(status, "organization");
    const json_t *network = json_object_get(status, "network");
    bool problem = fields_flag(status, "problem");
    cmd_print_warning(screen, status);
    if (strcmp(fields_text(status, "sentence"), fields_text(status, "warning")) != 0) {
        screen_line(screen, problem ? SCREEN_ALARM : SCREEN_BOLD, 0, "%s",
                    fields_text(status, "sentence"));
    }
    screen_gap(screen);
    screen_field(screen, SCREEN_PLAIN, "  Organization", LABEL_COLUMNS, "%s (%s)",
                 fields_text(organization, "name"), fields_text(organization, "org"));
    screen_field(screen, SCREEN_PLAIN, "  Network", LABEL_COLUMNS, "%s, fingerprint %s",
                 fields_text(network, "name"), fields_text(network, "fingerprint"));
    screen_field(screen, SCREEN_PLAIN, "  Broker", LABEL_COLUMNS, "%s",
                 fields_text(network, "endpoint"));
    print_link(screen, json_object_get(status, "link"));
    print_queue(screen, json_object_get(status, "queue"));
    print_loops(screen, json_object_get(status, "loops"));
    print_log(screen, json_object_get(status, "log"));
    print_proof(screen, json_object_get(status, "proof"));
    screen_field(screen, SCREEN_PLAIN, "  Version", LABEL_COLUMNS, "%s",
                 fields_text(status, "version"));
}

int
cmd_status(struct cli *cli)
{
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "command", "status");
    int code = talk_ask(cli, request, TALK_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        json_auto_t *events =
            talk_look(cli, NULL, json_pack("{s:s, s:i}", "command", "events", "limit", RECENT_MAX));
        cmd_print_status(&cli->screen, answer);
        cmd_print_recent(&cli->screen, events);
    }
    return code;
}
