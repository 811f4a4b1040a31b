/* Joining a network. Decides how each way an invite can fail is explained, and that nothing is lost
 * by trying again: the keys are on disk before the broker hears of them, and the same keys and
 * invite give the same statement. Takes nothing on trust that the invite's root key has not signed.
 */
#include "agent/daemon/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/join_talk.h"
#include "agent/identity.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/edge/daemon.h"
#include "lib/edge/terminal.h"

enum { NAME_SHOWN = LIMIT_NAME_BYTES + 1 };

static enum err
read_token(const char *source, struct token *token, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(TOKEN_TEXT_MAX);
    enum err err = ERR_OK;
    if (strncmp(source, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1) == 0) {
        return complain(complaint, ERR_INVALID,
                        "give the invite as a file, or '-' for standard input: what stands on the "
                        "command line can be read by others on this machine");
    }
    err = file_read(source, &text);
    if (err == ERR_NOT_FOUND) {
        return complain(complaint, err, "there is no file %s", source);
    }
    if (err != ERR_OK && err != ERR_TOO_LARGE) {
        return complain(complaint, err, "%s cannot be read: %s", source, err_text(err));
    }
    if (err == ERR_OK) {
        err = token_parse(buffer_view(&text), token);
    }
    if (err == ERR_VERSION) {
        return complain(complaint, err, "this invite is of a newer refloop; update this program");
    }
    return err == ERR_OK ? err
                         : complain(complaint, err,
                                    "this invite is damaged or was changed on the way; ask the "
                                    "administrator to send it again, as a file");
}

static bool
is_of_token(const struct identity *identity, const struct token *token)
{
    return strcmp(identity->org, token->invite.org) == 0 &&
           memcmp(&identity->network, &token->network, sizeof(token->network)) == 0;
}

/* Keys that have joined stay what they are: their records open with no others, and a newer invite
 * is for other keys. Those that have not may use it. */
static enum err
check_invite(const struct join_options *options, const struct token *token,
             struct identity *identity, struct complaint *complaint)
{
    const struct key_id invite = key_id_of_signer(&token->invite.once_sign);
    if (identity->joined && memcmp(&identity->invite, &invite, sizeof(invite)) != 0) {
        return complain(complaint, ERR_EXISTS,
                        "%s holds the keys with which %s has joined by another invite; keep it for "
                        "its records, and use this invite with a new directory: --home DIR",
                        options->home, identity->org);
    }
    identity->invite = invite;
    return ERR_OK;
}

/* Keys that are there are kept: the broker may have logged them although we never heard so. */
static enum err
prepare_identity(const struct join_options *options, const struct token *token,
                 struct identity *identity, bool *again_out, struct complaint *complaint)
{
    enum err err = identity_load(options->home, identity, complaint);
    *again_out = err == ERR_OK;
    if (err == ERR_OK && !is_of_token(identity, token)) {
        return complain(complaint, ERR_EXISTS,
                        "%s already belongs to %s in the network %s; choose another directory "
                        "with --home",
                        options->home, identity->org, identity->genesis.network_name);
    }
    if (err == ERR_OK) {
        return check_invite(options, token, identity, complaint);
    }
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    err = identity_new(token, identity);
    if (err != ERR_OK) {
        return complain(complaint, err, "no keys can be made: %s", err_text(err));
    }
    return identity_save(identity, options->home, complaint);
}

/* Names in an invite were chosen by whoever made it. */
static void
tame(const char *name, char out[NAME_SHOWN])
{
    CLEANUP(buffer_done) struct buffer clean = BUFFER_INIT(NAME_SHOWN);
    (void)terminal_put(&clean, name, 0);
    (void)text_format(out, NAME_SHOWN, "%.*s", (int)clean.len,
                      clean.len > 0 ? (const char *)clean.data : "");
}

static void
show_invite(const struct token *token, const char *endpoint)
{
    char fingerprint[FINGERPRINT_TEXT];
    char network[NAME_SHOWN];
    char name[NAME_SHOWN];
    token_fingerprint(&token->network, fingerprint);
    tame(token->genesis.network_name, network);
    tame(token->invite.name, name);
    (void)printf("Network:      %s\n"
                 "Fingerprint:  %s\n"
                 "              (if the invite came by mail, compare this by telephone)\n"
                 "Organization: %s (%s)\n"
                 "Broker:       %s\n\n",
                 network, fingerprint, name, token->invite.org, endpoint);
    (void)fflush(stdout); /* what comes next may take a while */
}

static void
show_next(const struct join_options *options, const struct identity *identity, bool before)
{
    char network[NAME_SHOWN];
    char name[NAME_SHOWN];
    tame(identity->genesis.network_name, network);
    tame(identity->name, name);
    (void)printf("%s %s is a member of %s.\n\n"
                 "Next, start the agent and leave it running:\n"
                 "  refloop-agent --home %s\n",
                 before ? "Nothing to do:" : "Done:", name, network, options->home);
}

static enum err
join_with(const struct join_options *options, const struct token *token, struct identity *identity,
          struct complaint *complaint)
{
    const char *configured = options->config->endpoint;
    struct join_talk_options talk = {
        .endpoint = configured[0] != '\0' ? configured : token->genesis.endpoint,
        .token = token,
        .identity = identity,
        .timeout_ms = options->timeout_ms,
    };
    show_invite(token, talk.endpoint);
    enum err err = prepare_identity(options, token, identity, &talk.again, complaint);
    if (err != ERR_OK) {
        return err;
    }
    bool before = identity->joined;
    if (!before) {
        err = join_talk(&talk, complaint);
    }
    if (err == ERR_OK && !before) {
        identity->joined = true;
        err = identity_save(identity, options->home, complaint);
    }
    if (err == ERR_OK) {
        err = config_write_sample(options->home, complaint);
    }
    if (err == ERR_OK) {
        show_next(options, identity, before);
    }
    return err;
}

enum err
join_run(const struct join_options *options, struct complaint *complaint)
{
    struct token token = {.network = {{0}}};
    struct identity identity = {.joined = false};
    enum err err = read_token(options->token, &token, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = daemon_home_make(options->home, complaint);
    if (err == ERR_OK) {
        err = join_with(options, &token, &identity, complaint);
    }
    identity_done(&identity);
    token_done(&token);
    return err;
}
