/* Counts calls of the store and answers one of them with an error. It knows of kv.h only what a
 * caller may rely on when something fails. */
#include "tests/support/fail_store.h"

#include <stddef.h>

#include "lib/store/kv.h"

static struct {
    unsigned long left;
    enum err err;
    bool has_failed;
    const char *where;
    const struct kv_txn *spoiled; /* a write of it failed: all its further writes do */
} plan = {.where = "nothing"};

void
fail_store_at(unsigned long n, enum err err)
{
    plan.left = n;
    plan.err = err;
    plan.has_failed = false;
    plan.spoiled = NULL;
}

bool
fail_store_off(void)
{
    bool has_failed = plan.has_failed;
    plan.left = 0;
    plan.has_failed = false;
    plan.spoiled = NULL;
    return has_failed;
}

const char *
fail_store_where(void)
{
    return plan.where;
}

static bool
fails(const char *where)
{
    if (plan.left == 0 || --plan.left > 0) {
        return false;
    }
    plan.has_failed = true;
    plan.where = where;
    return true;
}

static bool
write_fails(const struct kv_txn *txn, const char *where)
{
    if (plan.spoiled == txn) {
        return true;
    }
    if (!fails(where)) {
        return false;
    }
    plan.spoiled = txn;
    return true;
}

/* One pair of declarations and one definition for each call. */
#define PASS(name, failing, parameters, arguments)                                                 \
    enum err __real_##name parameters;                                                             \
    enum err __wrap_##name parameters;                                                             \
    enum err __wrap_##name parameters                                                              \
    {                                                                                              \
        return (failing) ? plan.err : __real_##name arguments;                                     \
    }

PASS(kv_open, fails("kv_open"),
     (const struct kv_options *options, struct kv **kv_out, struct complaint *complaint),
     (options, kv_out, complaint))
PASS(kv_open_read, fails("kv_open_read"),
     (const char *dir, const char *const *tables, size_t n_tables, struct kv **kv_out,
      struct complaint *complaint),
     (dir, tables, n_tables, kv_out, complaint))
PASS(kv_begin, fails("kv_begin"), (struct kv * kv, struct kv_txn **txn_out), (kv, txn_out))
PASS(kv_begin_read, fails("kv_begin_read"), (struct kv * kv, struct kv_txn **txn_out),
     (kv, txn_out))
PASS(kv_get, fails("kv_get"),
     (struct kv_txn * txn, size_t table, struct bytes key, struct bytes *value_out),
     (txn, table, key, value_out))
PASS(kv_put, write_fails(txn, "kv_put"),
     (struct kv_txn * txn, size_t table, struct bytes key, struct bytes value),
     (txn, table, key, value))
PASS(kv_delete, write_fails(txn, "kv_delete"),
     (struct kv_txn * txn, size_t table, struct bytes key), (txn, table, key))
PASS(kv_clear, write_fails(txn, "kv_clear"), (struct kv_txn * txn, size_t table), (txn, table))
PASS(kv_cursor_open, fails("kv_cursor_open"),
     (struct kv_txn * txn, size_t table, struct bytes from, struct kv_cursor **cursor_out),
     (txn, table, from, cursor_out))
PASS(kv_cursor_next, fails("kv_cursor_next"),
     (struct kv_cursor * cursor, struct bytes *key_out, struct bytes *value_out),
     (cursor, key_out, value_out))
PASS(kv_cursor_next_unchecked, fails("kv_cursor_next_unchecked"),
     (struct kv_cursor * cursor, struct bytes *key_out, struct bytes *value_out),
     (cursor, key_out, value_out))
PASS(kv_last, fails("kv_last"),
     (struct kv_txn * txn, size_t table, struct bytes *key_out, struct bytes *value_out),
     (txn, table, key_out, value_out))
PASS(kv_copy, fails("kv_copy"), (struct kv * kv, const char *dir), (kv, dir))

enum err __real_kv_commit(struct kv_txn **txn);
enum err __wrap_kv_commit(struct kv_txn **txn);

enum err
__wrap_kv_commit(struct kv_txn **txn)
{
    if (!write_fails(*txn, "kv_commit")) {
        return __real_kv_commit(txn);
    }
    plan.spoiled = NULL;
    kv_abort(txn);
    return plan.err;
}
