/* The directory as it is looked at: who is a member, whose key is that, who must have signed. What
 * may change it, and how, is in directory_rules.c. It keeps everything in memory and knows neither
 * log nor store: it is rebuilt by folding the entries again. */
#include "lib/trust/directory.h"

#include <stdlib.h>
#include <string.h>

#include "lib/trust/directory_state.h"

static const char *const state_names[] = {
    [MEMBER_INVITED] = "invited",
    [MEMBER_ACTIVE] = "active",
    [MEMBER_REVOKED] = "revoked",
};

enum err
directory_new(const struct network_id *root, struct directory **directory_out)
{
    CLEANUP(directory_freep) struct directory *directory = calloc(1, sizeof(*directory));
    if (directory == NULL) {
        return ERR_MEMORY;
    }
    directory->root = *root;
    directory->by_org = map_new(ORG_ID_BYTES);
    enum err err = directory_keys_init(&directory->keys);
    if (err != ERR_OK || directory->by_org == NULL) {
        return ERR_MEMORY;
    }
    *directory_out = directory;
    directory = NULL;
    return ERR_OK;
}

void
directory_free(struct directory *directory)
{
    if (directory == NULL) {
        return;
    }
    for (size_t i = 0; i < directory->n_places; i++) {
        free(directory->places[i]);
    }
    free(directory->places);
    map_free(directory->by_org);
    directory_keys_done(&directory->keys);
    free(directory);
}

void
directory_freep(struct directory **directory)
{
    directory_free(*directory);
    *directory = NULL;
}

struct place *
directory_place(const struct directory *directory, const char *org)
{
    char key[ORG_ID_BYTES] = {0};
    size_t len = strnlen(org, ORG_ID_BYTES);
    if (len >= ORG_ID_BYTES) {
        return NULL;
    }
    memcpy(key, org, len);
    return map_find(directory->by_org, key);
}

const struct member *
directory_find(const struct directory *directory, const char *org)
{
    const struct place *place = directory_place(directory, org);
    return place != NULL ? &place->member : NULL;
}

const struct member *
directory_find_handle(const struct directory *directory, uint64_t handle)
{
    size_t low = 0;
    size_t high = directory->n_places;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct member *member = &directory->places[middle]->member;
        if (member->handle == handle) {
            return member;
        }
        if (member->handle < handle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* A key that a member has left behind speaks for nobody. */
const struct member *
directory_find_curve(const struct directory *directory, const struct curve_public *key,
                     bool *once_out)
{
    const struct key_owner *owner =
        directory_keys_find(&directory->keys, key->bytes, KEY_MEMBER_CURVE);
    if (owner == NULL) {
        return NULL;
    }
    const struct member *member = owner->member;
    bool is_once = owner->use == KEY_ONCE_CURVE;
    bool is_present =
        owner->use == KEY_MEMBER_CURVE && memcmp(&member->keys.curve, key, sizeof(*key)) == 0;
    if (!is_once && !is_present) {
        return NULL;
    }
    *once_out = is_once;
    return member;
}

const struct member *
directory_find_former_curve(const struct directory *directory, const struct curve_public *key,
                            uint64_t *replaced_out)
{
    const struct key_owner *owner =
        directory_keys_find(&directory->keys, key->bytes, KEY_MEMBER_CURVE);
    if (owner == NULL || owner->use != KEY_MEMBER_CURVE ||
        memcmp(&owner->member->keys.curve, key, sizeof(*key)) == 0) {
        return NULL;
    }
    *replaced_out = owner->replaced_at;
    return owner->member;
}

const struct member *
directory_auditor(const struct directory *directory)
{
    return directory->has_genesis ? directory_find(directory, directory->genesis.auditor_org)
                                  : NULL;
}

const struct statement_genesis *
directory_genesis(const struct directory *directory)
{
    return directory->has_genesis ? &directory->genesis : NULL;
}

const struct network_id *
directory_network(const struct directory *directory)
{
    return &directory->root;
}

size_t
directory_count(const struct directory *directory)
{
    return directory->n_places;
}

const struct member *
directory_at(const struct directory *directory, size_t place)
{
    return place < directory->n_places ? &directory->places[place]->member : NULL;
}

const char *
directory_state_name(enum member_state state)
{
    size_t place = (size_t)state;
    return place < ARRAY_LEN(state_names) ? state_names[place] : "unknown";
}

static enum err
root_signs(const struct directory *directory, const struct statement *claimed,
           struct sign_public *signer_out)
{
    (void)claimed;
    memcpy(signer_out->bytes, directory->root.bytes, sizeof(signer_out->bytes));
    return ERR_OK;
}

/* Also for an invite that is spent, so that the judgement can say so. */
static enum err
invite_signs(const struct directory *directory, const struct statement *claimed,
             struct sign_public *signer_out)
{
    const struct member *member = directory_find(directory, claimed->as.join.org);
    if (member == NULL || bytes_all_zero(bytes_of(&member->once_sign, sizeof(member->once_sign)))) {
        return ERR_UNKNOWN_MEMBER;
    }
    *signer_out = member->once_sign;
    return ERR_OK;
}

static enum err
member_signs(const struct directory *directory, const struct statement *claimed,
             struct sign_public *signer_out)
{
    const struct member *member = directory_find(directory, claimed->author);
    if (member == NULL || member->state == MEMBER_INVITED) {
        return ERR_UNKNOWN_MEMBER;
    }
    if (member->state == MEMBER_REVOKED) {
        return ERR_REVOKED;
    }
    *signer_out = member->keys.sign;
    return ERR_OK;
}

static enum err (*const signers[])(const struct directory *, const struct statement *,
                                   struct sign_public *) = {
    [STATEMENT_GENESIS] = root_signs, [STATEMENT_INVITE] = root_signs,
    [STATEMENT_JOIN] = invite_signs,  [STATEMENT_REVOKE] = root_signs,
    [STATEMENT_LOOP] = member_signs,  [STATEMENT_ROTATE] = member_signs,
};

enum err
directory_signer(const struct directory *directory, const struct statement *claimed,
                 struct sign_public *signer_out)
{
    size_t kind = (size_t)claimed->kind;
    return kind < ARRAY_LEN(signers) && signers[kind] != NULL
               ? signers[kind](directory, claimed, signer_out)
               : ERR_UNKNOWN_MEMBER;
}
