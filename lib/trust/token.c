/* The invite line. Everything public in it is held to the root's signature and the two secrets to
 * the public keys the root has named, so that a token either is what the administrator made or is
 * refused. Whether the root is the right one no program can know: people compare its fingerprint.
 *
 * Every fault is one answer, altered, because the remedy is one: ask for the line again. */
#include "lib/trust/token.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/wire/token_parts.h"

static const char prefix[] = TOKEN_PREFIX;
static const char family[] = "refloop-invite-"; /* of tokens of any version */

enum { FINGERPRINT_BYTES = 12, FINGERPRINT_GROUP = 2 };

enum err
token_format(struct bytes genesis_envelope, struct bytes invite_envelope,
             const uint8_t once_sign_seed[SIGN_SEED_BYTES], const struct curve_secret *once_curve,
             struct buffer *out)
{
    CLEANUP(buffer_wipe) struct buffer inside = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    const struct token_parts parts = {
        .genesis_envelope = genesis_envelope,
        .invite_envelope = invite_envelope,
        .once_sign_seed = bytes_of(once_sign_seed, SIGN_SEED_BYTES),
        .once_curve = bytes_of(once_curve->bytes, sizeof(once_curve->bytes)),
    };
    enum err err = token_parts_encode(&parts, &inside);
    if (err != ERR_OK) {
        return err;
    }
    buffer_put(&line, prefix, sizeof(prefix) - 1);
    text_base64(buffer_view(&inside), &line);
    err = buffer_err(&line);
    if (err == ERR_OK) {
        buffer_put(out, line.data, line.len);
        err = buffer_err(out);
    }
    return err;
}

/* Mail programs break long lines and people paste the breaks, so no white space counts. */
static void
put_without_space(struct bytes text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(" \t\r\n\v\f", text.data[i]) == NULL || text.data[i] == '\0') {
            buffer_put_u8(out, text.data[i]);
        }
    }
}

static bool
starts_with(struct bytes text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

/* True for the line of a version this program does not know: family, digits other than ours, colon.
 */
static bool
is_other_version(struct bytes line)
{
    size_t at = sizeof(family) - 1;
    if (!starts_with(line, family) || starts_with(line, prefix)) {
        return false;
    }
    size_t first = at;
    while (at < line.len && line.data[at] >= '0' && line.data[at] <= '9') {
        at++;
    }
    return at > first && at < line.len && line.data[at] == ':';
}

/* The network is the token's own claim; that its genesis and invite are signed by that very key is
 * checked. */
static enum err
open_statements(const struct token_parts *parts, struct token *token)
{
    struct envelope claimed;
    struct statement statement;
    struct opened_envelope opened;
    struct sign_public root;
    enum err err = envelope_decode(parts->genesis_envelope, &claimed);
    if (err == ERR_OK) {
        err = statement_decode(claimed.statement, &statement);
    }
    if (err != ERR_OK) {
        return err;
    }
    token->network = statement.network;
    memcpy(root.bytes, token->network.bytes, sizeof(root.bytes));
    err = envelope_open(parts->genesis_envelope, &token->network, &root, false, NULL, &opened);
    if (err != ERR_OK || opened.statement.kind != STATEMENT_GENESIS) {
        return err != ERR_OK ? err : ERR_TOKEN_ALTERED;
    }
    token->genesis = opened.statement.as.genesis;
    err = envelope_open(parts->invite_envelope, &token->network, &root, false, NULL, &opened);
    if (err != ERR_OK || opened.statement.kind != STATEMENT_INVITE) {
        return err != ERR_OK ? err : ERR_TOKEN_ALTERED;
    }
    token->invite = opened.statement.as.invite;
    return ERR_OK;
}

static void
wipe_sign_secret(struct sign_secret *secret)
{
    secret_wipe(secret, sizeof(*secret));
}

static enum err
take_secrets(const struct token_parts *parts, struct token *token)
{
    CLEANUP(wipe_sign_secret) struct sign_secret sign_secret;
    struct sign_public sign_public;
    struct curve_public curve_public;
    if (parts->once_sign_seed.len != SIGN_SEED_BYTES || parts->once_curve.len != CURVE_KEY_BYTES) {
        return ERR_TOKEN_ALTERED;
    }
    memcpy(token->once_sign_seed, parts->once_sign_seed.data, SIGN_SEED_BYTES);
    memcpy(token->once_curve.bytes, parts->once_curve.data, CURVE_KEY_BYTES);
    sign_pair_from_seed(token->once_sign_seed, &sign_public, &sign_secret);
    curve_public_of(&token->once_curve, &curve_public);
    bool fit = memcmp(&sign_public, &token->invite.once_sign, sizeof(sign_public)) == 0 &&
               memcmp(&curve_public, &token->invite.once_curve, sizeof(curve_public)) == 0;
    return fit ? ERR_OK : ERR_TOKEN_ALTERED;
}

static enum err
keep_envelopes(const struct token_parts *parts, struct token *token)
{
    token->genesis_envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    token->invite_envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    buffer_put(&token->genesis_envelope, parts->genesis_envelope.data, parts->genesis_envelope.len);
    buffer_put(&token->invite_envelope, parts->invite_envelope.data, parts->invite_envelope.len);
    enum err err = buffer_err(&token->genesis_envelope);
    return err == ERR_OK ? buffer_err(&token->invite_envelope) : err;
}

static enum err
parse_inside(struct bytes inside, struct token *token)
{
    struct token_parts parts;
    enum err err = token_parts_decode(inside, &parts);
    if (err == ERR_OK) {
        err = open_statements(&parts, token);
    }
    if (err == ERR_OK) {
        err = take_secrets(&parts, token);
    }
    return err == ERR_OK ? keep_envelopes(&parts, token) : err;
}

/* What is told to the person who pasted the line. */
static enum err
answer(enum err err)
{
    return err == ERR_OK || err == ERR_MEMORY || err == ERR_VERSION ? err : ERR_TOKEN_ALTERED;
}

enum err
token_parse(struct bytes text, struct token *token_out)
{
    CLEANUP(buffer_wipe) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer inside = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(token_done) struct token token = {0};
    put_without_space(text, &line);
    enum err err = buffer_err(&line);
    if (err != ERR_OK) {
        return answer(err);
    }
    struct bytes whole = buffer_view(&line);
    if (!starts_with(whole, prefix)) {
        return is_other_version(whole) ? ERR_VERSION : ERR_TOKEN_ALTERED;
    }
    const size_t skip = sizeof(prefix) - 1;
    err = text_unbase64(bytes_of(whole.data + skip, whole.len - skip), &inside);
    if (err == ERR_OK) {
        err = parse_inside(buffer_view(&inside), &token);
    }
    if (err == ERR_OK) {
        *token_out = token;
        token = (struct token){0};
    }
    return answer(err);
}

void
token_done(struct token *token)
{
    buffer_wipe(&token->genesis_envelope);
    buffer_wipe(&token->invite_envelope);
    secret_wipe(token, sizeof(*token));
}

void
token_fingerprint(const struct network_id *network, char out[FINGERPRINT_TEXT])
{
    struct digest digest;
    size_t at = 0;
    digest_one("refloop.fingerprint.v1", bytes_of(network->bytes, sizeof(network->bytes)), &digest);
    for (size_t i = 0; i < FINGERPRINT_BYTES; i += FINGERPRINT_GROUP) {
        if (i > 0) {
            out[at++] = ' ';
        }
        text_hex(bytes_of(digest.bytes + i, FINGERPRINT_GROUP), out + at);
        at += 2 * (size_t)FINGERPRINT_GROUP;
    }
}
