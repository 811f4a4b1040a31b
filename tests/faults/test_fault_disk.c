/* The disk of the power tests, by itself: what is synced is never lost, what is not sometimes is,
 * sector by sector; a full disk takes nothing; after a cut nothing happens any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/support/fault_disk.h"

enum { SECTORS = 16, BYTES = SECTORS * FAULT_DISK_SECTOR, ROUNDS = 400, SEED = 20261122 };

struct test {
    char dir[64], path[80], image[80];
    struct fault_disk *disk;
    int fd;
    uint64_t random;
    uint8_t bytes[BYTES];
};

static int
start(void **state)
{
    struct test *test = calloc(1, sizeof(*test));
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    assert_non_null(test);
    (void)snprintf(test->dir, sizeof(test->dir), "%s/refloop-disk-XXXXXX", parent);
    assert_non_null(mkdtemp(test->dir));
    (void)snprintf(test->path, sizeof(test->path), "%s/data.mdb", test->dir);
    (void)snprintf(test->image, sizeof(test->image), "%s/image", test->dir);
    test->disk = fault_disk_new(test->dir);
    test->fd = open(test->path, O_RDWR);
    assert_true(test->fd >= 0);
    test->random = SEED;
    *state = test;
    return 0;
}

static int
stop(void **state)
{
    struct test *test = *state;
    close(test->fd);
    fault_disk_free(test->disk);
    (void)unlink(test->image);
    (void)unlink(test->path);
    (void)rmdir(test->dir);
    free(test);
    return 0;
}

static void
put(struct test *test, int fd, uint8_t mark, size_t first, size_t n)
{
    memset(test->bytes, mark, sizeof(test->bytes));
    size_t len = n * FAULT_DISK_SECTOR;
    assert_int_equal(pwrite(fd, test->bytes, len, (off_t)(first * FAULT_DISK_SECTOR)), len);
}

/* The mark of each sector; each is whole. */
static void
read_marks(struct test *test, const char *path, uint8_t marks[SECTORS])
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, test->bytes, BYTES), BYTES);
    close(fd);
    for (size_t i = 0; i < BYTES; i++) {
        marks[i / FAULT_DISK_SECTOR] = test->bytes[i];
        assert_int_equal(test->bytes[i], test->bytes[i - i % FAULT_DISK_SECTOR]);
    }
}

static size_t
count(const uint8_t marks[SECTORS], uint8_t mark)
{
    size_t n = 0;
    for (size_t i = 0; i < SECTORS; i++) {
        n += marks[i] == mark;
    }
    return n;
}

static void
test_synced_stays(void **state)
{
    struct test *test = *state;
    uint8_t marks[SECTORS];
    unsigned mixed = 0;
    size_t kept = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t mark = (uint8_t)(1 + i % 100);
        put(test, test->fd, mark, 0, SECTORS);
        assert_int_equal(fdatasync(test->fd), 0);
        put(test, test->fd, 200, SECTORS / 2, SECTORS / 2);
        put(test, test->fd, 201, SECTORS / 2, SECTORS / 4); /* over what is not synced either */
        fault_disk_image(test->disk, test->image, &test->random);
        read_marks(test, test->image, marks);
        assert_int_equal(count(marks, mark) + count(marks, 200) + count(marks, 201), SECTORS);
        fault_disk_restore(test->disk, true, &test->random);
        read_marks(test, test->path, marks);
        size_t lost = count(marks, mark) - SECTORS / 2;
        for (size_t k = 0; k < SECTORS / 2; k++) {
            assert_int_equal(marks[k], mark);
        }
        assert_int_equal(count(marks, 200) + count(marks, 201) + lost, SECTORS / 2);
        mixed += lost > 0 && lost < SECTORS / 2;
        kept += SECTORS / 2 - lost;
    }
    assert_true(mixed > ROUNDS / 2);
    assert_in_range(kept, ROUNDS * SECTORS / 8, ROUNDS * SECTORS * 3 / 8);
}

static void
test_a_process_that_dies_loses_nothing(void **state)
{
    struct test *test = *state;
    uint8_t marks[SECTORS];
    put(test, test->fd, 7, 0, SECTORS);
    fault_disk_restore(test->disk, false, &test->random);
    fault_disk_restore(test->disk, true, &test->random);
    read_marks(test, test->path, marks);
    assert_int_equal(count(marks, 7), SECTORS);
}

/* How many of so many writes said to be durable at once are lost. */
static size_t
lost_durable(struct test *test)
{
    uint8_t marks[SECTORS];
    size_t lost = 0;
    int fd = open(test->path, O_RDWR | O_DSYNC);
    assert_true(fd >= 0);
    put(test, test->fd, 1, 0, SECTORS);
    assert_int_equal(fdatasync(test->fd), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t mark = (uint8_t)(2 + i % 100);
        put(test, fd, mark, 3, 1);
        fault_disk_restore(test->disk, true, &test->random);
        read_marks(test, test->path, marks);
        lost += marks[3] != mark;
    }
    close(fd);
    return lost;
}

static void
test_durable_at_once(void **state)
{
    struct test *test = *state;
    assert_int_equal(lost_durable(test), 0);
    fault_disk_set_lying(test->disk, true);
    assert_in_range(lost_durable(test), ROUNDS / 4, ROUNDS * 3 / 4);
}

static void
test_full(void **state)
{
    struct test *test = *state;
    uint8_t marks[SECTORS];
    put(test, test->fd, 1, 0, SECTORS);
    fault_disk_set_full(test->disk, true);
    assert_int_equal(pwrite(test->fd, test->bytes, FAULT_DISK_SECTOR, 0), -1);
    assert_int_equal(errno, ENOSPC);
    read_marks(test, test->path, marks);
    assert_int_equal(count(marks, 1), SECTORS);
    fault_disk_set_full(test->disk, false);
    put(test, test->fd, 2, 0, SECTORS);
}

static void
test_cut(void **state)
{
    struct test *test = *state;
    uint8_t marks[SECTORS];
    put(test, test->fd, 1, 0, SECTORS);
    assert_int_equal(fdatasync(test->fd), 0);
    fault_disk_cut(test->disk, 2);
    put(test, test->fd, 2, 0, 1);
    assert_false(fault_disk_is_cut(test->disk));
    assert_int_equal(fdatasync(test->fd), -1);
    assert_int_equal(errno, EIO);
    assert_true(fault_disk_is_cut(test->disk));
    assert_int_equal(pwrite(test->fd, test->bytes, FAULT_DISK_SECTOR, 0), -1);
    fault_disk_restore(test->disk, true, &test->random);
    read_marks(test, test->path, marks);
    assert_int_equal(count(marks, 1) + count(marks, 2), SECTORS);
    assert_true(count(marks, 1) >= SECTORS - 1);
    put(test, test->fd, 3, 0, SECTORS);
    assert_int_equal(fdatasync(test->fd), 0);
}

int
main(void)
{
#define DISK_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_synced_stays),
        DISK_TEST(test_a_process_that_dies_loses_nothing),
        DISK_TEST(test_durable_at_once),
        DISK_TEST(test_full),
        DISK_TEST(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
