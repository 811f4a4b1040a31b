/* Private to broker/audit: which key each organization had at which place of the log. The directory
 * knows only the present; whoever reads a million entries in several threads must be able to ask of
 * any place. */
#ifndef REFLOOP_BROKER_AUDIT_KEYRING_H
#define REFLOOP_BROKER_AUDIT_KEYRING_H

#include "broker/journal.h"
#include "lib/base/map.h"

/* What an organization was for the entries above `after`, up to the next span. */
struct keyring_span {
    uint64_t after;
    enum member_state state;
    struct sign_public sign;
    struct key_id key_id;
};

struct keyring_org {
    char org[ORG_ID_BYTES];
    uint64_t handle; /* index of its first entry */
    size_t place;    /* in the keyring */
    size_t n, capacity;
    struct keyring_span *spans; /* owned; rising */
};

struct keyring {
    struct map *by_org;
    size_t n_orgs, capacity_orgs;
    struct keyring_org **orgs; /* owned; in order of handle */
    size_t n_entries, capacity_entries;
    uint64_t *entries; /* owned; the entries folded, each with its signature, rising */
    uint64_t stray;    /* first one listed that is none of the directory's; UINT64_MAX when none */
};

/* Folds the entries that TABLE_DIRECTORY names, each verified, into both. ERR_CORRUPT with the
 * entry and the reason. */
enum err keyring_fold(struct kv_txn *txn, const struct network_id *network,
                      struct keyring *keyring_out, struct directory **directory_out,
                      struct complaint *complaint) MUST_CHECK;
void keyring_done(struct keyring *keyring);

/* NULL when absent. */
const struct keyring_org *keyring_find(const struct keyring *keyring, const char *org);
const struct keyring_org *keyring_find_handle(const struct keyring *keyring, uint64_t handle);
/* What it was when entry `index` was logged; NULL when it was nothing yet. */
const struct keyring_span *keyring_at(const struct keyring_org *org, uint64_t index);

#endif
