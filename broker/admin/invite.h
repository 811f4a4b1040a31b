/* An invite: one-time keys, the root's statement that names them, and the token that carries both
 * to the organization. */
#ifndef REFLOOP_BROKER_ADMIN_INVITE_H
#define REFLOOP_BROKER_ADMIN_INVITE_H

#include "broker/admin/network.h"
#include "broker/admin/root_key.h"

struct invite_order {
    const char *org, *name;
    bool replace;
    int64_t now_ms, expires_ms;
};

/* ERR_INVALID with a sentence when id or name cannot be one. */
enum err invite_check(const struct invite_order *order, struct complaint *complaint) MUST_CHECK;
/* Appends the statement's envelope, for the broker, and the token line (no newline), which is a
 * secret: wipe it. */
enum err invite_make(const struct invite_order *order, const struct root_key *root,
                     const struct network *network, struct buffer *envelope_out,
                     struct buffer *token_out, struct complaint *complaint) MUST_CHECK;

#endif
