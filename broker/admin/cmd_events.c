/* refloop-admin members --events: what happened to members and their keys, one line each, from the
 * log itself. Decides the words. The broker need not be running. */
#include "broker/admin/cmd.h"

#include "broker/admin/inspect.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/base/text.h"

enum { WORDS_BYTES = 320 };

/* The words that `refloop events` has too. */
static const char *
event_name(const struct audit_key_event *event)
{
    switch (event->kind) {
    case STATEMENT_GENESIS:
        return "founded";
    case STATEMENT_INVITE:
        return event->again ? "invited-anew" : "invited";
    case STATEMENT_JOIN:
        return event->again ? "joined-anew" : "joined";
    case STATEMENT_REVOKE:
        return "revoked";
    case STATEMENT_ROTATE:
        return "new-keys";
    case STATEMENT_LOOP:
    default:
        return "unknown";
    }
}

static void
describe(const struct audit_key_event *event, char out[WORDS_BYTES])
{
    char until[CLOCK_TEXT_BYTES];
    bool again = event->again;
    switch (event->kind) {
    case STATEMENT_GENESIS:
        (void)text_format(out, WORDS_BYTES, "founded the network");
        return;
    case STATEMENT_INVITE:
        say_time(event->expires_ms, until);
        (void)text_format(out, WORDS_BYTES, "was invited%s, until %s",
                          again ? " anew, to replace its keys" : "", until);
        return;
    case STATEMENT_JOIN:
        (void)text_format(out, WORDS_BYTES, "joined%s", again ? " anew, with new keys" : "");
        return;
    case STATEMENT_REVOKE:
        (void)text_format(out, WORDS_BYTES, "was revoked: %s", event->reason);
        return;
    case STATEMENT_ROTATE:
        (void)text_format(out, WORDS_BYTES, "changed its keys");
        return;
    case STATEMENT_LOOP:
    default:
        (void)text_format(out, WORDS_BYTES, "did what this version does not know");
        return;
    }
}

static void
print_event(void *context, const struct audit_key_event *event)
{
    char when[CLOCK_TEXT_BYTES];
    char words[WORDS_BYTES];
    say_time(event->log_time_ms, when);
    describe(event, words);
    say_line(context, "%s  %s (%s) %s", when, event->org, event->name, words);
}

struct listing {
    json_t *events; /* owned */
    bool failed;
};

static void
add_event(void *context, const struct audit_key_event *event)
{
    struct listing *listing = context;
    json_t *value =
        json_pack("{s:I, s:o, s:s, s:s, s:s, s:s}", "index", (json_int_t)event->index, "time",
                  inspect_time_json(event->log_time_ms), "org", event->org, "name", event->name,
                  "event", event_name(event), "reason", event->reason);
    listing->failed = listing->failed || json_array_append_new(listing->events, value) != 0;
}

static int
answer(const struct admin *admin, struct audit *audit)
{
    struct listing listing = {.events = json_array()};
    enum err err = audit_each_key_event(audit, add_event, &listing);
    if (err == ERR_OK && listing.failed) {
        err = ERR_MEMORY;
    }
    if (err != ERR_OK) {
        json_decref(listing.events);
        return talk_fail(admin, err, NULL);
    }
    return talk_print_json(admin, json_pack("{s:b, s:o}", "ok", 1, "events", listing.events));
}

int
cmd_events(struct admin *admin)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    enum err err = inspect_open(admin, &audit, &complaint);
    if (err == ERR_OK && admin->options.json) {
        return answer(admin, audit);
    }
    if (err == ERR_OK) {
        err = audit_each_key_event(audit, print_event, stdout);
    }
    return err == ERR_OK ? ADMIN_EXIT_DONE : talk_fail(admin, err, complaint.text);
}
