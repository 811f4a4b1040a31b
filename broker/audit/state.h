/* Private to broker/audit: what an open audit holds. */
#ifndef REFLOOP_BROKER_AUDIT_STATE_H
#define REFLOOP_BROKER_AUDIT_STATE_H

#include "broker/audit/audit.h"
#include "broker/audit/keyring.h"
#include "lib/base/file.h"

enum { STATE_THREADS_MAX = 64 };

/* Invariants: all transactions see the same state of the store; keyring and directory are folded
 * from it. */
struct audit {
    char dir[FILE_PATH_MAX];
    struct kv *kv;
    struct kv_txn *txn;
    size_t n_workers;
    struct kv_txn *workers[STATE_THREADS_MAX]; /* one for each thread of a verification */
    struct buffer genesis;                     /* the file, as it is */
    struct network_id network;
    struct directory *directory;
    struct keyring keyring;
    uint64_t entries;
    int64_t log_time_ms; /* of the last entry; 0 when that cannot be read */
};

/* A word of TABLE_META; empty when there is none. */
enum err
state_read_meta(const struct audit *audit, const char *word, struct bytes *value_out) MUST_CHECK;

#endif
