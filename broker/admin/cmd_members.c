/* refloop-admin members. Decides which words stand for a member's state and presence; the broker's
 * answer is shown, not judged. */
#include "broker/admin/cmd.h"

#include <string.h>
#include <unistd.h>

#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/table.h"
#include "lib/edge/terminal.h"

enum { DATE_CHARACTERS = 10, NOTE_BYTES = 256, STATE_BYTES = 64, KEY_SHOWN = 8 };

struct counts {
    uint64_t members, online, invited, revoked;
};

static bool
is_state(const json_t *member, const char *state)
{
    return strcmp(fields_text(member, "state"), state) == 0;
}

static void
describe_seen(const json_t *member, int64_t now_ms, char out[STATE_BYTES])
{
    int64_t heard_ms = 0;
    char span[CLOCK_TEXT_BYTES];
    out[0] = '\0';
    if (!is_state(member, "active") || fields_flag(member, "auditor")) {
        return; /* nobody who connects */
    }
    if (fields_flag(member, "online")) {
        (void)text_format(out, STATE_BYTES, "online");
    } else if (fields_time(member, "last_heard", &heard_ms)) {
        clock_format_span(now_ms - heard_ms, span);
        (void)text_format(out, STATE_BYTES, "%s%s", span,
                          strcmp(span, "just now") == 0 ? "" : " ago");
    } else {
        (void)text_format(out, STATE_BYTES, "not since the start");
    }
}

static void
describe_note(const json_t *member, int64_t log_ms, char out[NOTE_BYTES])
{
    int64_t expires_ms = 0;
    char until[CLOCK_TEXT_BYTES];
    out[0] = '\0';
    if (fields_flag(member, "auditor")) {
        (void)text_format(out, NOTE_BYTES, "administrator and auditor");
    } else if (fields_time(member, "invite_expires", &expires_ms)) {
        say_time(expires_ms, until);
        (void)text_format(out, NOTE_BYTES, "%s %s %s",
                          is_state(member, "invited") ? "invite" : "new invite",
                          expires_ms < log_ms ? "expired" : "until", until);
    } else if (is_state(member, "revoked")) {
        (void)text_format(out, NOTE_BYTES, "%s", fields_text(member, "reason"));
    }
}

/* Its first digits, cut on purpose; none for one that was revoked before it had keys. */
static void
describe_key(const json_t *member, char out[KEY_SHOWN + 1])
{
    const char *key = fields_text(member, "key");
    bool is_zero = key[strspn(key, "0")] == '\0';
    (void)text_format(out, KEY_SHOWN + 1, "%s", is_zero ? "" : key);
}

static enum err
add_row(struct table *table, const json_t *member, int64_t now_ms, int64_t log_ms)
{
    int64_t since_ms = 0;
    char since[CLOCK_TEXT_BYTES] = "";
    char key[KEY_SHOWN + 1] = "";
    char seen[STATE_BYTES];
    char note[NOTE_BYTES];
    if (fields_time(member, "since", &since_ms)) {
        say_time(since_ms, since);
        since[DATE_CHARACTERS] = '\0';
    }
    describe_key(member, key);
    describe_seen(member, now_ms, seen);
    describe_note(member, log_ms, note);
    const char *const cells[] = {
        fields_text(member, "org"),
        fields_text(member, "name"),
        fields_text(member, "state"),
        seen,
        since,
        key,
        note,
    };
    return table_add(table, cells);
}

static void
count_member(const json_t *member, struct counts *counts)
{
    if (fields_flag(member, "auditor")) {
        return;
    }
    counts->members += is_state(member, "active") ? 1 : 0;
    counts->online += is_state(member, "active") && fields_flag(member, "online") ? 1 : 0;
    counts->invited += is_state(member, "invited") ? 1 : 0;
    counts->revoked += is_state(member, "revoked") ? 1 : 0;
}

static struct counts
count_all(const json_t *answer)
{
    struct counts counts = {0};
    const json_t *list = json_object_get(answer, "members");
    for (size_t i = 0; i < json_array_size(list); i++) {
        count_member(json_array_get(list, i), &counts);
    }
    return counts;
}

static void
print_counts(const struct counts *counts, FILE *out)
{
    if (counts->members + counts->invited + counts->revoked == 0) {
        say_line(out, "Nobody has been invited yet: refloop-admin invite ORG --name NAME");
        return;
    }
    say_line(out, "%llu member%s, %llu online; %llu invited, %llu revoked.",
             (unsigned long long)counts->members, say_plural(counts->members),
             (unsigned long long)counts->online, (unsigned long long)counts->invited,
             (unsigned long long)counts->revoked);
}

enum err
cmd_print_members(const json_t *answer, int64_t now_ms, size_t width, bool emphasis, FILE *out)
{
    static const char *const titles[] = {"ORGANIZATION", "NAME", "STATE", "HEARD",
                                         "SINCE",        "KEY",  "NOTE"};
    CLEANUP(table_freep) struct table *table = table_new(titles, ARRAY_LEN(titles));
    const json_t *list = json_object_get(answer, "members");
    const struct counts counts = count_all(answer);
    enum err err = table == NULL ? ERR_MEMORY : ERR_OK;
    /* Invites end by the log's time, which never goes back; a clock may. */
    int64_t log_ms = 0;
    log_ms = fields_time(answer, "log_time", &log_ms) && log_ms > now_ms ? log_ms : now_ms;
    for (size_t i = 0; err == ERR_OK && i < json_array_size(list); i++) {
        err = add_row(table, json_array_get(list, i), now_ms, log_ms);
    }
    if (err == ERR_OK) {
        err = table_print(table, width, emphasis, out);
    }
    if (err == ERR_OK) {
        print_counts(&counts, out);
    }
    return err;
}

int
cmd_members(struct admin *admin)
{
    struct complaint complaint = {.text = ""};
    json_auto_t *answer = NULL;
    if (admin->options.events) {
        return cmd_events(admin);
    }
    enum err err = talk_ask(admin, "members", TALK_PATIENCE_MS, &answer, &complaint);
    if (err == ERR_OK && admin->options.json) {
        return talk_print_json(admin, json_incref(answer));
    }
    if (err == ERR_OK) {
        err = cmd_print_members(answer, clock_now().wall_ms, terminal_width(STDOUT_FILENO),
                                terminal_wants_colour(STDOUT_FILENO), stdout);
    }
    return err == ERR_OK ? ADMIN_EXIT_DONE : talk_fail(admin, err, complaint.text);
}
