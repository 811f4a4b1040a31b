/* Stands between a program and the system. Each function here does the real thing by a way that
 * does not lead through itself: the system call, or the C library's other name for it. Under the
 * address sanitizer memory comes from where it otherwise would. */
#include "tests/faults/fault_call.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
void *real_malloc(size_t size) __asm__("__interceptor_malloc");
void *real_calloc(size_t n, size_t size) __asm__("__interceptor_calloc");
void *real_realloc(void *old, size_t size) __asm__("__interceptor_realloc");
#else
void *real_malloc(size_t size) __asm__("__libc_malloc");
void *real_calloc(size_t n, size_t size) __asm__("__libc_calloc");
void *real_realloc(void *old, size_t size) __asm__("__libc_realloc");
#endif

static struct {
    bool armed, paused;
    struct fault_call_plan plan;
    unsigned long counts[CALL_COUNT];
} faults;

static const char *const names[CALL_COUNT] = {
    [CALL_MEMORY] = "memory",       [CALL_MMAP] = "mmap",     [CALL_OPEN] = "open",
    [CALL_READ] = "read",           [CALL_PREAD] = "pread",   [CALL_WRITE] = "write",
    [CALL_PWRITE] = "pwrite",       [CALL_WRITEV] = "writev", [CALL_FSYNC] = "fsync",
    [CALL_FDATASYNC] = "fdatasync", [CALL_RENAME] = "rename", [CALL_MKDIR] = "mkdir",
    [CALL_FTRUNCATE] = "ftruncate",
};

void
fault_call_arm(const struct fault_call_plan *plan)
{
    static const struct fault_call_plan none = {.call = CALL_COUNT};
    for (size_t i = 0; i < CALL_COUNT; i++) {
        faults.counts[i] = 0;
    }
    faults.plan = plan != NULL ? *plan : none;
    faults.armed = true;
}

void
fault_call_disarm(void)
{
    faults.armed = false;
}

void
fault_call_pause(bool paused)
{
    faults.paused = paused;
}

unsigned long
fault_call_count(enum fault_call call)
{
    return faults.counts[call];
}

const char *
fault_call_name(enum fault_call call)
{
    return names[call];
}

/* Counts a call; true when it is one of those that fail, errno being set then. */
static bool
fails(enum fault_call call)
{
    if (!faults.armed || faults.paused) {
        return false;
    }
    unsigned long n = ++faults.counts[call];
    const struct fault_call_plan *plan = &faults.plan;
    if (plan->call != call || n < plan->n || n - plan->n >= plan->times) {
        return false;
    }
    if (plan->error != FAULT_CALL_SHORT) {
        errno = plan->error;
    }
    return true;
}

static bool
is_short(void)
{
    return faults.plan.error == FAULT_CALL_SHORT;
}

/* --- memory --- */

void *
malloc(size_t size)
{
    return fails(CALL_MEMORY) ? NULL : real_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return fails(CALL_MEMORY) ? NULL : real_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
    return fails(CALL_MEMORY) ? NULL : real_realloc(old, size);
}

/* The headers know these by names that the compiler may turn into others; here they are named for
 * the linker only, with and without 64-bit offsets. */
void *call_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset) __asm__("mmap");
void *
call_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset) __asm__("mmap64");
int call_open(const char *path, int flags, ...) __asm__("open");
int call_open64(const char *path, int flags, ...) __asm__("open64");
int call_mkostemp(char *path, int flags) __asm__("mkostemp");
int call_mkostemp64(char *path, int flags) __asm__("mkostemp64");
ssize_t call_read(int fd, void *out, size_t len) __asm__("read");
ssize_t call_pread(int fd, void *out, size_t len, off_t offset) __asm__("pread");
ssize_t call_pread64(int fd, void *out, size_t len, off_t offset) __asm__("pread64");
ssize_t call_pwrite(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite");
ssize_t call_pwrite64(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite64");
int call_ftruncate(int fd, off_t len) __asm__("ftruncate");
int call_ftruncate64(int fd, off_t len) __asm__("ftruncate64");

void *
call_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    /* Unlike the others it may be called before this program has begun. */
    return fails(CALL_MMAP) ? MAP_FAILED
                            : (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

void *
call_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return call_mmap(at, len, prot, flags, fd, offset);
}

/* --- files --- */

static int
open_with(const char *path, int flags, mode_t mode)
{
    return fails(CALL_OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int
call_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_with(path, flags, mode);
}

int
call_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_with(path, flags, mode);
}

int
call_mkostemp(char *path, int flags)
{
    int (*real)(char *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "mkostemp");
    return fails(CALL_OPEN) ? -1 : real(path, flags);
}

int
call_mkostemp64(char *path, int flags)
{
    return call_mkostemp(path, flags);
}

ssize_t
call_read(int fd, void *out, size_t len)
{
    return fails(CALL_READ) ? -1 : (ssize_t)syscall(SYS_read, fd, out, len);
}

ssize_t
call_pread(int fd, void *out, size_t len, off_t offset)
{
    return fails(CALL_PREAD) ? -1 : (ssize_t)syscall(SYS_pread64, fd, out, len, offset);
}

ssize_t
call_pread64(int fd, void *out, size_t len, off_t offset)
{
    return call_pread(fd, out, len, offset);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
    if (fails(CALL_WRITE)) {
        if (!is_short()) {
            return -1;
        }
        len /= 2;
    }
    return (ssize_t)syscall(SYS_write, fd, bytes, len);
}

ssize_t
call_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (fails(CALL_PWRITE)) {
        if (!is_short()) {
            return -1;
        }
        len /= 2;
    }
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t
call_pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return call_pwrite(fd, bytes, len, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
    if (fails(CALL_WRITEV)) {
        if (!is_short()) {
            return -1;
        }
        return (ssize_t)syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2);
    }
    return (ssize_t)syscall(SYS_writev, fd, parts, n_parts);
}

int
fsync(int fd)
{
    return fails(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    return fails(CALL_FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
rename(const char *from, const char *to)
{
    return fails(CALL_RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return fails(CALL_RENAME) ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int
mkdir(const char *path, mode_t mode)
{
    return fails(CALL_MKDIR) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int
call_ftruncate(int fd, off_t len)
{
    return fails(CALL_FTRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int
call_ftruncate64(int fd, off_t len)
{
    return call_ftruncate(fd, len);
}
