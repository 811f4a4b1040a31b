/* Decides whether a directory is fit for a store, and that only one process has it. It does not
 * know what is stored.
 *
 * The lock is our own and not LMDB's: LMDB lets one process open the same files twice, and closing
 * either copy then drops the locks of both. flock belongs to the open file, so it refuses that too.
 */
#include "lib/store/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/file.h"

static const struct {
    uint32_t type;
    const char *name;
} remotes[] = {
    {0x6969, "nfs"},      {0xff534d42, "cifs"}, {0xfe534d42, "smb2"}, {0x517b, "smb"},
    {0x65735546, "fuse"}, {0x01021997, "9p"},   {0x5346414f, "afs"},  {0x00c36400, "ceph"},
};

const char *
place_find_remote(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(remotes); i++) {
        if (remotes[i].type == type) {
            return remotes[i].name;
        }
    }
    return NULL;
}

static void
fd_closep(int *fd)
{
    if (*fd >= 0) {
        close(*fd); /* nothing was written through it */
    }
}

static void
dir_closep(DIR **dir)
{
    if (*dir != NULL) {
        closedir(*dir);
    }
}

static enum err
refuse_remote(const char *dir, struct complaint *complaint)
{
    struct statfs found;
    if (statfs(dir, &found) != 0) {
        return complain(complaint, ERR_IO, "%s cannot be looked at: %s", dir, strerror(errno));
    }
    const char *name = place_find_remote((uint32_t)found.f_type);
    if (name != NULL) {
        return complain(complaint, ERR_CONFIG,
                        "%s is on a network file system (%s); a store needs a local disk", dir,
                        name);
    }
    return ERR_OK;
}

static enum err
take_lock(const char *dir, int *lock_fd_out, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, dir, "lock");
    if (err != ERR_OK) {
        return complain(complaint, ERR_CONFIG, "the name of the directory %s is too long", dir);
    }
    CLEANUP(fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        err = errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO;
        return complain(complaint, err, "%s cannot be opened: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? complain(complaint, ERR_LOCKED, "another process is using %s", dir)
                   : complain(complaint, ERR_IO, "%s cannot be locked: %s", path, strerror(errno));
    }
    *lock_fd_out = fd;
    fd = -1;
    return ERR_OK;
}

enum err
place_take(const char *dir, int *lock_fd_out, struct complaint *complaint)
{
    enum err err = file_make_dir(dir);
    if (err != ERR_OK) {
        return complain(complaint, err, "%s cannot be used: %s", dir, err_text(err));
    }
    err = refuse_remote(dir, complaint);
    return err != ERR_OK ? err : take_lock(dir, lock_fd_out, complaint);
}

enum err
place_make_empty(const char *dir)
{
    enum err err = file_make_dir(dir);
    if (err != ERR_OK) {
        return err;
    }
    CLEANUP(dir_closep) DIR *list = opendir(dir);
    if (list == NULL) {
        return ERR_IO;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(list);
        if (entry == NULL) {
            return errno == 0 ? ERR_OK : ERR_IO;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return ERR_EXISTS;
        }
    }
}

enum err
place_sync(const char *dir)
{
    CLEANUP(fd_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? ERR_OK : ERR_IO;
}
