/* Keeps, for each file under watch, how every sector written since the last sync was before. The
 * file itself always holds the newest bytes, since LMDB reads it through a map; losing power means
 * putting some of the old sectors back. */
#include "tests/support/fault_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/file.h"

enum { SECTORS_MIN = 256, SLOTS = 1024, COPY_BYTES = 1 << 16 };

struct sector {
    uint64_t number;
    uint8_t before[FAULT_DISK_SECTOR];
};

struct fault_disk {
    char path[FILE_PATH_MAX];
    int fd; /* our own, for reading and putting back */
    ino_t inode;
    dev_t device;
    bool full, cut, lying;
    unsigned long cut_in; /* operations; 0: no cut is coming */
    struct sector *sectors;
    size_t n_sectors, room;
    fault_disk_watcher watcher;
    void *context;
    unsigned long n_writes, n_syncs;
    struct fault_disk *next;
};

static struct fault_disk *disks[SLOTS];

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            perror("fault_disk: " #condition);                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

uint64_t
fault_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

struct fault_disk *
fault_disk_new(const char *dir)
{
    struct stat status;
    struct fault_disk *disk = calloc(1, sizeof(*disk));
    MUST(disk != NULL);
    MUST(mkdir(dir, 0700) == 0 || errno == EEXIST);
    MUST(file_path(disk->path, dir, "data.mdb") == ERR_OK);
    disk->fd = open(disk->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MUST(disk->fd >= 0 && fstat(disk->fd, &status) == 0);
    disk->inode = status.st_ino;
    disk->device = status.st_dev;
    disk->next = disks[disk->inode % SLOTS];
    disks[disk->inode % SLOTS] = disk;
    return disk;
}

void
fault_disk_free(struct fault_disk *disk)
{
    struct fault_disk **link = &disks[disk->inode % SLOTS];
    while (*link != disk) {
        link = &(*link)->next;
    }
    *link = disk->next;
    close(disk->fd);
    free(disk->sectors);
    free(disk);
}

static struct fault_disk *
find(int fd)
{
    struct stat status;
    if (syscall(SYS_fstat, fd, &status) != 0) {
        return NULL;
    }
    for (struct fault_disk *disk = disks[status.st_ino % SLOTS]; disk != NULL; disk = disk->next) {
        if (disk->inode == status.st_ino && disk->device == status.st_dev) {
            return disk;
        }
    }
    return NULL;
}

static void
call_watcher(struct fault_disk *disk)
{
    fault_disk_watcher watcher = disk->watcher;
    if (watcher != NULL) {
        disk->watcher = NULL;
        watcher(disk->context, disk);
        disk->watcher = watcher;
    }
}

/* The newest pages come last: a sector is most often written again soon. */
static bool
is_kept(const struct fault_disk *disk, uint64_t number)
{
    for (size_t i = disk->n_sectors; i > 0; i--) {
        if (disk->sectors[i - 1].number == number) {
            return true;
        }
    }
    return false;
}

static void
keep(struct fault_disk *disk, uint64_t number)
{
    if (is_kept(disk, number)) {
        return;
    }
    if (disk->n_sectors == disk->room) {
        disk->room = disk->room == 0 ? SECTORS_MIN : disk->room * 2;
        disk->sectors = realloc(disk->sectors, disk->room * sizeof(*disk->sectors));
        MUST(disk->sectors != NULL);
    }
    struct sector *sector = &disk->sectors[disk->n_sectors++];
    *sector = (struct sector){.number = number};
    MUST(syscall(SYS_pread64, disk->fd, sector->before, FAULT_DISK_SECTOR,
                 (off_t)(number * FAULT_DISK_SECTOR)) >= 0);
}

static void
forget(struct fault_disk *disk, uint64_t first, uint64_t last)
{
    size_t n = 0;
    for (size_t i = 0; i < disk->n_sectors; i++) {
        if (disk->sectors[i].number < first || disk->sectors[i].number > last) {
            disk->sectors[n++] = disk->sectors[i];
        }
    }
    disk->n_sectors = n;
}

static void
keep_all(struct fault_disk *disk, off_t offset, size_t len)
{
    uint64_t last = ((uint64_t)offset + len - 1) / FAULT_DISK_SECTOR;
    for (uint64_t i = (uint64_t)offset / FAULT_DISK_SECTOR; len > 0 && i <= last; i++) {
        keep(disk, i);
    }
}

/* Counts an operation; true when it still happens. *last_out: the power goes during it. */
static bool
operate(struct fault_disk *disk, bool *last_out)
{
    *last_out = disk->cut_in == 1;
    if (disk->cut_in > 0) {
        disk->cut_in--;
    }
    return !disk->cut;
}

static ssize_t
fail(int why)
{
    errno = why;
    return -1;
}

static ssize_t
write_at(struct fault_disk *disk, int fd, const void *bytes, size_t len, off_t offset)
{
    bool last;
    if (!operate(disk, &last)) {
        return fail(EIO);
    }
    if (disk->full) {
        disk->cut = disk->cut || last;
        return fail(ENOSPC);
    }
    call_watcher(disk);
    keep_all(disk, offset, len);
    ssize_t written = (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
    disk->n_writes++;
    if (last) {
        disk->cut = true;
        return fail(EIO);
    }
    if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0 && !disk->lying) {
        /* These are durable; what else was written since the last sync is not. */
        forget(disk, (uint64_t)offset / FAULT_DISK_SECTOR,
               ((uint64_t)offset + len - 1) / FAULT_DISK_SECTOR);
    }
    call_watcher(disk);
    return written;
}

static int
sync_file(struct fault_disk *disk)
{
    bool last;
    if (!operate(disk, &last) || last) {
        disk->cut = disk->cut || last;
        return (int)fail(EIO);
    }
    call_watcher(disk);
    disk->n_sectors = 0;
    disk->n_syncs++;
    call_watcher(disk);
    return 0;
}

/* Named for the linker only: with 64-bit file offsets the header's own pwrite is another symbol
 * than the one liblmdb calls. */
ssize_t fault_disk_pwrite(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite");
ssize_t
fault_disk_pwrite64(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite64");

ssize_t
fault_disk_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct fault_disk *disk = find(fd);
    return disk != NULL ? write_at(disk, fd, bytes, len, offset)
                        : (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t
fault_disk_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return fault_disk_pwrite(fd, bytes, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
    struct fault_disk *disk = find(fd);
    if (disk == NULL) {
        return (ssize_t)syscall(SYS_writev, fd, parts, n_parts);
    }
    ssize_t total = 0;
    for (int i = 0; i < n_parts; i++) {
        off_t offset = lseek(fd, 0, SEEK_CUR);
        ssize_t written = write_at(disk, fd, parts[i].iov_base, parts[i].iov_len, offset);
        if (written < 0) {
            return total > 0 ? total : written;
        }
        MUST(lseek(fd, offset + written, SEEK_SET) >= 0);
        total += written;
    }
    return total;
}

int
fdatasync(int fd)
{
    struct fault_disk *disk = find(fd);
    return disk != NULL ? sync_file(disk) : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
    struct fault_disk *disk = find(fd);
    return disk != NULL ? sync_file(disk) : (int)syscall(SYS_fsync, fd);
}

void
fault_disk_set_full(struct fault_disk *disk, bool full)
{
    disk->full = full;
}

void
fault_disk_set_lying(struct fault_disk *disk, bool lying)
{
    disk->lying = lying;
}

void
fault_disk_cut(struct fault_disk *disk, unsigned long n)
{
    disk->cut_in = n;
    disk->cut = disk->cut || n == 0;
}

bool
fault_disk_is_cut(const struct fault_disk *disk)
{
    return disk->cut;
}

void
fault_disk_restore(struct fault_disk *disk, bool lose, uint64_t *random)
{
    for (size_t i = disk->n_sectors; lose && i > 0; i--) {
        const struct sector *sector = &disk->sectors[i - 1];
        if (fault_random(random) % 2 == 0) {
            MUST(syscall(SYS_pwrite64, disk->fd, sector->before, FAULT_DISK_SECTOR,
                         (off_t)(sector->number * FAULT_DISK_SECTOR)) == FAULT_DISK_SECTOR);
        }
    }
    disk->n_sectors = 0;
    disk->cut = false;
    disk->cut_in = 0;
}

void
fault_disk_watch(struct fault_disk *disk, fault_disk_watcher watcher, void *context)
{
    disk->watcher = watcher;
    disk->context = context;
}

void
fault_disk_image(const struct fault_disk *disk, const char *path, uint64_t *random)
{
    static uint8_t bytes[COPY_BYTES];
    ssize_t n;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    for (off_t at = 0; (n = (ssize_t)syscall(SYS_pread64, disk->fd, bytes, sizeof(bytes), at)) > 0;
         at += n) {
        MUST(syscall(SYS_pwrite64, fd, bytes, n, at) == n);
    }
    for (size_t i = 0; i < disk->n_sectors; i++) {
        if (fault_random(random) % 2 == 0) {
            MUST(syscall(SYS_pwrite64, fd, disk->sectors[i].before, FAULT_DISK_SECTOR,
                         (off_t)(disk->sectors[i].number * FAULT_DISK_SECTOR)) ==
                 FAULT_DISK_SECTOR);
        }
    }
    close(fd);
}

unsigned long
fault_disk_n_writes(const struct fault_disk *disk)
{
    return disk->n_writes;
}

unsigned long
fault_disk_n_syncs(const struct fault_disk *disk)
{
    return disk->n_syncs;
}
