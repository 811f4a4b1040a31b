/* Decides where a record waits until its loop is looked at. It refuses to know what records say.
 *
 * One file for all buckets: their number is then no matter of open files. Only the chain heads are
 * shared between writers, so the lock is held for moments. */
#include "broker/audit/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"

_Static_assert(sizeof(struct spill_block) == SPILL_BLOCK_BYTES, "a block is a page");
_Static_assert(offsetof(struct spill_block, records) == SPILL_HEAD_BYTES, "head of a block");

#define DIR_DEFAULT "/var/tmp"
#define FILE_TEMPLATE "refloop-audit-XXXXXX"

static enum err
open_file(int *fd_out)
{
    char path[FILE_PATH_MAX];
    const char *dir = getenv("TMPDIR");
    enum err err = file_path(path, dir != NULL && dir[0] == '/' ? dir : DIR_DEFAULT, FILE_TEMPLATE);
    if (err != ERR_OK) {
        return ERR_IO;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOSPC ? ERR_DISK_FULL : ERR_IO;
    }
    (void)unlink(path); /* else it is left over, which harms nobody */
    *fd_out = fd;
    return ERR_OK;
}

enum err
spill_new(unsigned byte, struct spill **spill_out)
{
    int fd = -1;
    struct spill *spill = calloc(1, sizeof(*spill));
    enum err err = spill == NULL ? ERR_MEMORY : open_file(&fd);
    if (err != ERR_OK) {
        free(spill);
        return err;
    }
    spill->fd = fd;
    spill->byte = byte;
    (void)pthread_mutex_init(&spill->lock, NULL); /* cannot fail with default attributes */
    *spill_out = spill;
    return ERR_OK;
}

void
spill_free(struct spill *spill)
{
    if (spill != NULL) {
        (void)pthread_mutex_destroy(&spill->lock);
        (void)close(spill->fd);
        free(spill);
    }
}

void
spill_freep(struct spill **spill)
{
    spill_free(*spill);
    *spill = NULL;
}

enum err
spill_writer_init(struct spill_writer *writer, struct spill *spill)
{
    *writer = (struct spill_writer){.spill = spill,
                                    .blocks = calloc(SPILL_BUCKETS, sizeof(*writer->blocks))};
    return writer->blocks != NULL ? ERR_OK : ERR_MEMORY;
}

void
spill_writer_done(struct spill_writer *writer)
{
    free(writer->blocks);
    writer->blocks = NULL;
}

static enum err
write_block(const struct spill *spill, uint64_t place, const struct spill_block *block)
{
    ssize_t written = pwrite(spill->fd, block, sizeof(*block), (off_t)(place * SPILL_BLOCK_BYTES));
    if (written == (ssize_t)sizeof(*block)) {
        return ERR_OK;
    }
    return written >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_DISK_FULL
                                                                                : ERR_IO;
}

static enum err
put_block(struct spill *spill, size_t bucket, struct spill_block *block)
{
    (void)pthread_mutex_lock(&spill->lock);
    uint64_t place = spill->n_blocks++;
    block->before = spill->buckets[bucket].last;
    spill->buckets[bucket].last = place + 1;
    spill->buckets[bucket].n += block->n;
    (void)pthread_mutex_unlock(&spill->lock);
    enum err err = write_block(spill, place, block);
    block->n = 0;
    return err;
}

enum err
spill_add(struct spill_writer *writer, const struct spill_record *record)
{
    size_t bucket = record->loop[writer->spill->byte];
    struct spill_block *block = &writer->blocks[bucket];
    block->records[block->n++] = *record;
    return block->n < SPILL_BLOCK_RECORDS ? ERR_OK : put_block(writer->spill, bucket, block);
}

enum err
spill_flush(struct spill_writer *writer)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < SPILL_BUCKETS; i++) {
        if (writer->blocks[i].n > 0) {
            err = put_block(writer->spill, i, &writer->blocks[i]);
        }
    }
    return err;
}

enum err
spill_read_block(const struct spill *spill, uint64_t *at, struct spill_block *block_out)
{
    off_t place = (off_t)((*at - 1) * SPILL_BLOCK_BYTES);
    ssize_t n = pread(spill->fd, block_out, sizeof(*block_out), place);
    if (n != (ssize_t)sizeof(*block_out) || block_out->n > SPILL_BLOCK_RECORDS) {
        return ERR_IO;
    }
    *at = block_out->before;
    return ERR_OK;
}

static int
by_loop_and_index(const void *a, const void *b)
{
    enum { ORDER_BYTES = LOOP_ID_BYTES + 8 };
    return memcmp(a, b, ORDER_BYTES);
}

enum err
spill_load(const struct spill *spill, size_t bucket, struct spill_record *records_out)
{
    struct spill_block block;
    uint64_t n = spill->buckets[bucket].n;
    uint64_t at = spill->buckets[bucket].last;
    enum err err = ERR_OK;
    while (err == ERR_OK && at != 0) {
        err = spill_read_block(spill, &at, &block);
        if (err == ERR_OK && block.n > n) {
            err = ERR_IO;
        }
        if (err == ERR_OK) {
            n -= block.n;
            memcpy(&records_out[n], block.records, block.n * sizeof(block.records[0]));
        }
    }
    if (err == ERR_OK && n == 0) {
        qsort(records_out, spill->buckets[bucket].n, sizeof(*records_out), by_loop_and_index);
    }
    return err == ERR_OK && n != 0 ? ERR_IO : err;
}

uint64_t
spill_index(const struct spill_record *record)
{
    struct reader reader = reader_of(bytes_of(record->index, sizeof(record->index)));
    return reader_u64(&reader);
}
