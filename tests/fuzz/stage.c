/* The ground that the targets with state stand on. Decides where files lie; knows no store's
 * format. Nothing here is synced: whoever pulls the plug on a fuzzer starts it again. */
#include "tests/fuzz/stage.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"

static char root[FILE_PATH_MAX];

static int
remove_one(const char *path, const struct stat *status, int flag, struct FTW *where)
{
    (void)status;
    (void)flag;
    (void)where;
    return remove(path);
}

void
stage_remove(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* what is left is in memory */
}

static void
leave(void)
{
    stage_remove(root);
}

const char *
stage_dir(void)
{
    const char *parent = getenv("REFLOOP_FUZZ_DIR");
    if (root[0] != '\0') {
        return root;
    }
    if (parent == NULL) {
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    FUZZ_HOLDS(text_format(root, sizeof(root), "%s/refloop-fuzz-XXXXXX", parent));
    FUZZ_HOLDS(mkdtemp(root) != NULL);
    FUZZ_HOLDS(atexit(leave) == 0);
    return root;
}

void
stage_path(const char *inside, char out[FILE_PATH_MAX])
{
    char dir[FILE_PATH_MAX];
    FUZZ_HOLDS(file_path(out, stage_dir(), inside) == ERR_OK);
    memcpy(dir, out, sizeof(dir));
    *strrchr(dir, '/') = '\0';
    FUZZ_HOLDS(file_make_dir(dir) == ERR_OK);
}

/* In place: its pages are used again, which is most of what it takes. */
void
stage_write(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_HOLDS(fd >= 0);
    for (size_t at = 0; at < content.len;) {
        ssize_t n = pwrite(fd, content.data + at, content.len - at, (off_t)at);
        FUZZ_HOLDS(n > 0);
        at += (size_t)n;
    }
    FUZZ_HOLDS(ftruncate(fd, (off_t)content.len) == 0 && close(fd) == 0);
}

void
stage_keep_store(const char *dir, struct buffer *out)
{
    char path[FILE_PATH_MAX];
    FUZZ_HOLDS(file_path(path, dir, "data.mdb") == ERR_OK);
    *out = BUFFER_INIT(STAGE_STORE_BYTES);
    FUZZ_HOLDS(file_read(path, out) == ERR_OK);
}

void
stage_put_store(const char *dir, struct bytes kept)
{
    char path[FILE_PATH_MAX];
    FUZZ_HOLDS(file_make_dir(dir) == ERR_OK);
    FUZZ_HOLDS(file_path(path, dir, "data.mdb") == ERR_OK);
    stage_write(path, kept);
}

void
stage_splice(struct reader *input, uint8_t *data, size_t len)
{
    unsigned n = reader_u8(input) & 3;
    for (unsigned i = 0; i < n; i++) {
        size_t at = reader_u16(input);
        uint8_t by = reader_u8(input);
        if (len > 0) {
            data[at % len] ^= by;
        }
    }
}
