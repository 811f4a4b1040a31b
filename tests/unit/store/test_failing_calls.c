/* The store on a machine that gives way: every system call and every call of liblmdb fails once, in
 * opening, writing, reading and copying. What was committed stays, what was not is not there, and
 * whoever asked is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <lmdb.h>

#include "lib/store/place.h"
#include "tests/support/fail_call.h"
#include "tests/unit/store/scratch.h"

enum { RECORDS = 40, CALLS_MAX = 2000 };

struct scene {
    struct scratch scratch;
    char copy[SCRATCH_PATH_MAX];
    uint64_t n; /* records that are on disk */
};

static int
start(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scratch_init(&scene->scratch);
    (void)snprintf(scene->copy, sizeof(scene->copy), "%.200s/copy", scene->scratch.root);
    assert_int_equal(scratch_open(&scene->scratch), ERR_OK);
    for (; scene->n < RECORDS; scene->n++) {
        assert_int_equal(scratch_put(scene->scratch.kv, scene->n, bytes_of("content", 7)), ERR_OK);
    }
    *state = scene;
    return 0;
}

static int
stop(void **state)
{
    struct scene *scene = *state;
    scratch_done(&scene->scratch);
    free(scene);
    return 0;
}

typedef enum err (*scene_try)(struct scene *scene);

static enum err
open_close(struct scene *scene)
{
    struct complaint complaint = {""};
    struct kv *kv = NULL;
    enum err err = kv_open(&scene->scratch.options, &kv, &complaint);
    assert_true((kv != NULL) == (err == ERR_OK));
    assert_true(err == ERR_OK || complaint.text[0] != '\0');
    kv_close(kv);
    return err;
}

static enum err
open_read_close(struct scene *scene)
{
    const struct kv_options *options = &scene->scratch.options;
    struct complaint complaint = {""};
    struct kv *kv = NULL;
    enum err err = kv_open_read(options->dir, options->tables, options->n_tables, &kv, &complaint);
    assert_true((kv != NULL) == (err == ERR_OK));
    assert_true(err == ERR_OK || complaint.text[0] != '\0');
    kv_close(kv);
    return err;
}

static enum err
put_one(struct scene *scene)
{
    enum err err = scratch_put(scene->scratch.kv, scene->n, bytes_of("content", 7));
    scene->n += err == ERR_OK;
    return err;
}

/* A put, a delete of another and a clear of the other table, all or nothing. */
static enum err
change_much(struct scene *scene)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint8_t key[8];
    enum err err = kv_begin(scene->scratch.kv, &txn);
    if (err != ERR_OK) {
        return err;
    }
    enum err staged[3];
    staged[0] = kv_put(txn, OTHER, bytes_of("a", 1), bytes_of("b", 1));
    staged[1] = kv_delete(txn, OTHER, kv_key_u64(7, key));
    staged[2] = kv_clear(txn, OTHER);
    err = kv_commit(&txn);
    for (size_t i = 0; i < ARRAY_LEN(staged); i++) {
        assert_true(staged[i] == ERR_OK || staged[i] == err); /* it sticks */
    }
    return err;
}

static enum err
read_all(struct scene *scene)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    uint8_t room[8];
    enum err err = kv_begin_read(scene->scratch.kv, &txn);
    if (err == ERR_OK) {
        err = kv_get(txn, ROWS, kv_key_u64(3, room), &value);
    }
    if (err == ERR_OK) {
        err = kv_last(txn, ROWS, &key, &value);
    }
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, ROWS, bytes_of(NULL, 0), &cursor);
    }
    uint64_t n = 0;
    while (err == ERR_OK && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        assert_int_equal(kv_u64_of_key(key), n++);
    }
    if (err == ERR_NOT_FOUND) { /* the end, and nowhere else */
        assert_int_equal(n, scene->n);
        return ERR_OK;
    }
    return err;
}

static enum err
copy(struct scene *scene)
{
    enum err err = kv_copy(scene->scratch.kv, scene->copy);
    (void)nftw(scene->copy, scratch_unlink, 8, FTW_DEPTH | FTW_PHYS);
    return err;
}

/* Every call of the kind fails once, with each of the codes. Returns how often the attempt did. */
static unsigned
sweep(const char *what, scene_try attempt, struct scene *scene, enum fail_call_kind kind,
      const int *codes, size_t n_codes)
{
    unsigned n_failed = 0;
    for (size_t i = 0; i < n_codes; i++) {
        bool has_failed = true;
        for (unsigned long n = 1; has_failed; n++) {
            fail_call_at(kind, n, codes[i]);
            enum err err = attempt(scene);
            has_failed = fail_call_off();
            if (n > CALLS_MAX || (err != ERR_OK && !has_failed && kind == FAIL_LMDB) ||
                (err_is_peer(err) && err != ERR_TOO_LARGE)) {
                fail_msg("%s, call %lu (%s), code %d: %s", what, n, fail_call_where(), codes[i],
                         err_name(err));
            }
            n_failed += err != ERR_OK;
            if (err != ERR_OK) {
                has_failed = true; /* the attempt hides whether it was the last call */
            }
        }
    }
    print_message("%s: failed %u times\n", what, n_failed);
    return n_failed;
}

static const int lmdb_codes[] = {EIO, ENOMEM, MDB_CORRUPTED, MDB_PANIC};
static const int system_codes[] = {EIO, EACCES, ENOSPC, EMFILE};
#define SWEEP(what, attempt, kind, codes) sweep(what, attempt, scene, kind, codes, ARRAY_LEN(codes))

static void
expect_all_there(struct scene *scene)
{
    kv_closep(&scene->scratch.kv);
    assert_int_equal(scratch_open(&scene->scratch), ERR_OK);
    assert_int_equal(read_all(scene), ERR_OK);
    assert_int_equal(put_one(scene), ERR_OK);
    assert_int_equal(read_all(scene), ERR_OK);
}

static void
test_opening(void **state)
{
    struct scene *scene = *state;
    assert_true(SWEEP("open to read", open_read_close, FAIL_LMDB, lmdb_codes) > 8);
    assert_true(SWEEP("open to read", open_read_close, FAIL_SYSTEM, system_codes) > 2);
    kv_closep(&scene->scratch.kv);
    assert_true(SWEEP("open", open_close, FAIL_LMDB, lmdb_codes) > 20);
    assert_true(SWEEP("open", open_close, FAIL_SYSTEM, system_codes) > 8);
    expect_all_there(scene);
}

static void
test_writing(void **state)
{
    struct scene *scene = *state;
    assert_true(SWEEP("put", put_one, FAIL_LMDB, lmdb_codes) > 6);
    assert_true(SWEEP("change", change_much, FAIL_LMDB, lmdb_codes) > 12);
    static const int full[] = {MDB_MAP_FULL, ENOSPC, MDB_TXN_FULL};
    assert_true(SWEEP("put into a full map", put_one, FAIL_LMDB, full) > 3);
    expect_all_there(scene);
}

static void
test_reading(void **state)
{
    struct scene *scene = *state;
    assert_true(SWEEP("read", read_all, FAIL_LMDB, lmdb_codes) > RECORDS);
    expect_all_there(scene);
}

static void
test_copying(void **state)
{
    struct scene *scene = *state;
    static const int code[] = {EIO};
    assert_true(SWEEP("copy", copy, FAIL_LMDB, code) > 0);
    assert_true(SWEEP("copy", copy, FAIL_SYSTEM, code) > 3);
    expect_all_there(scene);
}

/* What cannot be found out is taken for full: nothing new is admitted then. */
static void
test_fill_is_full_when_unknown(void **state)
{
    struct scene *scene = *state;
    unsigned known = kv_fill_percent(scene->scratch.kv);
    unsigned n_full = 0;
    bool has_failed = true;
    assert_in_range(known, 0, 50);
    for (unsigned long n = 1; has_failed; n++) {
        fail_call_at(FAIL_LMDB, n, EIO);
        unsigned percent = kv_fill_percent(scene->scratch.kv);
        has_failed = fail_call_off();
        assert_true(percent == (has_failed ? 100 : known) || percent == known);
        n_full += percent == 100;
    }
    assert_true(n_full > 2);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_opening),
        SCENE_TEST(test_writing),
        SCENE_TEST(test_reading),
        SCENE_TEST(test_copying),
        SCENE_TEST(test_fill_is_full_when_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
