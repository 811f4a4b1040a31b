/* Decides what a new organization says to become a member: its own three public keys, signed with
 * the invite's one-time key, and the proof that it holds what it brings. Nothing in it is random or
 * new, so asking again gives the same bytes and the broker the same answer. It refuses to know the
 * broker. */
#include <string.h>

#include "agent/identity.h"
#include "lib/base/secret.h"

enum { POSSESSION_BYTES_MAX = 512 };

static enum err
invite_time(const struct token *token, int64_t *authored_ms_out)
{
    struct envelope envelope;
    struct statement invite;
    enum err err = envelope_decode(buffer_view(&token->invite_envelope), &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &invite);
    if (err == ERR_OK)
        *authored_ms_out = invite.authored_ms;
    return err;
}

static enum err
prove_possession(const struct identity *identity, struct statement_join *join)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(POSSESSION_BYTES_MAX);

    statement_possession_bytes(&identity->network, identity->org, &identity->keys, &bytes);
    enum err err = buffer_err(&bytes);
    if (err != ERR_OK)
        return err;
    struct bytes part = buffer_view(&bytes);
    sign_make(SIGN_POSSESSION, &part, 1, &identity->secrets->sign, join->possession);
    return ERR_OK;
}

static enum err
sign_join(const struct token *token, struct bytes statement, struct envelope *envelope)
{
    struct sign_public once;
    struct sign_secret *secret = secret_alloc(sizeof(*secret));

    if (secret == NULL)
        return ERR_MEMORY;
    sign_pair_from_seed(token->once_sign_seed, &once, secret);
    envelope->statement = statement;
    enum err err =
        turn_sign(SIGN_STATEMENTS, &token->network, &statement, 1, secret, &envelope->signature);
    secret_free(secret);
    return err;
}

enum err
identity_join_envelope(const struct identity *identity, const struct token *token,
                       struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement statement = {
        .suite = STATEMENT_SUITE_1,
        .kind = STATEMENT_JOIN,
        .network = identity->network,
        .author_key = key_id_of_signer(&token->invite.once_sign),
    };
    struct statement_join *join = &statement.as.join;
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};

    memcpy(statement.author, identity->org, sizeof(statement.author));
    memcpy(join->org, identity->org, sizeof(join->org));
    join->invite = statement.author_key;
    join->keys = identity->keys;
    enum err err = invite_time(token, &statement.authored_ms);
    if (err == ERR_OK)
        err = prove_possession(identity, join);
    if (err == ERR_OK)
        err = statement_encode(&statement, &bytes);
    if (err == ERR_OK)
        err = sign_join(token, buffer_view(&bytes), &envelope);
    return err == ERR_OK ? envelope_encode(&envelope, out) : err;
}
