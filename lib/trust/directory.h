/* The directory: who is a member, with which keys, since which log index. A fold over the
 * root-signed and key statements of the log, kept by the broker (to admit) and by every agent (to
 * believe): keys come from the log, chained to the root, or not at all. In memory; rebuilt at start
 * from the stored entries. */
#ifndef REFLOOP_LIB_TRUST_DIRECTORY_H
#define REFLOOP_LIB_TRUST_DIRECTORY_H

#include "lib/wire/envelope.h"

enum member_state { MEMBER_INVITED, MEMBER_ACTIVE, MEMBER_REVOKED };

struct member {
    char org[ORG_ID_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    enum member_state state;
    bool is_auditor;
    struct key_set keys; /* while active (and the last ones when revoked) */
    struct key_id key_id;
    struct sign_public once_sign; /* of the newest invite */
    struct curve_public once_curve;
    int64_t invite_expires_ms;
    bool invite_spent; /* joined with, or withdrawn by a revocation: a one-time key may connect only
                          while this is false */
    uint64_t handle;   /* index of the organization's first entry: its stable number in the broker's
                          tables */
    uint64_t since_index; /* of the entry that gave the present state */
    int64_t since_ms;
    char revoke_reason[LIMIT_REVOKE_REASON_BYTES + 1];
};

struct directory;

/* `root` pins the network: nothing is believed that does not chain to it. */
enum err directory_new(const struct network_id *root, struct directory **directory_out) MUST_CHECK;
void directory_free(struct directory *directory);
void directory_freep(struct directory **directory);

/* True for the kinds the directory folds (genesis, invite, join, revoke, rotate). */
bool directory_concerns(enum statement_kind kind);

/* Which key must have signed an entry of this author, judged by the statement's own claims (peek:
 * not yet verified): root for genesis, invite and revoke; the invite's one-time key for a join; the
 * member's present key otherwise. ERR_UNKNOWN_MEMBER, ERR_REVOKED. For readers of the log; the
 * broker goes by the connection's key instead (directory_find_curve). */
enum err directory_signer(const struct directory *directory, const struct statement *claimed,
                          struct sign_public *signer_out) MUST_CHECK;

/* Judges a verified statement at log time `log_time_ms` without changing anything: ERR_TOKEN_SPENT,
 * ERR_TOKEN_EXPIRED, ERR_MEMBER_EXISTS, ERR_UNKNOWN_MEMBER, ERR_REVOKED, ERR_SIGNATURE
 * (possession), ERR_NOT_PERMITTED, ERR_QUOTA (LIMIT_MEMBERS). */
enum err directory_judge(const struct directory *directory, const struct statement *statement,
                         int64_t log_time_ms) MUST_CHECK;
/* Judges and applies at `index`. */
enum err directory_apply(struct directory *directory, const struct statement *statement,
                         uint64_t index, int64_t log_time_ms) MUST_CHECK;

/* NULL when absent. Pointers are valid until the next apply. */
const struct member *directory_find(const struct directory *directory, const char *org);
const struct member *directory_find_handle(const struct directory *directory, uint64_t handle);
/* The member, or the invited organization, that a CURVE key belongs to; *once_out tells a one-time
 * key from a member's own. Revoked members and spent invites are found too (so that they can be
 * told): look at the state and at invite_spent, and compare a one-time key with once_curve, as an
 * older invite's is found as well. NULL for a key the member has replaced. */
const struct member *directory_find_curve(const struct directory *directory,
                                          const struct curve_public *key, bool *once_out);
/* The member whose CURVE key this was, before the entry at *replaced_out gave it another. NULL for
 * every key that directory_find_curve knows. */
const struct member *directory_find_former_curve(const struct directory *directory,
                                                 const struct curve_public *key,
                                                 uint64_t *replaced_out);
const struct member *directory_auditor(const struct directory *directory);
/* NULL before genesis. */
const struct statement_genesis *directory_genesis(const struct directory *directory);
const struct network_id *directory_network(const struct directory *directory);
size_t directory_count(const struct directory *directory);
/* In order of handle; NULL past the end. */
const struct member *directory_at(const struct directory *directory, size_t place);
const char *directory_state_name(enum member_state state);

#endif
