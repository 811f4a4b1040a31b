/* Damage on disk is found and said, and a copy of a store is whole or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/store/scratch.h"

static uint8_t big[8192];

static struct bytes
text(const char *text)
{
    return bytes_of_text(text);
}

static void
scratch_start(struct scratch *s)
{
    scratch_init(s);
    assert_int_equal(scratch_open(s), ERR_OK);
}

static struct kv_txn *
begin_read(struct kv *kv)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    return txn;
}

/* Changes one bit of `needle`'s only occurrence in the data file. */
static void
flip_on_disk(const char *path, const char *needle)
{
    CLEANUP(buffer_done) struct buffer image = BUFFER_INIT(64 << 20);
    struct stat status;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    uint8_t *bytes = buffer_extend(&image, (size_t)status.st_size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    uint8_t *at = memmem(bytes, (size_t)status.st_size, needle, strlen(needle));
    assert_non_null(at);
    *at ^= 0x04;
    assert_int_equal(pwrite(fd, at, 1, at - bytes), 1);
    close(fd);
}

static void
a_flipped_bit_is_found(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    uint8_t key[8];
    struct bytes found;
    struct bytes value = text("untouched");
    scratch_start(&s);
    assert_int_equal(scratch_put(s.kv, 1, text("a value like no other")), ERR_OK);
    assert_int_equal(scratch_put(s.kv, 2, text("the next one")), ERR_OK);
    kv_closep(&s.kv);
    flip_on_disk(s.data, "a value like no other");
    assert_int_equal(scratch_open(&s), ERR_OK);
    struct kv_txn *txn = begin_read(s.kv);
    assert_int_equal(kv_get(txn, ROWS, kv_key_u64(1, key), &value), ERR_CORRUPT);
    assert_int_equal(kv_cursor_open(txn, ROWS, bytes_of(NULL, 0), &cursor), ERR_OK);
    assert_int_equal(kv_cursor_next(cursor, &found, &value), ERR_CORRUPT);
    assert_true(bytes_equal(value, text("untouched")));
    /* A scrubber goes on behind it. */
    assert_int_equal(kv_cursor_next(cursor, &found, &value), ERR_OK);
    assert_true(bytes_equal(value, text("the next one")));
    kv_abort(&txn);
}

static void
a_file_that_is_no_store_is_refused(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct complaint complaint = {""};
    scratch_start(&s);
    kv_closep(&s.kv);
    memset(big, 0x5a, 8192);
    int fd = open(s.data, O_WRONLY);
    assert_int_equal(pwrite(fd, big, 8192, 0), 8192);
    close(fd);
    assert_int_equal(kv_open(&s.options, &s.kv, &complaint), ERR_CORRUPT);
    assert_null(s.kv);
    assert_non_null(strstr(complaint.text, s.dir));
}

static void
a_copy_is_complete(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    CLEANUP(kv_closep) struct kv *copy = NULL;
    char dir[SCRATCH_PATH_MAX];
    scratch_start(&s);
    (void)snprintf(dir, sizeof(dir), "%s/copy", s.root);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(scratch_put(s.kv, i, bytes_of(big, i * 10)), ERR_OK);
    }
    assert_int_equal(kv_copy(s.kv, dir), ERR_OK);
    assert_int_equal(kv_copy(s.kv, dir), ERR_EXISTS);
    assert_int_equal(scratch_put(s.kv, 50, text("later")), ERR_OK);
    s.options.dir = dir;
    assert_int_equal(kv_open(&s.options, &copy, NULL), ERR_OK);
    struct kv_txn *txn = begin_read(copy);
    struct bytes value;
    uint8_t key[8];
    assert_int_equal(kv_count(txn, ROWS), 50);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(kv_get(txn, ROWS, kv_key_u64(i, key), &value), ERR_OK);
        assert_int_equal(value.len, i * 10);
    }
    kv_abort(&txn);
}

static void
a_damaged_store_gives_no_copy(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    char dir[SCRATCH_PATH_MAX];
    scratch_start(&s);
    (void)snprintf(dir, sizeof(dir), "%s/copy", s.root);
    assert_int_equal(scratch_put(s.kv, 1, text("a value like no other")), ERR_OK);
    flip_on_disk(s.data, "a value like no other");
    assert_int_equal(kv_copy(s.kv, dir), ERR_CORRUPT);
    assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_found),
        cmocka_unit_test(a_file_that_is_no_store_is_refused),
        cmocka_unit_test(a_copy_is_complete),
        cmocka_unit_test(a_damaged_store_gives_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
