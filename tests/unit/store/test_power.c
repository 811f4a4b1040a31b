/* Power lost at any moment costs nothing that was committed.
 *
 * This program stands in for the disk: its pwrite, writev and fdatasync take the place of the C
 * library's for liblmdb too. It keeps the image that is certainly durable and the writes that are
 * not yet, and at each step builds what the disk may hold after a power cut: the durable image and
 * any subset of the 512-byte sectors written since the last sync. Each image must open and hold
 * every transaction that was committed, whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/store/scratch.h"

enum {
    N_TURNS = 150,
    N_KEYS = 40,
    SECTOR = 512,
    PENDING_MAX = 256,
    VALUE_MAX = 5000,
    IMAGE_MAX = SCRATCH_MAP_MAX_BYTES,
    LAST = 1000, /* key of the number of the last turn */
};

struct pending {
    size_t offset;
    size_t len;
    uint8_t *bytes;
};

static struct {
    bool armed;
    struct stat file;
    uint8_t durable[IMAGE_MAX];
    size_t durable_len;
    struct pending pending[PENDING_MAX];
    size_t n_pending;
    uint8_t image[IMAGE_MAX];
    struct scratch crashed;
    uint64_t acked;     /* the last turn whose commit returned */
    uint64_t in_flight; /* the turn being committed */
    unsigned n_images;
    unsigned n_meta_writes; /* those that commit: seen for each turn, or we are not the disk */
    uint32_t random;
} disk;

static uint32_t
next_random(void)
{
    disk.random = disk.random * 1664525 + 1013904223;
    return disk.random >> 8;
}

static bool
is_the_disk(int fd)
{
    struct stat status;
    return disk.armed && fstat(fd, &status) == 0 && status.st_ino == disk.file.st_ino &&
           status.st_dev == disk.file.st_dev;
}

static size_t
value_bytes(uint64_t turn)
{
    return (size_t)(100 + turn * 37 % (VALUE_MAX - 100));
}

/* The value that key i has after turn `last`: written by the last turn that is i modulo N_KEYS. */
static void
assert_key(struct kv_txn *txn, uint64_t i, uint64_t last)
{
    uint8_t key[8];
    struct bytes found;
    uint64_t turn = last - (last - i) % N_KEYS;
    assert_int_equal(kv_get(txn, ROWS, kv_key_u64(i, key), &found), ERR_OK);
    assert_int_equal(found.len, value_bytes(turn));
    for (size_t at = 0; at < found.len; at++) {
        assert_int_equal(found.data[at], turn & 0xff);
    }
}

static void
assert_image_is_whole(void)
{
    struct scratch *s = &disk.crashed;
    struct kv_txn *txn = NULL;
    uint8_t key[8];
    struct bytes found;
    assert_int_equal(scratch_open(s), ERR_OK);
    assert_int_equal(kv_begin_read(s->kv, &txn), ERR_OK);
    assert_int_equal(kv_get(txn, ROWS, kv_key_u64(LAST, key), &found), ERR_OK);
    uint64_t last = kv_u64_of_key(found);
    assert_in_range(last, disk.acked, disk.in_flight);
    for (uint64_t i = 0; i < N_KEYS && i <= last; i++) {
        assert_key(txn, i, last);
    }
    kv_abort(&txn);
    kv_closep(&s->kv);
}

static void
lay_sectors(const struct pending *write, size_t *len)
{
    for (size_t at = 0; at < write->len; at += SECTOR) {
        size_t n = write->len - at < SECTOR ? write->len - at : SECTOR;
        if (next_random() % 2 == 0) {
            continue;
        }
        memcpy(disk.image + write->offset + at, write->bytes + at, n);
        if (write->offset + at + n > *len) {
            *len = write->offset + at + n;
        }
    }
}

/* One possible aftermath of a power cut at this moment. */
static void
lose_power(void)
{
    size_t len = disk.durable_len;
    memset(disk.image, 0, sizeof(disk.image));
    memcpy(disk.image, disk.durable, len);
    for (size_t i = 0; i < disk.n_pending; i++) {
        lay_sectors(&disk.pending[i], &len);
    }
    disk.armed = false;
    int fd = open(disk.crashed.data, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, disk.image, len), len);
    close(fd);
    assert_image_is_whole();
    disk.armed = true;
    disk.n_images++;
}

static void
make_durable(size_t offset, const void *bytes, size_t len)
{
    assert_true(offset + len <= IMAGE_MAX);
    memcpy(disk.durable + offset, bytes, len);
    if (offset + len > disk.durable_len) {
        disk.durable_len = offset + len;
    }
}

static void
note_write(int fd, size_t offset, const void *bytes, size_t len)
{
    assert_true(offset + len <= IMAGE_MAX && disk.n_pending < PENDING_MAX);
    if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0) {
        lose_power();
        make_durable(offset, bytes, len);
        lose_power();
        disk.n_meta_writes++;
        return;
    }
    struct pending *pending = &disk.pending[disk.n_pending++];
    *pending = (struct pending){.offset = offset, .len = len, .bytes = malloc(len)};
    assert_non_null(pending->bytes);
    memcpy(pending->bytes, bytes, len);
    lose_power();
}

/* Named for the linker only: with 64-bit file offsets the header's own pwrite is another symbol
 * than the one liblmdb calls. */
ssize_t disk_pwrite(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite");

ssize_t
disk_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (is_the_disk(fd)) {
        note_write(fd, (size_t)offset, bytes, len);
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
    if (is_the_disk(fd)) {
        size_t offset = (size_t)lseek(fd, 0, SEEK_CUR);
        for (int i = 0; i < n_parts; i++) {
            note_write(fd, offset, parts[i].iov_base, parts[i].iov_len);
            offset += parts[i].iov_len;
        }
    }
    return (ssize_t)syscall(SYS_writev, fd, parts, n_parts);
}

int
fdatasync(int fd)
{
    if (!is_the_disk(fd)) {
        return 0;
    }
    lose_power();
    for (size_t i = 0; i < disk.n_pending; i++) {
        make_durable(disk.pending[i].offset, disk.pending[i].bytes, disk.pending[i].len);
        free(disk.pending[i].bytes);
    }
    disk.n_pending = 0;
    lose_power();
    return 0;
}

static void
run_turn(struct kv *kv, uint64_t turn)
{
    static uint8_t bytes[VALUE_MAX];
    struct kv_txn *txn = NULL;
    uint8_t key[8];
    uint8_t number[8];
    memset(bytes, (int)(turn & 0xff), sizeof(bytes));
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(
        kv_put(txn, ROWS, kv_key_u64(turn % N_KEYS, key), bytes_of(bytes, value_bytes(turn))),
        ERR_OK);
    assert_int_equal(kv_put(txn, ROWS, kv_key_u64(LAST, key), kv_key_u64(turn, number)), ERR_OK);
    disk.in_flight = turn;
    assert_int_equal(kv_commit(&txn), ERR_OK);
    disk.acked = turn;
}

static void
arm(struct scratch *s)
{
    int fd = open(s->data, O_RDONLY);
    assert_int_equal(fstat(fd, &disk.file), 0);
    assert_true(disk.file.st_size <= IMAGE_MAX);
    ssize_t len = read(fd, disk.durable, IMAGE_MAX);
    assert_int_equal(len, disk.file.st_size);
    close(fd);
    disk.durable_len = (size_t)len;
    disk.armed = true;
}

static void
nothing_committed_is_lost(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    disk.random = 11;
    scratch_init(&disk.crashed);
    assert_int_equal(scratch_open(&disk.crashed), ERR_OK);
    kv_closep(&disk.crashed.kv);
    scratch_init(&s);
    assert_int_equal(scratch_open(&s), ERR_OK);
    run_turn(s.kv, 0);
    arm(&s);
    for (uint64_t turn = 1; turn < N_TURNS; turn++) {
        run_turn(s.kv, turn);
    }
    disk.armed = false;
    print_message("%u images\n", disk.n_images);
    assert_true(disk.n_images > 5 * N_TURNS);
    assert_int_equal(disk.n_meta_writes, N_TURNS - 1);
    scratch_done(&disk.crashed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_committed_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
