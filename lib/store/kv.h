/* The key-value store over LMDB, which nothing outside lib/store sees (kv_env.h is the only file
 * that includes it). One process per environment (a lock file says so), default sync, one write
 * transaction at a time, no read transaction across a poll.
 *
 * Records are wrapped with a version byte and a digest (record.h does it inside kv_put and kv_get):
 * a flipped bit on disk is ERR_CORRUPT, never data. Keys are 1..64 bytes.
 *
 * Views returned by kv_get and cursors are valid until the transaction ends or, in a write
 * transaction, until the next write. */
#ifndef REFLOOP_LIB_STORE_KV_H
#define REFLOOP_LIB_STORE_KV_H

#include "lib/base/bytes.h"

enum { KV_KEY_MAX = 64, KV_TABLES_MAX = 24 };

struct kv;
struct kv_txn;

struct kv_options {
    const char *dir;           /* made with mode 0700 when absent */
    const char *const *tables; /* names; a table is named by its place in this list from here on */
    size_t n_tables;
    size_t
        map_bytes; /* address space, not disk; grows by doubling when full, up to map_max_bytes */
    size_t map_max_bytes;
};

/* ERR_LOCKED when another process has it; ERR_CORRUPT; ERR_IO; ERR_CONFIG when the directory is on
 * a network file system. */
enum err kv_open(const struct kv_options *options, struct kv **kv_out,
                 struct complaint *complaint) MUST_CHECK;
/* Opens somebody else's store for reading only: a live one, beside the process that owns it, or a
 * copy; never one that this process has open already. Takes no lock, and makes nothing but LMDB's
 * file of readers where there is none (a copy). While a read transaction lasts, the owner's file
 * grows by what it would otherwise use again. One handle serves several threads when each uses its
 * own read transaction, begun and ended by one of them; kv_copy works too. ERR_NOT_FOUND when there
 * is no store, ERR_CONFIG when it lacks a table (an older version wrote it). */
enum err kv_open_read(const char *dir, const char *const *tables, size_t n_tables,
                      struct kv **kv_out, struct complaint *complaint) MUST_CHECK;
void kv_close(struct kv *kv);
void kv_closep(struct kv **kv);

/* Write transactions. commit ends the transaction whatever it returns: ERR_OK means on disk;
 * ERR_DISK_FULL means nothing happened and the store still reads and may be tried again later;
 * ERR_TOO_LARGE means the map was full: it has been grown, run the turn again; any other error
 * means: stop, restart, verify. abort accepts NULL. */
enum err kv_begin(struct kv *kv, struct kv_txn **txn_out) MUST_CHECK;
enum err kv_commit(struct kv_txn **txn) MUST_CHECK;
void kv_abort(struct kv_txn **txn);
/* A read transaction; end it with kv_abort. ERR_TOO_LARGE, on a handle of kv_open_read only: the
 * store has outgrown the map while others read through this handle; end those and begin again. */
enum err kv_begin_read(struct kv *kv, struct kv_txn **txn_out) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_CORRUPT. */
enum err
kv_get(struct kv_txn *txn, size_t table, struct bytes key, struct bytes *value_out) MUST_CHECK;
bool kv_has(struct kv_txn *txn, size_t table, struct bytes key);
/* Errors stick to the transaction: after a failed write every further call returns that error and
 * so does kv_commit, so a turn may stage first and check once. Key and value may be views of this
 * very transaction. */
enum err kv_put(struct kv_txn *txn, size_t table, struct bytes key, struct bytes value) MUST_CHECK;
/* Fine when absent. */
enum err kv_delete(struct kv_txn *txn, size_t table, struct bytes key) MUST_CHECK;
enum err kv_clear(struct kv_txn *txn, size_t table) MUST_CHECK;
size_t kv_count(struct kv_txn *txn, size_t table);
/* Which state of the store a transaction sees: two that answer the same see the same. */
uint64_t kv_snapshot(const struct kv_txn *txn);

/* Walks a table in key order, from the first key >= `from` (empty: from the start). Writes may
 * happen between two steps; the walk goes on behind the last key handed out. A cursor may be closed
 * after its transaction has ended, but not moved. */
struct kv_cursor;
enum err kv_cursor_open(struct kv_txn *txn, size_t table, struct bytes from,
                        struct kv_cursor **cursor_out) MUST_CHECK;
/* ERR_NOT_FOUND at the end. */
enum err
kv_cursor_next(struct kv_cursor *cursor, struct bytes *key_out, struct bytes *value_out) MUST_CHECK;
/* The same for records whose content the caller holds to a digest of its own: only their form is
 * looked at. */
enum err kv_cursor_next_unchecked(struct kv_cursor *cursor, struct bytes *key_out,
                                  struct bytes *value_out) MUST_CHECK;
void kv_cursor_close(struct kv_cursor *cursor);
void kv_cursor_closep(struct kv_cursor **cursor);
/* The last key of a table; ERR_NOT_FOUND when it is empty. */
enum err kv_last(struct kv_txn *txn, size_t table, struct bytes *key_out,
                 struct bytes *value_out) MUST_CHECK;

/* Share of the largest possible map that is in use, in per cent: admit nothing new above a
 * watermark. */
unsigned kv_fill_percent(struct kv *kv);
/* A consistent copy of the whole store into an empty directory, while it runs. */
enum err kv_copy(struct kv *kv, const char *dir) MUST_CHECK;
/* Frees reader slots of dead processes; once a minute. */
void kv_tend(struct kv *kv);

/* Big-endian keys. */
struct bytes kv_key_u64(uint64_t value, uint8_t out[8]);
uint64_t kv_u64_of_key(struct bytes key);

#endif
