/* Private to lib/trust: what the directory keeps, shared by its look-ups (directory.c) and its
 * rules (directory_rules.c). */
#ifndef REFLOOP_LIB_TRUST_DIRECTORY_STATE_H
#define REFLOOP_LIB_TRUST_DIRECTORY_STATE_H

#include "lib/base/map.h"
#include "lib/trust/directory_keys.h"

/* A member and what only the rules need to know of it. */
struct place {
    struct member member;  /* first: a pointer to one is a pointer to the other */
    bool invite_withdrawn; /* by a revocation, before anybody joined with it */
};

/* Invariants: places are in rising order of handle and all in by_org; every key a member has or had
 * is in keys; nothing but the network's keys is there before genesis. */
struct directory {
    struct network_id root;
    bool has_genesis;
    struct statement_genesis genesis;
    struct place **places; /* owned, each allocated by itself */
    size_t n_places;
    size_t capacity;
    struct map *by_org; /* of the organization's id, zero-padded, to struct place */
    struct directory_keys keys;
};

/* NULL when absent. */
struct place *directory_place(const struct directory *directory, const char *org);

#endif
