/* refloop-admin revoke. Decides that a person confirms it by typing the organization's id, and says
 * what it means: it cannot be taken back, only followed by a new invite; and which referrals now
 * wait for somebody who cannot answer. */
#include "broker/admin/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/admin/inspect.h"
#include "broker/admin/loops.h"
#include "broker/admin/network.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "broker/admin/unlock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

static void
free_text(char **text)
{
    free(*text);
}

static enum err
check_reason(const char *reason, struct complaint *complaint)
{
    struct bytes text = bytes_of_text(reason);
    return text.len > 0 && text_is_clean_line(text, LIMIT_REVOKE_REASON_BYTES)
               ? ERR_OK
               : complain(complaint, ERR_INVALID, "the reason must be one line of 1 to %d bytes",
                          LIMIT_REVOKE_REASON_BYTES);
}

/* Only what cannot make sense: a revoked organization with a new invite may be revoked again. */
static enum err
check_member(const json_t *member, const char *org, struct complaint *complaint)
{
    int64_t ms = 0;
    if (member == NULL) {
        return complain(complaint, ERR_UNKNOWN_MEMBER,
                        "there is no organization '%s'; 'refloop-admin members' lists all", org);
    }
    if (fields_flag(member, "auditor")) {
        return complain(complaint, ERR_NOT_PERMITTED,
                        "%s is the administrator's own membership and cannot be revoked", org);
    }
    if (strcmp(fields_text(member, "state"), "revoked") == 0 &&
        !fields_time(member, "invite_expires", &ms)) {
        char since[CLOCK_TEXT_BYTES] = "?";
        if (fields_time(member, "since", &ms)) {
            say_time(ms, since);
        }
        return complain(complaint, ERR_REVOKED, "%s has been revoked since %s; nothing was changed",
                        org, since);
    }
    return ERR_OK;
}

static enum err
confirm(const json_t *member, const char *org, struct complaint *complaint)
{
    CLEANUP(free_text) char *line = NULL;
    size_t size = 0;
    if (isatty(STDIN_FILENO) != 1) {
        return complain(complaint, ERR_INVALID, "nobody is there to be asked; add --yes");
    }
    say_line(stderr, "Revoke %s (%s)? From then on all its messages are refused, and it can only",
             org, fields_text(member, "name"));
    say_line(stderr, "come back with a new invite. Type its id (%s) to confirm:", org);
    ssize_t len = getline(&line, &size, stdin);
    if (len > 0 && line[len - 1] == '\n') {
        line[len - 1] = '\0';
    }
    return len > 0 && strcmp(line, org) == 0
               ? ERR_OK
               : complain(complaint, ERR_INVALID, "not confirmed; nothing was changed");
}

static enum err
submit(const struct admin *admin, const char *org, json_t **receipt_out,
       struct complaint *complaint)
{
    CLEANUP(network_done) struct network network = {.envelope = BUFFER_INIT(0)};
    CLEANUP(root_key_done) struct root_key root = {.secret = NULL};
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = {.kind = STATEMENT_REVOKE};
    struct statement_revoke *revoke = &statement.as.revoke;
    if (!text_format(revoke->org, sizeof(revoke->org), "%s", org) ||
        !text_format(revoke->reason, sizeof(revoke->reason), "%s", admin->options.reason)) {
        return complain(complaint, ERR_INVALID, "the id or the reason is too long");
    }
    enum err err = network_load(admin->home, &network, complaint);
    if (err == ERR_OK) {
        err = unlock_root(admin, &network.id, &root, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = root_key_sign(&root, &statement, clock_now().wall_ms, &envelope);
    return err == ERR_OK
               ? talk_submit(admin, buffer_view(&envelope), receipt_out, complaint)
               : complain(complaint, err, "the statement cannot be made: %s", err_text(err));
}

static enum err
revoke_member(const struct admin *admin, json_t *members, json_t **receipt_out,
              struct complaint *complaint)
{
    const char *org = admin->words[0];
    const json_t *member = fields_member(members, org);
    enum err err = check_member(member, org, complaint);
    if (err == ERR_OK && !admin->options.yes) {
        err = confirm(member, org, complaint);
    }
    return err == ERR_OK ? submit(admin, org, receipt_out, complaint) : err;
}

/* ---- what is open with it ---- */

/* The revocation stands, whatever comes of this; ERR_OK means `loops` is filled. */
static enum err
find_open_loops(const struct admin *admin, struct loops *loops)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    const struct audit_loops_options options = {.now_ms = clock_now().wall_ms};
    const struct loops_choice choice = {.org = admin->words[0], .only_open = true};
    enum err err = audit_open(admin->home, NULL, &audit, NULL);
    return err == ERR_OK ? loops_gather(audit, &options, &choice, loops) : err;
}

static void
print_revoked(const struct admin *admin, const json_t *member, const json_t *receipt)
{
    CLEANUP(loops_done) struct loops loops = {.n_rows = 0};
    const char *org = admin->words[0];
    bool was_invited = strcmp(fields_text(member, "state"), "invited") == 0;
    say_line(stdout, "%s (%s) is revoked from entry %llu of the log on.", org,
             fields_text(member, "name"), (unsigned long long)fields_count(receipt, "index"));
    if (was_invited) {
        say_line(stdout, "It had not joined yet: its invite works no more.");
    } else {
        say_line(stdout, "Its next message is refused, also on a connection that is open now, and "
                         "it is told so.");
    }
    if (find_open_loops(admin, &loops) == ERR_OK) {
        loops_print_ending(&loops, org, stdout);
    } else {
        say_line(stdout,
                 "Which referrals are open with it could not be read; try: refloop-admin "
                 "loops --open --org %s",
                 org);
    }
    say_line(stdout, "It comes back only with: refloop-admin invite %s --name NAME --replace", org);
}

static json_t *
open_loops_json(const struct admin *admin)
{
    CLEANUP(loops_done) struct loops loops = {.n_rows = 0};
    return find_open_loops(admin, &loops) == ERR_OK ? loops_ending_json(&loops, admin->words[0])
                                                    : json_null();
}

static json_t *
revoked_json(const struct admin *admin, json_t *receipt)
{
    return json_pack("{s:b, s:s, s:O, s:o}", "ok", 1, "org", admin->words[0], "receipt", receipt,
                     "open_loops", open_loops_json(admin));
}

int
cmd_revoke(struct admin *admin)
{
    struct complaint complaint = {.text = ""};
    json_auto_t *members = NULL;
    json_auto_t *receipt = NULL;
    if (admin->options.reason == NULL) {
        return args_usage_error(admin->program, "--reason is needed");
    }
    enum err err = check_reason(admin->options.reason, &complaint);
    if (err == ERR_OK) {
        err = talk_ask(admin, "members", TALK_PATIENCE_MS, &members, &complaint);
    }
    if (err == ERR_OK) {
        err = revoke_member(admin, members, &receipt, &complaint);
    }
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, revoked_json(admin, receipt));
    }
    print_revoked(admin, fields_member(members, admin->words[0]), receipt);
    return ADMIN_EXIT_DONE;
}
