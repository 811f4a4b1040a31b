/* A full disk is an answer, a sick disk is an error, and neither costs what was committed.
 *
 * The disk fails in two ways here: by the process's file size limit, which cuts writes short as a
 * full file system does, and by our own writev and fdatasync, which liblmdb calls instead of the C
 * library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/store/scratch.h"

enum { PAGE = 4096, N_BEFORE = 20 };

static uint8_t value[3 * PAGE];
static int next_write_errno;
static int next_sync_errno;

static bool
fails(int *next_errno)
{
    if (*next_errno == 0) {
        return false;
    }
    errno = *next_errno;
    *next_errno = 0;
    return true;
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
    return fails(&next_write_errno) ? -1 : (ssize_t)syscall(SYS_writev, fd, parts, n_parts);
}

int
fdatasync(int fd)
{
    (void)fd;
    return fails(&next_sync_errno) ? -1 : 0;
}

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
unlimit_file_size(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
assert_rows(struct kv *kv, uint64_t n)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    assert_int_equal(kv_count(txn, ROWS), n);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t key[8];
        struct bytes found;
        assert_int_equal(kv_get(txn, ROWS, kv_key_u64(i, key), &found), ERR_OK);
        assert_true(bytes_equal(found, bytes_of(value, sizeof(value))));
    }
    kv_abort(&txn);
}

static enum err
put_row(struct kv *kv, uint64_t number)
{
    return scratch_put(kv, number, bytes_of(value, sizeof(value)));
}

static uint64_t
start(struct scratch *s)
{
    scratch_init(s);
    s->options.map_bytes = s->options.map_max_bytes;
    assert_int_equal(scratch_open(s), ERR_OK);
    for (uint64_t i = 0; i < N_BEFORE; i++) {
        assert_int_equal(put_row(s->kv, i), ERR_OK);
    }
    return N_BEFORE;
}

/* The limit falls on, before and behind page ends, so that writes fail whole and are cut short. */
static void
a_full_disk_is_survived(void **state)
{
    (void)state;
    static const rlim_t beyond[] = {0, 1, PAGE, PAGE + 100, 3 * PAGE, 5 * PAGE - 1, 40 * PAGE};
    for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
        CLEANUP(scratch_done) struct scratch s;
        uint64_t n = start(&s);
        struct stat status;
        enum err err;
        assert_int_equal(stat(s.data, &status), 0);
        limit_file_size((rlim_t)status.st_size + beyond[i]);
        while ((err = put_row(s.kv, n)) == ERR_OK) {
            n++;
            assert_true(n < 1000);
        }
        enum err again = put_row(s.kv, n);
        unlimit_file_size();
        assert_int_equal(err, ERR_DISK_FULL);
        assert_int_equal(again, ERR_DISK_FULL);
        assert_rows(s.kv, n);
        assert_int_equal(put_row(s.kv, n), ERR_OK); /* there is room again: nothing else needed */
        assert_rows(s.kv, n + 1);
        kv_closep(&s.kv);
        assert_int_equal(scratch_open(&s), ERR_OK);
        assert_rows(s.kv, n + 1);
    }
}

static void
deletes_fit_on_a_full_disk(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    uint64_t n = start(&s);
    struct stat status;
    uint8_t key[8];
    assert_int_equal(stat(s.data, &status), 0);
    limit_file_size((rlim_t)status.st_size);
    while (put_row(s.kv, n) == ERR_OK) {
        n++;
    }
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin(s.kv, &txn), ERR_OK);
    assert_int_equal(kv_delete(txn, ROWS, kv_key_u64(n - 1, key)), ERR_OK);
    enum err err = kv_commit(&txn);
    unlimit_file_size();
    assert_int_equal(err, ERR_OK);
    assert_rows(s.kv, n - 1);
}

static void
what_the_disk_says_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        int *where;
        int number;
        enum err expected;
    } faults[] = {
        {&next_write_errno, ENOSPC, ERR_DISK_FULL}, {&next_write_errno, EDQUOT, ERR_DISK_FULL},
        {&next_write_errno, EIO, ERR_IO},           {&next_sync_errno, EIO, ERR_IO},
        {&next_sync_errno, ENOSPC, ERR_DISK_FULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        CLEANUP(scratch_done) struct scratch s;
        uint64_t n = start(&s);
        *faults[i].where = faults[i].number;
        assert_int_equal(put_row(s.kv, n), faults[i].expected);
        assert_int_equal(*faults[i].where, 0);
        assert_rows(s.kv, n);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_survived),
        cmocka_unit_test(deletes_fit_on_a_full_disk),
        cmocka_unit_test(what_the_disk_says_is_told_apart),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    memset(value, 0xab, sizeof(value));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
