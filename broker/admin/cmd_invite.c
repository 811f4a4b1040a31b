/* refloop-admin invite. Decides the order: nothing is asked of a person that could already be seen
 * to fail, and the token is written only when the broker has the invite in its log. */
#include "broker/admin/cmd.h"

#include <string.h>

#include "broker/admin/invite.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "broker/admin/unlock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/trust/token.h"

enum { MS_PER_HOUR = 3600 * 1000 };

struct invitation {
    struct invite_order order;
    struct network network;
    char out[FILE_PATH_MAX]; /* "-" is standard output */
    bool again;              /* an earlier invite ends with this one */
    bool log_is_ahead;       /* of the clock here, by which `expires_ms` was reckoned at first */
    uint64_t index;          /* of the log */
};

static void
invitation_done(struct invitation *invitation)
{
    network_done(&invitation->network);
}

static enum err
choose_file(const struct admin *admin, struct invitation *invitation, struct complaint *complaint)
{
    const char *given = admin->options.out;
    bool fits = given != NULL ? text_format(invitation->out, FILE_PATH_MAX, "%s", given)
                              : text_format(invitation->out, FILE_PATH_MAX, "%s.token",
                                            invitation->order.org);
    if (!fits) {
        return complain(complaint, ERR_INVALID, "the path of the token is too long");
    }
    if (strcmp(invitation->out, "-") != 0 && file_exists(invitation->out)) {
        return complain(complaint, ERR_EXISTS,
                        "%s exists and is not written over; remove it, or choose another file "
                        "with --out",
                        invitation->out);
    }
    return ERR_OK;
}

/* An invite ends by the log's time, which stays ahead when the broker's clock once was. */
static void
reckon_by_log(const json_t *members, struct invitation *invitation)
{
    int64_t log_ms = 0;
    if (fields_time(members, "log_time", &log_ms) && log_ms > invitation->order.now_ms) {
        invitation->order.expires_ms += log_ms - invitation->order.now_ms;
        invitation->log_is_ahead = log_ms - invitation->order.now_ms > MS_PER_HOUR;
    }
}

/* The broker judges this too; said here it comes before the passphrase, and says what to do. */
static enum err
look_at_member(const struct admin *admin, struct invitation *invitation,
               struct complaint *complaint)
{
    json_auto_t *members = NULL;
    enum err err = talk_ask(admin, "members", TALK_PATIENCE_MS, &members, complaint);
    if (err != ERR_OK) {
        return err;
    }
    const json_t *member = fields_member(members, invitation->order.org);
    reckon_by_log(members, invitation);
    if (member == NULL) {
        return ERR_OK;
    }
    const char *state = fields_text(member, "state");
    int64_t expires_ms = 0;
    /* Facts are sealed to the keys of the genesis; an agent that joined under its id would take
     * its place without having them. */
    if (fields_flag(member, "auditor")) {
        return complain(complaint, ERR_MEMBER_EXISTS,
                        "%s is the administrator's own membership; invite under another id",
                        invitation->order.org);
    }
    if (strcmp(state, "invited") != 0 && !invitation->order.replace) {
        return complain(complaint, ERR_MEMBER_EXISTS,
                        "%s is %s already; if it must join anew, because its machine was lost or "
                        "it is to come back, add --replace",
                        invitation->order.org,
                        strcmp(state, "revoked") == 0 ? "in the network (revoked)" : "a member");
    }
    invitation->again = fields_time(member, "invite_expires", &expires_ms);
    return ERR_OK;
}

static enum err
deliver(struct invitation *invitation, struct buffer *token, struct complaint *complaint)
{
    buffer_put_u8(token, '\n');
    enum err err = buffer_err(token);
    if (err == ERR_OK && strcmp(invitation->out, "-") != 0) {
        err = file_create(invitation->out, buffer_view(token), 0600);
    }
    return err == ERR_OK
               ? ERR_OK
               : complain(complaint, err,
                          "the invite is logged, but %s cannot be written: %s; invite again, the "
                          "new token takes the place of this one",
                          invitation->out, err_text(err));
}

static enum err
invite(const struct admin *admin, struct invitation *invitation, struct buffer *token,
       struct complaint *complaint)
{
    CLEANUP(root_key_done) struct root_key root = {.secret = NULL};
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    json_auto_t *receipt = NULL;
    enum err err = invite_check(&invitation->order, complaint);
    if (err == ERR_OK) {
        err = network_load(admin->home, &invitation->network, complaint);
    }
    if (err == ERR_OK) {
        err = choose_file(admin, invitation, complaint);
    }
    if (err == ERR_OK) {
        err = look_at_member(admin, invitation, complaint);
    }
    if (err == ERR_OK) {
        err = unlock_root(admin, &invitation->network.id, &root, complaint);
    }
    if (err == ERR_OK) {
        err = invite_make(&invitation->order, &root, &invitation->network, &envelope, token,
                          complaint);
    }
    if (err == ERR_OK) {
        err = talk_submit(admin, buffer_view(&envelope), &receipt, complaint);
    }
    invitation->index = fields_count(receipt, "index");
    return err == ERR_OK ? deliver(invitation, token, complaint) : err;
}

/* With the token on standard output, what people read goes beside it. */
static void
print_invited(const struct invitation *invitation, const struct buffer *token)
{
    char until[CLOCK_TEXT_BYTES];
    char fingerprint[FINGERPRINT_TEXT];
    bool printed = strcmp(invitation->out, "-") == 0;
    const char *file = printed ? "TOKEN-FILE" : invitation->out;
    FILE *out = printed ? stderr : stdout;
    say_time(invitation->order.expires_ms, until);
    token_fingerprint(&invitation->network.id, fingerprint);
    if (printed) {
        (void)fwrite(token->data, 1, token->len, stdout); /* main looks at the stream */
    }
    say_line(out, "%s (%s) is invited to %s until %s.", invitation->order.name,
             invitation->order.org, invitation->network.genesis.network_name, until);
    if (invitation->log_is_ahead) {
        say_line(out, "That is by the log's time, which is ahead: see refloop-admin status.");
    }
    if (invitation->again) {
        say_line(out, "An earlier invite for it works no more.");
    }
    say_line(out, "%s", "");
    say_line(out, "The token %s%s works once and is a secret until then: hand it over in",
             printed ? "above" : "in ", printed ? "" : file);
    say_line(out, "person, or by another channel you trust. On their machine:");
    say_line(out, "  refloop-agent join %s", file);
    say_line(out, "%s", "");
    say_line(out, "join shows the network's fingerprint. Compare it by telephone; it must be");
    say_line(out, "  %s", fingerprint);
}

static json_t *
invited_json(const struct invitation *invitation, const struct buffer *token)
{
    char until[CLOCK_TEXT_BYTES];
    char fingerprint[FINGERPRINT_TEXT];
    clock_format_utc(invitation->order.expires_ms, until);
    token_fingerprint(&invitation->network.id, fingerprint);
    json_t *value =
        json_pack("{s:b, s:s, s:s, s:s, s:s, s:I}", "ok", 1, "org", invitation->order.org, "name",
                  invitation->order.name, "expires", until, "fingerprint", fingerprint, "index",
                  (json_int_t)invitation->index);
    json_t *place = strcmp(invitation->out, "-") == 0
                        ? json_stringn((const char *)token->data, token->len - 1)
                        : json_string(invitation->out);
    const char *name = strcmp(invitation->out, "-") == 0 ? "token" : "token_file";
    if (json_object_set_new(value, name, place) != 0) {
        json_decref(value);
        return NULL;
    }
    return value;
}

int
cmd_invite(struct admin *admin)
{
    CLEANUP(invitation_done) struct invitation invitation = {.index = 0};
    CLEANUP(buffer_wipe) struct buffer token = BUFFER_INIT(TOKEN_TEXT_MAX + 1);
    struct complaint complaint = {.text = ""};
    int64_t now_ms = clock_now().wall_ms;
    if (admin->options.name == NULL) {
        return args_usage_error(admin->program, "--name is needed");
    }
    invitation.order = (struct invite_order){
        .org = admin->words[0],
        .name = admin->options.name,
        .replace = admin->options.replace,
        .now_ms = now_ms,
        .expires_ms = now_ms + admin->options.expires_h * MS_PER_HOUR,
    };
    enum err err = invite(admin, &invitation, &token, &complaint);
    if (err != ERR_OK) {
        return talk_fail(admin, err, complaint.text);
    }
    if (admin->options.json) {
        return talk_print_json(admin, invited_json(&invitation, &token));
    }
    print_invited(&invitation, &token);
    return ADMIN_EXIT_DONE;
}
