/* refloop-admin recover. Decides how the state of a restored broker is told, and that a person
 * confirms to go on without members: what only they hold is given up by it. The broker decides
 * whether that is possible. */
#include "broker/admin/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "lib/edge/fields.h"

#define CONFIRMATION "go on"

enum { NAMED_MAX = 8 }; /* members or ranges named in a sentence */

static unsigned long long
number(const json_t *object, const char *name)
{
    return (unsigned long long)fields_count(object, name);
}

static void
print_missing(const json_t *recovery, FILE *out)
{
    const json_t *missing = json_object_get(recovery, "missing");
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const json_t *gap = json_array_get(missing, i);
        unsigned long long first = number(gap, "first");
        unsigned long long last = number(gap, "last");
        if (i == NAMED_MAX) {
            say_line(out, "  and more");
            return;
        }
        if (first == last) {
            say_line(out, "  entry %llu", first);
        } else {
            say_line(out, "  entries %llu to %llu", first, last);
        }
    }
}

static void
print_forked(FILE *out)
{
    say_line(out, "MEMBERS HOLD ANOTHER LOG THAN THIS ONE. A copy of the store was put in place by "
                  "hand, and new entries were signed where others had been.");
    say_line(out, "Restore the backup again as the manual says: then the members bring back all of "
                  "theirs, and what was signed since is sent again by those who said it.");
    say_line(out, "Or keep this log with 'refloop-admin recover --go-on': every member that holds "
                  "the other one will be warned by its agent and has to join anew.");
}

static void
print_progress(const json_t *recovery, FILE *out)
{
    unsigned long long entries = number(recovery, "entries");
    unsigned long long goal = number(recovery, "goal");
    if (goal > entries) {
        say_line(out, "Its log has %llu of %llu entries again. Not brought back yet:", entries,
                 goal);
        print_missing(recovery, out);
    } else if (goal > number(recovery, "began_at")) {
        say_line(out, "All %llu entries that members have shown so far are back.", goal);
    } else {
        say_line(out, "No member has shown more than the %llu entries that were in the copy.",
                 entries);
    }
}

void
cmd_print_recovery(const json_t *recovery, FILE *out)
{
    unsigned long long unheard = number(recovery, "unheard");
    unsigned long long helpers = number(recovery, "helpers");
    bool is_short = number(recovery, "goal") > number(recovery, "entries");
    say_line(out,
             "THE BROKER WAS RESTORED FROM AN OLD COPY of %llu entr%s, and is being refilled "
             "by its members. Until that is done it signs nothing and takes nothing new; "
             "members keep what they have to say.",
             number(recovery, "began_at"), number(recovery, "began_at") == 1 ? "y" : "ies");
    print_progress(recovery, out);
    if (helpers > 0) {
        say_line(out, "%llu connection%s by keys this copy does not know yet %s helping.", helpers,
                 say_plural(helpers), helpers == 1 ? "is" : "are");
    }
    if (fields_flag(recovery, "forked")) {
        print_forked(out);
    } else if (unheard > 0) {
        say_line(out, "It waits for %llu member%s to connect: 'refloop-admin recover' names %s. %s",
                 unheard, say_plural(unheard), unheard == 1 ? "it" : "them",
                 is_short ? "What is missing may be there; see that their agents run."
                          : "When somebody cannot come any more, 'refloop-admin recover --go-on'.");
    } else if (is_short) {
        say_line(out, "All members have been heard, and nobody has brought these entries. They may "
                      "have been said just when it happened: then the agent of whoever said them "
                      "has them without knowing their place, says them again by itself, and the "
                      "broker finds the place. Leave all agents connected, and see that those "
                      "whose statements waited for a receipt are not set up anew.");
    }
}

static void
print_names(const json_t *members, bool heard, FILE *out)
{
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        if (fields_flag(member, "heard") == heard) {
            say_line(out, "  %s (%s)%s", fields_text(member, "org"), fields_text(member, "name"),
                     fields_flag(member, "online") ? "" : ", offline");
        }
    }
}

static size_t
count_heard(const json_t *members)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(members); i++) {
        n += fields_flag(json_array_get(members, i), "heard") ? 1 : 0;
    }
    return n;
}

void
cmd_print_recover(const json_t *answer, FILE *out)
{
    const json_t *recovery = json_object_get(answer, "recovery");
    const json_t *members = json_object_get(answer, "members");
    size_t heard = count_heard(members);
    if (!json_is_object(recovery)) {
        say_line(out, "The broker is whole: its log has %llu entries, and nothing is waited for.",
                 number(answer, "entries"));
        return;
    }
    cmd_print_recovery(recovery, out);
    if (heard < json_array_size(members)) {
        say_line(out, "Not heard yet:");
        print_names(members, false, out);
    }
    if (heard > 0) {
        say_line(out, "Heard:");
        print_names(members, true, out);
    }
}

static void
free_text(char **text)
{
    free(*text);
}

static void
print_question(const json_t *answer, FILE *out)
{
    const json_t *members = json_object_get(answer, "members");
    if (fields_flag(json_object_get(answer, "recovery"), "forked")) {
        say_line(out, "Go on with this log, although members hold another one? What they hold "
                      "beyond it is given up.");
    } else {
        say_line(out, "Go on without the members that have not been heard? What only they hold "
                      "beyond the end of the log is given up:");
        print_names(members, false, out);
    }
    say_line(out, "Type '%s' to confirm:", CONFIRMATION);
}

static enum err
confirm(const json_t *answer, struct complaint *complaint)
{
    CLEANUP(free_text) char *line = NULL;
    size_t size = 0;
    if (isatty(STDIN_FILENO) != 1) {
        return complain(complaint, ERR_INVALID, "nobody is there to be asked; add --yes");
    }
    print_question(answer, stderr);
    ssize_t len = getline(&line, &size, stdin);
    if (len > 0 && line[len - 1] == '\n') {
        line[len - 1] = '\0';
    }
    return len > 0 && strcmp(line, CONFIRMATION) == 0
               ? ERR_OK
               : complain(complaint, ERR_INVALID, "not confirmed; nothing was changed");
}

/* The broker is asked first, so that nobody confirms what is not possible. */
static enum err
go_on(const struct admin *admin, json_t **answer, struct complaint *complaint)
{
    json_t *after = NULL;
    const json_t *recovery = json_object_get(*answer, "recovery");
    bool is_possible =
        json_is_object(recovery) && (fields_flag(recovery, "forked") ||
                                     number(recovery, "goal") <= number(recovery, "entries"));
    enum err err = is_possible && !admin->options.yes ? confirm(*answer, complaint) : ERR_OK;
    if (err == ERR_OK) {
        err = talk_ask(admin, "recover-go-on", TALK_PATIENCE_MS, &after, complaint);
    }
    if (err == ERR_OK) {
        json_decref(*answer);
        *answer = after;
    }
    return err;
}

int
cmd_recover(struct admin *admin)
{
    struct complaint complaint = {.text = ""};
    json_auto_t *answer = NULL;
    enum err err = talk_ask(admin, "recover", TALK_PATIENCE_MS, &answer, &complaint);
    if (err == ERR_OK && admin->options.go_on) {
        err = go_on(admin, &answer, &complaint);
    }
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, json_incref(answer));
    }
    cmd_print_recover(answer, stdout);
    return ADMIN_EXIT_DONE;
}
