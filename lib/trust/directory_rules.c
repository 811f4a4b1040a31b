/* What may change the directory, and what it changes: one row per kind of statement, a rule that
 * judges without changing anything and a step that applies what was judged. Signatures are checked
 * before a statement gets here; the rules hold the key it names to the key that must have made it.
 *
 * Every step takes the memory it needs before it changes anything, so a failed one changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/trust/directory.h"
#include "lib/trust/directory_state.h"

enum { KEY_SET_KEYS = 3, ONCE_KEYS = 2, GENESIS_KEYS = 6, CAPACITY_FIRST = 16 };

/* A statement with where it stands in the log. */
struct logged {
    const struct statement *statement;
    uint64_t index;
    int64_t log_time_ms;
};

static bool
same_key_id(const struct key_id *a, const struct key_id *b)
{
    return memcmp(a->bytes, b->bytes, KEY_ID_BYTES) == 0;
}

static bool
is_by_root(const struct directory *directory, const struct statement *statement)
{
    struct sign_public root;
    memcpy(root.bytes, directory->root.bytes, sizeof(root.bytes));
    struct key_id expected = key_id_of_signer(&root);
    return statement->author[0] == '\0' && same_key_id(&statement->author_key, &expected);
}

static void
claims_of_keys(const struct key_set *keys, struct key_claim claims_out[KEY_SET_KEYS])
{
    claims_out[0] = (struct key_claim){keys->sign.bytes, KEY_MEMBER_SIGN};
    claims_out[1] = (struct key_claim){keys->seal.bytes, KEY_MEMBER_SEAL};
    claims_out[2] = (struct key_claim){keys->curve.bytes, KEY_MEMBER_CURVE};
}

static void
claims_of_invite(const struct statement_invite *invite, struct key_claim claims_out[ONCE_KEYS])
{
    claims_out[0] = (struct key_claim){invite->once_sign.bytes, KEY_ONCE_SIGN};
    claims_out[1] = (struct key_claim){invite->once_curve.bytes, KEY_ONCE_CURVE};
}

static void
claims_of_genesis(const struct directory *directory, const struct statement_genesis *genesis,
                  struct key_claim claims_out[GENESIS_KEYS])
{
    claims_of_keys(&genesis->auditor, claims_out);
    claims_out[3] = (struct key_claim){directory->root.bytes, KEY_NETWORK_SIGN};
    claims_out[4] = (struct key_claim){genesis->broker_log.bytes, KEY_NETWORK_SIGN};
    claims_out[5] = (struct key_claim){genesis->broker_curve.bytes, KEY_NETWORK_CURVE};
}

/* ---- judging ---- */

static enum err
judge_genesis(const struct directory *directory, const struct statement *statement,
              int64_t log_time_ms)
{
    const struct statement_genesis *genesis = &statement->as.genesis;
    struct key_claim claims[GENESIS_KEYS];
    (void)log_time_ms;
    claims_of_genesis(directory, genesis, claims);
    bool permitted = !directory->has_genesis && is_by_root(directory, statement) &&
                     sign_public_is_sound(&genesis->auditor.sign) &&
                     seal_public_is_sound(&genesis->auditor.seal) &&
                     sign_public_is_sound(&genesis->broker_log) &&
                     directory_keys_free_for(&directory->keys, claims, GENESIS_KEYS, NULL);
    return permitted ? ERR_OK : ERR_NOT_PERMITTED;
}

static enum err
judge_invite(const struct directory *directory, const struct statement *statement,
             int64_t log_time_ms)
{
    const struct statement_invite *invite = &statement->as.invite;
    const struct place *place = directory_place(directory, invite->org);
    struct key_claim claims[ONCE_KEYS];
    (void)log_time_ms;
    claims_of_invite(invite, claims);
    /* One-time keys are new each time, also for an organization that had an invite before. */
    if (!is_by_root(directory, statement) || !sign_public_is_sound(&invite->once_sign) ||
        !directory_keys_free_for(&directory->keys, claims, ONCE_KEYS, NULL)) {
        return ERR_NOT_PERMITTED;
    }
    if (place == NULL) {
        return directory->n_places < LIMIT_MEMBERS ? ERR_OK : ERR_QUOTA;
    }
    return place->member.state == MEMBER_INVITED || invite->replaces ? ERR_OK : ERR_MEMBER_EXISTS;
}

static enum err
check_possession(const struct directory *directory, const char *org, const struct key_set *keys,
                 const uint8_t possession[SIGN_BYTES])
{
    enum { POSSESSION_BYTES_MAX = 512 };
    CLEANUP(buffer_done) struct buffer signed_bytes = BUFFER_INIT(POSSESSION_BYTES_MAX);
    statement_possession_bytes(&directory->root, org, keys, &signed_bytes);
    enum err err = buffer_err(&signed_bytes);
    if (err != ERR_OK) {
        return err;
    }
    const struct bytes part = buffer_view(&signed_bytes);
    return sign_check(SIGN_POSSESSION, &part, 1, &keys->sign, possession);
}

static enum err
check_new_keys(const struct directory *directory, const struct member *member,
               const struct key_set *keys, const uint8_t possession[SIGN_BYTES])
{
    struct key_claim claims[KEY_SET_KEYS];
    claims_of_keys(keys, claims);
    /* A member nothing can be sealed to would stop the queue of whoever wrote to it. */
    if (!sign_public_is_sound(&keys->sign) || !seal_public_is_sound(&keys->seal) ||
        !directory_keys_free_for(&directory->keys, claims, KEY_SET_KEYS, member)) {
        return ERR_NOT_PERMITTED;
    }
    return check_possession(directory, member->org, keys, possession);
}

/* An invite that a newer one has replaced counts as spent. */
static enum err
check_invite(const struct place *place, const struct statement_join *join, int64_t log_time_ms)
{
    struct key_id newest = key_id_of_signer(&place->member.once_sign);
    if (place->invite_withdrawn) {
        return ERR_REVOKED;
    }
    if (place->member.invite_spent || !same_key_id(&join->invite, &newest)) {
        return ERR_TOKEN_SPENT;
    }
    return log_time_ms > place->member.invite_expires_ms ? ERR_TOKEN_EXPIRED : ERR_OK;
}

static enum err
judge_join(const struct directory *directory, const struct statement *statement,
           int64_t log_time_ms)
{
    const struct statement_join *join = &statement->as.join;
    const struct place *place = directory_place(directory, join->org);
    if (place == NULL) {
        return ERR_UNKNOWN_MEMBER;
    }
    if (strcmp(statement->author, join->org) != 0 ||
        !same_key_id(&statement->author_key, &join->invite)) {
        return ERR_NOT_PERMITTED;
    }
    enum err err = check_invite(place, join, log_time_ms);
    if (err != ERR_OK) {
        return err;
    }
    return check_new_keys(directory, &place->member, &join->keys, join->possession);
}

static enum err
judge_revoke(const struct directory *directory, const struct statement *statement,
             int64_t log_time_ms)
{
    const struct place *place = directory_place(directory, statement->as.revoke.org);
    (void)log_time_ms;
    if (!is_by_root(directory, statement)) {
        return ERR_NOT_PERMITTED;
    }
    if (place == NULL) {
        return ERR_UNKNOWN_MEMBER;
    }
    return place->member.is_auditor ? ERR_NOT_PERMITTED : ERR_OK;
}

static enum err
judge_rotate(const struct directory *directory, const struct statement *statement,
             int64_t log_time_ms)
{
    const struct statement_rotate *rotate = &statement->as.rotate;
    const struct place *place = directory_place(directory, statement->author);
    (void)log_time_ms;
    if (place == NULL || place->member.state == MEMBER_INVITED) {
        return ERR_UNKNOWN_MEMBER;
    }
    if (place->member.state == MEMBER_REVOKED) {
        return ERR_REVOKED;
    }
    if (!same_key_id(&statement->author_key, &place->member.key_id)) {
        return ERR_NOT_PERMITTED;
    }
    return check_new_keys(directory, &place->member, &rotate->keys, rotate->possession);
}

/* ---- applying ---- */

static enum err
grow(struct directory *directory)
{
    if (directory->n_places < directory->capacity) {
        return ERR_OK;
    }
    size_t capacity = directory->capacity > 0 ? 2 * directory->capacity : CAPACITY_FIRST;
    struct place **places = realloc(directory->places, capacity * sizeof(struct place *));
    if (places == NULL) {
        return ERR_MEMORY;
    }
    directory->places = places;
    directory->capacity = capacity;
    return ERR_OK;
}

static void
free_place(struct place **place)
{
    free(*place);
}

/* Adds a new organization together with the keys that come with it, or changes nothing. */
static enum err
add_place(struct directory *directory, const char *org, const struct logged *logged,
          const struct key_claim *claims, size_t n_claims, struct place **place_out)
{
    enum err err = grow(directory);
    if (err != ERR_OK) {
        return err;
    }
    CLEANUP(free_place) struct place *place = calloc(1, sizeof(*place));
    if (place == NULL) {
        return ERR_MEMORY;
    }
    memcpy(place->member.org, org, strnlen(org, ORG_ID_MAX));
    place->member.handle = logged->index;
    place->member.since_index = logged->index;
    place->member.since_ms = logged->log_time_ms;
    err = map_put(directory->by_org, place->member.org, place);
    if (err != ERR_OK) {
        return err;
    }
    err = directory_keys_claim(&directory->keys, claims, n_claims, &place->member);
    if (err != ERR_OK) {
        (void)map_remove(directory->by_org, place->member.org); /* gives back `place` */
        return err;
    }
    directory->places[directory->n_places++] = place;
    *place_out = place;
    place = NULL;
    return ERR_OK;
}

static void
set_state(struct member *member, enum member_state state, const struct logged *logged)
{
    member->state = state;
    member->since_index = logged->index;
    member->since_ms = logged->log_time_ms;
}

static void
set_keys(struct member *member, const struct key_set *keys)
{
    member->keys = *keys;
    member->key_id = key_set_id(keys);
}

static enum err
apply_genesis(struct directory *directory, const struct logged *logged)
{
    const struct statement_genesis *genesis = &logged->statement->as.genesis;
    struct key_claim claims[GENESIS_KEYS];
    struct place *auditor = NULL;
    claims_of_genesis(directory, genesis, claims);
    enum err err =
        add_place(directory, genesis->auditor_org, logged, claims, GENESIS_KEYS, &auditor);
    if (err != ERR_OK) {
        return err;
    }
    auditor->member.is_auditor = true;
    auditor->member.invite_spent = true;
    memcpy(auditor->member.name, genesis->network_name, sizeof(auditor->member.name));
    set_keys(&auditor->member, &genesis->auditor);
    set_state(&auditor->member, MEMBER_ACTIVE, logged);
    directory->genesis = *genesis;
    directory->has_genesis = true;
    return ERR_OK;
}

static enum err
apply_invite(struct directory *directory, const struct logged *logged)
{
    const struct statement_invite *invite = &logged->statement->as.invite;
    struct place *place = directory_place(directory, invite->org);
    struct key_claim claims[ONCE_KEYS];
    claims_of_invite(invite, claims);
    bool is_new = place == NULL;
    enum err err = is_new
                       ? add_place(directory, invite->org, logged, claims, ONCE_KEYS, &place)
                       : directory_keys_claim(&directory->keys, claims, ONCE_KEYS, &place->member);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(place->member.name, invite->name, sizeof(place->member.name));
    place->member.once_sign = invite->once_sign;
    place->member.once_curve = invite->once_curve;
    place->member.invite_expires_ms = invite->expires_ms;
    place->member.invite_spent = false;
    place->invite_withdrawn = false;
    /* A member that gets a new invite stays what it is until it joins with it. */
    if (place->member.state == MEMBER_INVITED) {
        set_state(&place->member, MEMBER_INVITED, logged);
    }
    return ERR_OK;
}

static enum err
apply_keys(struct directory *directory, struct member *member, const struct key_set *keys,
           uint64_t index)
{
    struct key_claim claims[KEY_SET_KEYS];
    claims_of_keys(keys, claims);
    enum err err = directory_keys_claim(&directory->keys, claims, KEY_SET_KEYS, member);
    if (err == ERR_OK) {
        directory_keys_replace(&directory->keys, &member->keys.curve, index);
        set_keys(member, keys);
    }
    return err;
}

static enum err
apply_join(struct directory *directory, const struct logged *logged)
{
    const struct statement_join *join = &logged->statement->as.join;
    struct place *place = directory_place(directory, join->org);
    enum err err = apply_keys(directory, &place->member, &join->keys, logged->index);
    if (err != ERR_OK) {
        return err;
    }
    place->member.invite_spent = true;
    memset(place->member.revoke_reason, 0, sizeof(place->member.revoke_reason));
    set_state(&place->member, MEMBER_ACTIVE, logged);
    return ERR_OK;
}

static enum err
apply_revoke(struct directory *directory, const struct logged *logged)
{
    const struct statement_revoke *revoke = &logged->statement->as.revoke;
    struct place *place = directory_place(directory, revoke->org);
    if (!place->member.invite_spent) {
        place->invite_withdrawn = true;
        place->member.invite_spent = true;
    }
    memcpy(place->member.revoke_reason, revoke->reason, sizeof(place->member.revoke_reason));
    set_state(&place->member, MEMBER_REVOKED, logged);
    return ERR_OK;
}

static enum err
apply_rotate(struct directory *directory, const struct logged *logged)
{
    const struct statement *statement = logged->statement;
    struct place *place = directory_place(directory, statement->author);
    return apply_keys(directory, &place->member, &statement->as.rotate.keys, logged->index);
}

/* The kinds the directory folds; an empty row is a kind that is none of its business. */
static const struct kind_row {
    enum err (*judge)(const struct directory *, const struct statement *, int64_t log_time_ms);
    enum err (*apply)(struct directory *, const struct logged *);
} kind_rows[] = {
    [STATEMENT_GENESIS] = {judge_genesis, apply_genesis},
    [STATEMENT_INVITE] = {judge_invite, apply_invite},
    [STATEMENT_JOIN] = {judge_join, apply_join},
    [STATEMENT_REVOKE] = {judge_revoke, apply_revoke},
    [STATEMENT_ROTATE] = {judge_rotate, apply_rotate},
};

bool
directory_concerns(enum statement_kind kind)
{
    size_t place = (size_t)kind;
    return place < ARRAY_LEN(kind_rows) && kind_rows[place].judge != NULL;
}

enum err
directory_judge(const struct directory *directory, const struct statement *statement,
                int64_t log_time_ms)
{
    if (memcmp(&statement->network, &directory->root, sizeof(directory->root)) != 0) {
        return ERR_WRONG_NETWORK;
    }
    bool is_genesis = statement->kind == STATEMENT_GENESIS;
    if (!directory_concerns(statement->kind) || (!is_genesis && !directory->has_genesis)) {
        return ERR_NOT_PERMITTED;
    }
    return kind_rows[statement->kind].judge(directory, statement, log_time_ms);
}

enum err
directory_apply(struct directory *directory, const struct statement *statement, uint64_t index,
                int64_t log_time_ms)
{
    const struct logged logged = {statement, index, log_time_ms};
    enum err err = directory_judge(directory, statement, log_time_ms);
    return err == ERR_OK ? kind_rows[statement->kind].apply(directory, &logged) : err;
}
