/* Files are large ones everywhere (_FILE_OFFSET_BITS), hence the names that end in 64.
 *
 * Counts calls and fails the one that was asked for. close, unlock and abort are left alone: they
 * cannot be helped, and a test that lost its descriptors would prove nothing. */
#include "tests/support/fail_call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static struct {
    enum fail_call_kind kind;
    unsigned long left;
    int code;
    bool has_failed;
    const char *where;
} plan = {.where = "nothing"};

void
fail_call_at(enum fail_call_kind kind, unsigned long n, int code)
{
    plan.kind = kind;
    plan.left = n;
    plan.code = code;
    plan.has_failed = false;
}

bool
fail_call_off(void)
{
    bool has_failed = plan.has_failed;
    plan.left = 0;
    plan.has_failed = false;
    return has_failed;
}

const char *
fail_call_where(void)
{
    return plan.where;
}

static bool
fails(enum fail_call_kind kind, const char *where)
{
    if (plan.left == 0 || plan.kind != kind || --plan.left > 0) {
        return false;
    }
    plan.has_failed = true;
    plan.where = where;
    if (kind == FAIL_SYSTEM) {
        errno = plan.code;
    }
    return true;
}

#define PASS(kind, type, failed, name, parameters, arguments)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(kind, #name) ? (failed) : __real_##name arguments;                            \
    }
#define SYSTEM(type, name, parameters, arguments)                                                  \
    PASS(FAIL_SYSTEM, type, (type)-1, name, parameters, arguments)
#define LMDB(name, parameters, arguments)                                                          \
    PASS(FAIL_LMDB, int, plan.code, name, parameters, arguments)

SYSTEM(int, bind, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
SYSTEM(int, chmod, (const char *path, mode_t mode), (path, mode))
SYSTEM(int, connect, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
SYSTEM(int, fchmod, (int fd, mode_t mode), (fd, mode))
SYSTEM(int, flock, (int fd, int how), (fd, how))
SYSTEM(int, fstat64, (int fd, struct stat *out), (fd, out))
SYSTEM(int, fsync, (int fd), (fd))
SYSTEM(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
       (fd, level, name, value, len))
SYSTEM(int, link, (const char *from, const char *to), (from, to))
SYSTEM(int, listen, (int fd, int n), (fd, n))
SYSTEM(int, lstat64, (const char *path, struct stat *out), (path, out))
SYSTEM(int, mkdir, (const char *path, mode_t mode), (path, mode))
SYSTEM(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
SYSTEM(ssize_t, pwrite64, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
SYSTEM(ssize_t, read, (int fd, void *data, size_t n), (fd, data, n))
SYSTEM(ssize_t, recv, (int fd, void *data, size_t n, int flags), (fd, data, n, flags))
SYSTEM(int, rename, (const char *from, const char *to), (from, to))
SYSTEM(ssize_t, send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
SYSTEM(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
SYSTEM(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
SYSTEM(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
SYSTEM(int, stat64, (const char *path, struct stat *out), (path, out))
SYSTEM(int, statfs64, (const char *path, struct statfs *out), (path, out))
SYSTEM(int, unlink, (const char *path), (path))
SYSTEM(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
SYSTEM(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
PASS(FAIL_SYSTEM, char *, NULL, getcwd, (char *out, size_t size), (out, size))
PASS(FAIL_SYSTEM, DIR *, NULL, opendir, (const char *path), (path))

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int
__wrap_open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return fails(FAIL_SYSTEM, "open") ? -1 : __real_open64(path, flags, mode);
}

LMDB(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op how),
     (cursor, key, data, how))
LMDB(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **out), (txn, dbi, out))
LMDB(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *out),
     (txn, name, flags, out))
LMDB(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
LMDB(mdb_drop, (MDB_txn * txn, MDB_dbi dbi, int del), (txn, dbi, del))
LMDB(mdb_env_copy2, (MDB_env * env, const char *path, unsigned flags), (env, path, flags))
LMDB(mdb_env_create, (MDB_env * *out), (out))
LMDB(mdb_env_get_fd, (MDB_env * env, mdb_filehandle_t *out), (env, out))
LMDB(mdb_env_info, (MDB_env * env, MDB_envinfo *out), (env, out))
LMDB(mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode),
     (env, path, flags, mode))
LMDB(mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size))
LMDB(mdb_env_set_maxdbs, (MDB_env * env, MDB_dbi n), (env, n))
LMDB(mdb_env_stat, (MDB_env * env, MDB_stat *out), (env, out))
LMDB(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
LMDB(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags),
     (txn, dbi, key, data, flags))
LMDB(mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat *out), (txn, dbi, out))
LMDB(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **out),
     (env, parent, flags, out))

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

/* Ends the transaction whatever it answers, as liblmdb's does. */
int
__wrap_mdb_txn_commit(MDB_txn *txn)
{
    if (!fails(FAIL_LMDB, "mdb_txn_commit")) {
        return __real_mdb_txn_commit(txn);
    }
    mdb_txn_abort(txn);
    return plan.code;
}
