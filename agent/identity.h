/* Who this agent is: organization, network, the three key pairs and the store key. Lives in
 * HOME/keys (0600); secrets are held in locked memory. */
#ifndef REFLOOP_AGENT_IDENTITY_H
#define REFLOOP_AGENT_IDENTITY_H

#include "lib/crypto/vault.h"
#include "lib/trust/token.h"

struct identity_secrets { /* one block of secret_alloc memory */
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct vault_key store;
};

struct identity {
    char org[ORG_ID_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    struct network_id network;
    struct statement_genesis genesis;
    struct buffer genesis_envelope; /* owned */
    struct key_set keys;
    struct key_id key_id;
    struct identity_secrets *secrets; /* owned */
    struct key_id invite;             /* the one it joins, or has joined, with */
    bool joined;                      /* the broker has logged our join */
};

/* Makes fresh keys for the invited organization (not yet saved, joined = false). */
enum err identity_new(const struct token *token, struct identity *identity_out) MUST_CHECK;
/* HOME/keys/member.key and HOME/keys/network: both written atomically, secrets 0600. */
enum err identity_save(const struct identity *identity, const char *home,
                       struct complaint *complaint) MUST_CHECK;
/* ERR_NOT_FOUND when HOME has none ("join first"), ERR_PERMISSION, ERR_CORRUPT. */
enum err identity_load(const char *home, struct identity *identity_out,
                       struct complaint *complaint) MUST_CHECK;
void identity_done(struct identity *identity); /* wipes */

/* The encoded join envelope for this identity, signed with the token's one-time key. The same
 * identity and token give the same bytes (authored_ms is the token's), so asking twice is harmless.
 */
enum err identity_join_envelope(const struct identity *identity, const struct token *token,
                                struct buffer *out) MUST_CHECK;

#endif
