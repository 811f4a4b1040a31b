/* refloop-admin status. Decides which sentences tell an operator that all is well, or
 * what is not; the numbers are the broker's. */
#include "broker/admin/cmd.h"

#include <string.h>

#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/edge/fields.h"

enum { FILL_WARN_PERCENT = 80, ERR_NUMBERS = 128, CLOCK_DOUBT_MS = 2 * 60 * 1000 };

static unsigned long long
number(const json_t *object, const char *name)
{
    return (unsigned long long)fields_count(object, name);
}

static uint64_t
count_state(const json_t *members, const char *state)
{
    uint64_t n = 0;
    const json_t *list = json_object_get(members, "members");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *member = json_array_get(list, i);
        bool counts =
            strcmp(fields_text(member, "state"), state) == 0 && !fields_flag(member, "auditor");
        n += counts ? 1 : 0;
    }
    return n;
}

static void
print_network(const json_t *status, FILE *out)
{
    const json_t *network = json_object_get(status, "network");
    int64_t started_ms = 0;
    char started[CLOCK_TEXT_BYTES] = "a time it does not tell";
    if (fields_time(status, "started", &started_ms)) {
        say_time(started_ms, started);
    }
    say_line(out, "The broker of %s has been running since %s (version %s).",
             fields_text(network, "name"), started, fields_text(status, "version"));
    say_line(out, "Members reach it at %s; it listens on %s.", fields_text(network, "endpoint"),
             fields_text(status, "listen"));
    say_line(out, "The network's fingerprint is %s.", fields_text(network, "fingerprint"));
}

static void
print_members(const json_t *status, const json_t *members, FILE *out)
{
    unsigned long long active = count_state(members, "active");
    unsigned long long invited = count_state(members, "invited");
    say_line(out, "%llu of %llu member%s online; %llu invited and not yet joined.",
             number(status, "members_online"), active, active == 1 ? " is" : "s are", invited);
}

/* It cannot be undone, but nobody should look for another reason. */
static void
print_log_ahead(const json_t *status, int64_t newest_ms, FILE *out)
{
    int64_t clock_ms = 0;
    char span[CLOCK_TEXT_BYTES];
    if (!fields_time(status, "clock", &clock_ms) || newest_ms - clock_ms < CLOCK_DOUBT_MS) {
        return;
    }
    clock_format_span(newest_ms - clock_ms, span);
    say_line(out,
             "THE LOG IS %s ahead of this machine's clock: the clock is behind now, or was ahead "
             "once. Set it right if it is wrong. Order and effect do not suffer; the times of "
             "entries, and when invites end, go by the log until the clock has come up to it.",
             span);
}

static void
print_log(const json_t *status, FILE *out)
{
    int64_t newest_ms = 0;
    char newest[CLOCK_TEXT_BYTES] = "?";
    if (fields_time(status, "log_time", &newest_ms)) {
        say_time(newest_ms, newest);
    }
    say_line(out, "The log has %llu entr%s and %llu loop%s; its newest entry is of %s.",
             number(status, "entries"), number(status, "entries") == 1 ? "y" : "ies",
             number(status, "loops"), say_plural(fields_count(status, "loops")), newest);
    print_log_ahead(status, newest_ms, out);
    say_line(out,
             "Since the start %llu statement%s %s accepted, %llu of them crossed with an earlier "
             "one and changed nothing, %llu came again.",
             number(status, "accepted"), say_plural(fields_count(status, "accepted")),
             number(status, "accepted") == 1 ? "was" : "were", number(status, "superseded"),
             number(status, "duplicates"));
}

static void
print_witnesses(const json_t *status, FILE *out)
{
    const json_t *witnesses = json_object_get(status, "witnesses");
    unsigned long long checkpoint = number(status, "checkpoint_size");
    unsigned long long size = number(witnesses, "size");
    uint64_t members = fields_count(witnesses, "members");
    int64_t since_ms = 0;
    char since[CLOCK_TEXT_BYTES] = "before the start";
    if (checkpoint == 0) {
        return;
    }
    if (!json_is_object(witnesses)) {
        say_line(out, "Its head is signed for %llu entr%s; no member was asked to cosign it yet.",
                 checkpoint, checkpoint == 1 ? "y" : "ies");
        return;
    }
    if (fields_time(witnesses, "since", &since_ms)) {
        say_time(since_ms, since);
    }
    say_line(out,
             "Its head is signed for %llu entr%s; cosigned by %llu of %llu member%s at %llu "
             "entr%s, asked since %s.",
             checkpoint, checkpoint == 1 ? "y" : "ies", number(witnesses, "cosigned"),
             (unsigned long long)members, say_plural(members), size, size == 1 ? "y" : "ies",
             since);
}

static void
print_disk(const json_t *status, FILE *out)
{
    unsigned long long fill = number(status, "fill_percent");
    if (fields_flag(status, "read_only")) {
        say_line(out, "THE DISK IS FULL: nothing new is taken in, and members are told to wait. "
                      "Make room; it goes on by itself.");
    }
    if (fill >= FILL_WARN_PERCENT) {
        say_line(out,
                 "The store is %llu %% full: raise map_max_gib in broker.conf and start the "
                 "broker again before new referrals are refused.",
                 fill);
    } else {
        say_line(out, "The store is %llu %% full.", fill);
    }
}

/* The words of the table for a code's name; a newer broker may know one that we do not. */
static const char *
text_of(const char *name)
{
    for (unsigned i = 1; i < ERR_NUMBERS; i++) {
        if (strcmp(err_name((enum err)i), name) == 0) {
            return err_text((enum err)i);
        }
    }
    return "a reason this version of refloop-admin does not know";
}

static void
print_refused_member(const json_t *refused, FILE *out)
{
    int64_t first_ms = 0;
    int64_t last_ms = 0;
    char first[CLOCK_TEXT_BYTES] = "?";
    char last[CLOCK_TEXT_BYTES] = "?";
    if (fields_time(refused, "first", &first_ms)) {
        say_time(first_ms, first);
    }
    if (fields_time(refused, "last", &last_ms)) {
        say_time(last_ms, last);
    }
    say_line(out, "  %s: %llu refused: %s (since %s, last %s)", fields_text(refused, "org"),
             number(refused, "count"), fields_text(refused, "code"), first, last);
}

/* Whose they were: a number alone tells nobody whom to telephone. */
static void
print_refused_members(const json_t *status, FILE *out)
{
    const json_t *members = json_object_get(status, "refused_members");
    unsigned long long more = number(status, "refused_members_more");
    if (json_array_size(members) == 0) {
        return;
    }
    say_line(out, "By organization, the latest first:");
    for (size_t i = 0; i < json_array_size(members); i++) {
        print_refused_member(json_array_get(members, i), out);
    }
    if (more > 0) {
        say_line(out, "  and %llu older.", more);
    }
}

static void
print_refused(const json_t *status, FILE *out)
{
    json_t *refused = json_object_get(status, "refused");
    const char *name = NULL;
    json_t *count = NULL;
    if (json_object_size(refused) == 0) {
        say_line(out, "No statement or message was refused since the start.");
    } else {
        say_line(out, "Refused since the start:");
    }
    json_object_foreach(refused, name, count)
    {
        say_line(out, "%8lld  %s: %s", (long long)json_integer_value(count), name, text_of(name));
    }
    print_refused_members(status, out);
    unsigned long long strangers = number(status, "handshakes_refused");
    unsigned long long dropped = number(status, "dropped");
    if (strangers > 0) {
        say_line(out, "%llu connection%s with an unknown key %s turned away.", strangers,
                 say_plural(strangers), strangers == 1 ? "was" : "were");
    }
    if (dropped > 0) {
        say_line(out, "%llu message%s without a shape or a sender %s dropped.", dropped,
                 say_plural(dropped), dropped == 1 ? "was" : "were");
    }
}

static const struct {
    const char *name, *words;
} closings[] = {
    {"crowded", "for being more than a member may have with one key"},
    {"silent", "for never saying a word"},
    {"unfinished", "for sending what has no end"},
    {"short", "because they said nothing and room was needed"},
};

static void
print_connections(const json_t *status, FILE *out)
{
    const json_t *connections = json_object_get(status, "connections");
    const json_t *closed = json_object_get(connections, "closed");
    unsigned long long lost = number(connections, "not_accepted");
    if (!json_is_object(connections)) {
        return;
    }
    say_line(out,
             "%llu connection%s came in since the start, %llu of them shook hands; %llu %s open.",
             number(connections, "came"), say_plural(fields_count(connections, "came")),
             number(connections, "handshakes"), number(connections, "open"),
             number(connections, "open") == 1 ? "is" : "are");
    for (size_t i = 0; i < ARRAY_LEN(closings); i++) {
        unsigned long long n = number(closed, closings[i].name);
        if (n > 0) {
            say_line(out, "%llu connection%s %s closed %s.", n, say_plural(n),
                     n == 1 ? "was" : "were", closings[i].words);
        }
    }
    if (lost > 0) {
        say_line(out,
                 "THERE WERE TOO FEW FILE DESCRIPTORS: %llu time%s a connection could not be "
                 "taken. Raise LimitNOFILE.",
                 lost, say_plural(lost));
    }
}

void
cmd_print_status(const json_t *status, const json_t *members, FILE *out)
{
    const json_t *recovery = json_object_get(status, "recovery");
    if (json_is_object(recovery)) {
        cmd_print_recovery(recovery, out);
    }
    print_network(status, out);
    print_members(status, members, out);
    print_log(status, out);
    print_witnesses(status, out);
    print_disk(status, out);
    print_connections(status, out);
    print_refused(status, out);
}

int
cmd_status(struct admin *admin)
{
    struct complaint complaint = {.text = ""};
    json_auto_t *status = NULL;
    json_auto_t *members = NULL;
    enum err err = talk_ask(admin, "status", TALK_PATIENCE_MS, &status, &complaint);
    if (err == ERR_OK && admin->options.json) {
        return talk_print_json(admin, json_incref(status));
    }
    if (err == ERR_OK) {
        err = talk_ask(admin, "members", TALK_PATIENCE_MS, &members, &complaint);
    }
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    cmd_print_status(status, members, stdout);
    return ADMIN_EXIT_DONE;
}
