/* Loaded into the real programs: the n-th call of one kind fails. Which one the environment says:
 *
 *   REFLOOP_FAIL_CALL    a name of the list below
 *   REFLOOP_FAIL_NUMBER  1: the first
 *   REFLOOP_FAIL_ERROR   errno; -1: a write that stops half way, without an error
 *   REFLOOP_FAIL_REPORT  file for the numbers of calls there were, written when the program ends;
 *                        the call that failed creates it too
 *
 * All threads of the program count together. It refuses to know the program. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define CALLS(X)                                                                                   \
    X(MALLOC, "malloc")                                                                            \
    X(MMAP, "mmap")                                                                                \
    X(OPEN, "open")                                                                                \
    X(READ, "read")                                                                                \
    X(WRITE, "write")                                                                              \
    X(PWRITE, "pwrite")                                                                            \
    X(WRITEV, "writev")                                                                            \
    X(FDATASYNC, "fdatasync")                                                                      \
    X(FSYNC, "fsync")                                                                              \
    X(RENAME, "rename")                                                                            \
    X(SEND, "send")                                                                                \
    X(RECV, "recv")                                                                                \
    X(EPOLL_WAIT, "epoll_wait")

enum call {
#define CALL_ENUM(symbol, name) CALL_##symbol,
    CALLS(CALL_ENUM)
#undef CALL_ENUM
        CALL_COUNT
};

static const char *const names[CALL_COUNT] = {
#define CALL_NAME(symbol, name) name,
    CALLS(CALL_NAME)
#undef CALL_NAME
};

static _Atomic unsigned long counts[CALL_COUNT];
static unsigned long fail_number;
static enum call fail_call = CALL_COUNT;
static int fail_error;
static bool armed;

static int
open_with(const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

__attribute__((constructor)) static void
begin(void)
{
    const char *call = getenv("REFLOOP_FAIL_CALL");
    const char *number = getenv("REFLOOP_FAIL_NUMBER");
    const char *error = getenv("REFLOOP_FAIL_ERROR");
    for (size_t i = 0; call != NULL && i < CALL_COUNT; i++) {
        if (strcmp(call, names[i]) == 0) {
            fail_call = (enum call)i;
        }
    }
    fail_number = number != NULL ? strtoul(number, NULL, 10) : 0;
    fail_error = error != NULL ? (int)strtol(error, NULL, 10) : EIO;
    armed = true;
}

static void
report(void)
{
    char line[64];
    const char *path = getenv("REFLOOP_FAIL_REPORT");
    int fd = path != NULL ? open_with(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    for (size_t i = 0; fd >= 0 && i < CALL_COUNT; i++) {
        int len = snprintf(line, sizeof(line), "%s %lu\n", names[i], counts[i]);
        (void)syscall(SYS_write, fd, line, (size_t)len); /* whoever reads it misses the line */
    }
    if (fd >= 0) {
        (void)syscall(SYS_close, fd);
    }
}

__attribute__((destructor)) static void
end(void)
{
    armed = false;
    report();
}

static bool
fails(enum call call)
{
    if (!armed) {
        return false;
    }
    unsigned long n = atomic_fetch_add(&counts[call], 1) + 1;
    if (call != fail_call || n != fail_number) {
        return false;
    }
    report();
    if (fail_error > 0) {
        errno = fail_error;
    }
    return true;
}

/* What is still written of so much by a call that fails. */
static size_t
half(size_t len)
{
    return fail_error > 0 ? 0 : len / 2;
}

void *real_malloc(size_t size) __asm__("__libc_malloc");
void *real_calloc(size_t n, size_t size) __asm__("__libc_calloc");
void *real_realloc(void *old, size_t size) __asm__("__libc_realloc");

void *
malloc(size_t size)
{
    return fails(CALL_MALLOC) ? NULL : real_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return fails(CALL_MALLOC) ? NULL : real_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
    return fails(CALL_MALLOC) ? NULL : real_realloc(old, size);
}

/* Named for the linker only: with and without 64-bit offsets. */
#define ALSO(name) __asm__(name)
void *pre_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset) ALSO("mmap");
void *pre_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset) ALSO("mmap64");
int pre_open(const char *path, int flags, ...) ALSO("open");
int pre_open64(const char *path, int flags, ...) ALSO("open64");
ssize_t pre_read(int fd, void *out, size_t len) ALSO("read");
ssize_t pre_recv(int fd, void *out, size_t len, int flags) ALSO("recv");
ssize_t pre_pwrite(int fd, const void *bytes, size_t len, off_t offset) ALSO("pwrite");
ssize_t pre_pwrite64(int fd, const void *bytes, size_t len, off_t offset) ALSO("pwrite64");

void *
pre_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return fails(CALL_MMAP) ? MAP_FAILED
                            : (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

void *
pre_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return pre_mmap(at, len, prot, flags, fd, offset);
}

int
pre_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(CALL_OPEN) ? -1 : open_with(path, flags, mode);
}

int
pre_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(CALL_OPEN) ? -1 : open_with(path, flags, mode);
}

ssize_t
pre_read(int fd, void *out, size_t len)
{
    return fails(CALL_READ) ? -1 : (ssize_t)syscall(SYS_read, fd, out, len);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
    if (fails(CALL_WRITE)) {
        return half(len) == 0 ? -1 : (ssize_t)syscall(SYS_write, fd, bytes, half(len));
    }
    return (ssize_t)syscall(SYS_write, fd, bytes, len);
}

ssize_t
pre_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (fails(CALL_PWRITE)) {
        return half(len) == 0 ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, bytes, half(len), offset);
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t
pre_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return pre_pwrite(fd, bytes, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
    if (fails(CALL_WRITEV)) {
        size_t len = half(parts[0].iov_len);
        return len == 0 ? -1 : (ssize_t)syscall(SYS_write, fd, parts[0].iov_base, len);
    }
    return (ssize_t)syscall(SYS_writev, fd, parts, n_parts);
}

int
fdatasync(int fd)
{
    return fails(CALL_FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
    return fails(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
rename(const char *from, const char *to)
{
    return fails(CALL_RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
    return fails(CALL_SEND) ? -1 : (ssize_t)syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    return fails(CALL_SEND) ? -1 : (ssize_t)syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t
pre_recv(int fd, void *out, size_t len, int flags)
{
    return fails(CALL_RECV) ? -1 : (ssize_t)syscall(SYS_recvfrom, fd, out, len, flags, NULL, NULL);
}

int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
    return fails(CALL_EPOLL_WAIT)
               ? -1
               : (int)syscall(SYS_epoll_pwait, fd, events, n, timeout_ms, NULL, (size_t)8);
}
