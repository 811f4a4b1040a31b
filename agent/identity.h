/* Who this agent is: organization, network, the three key pairs and the store key. Lives in
 * HOME/keys (0600); secrets are held in locked memory. */
#ifndef REFLOOP_AGENT_IDENTITY_H
#define REFLOOP_AGENT_IDENTITY_H

#include "lib/crypto/vault.h"
#include "lib/trust/token.h"
#include "lib/wire/sealed.h"

enum { IDENTITY_FORMER_MAX = 32 };

struct identity_secrets { /* one block of secret_alloc memory */
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct vault_key store;
    struct seal_secret former[IDENTITY_FORMER_MAX];
    struct sign_secret next_sign;
    struct seal_secret next_seal;
    struct curve_secret next_curve;
};

/* A key set this organization had before. Only its sealing pair is kept: it opens what was sealed
 * to it then, and may still be on its way. */
struct identity_former {
    struct key_id key;
    struct seal_public seal;
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
    size_t n_former;                  /* oldest first */
    struct identity_former former[IDENTITY_FORMER_MAX];
    bool has_next; /* a change of keys was begun: these may be in the log already (rotate.h) */
    struct key_set next;
    int64_t next_made_ms; /* wall */
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

/* True for the id of a key set that this home has, had, or is about to take. */
bool identity_is_own_key(const struct identity *identity, const struct key_id *key);
/* The key set of ours that a statement names, as its author's or its reader's; NULL when it is
 * neither by us nor for us, or the key is none we know. */
const struct key_id *
identity_named_key(const struct identity *identity, const struct statement *statement);
/* sealed_open and sealed_reveal with the pair the statement names, present or former. Nothing is
 * opened (ERR_OK, flags false, keys zero) when it names none of ours. */
enum err identity_open_sealed(const struct identity *identity, const struct statement *statement,
                              struct bytes sealed, struct buffer *body_out,
                              struct buffer *facts_out,
                              struct sealed_opened *opened_out) MUST_CHECK;
enum err identity_reveal_sealed(const struct identity *identity, const struct statement *statement,
                                struct bytes sealed,
                                struct sealed_revealed *revealed_out) MUST_CHECK;

/* The encoded join envelope for this identity, signed with the token's one-time key. The same
 * identity and token give the same bytes (authored_ms is the token's), so asking twice is harmless.
 */
enum err identity_join_envelope(const struct identity *identity, const struct token *token,
                                struct buffer *out) MUST_CHECK;

#endif
