/* Disks that a test owns. A program that links this file has its own pwrite, writev, fdatasync and
 * fsync, also in liblmdb; they pass on what goes to other files and play a disk for the files under
 * watch: what was written since the last sync may be lost at a power cut, each 512-byte sector by
 * itself; the disk may be full, or fail at any moment.
 *
 * Not for threads: one thread writes to the files under watch. */
#ifndef REFLOOP_TESTS_SUPPORT_FAULT_DISK_H
#define REFLOOP_TESTS_SUPPORT_FAULT_DISK_H

#include "lib/base/bytes.h"

enum { FAULT_DISK_SECTOR = 512 };

struct fault_disk;

/* Makes the store directory `dir` (0700) with an empty data.mdb in it, to be opened by kv_open, and
 * watches that file for good: its content may be replaced, the file itself not. Aborts on failure,
 * as all functions here do: a test without its disk means nothing. */
struct fault_disk *fault_disk_new(const char *dir);
/* The file stays. */
void fault_disk_free(struct fault_disk *disk);

/* Full: every write is refused with ENOSPC until this is called with false. */
void fault_disk_set_full(struct fault_disk *disk, bool full);

/* A disk that lies: writes said to be durable at once (O_DSYNC, as LMDB makes its commits) are not
 * before the next sync. For self-tests of those who look for losses. */
void fault_disk_set_lying(struct fault_disk *disk, bool lying);

/* The power goes at the n-th operation from now (a write, a sync; 1: the next): that one and all
 * later ones fail with EIO and change nothing but what a write under way may have left. 0: at once.
 * The owner is then to be closed, as a process that is gone. */
void fault_disk_cut(struct fault_disk *disk, unsigned long n);
/* Whether the power is gone. */
bool fault_disk_is_cut(const struct fault_disk *disk);
/* After the owner has closed the store: the machine starts again. `lose`: a power cut, each sector
 * written since the last sync is kept or lost as `random` says; otherwise only the process had died
 * and the system kept all it was given. */
void fault_disk_restore(struct fault_disk *disk, bool lose, uint64_t *random);

/* Called before and after every operation on the disk, which works meanwhile as if nobody watched.
 * NULL: nobody. */
typedef void (*fault_disk_watcher)(void *context, struct fault_disk *disk);
void fault_disk_watch(struct fault_disk *disk, fault_disk_watcher watcher, void *context);
/* Writes to `path` what the disk may hold if the power went now. */
void fault_disk_image(const struct fault_disk *disk, const char *path, uint64_t *random);

/* Operations since the start: writes and syncs. */
unsigned long fault_disk_n_writes(const struct fault_disk *disk);
unsigned long fault_disk_n_syncs(const struct fault_disk *disk);

/* xorshift64*, never 0: the same on every machine. Shared by whoever plays with these disks. */
uint64_t fault_random(uint64_t *state);

#endif
