/* Files as wholes: read under a limit, replaced in one step. Decides when a file counts as written
 * (content and name both synced) and when a secret has been readable by others (then it is
 * refused). Does not know what any file holds. */
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"

enum { READ_CHUNK_BYTES = 8192 };

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* what matters was synced before; a failed close loses nothing */
    }
}

static enum err
write_errno(int number)
{
    return number == ENOSPC || number == EDQUOT ? ERR_DISK_FULL : ERR_IO;
}

enum err
file_path(char out[FILE_PATH_MAX], const char *dir, const char *name)
{
    char joined[FILE_PATH_MAX];
    if (!text_format(joined, sizeof(joined), "%s/%s", dir, name)) {
        return ERR_INVALID;
    }
    memcpy(out, joined, strlen(joined) + 1);
    return ERR_OK;
}

/* Through a small chunk instead of straight into the buffer, so that a file of exactly the maximum
 * can be told from one that is longer. The chunk may have held a secret. */
static enum err
append_all(int fd, struct buffer *out)
{
    uint8_t chunk[READ_CHUNK_BYTES];
    ssize_t got = 0;
    do {
        got = read(fd, chunk, sizeof(chunk));
        if (got > 0) {
            buffer_put(out, chunk, (size_t)got);
        }
    } while ((got > 0 && buffer_err(out) == ERR_OK) || (got < 0 && errno == EINTR));
    explicit_bzero(chunk, sizeof(chunk));
    return got < 0 ? ERR_IO : buffer_err(out);
}

static enum err
read_fd(int fd, struct buffer *out)
{
    enum err err = buffer_err(out);
    if (err != ERR_OK) {
        return err;
    }
    size_t start = out->len;
    err = append_all(fd, out);
    if (err != ERR_OK) {
        if (out->len > start) {
            explicit_bzero(out->data + start, out->len - start);
        }
        out->len = start;
        out->failed = ERR_OK;
    }
    return err;
}

enum err
file_read(const char *path, struct buffer *out)
{
    if (strcmp(path, "-") == 0) {
        return read_fd(STDIN_FILENO, out);
    }
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    }
    return read_fd(fd, out);
}

static enum err
open_secret_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ELOOP: /* O_NOFOLLOW: a link can be pointed elsewhere after the check */
    case EACCES:
    case ENXIO: /* a socket, or a pipe without a writer */
        return ERR_PERMISSION;
    default:
        return ERR_IO;
    }
}

enum err
file_read_secret(const char *path, struct buffer *out)
{
    /* What a parent process hands over on standard input was never in reach of others. */
    if (strcmp(path, "-") == 0) {
        return read_fd(STDIN_FILENO, out);
    }
    /* O_NONBLOCK: opening a pipe somebody put there must not hang us. */
    CLEANUP(close_fd)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return open_secret_errno(errno);
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return ERR_IO;
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return ERR_PERMISSION;
    }
    return read_fd(fd, out);
}

static enum err
write_all(int fd, struct bytes content)
{
    while (content.len > 0) {
        ssize_t done = write(fd, content.data, content.len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return write_errno(errno);
        }
        content = bytes_of(content.data + done, content.len - (size_t)done);
    }
    return ERR_OK;
}

static enum err
fill(int fd, struct bytes content, mode_t mode)
{
    if (fchmod(fd, mode) != 0) {
        return ERR_IO;
    }
    enum err err = write_all(fd, content);
    if (err != ERR_OK) {
        return err;
    }
    return fsync(fd) == 0 ? ERR_OK : write_errno(errno);
}

/* The directory that holds `path`, open for syncing; -1 when it cannot be opened. */
static int
open_parent(const char *path)
{
    char parent[FILE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof(parent)) {
        return -1;
    }
    memcpy(parent, path, len);
    parent[len] = '\0';
    const char *name = slash == NULL ? "." : len == 0 ? "/" : parent;
    return open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum err
take_name(const char *temporary, const char *path, bool may_replace)
{
    if (may_replace) {
        return rename(temporary, path) == 0 ? ERR_OK : write_errno(errno);
    }
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
        return ERR_OK;
    }
    /* Some file systems (NFS) do not know the flag; a hard link refuses an existing name as well.
     */
    if ((errno == EINVAL || errno == ENOSYS) && link(temporary, path) == 0) {
        (void)unlink(temporary); /* a second name for the same content; harmless if it stays */
        return ERR_OK;
    }
    return errno == EEXIST ? ERR_EXISTS : write_errno(errno);
}

static enum err
publish(const char *path, struct bytes content, mode_t mode, bool may_replace)
{
    char temporary[FILE_PATH_MAX];
    if (!text_format(temporary, sizeof(temporary), "%s.new-XXXXXX", path)) {
        return ERR_IO;
    }
    /* Opened first: after the rename the sync of the directory is the only step that can fail. */
    CLEANUP(close_fd) int parent = open_parent(path);
    CLEANUP(close_fd) int fd = parent < 0 ? -1 : mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return write_errno(errno);
    }
    enum err err = fill(fd, content, mode);
    if (err == ERR_OK) {
        err = take_name(temporary, path, may_replace);
    }
    if (err != ERR_OK) {
        (void)unlink(temporary); /* nothing more can be done about a leftover */
        return err;
    }
    return fsync(parent) == 0 ? ERR_OK : write_errno(errno);
}

enum err
file_replace(const char *path, struct bytes content, mode_t mode)
{
    return publish(path, content, mode, true);
}

enum err
file_create(const char *path, struct bytes content, mode_t mode)
{
    return publish(path, content, mode, false);
}

bool
file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* Makes one directory and makes its name durable: a store synced inside a directory that is gone
 * after a power cut would be lost all the same. */
static enum err
make_one_dir(const char *path)
{
    if (mkdir(path, S_IRWXU) != 0) {
        return errno == EEXIST ? ERR_OK : write_errno(errno);
    }
    CLEANUP(close_fd) int parent = open_parent(path);
    return parent >= 0 && fsync(parent) == 0 ? ERR_OK : ERR_IO;
}

static enum err
check_dir(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return ERR_IO;
    }
    bool ours = status.st_uid == geteuid() || status.st_uid == 0;
    return ours && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? ERR_OK : ERR_PERMISSION;
}

enum err
file_make_dir(const char *path)
{
    char part[FILE_PATH_MAX];
    if (!text_format(part, sizeof(part), "%s", path)) {
        return ERR_IO;
    }
    /* Trailing slashes would make open_parent name the new directory itself. */
    for (size_t len = strlen(part); len > 1 && part[len - 1] == '/'; len--) {
        part[len - 1] = '\0';
    }
    for (char *slash = strchr(part + 1, '/'); part[0] != '\0' && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum err err = make_one_dir(part);
        *slash = '/';
        /* An unwritable parent that exists answers EEXIST; one of another kind fails below. */
        if (err != ERR_OK) {
            return err;
        }
    }
    enum err err = make_one_dir(part);
    return err != ERR_OK ? err : check_dir(part);
}
