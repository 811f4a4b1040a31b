/* Making an invite. Decides what its statement says; the one-time secrets exist only here and in
 * the token. It refuses to know whether the broker takes it. */
#include "broker/admin/invite.h"

#include <string.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"

/* In locked memory. */
struct once {
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_secret sign;
    struct curve_secret curve;
};

enum err
invite_check(const struct invite_order *order, struct complaint *complaint)
{
    struct bytes name = bytes_of_text(order->name);
    if (!ident_is_org(order->org)) {
        return complain(complaint, ERR_INVALID,
                        "'%s' is no id of an organization: 2 to %d of a-z, 0-9 and single inner "
                        "hyphens, a letter first",
                        order->org, ORG_ID_MAX);
    }
    if (name.len == 0 || !text_is_clean_line(name, LIMIT_NAME_BYTES)) {
        return complain(complaint, ERR_INVALID,
                        "the organization's name must be one line of 1 to %d bytes",
                        LIMIT_NAME_BYTES);
    }
    return ERR_OK;
}

static enum err
make_parts(const struct invite_order *order, const struct root_key *root,
           const struct network *network, struct buffer *envelope, struct buffer *token)
{
    CLEANUP(secret_freep) struct once *once = secret_alloc(sizeof(*once));
    struct statement statement = {.kind = STATEMENT_INVITE};
    struct statement_invite *invite = &statement.as.invite;
    if (once == NULL) {
        return ERR_MEMORY;
    }
    if (!text_format(invite->org, sizeof(invite->org), "%s", order->org) ||
        !text_format(invite->name, sizeof(invite->name), "%s", order->name)) {
        return ERR_INVALID;
    }
    secret_random(once->seed, sizeof(once->seed));
    sign_pair_from_seed(once->seed, &invite->once_sign, &once->sign);
    curve_new_pair(&invite->once_curve, &once->curve);
    invite->expires_ms = order->expires_ms;
    invite->replaces = order->replace;
    enum err err = root_key_sign(root, &statement, order->now_ms, envelope);
    return err == ERR_OK ? token_format(buffer_view(&network->envelope), buffer_view(envelope),
                                        once->seed, &once->curve, token)
                         : err;
}

enum err
invite_make(const struct invite_order *order, const struct root_key *root,
            const struct network *network, struct buffer *envelope_out, struct buffer *token_out,
            struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_wipe) struct buffer token = BUFFER_INIT(TOKEN_TEXT_MAX);
    enum err err = invite_check(order, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = make_parts(order, root, network, &envelope, &token);
    if (err == ERR_OK) {
        buffer_put(envelope_out, envelope.data, envelope.len);
        buffer_put(token_out, token.data, token.len);
        err = buffer_err(envelope_out) == ERR_OK ? buffer_err(token_out) : buffer_err(envelope_out);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "the invite cannot be made: %s", err_text(err));
}
