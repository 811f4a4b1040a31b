/* Decides when a store counts as damaged, and that people read which one it is and what helps. It
 * refuses to know what is in the store, and repairs nothing.
 *
 * The child is this program again: a copy of a process that has an environment open could not use
 * it. It costs one start and one opening, whatever the length of the log; pages that opening does
 * not touch are met later, and then only told. */
#include "lib/edge/store_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/args.h"

#define SELF "/proc/self/exe"

enum {
    PATIENCE_MS = 30000,
    SAID_BYTES = 320,
    LOCKED_PAUSE_MS = 50,
    LOCKED_TRIES = 20,
    EXIT_LOCKED = 4, /* between the child and us only */
};

static const int watched[] = {SIGSEGV, SIGBUS, SIGABRT};

/* Made before it is needed: a signal handler may not format. */
static char last_words[FILE_PATH_MAX + 2 * COMPLAINT_MAX_BYTES];
static struct sigaction before[ARRAY_LEN(watched)];

struct child {
    pid_t pid; /* -1: there is none */
    int out;   /* what it says; -1: closed */
};

static void
child_done(struct child *child)
{
    if (child->out >= 0) {
        (void)close(child->out); /* only read from */
    }
}

static bool
has_store(const char *home)
{
    char path[FILE_PATH_MAX];
    struct stat status;
    return file_path(path, home, "store/data.mdb") == ERR_OK && stat(path, &status) == 0 &&
           status.st_size > 0;
}

/* Not what the parent blocks and ignores: the child is to be ended by SIGTERM. */
static int
spawn_with(posix_spawn_file_actions_t *actions, const char *home, pid_t *pid_out)
{
    char *const argv[] = {(char *)(uintptr_t)SELF, (char *)(uintptr_t) "--home",
                          (char *)(uintptr_t)home, (char *)(uintptr_t) "--" STORE_GUARD_OPTION,
                          NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    int rc = posix_spawnattr_init(&attributes);
    if (rc != 0) {
        return rc;
    }
    (void)sigemptyset(&none); /* fails for bad pointers only */
    rc = posix_spawnattr_setsigmask(&attributes, &none);
    if (rc == 0) {
        rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    }
    if (rc == 0) {
        rc = posix_spawn(pid_out, SELF, actions, &attributes, argv, environ);
    }
    (void)posix_spawnattr_destroy(&attributes);
    return rc;
}

/* LMDB says on standard error what it dies of, in words for nobody here. */
static bool
spawn(const char *home, struct child *child)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (rc == 0) {
            rc =
                posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        }
        if (rc == 0) {
            rc = spawn_with(&actions, home, &child->pid);
        }
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]); /* the child has its own */
    child->out = ends[0];
    return rc == 0;
}

/* Until the child has closed its end, which it does by ending at the latest. False: it did not. */
static bool
hear(const struct child *child, int patience_ms, char said[SAID_BYTES])
{
    int64_t deadline_ms = clock_now().boot_ms + patience_ms;
    size_t len = 0;
    for (;;) {
        struct pollfd fd = {.fd = child->out, .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_now().boot_ms;
        int rc = left_ms > 0 ? poll(&fd, 1, (int)left_ms) : 0;
        if (rc < 0 && errno == EINTR) {
            continue;
        }
        if (rc <= 0) {
            return false;
        }
        char spare[SAID_BYTES];
        ssize_t n = len + 1 < SAID_BYTES ? read(child->out, said + len, SAID_BYTES - 1 - len)
                                         : read(child->out, spare, sizeof(spare));
        if (n > 0 && len + 1 < SAID_BYTES) {
            len += (size_t)n;
        }
        if (n <= 0) {
            said[len] = '\0';
            said[strcspn(said, "\n")] = '\0';
            return true;
        }
    }
}

static enum err
tell(const struct store_guard *guard, const char *what, struct complaint *complaint)
{
    return complain(complaint, ERR_CORRUPT, "the store in %s/store is damaged: %s. %s", guard->home,
                    what, guard->advice);
}

/* What ends a process that believes garbage. SIGKILL and the like come from others, as when memory
 * is short, and say nothing about the store. */
static bool
is_fault(int number)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        found = found || number == faults[i];
    }
    return found;
}

/* *locked_out: somebody else has it open. */
static enum err
try(const struct store_guard *guard, bool *locked_out, struct complaint *complaint)
{
    CLEANUP(child_done) struct child child = {.pid = -1, .out = -1};
    char said[SAID_BYTES] = "";
    int status = 0;
    if (!has_store(guard->home) || !spawn(guard->home, &child)) {
        return ERR_OK;
    }
    bool ended = hear(&child, guard->patience_ms > 0 ? guard->patience_ms : PATIENCE_MS, said);
    if (!ended) {
        (void)kill(child.pid, SIGKILL); /* ours, and not waited for yet: it is nobody else's id */
    }
    while (waitpid(child.pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return ERR_OK;
        }
    }
    *locked_out = ended && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LOCKED;
    if (!ended) {
        return tell(guard, "opening it does not come to an end", complaint);
    }
    if (WIFSIGNALED(status) && is_fault(WTERMSIG(status))) {
        return tell(guard, "whoever opens it is ended by what stands in its pages", complaint);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == ARGS_EXIT_DAMAGED
               ? tell(guard, said[0] != '\0' ? said : err_text(ERR_CORRUPT), complaint)
               : ERR_OK;
}

/* A daemon that was killed while it started may leave its child behind for a moment, dying with the
 * store in its hands: no reason for the next one to give up. */
enum err
store_guard_probe(const struct store_guard *guard, struct complaint *complaint)
{
    enum err err = ERR_OK;
    bool locked = true;
    for (unsigned i = 0; err == ERR_OK && locked && i < LOCKED_TRIES; i++) {
        if (i > 0) {
            (void)poll(NULL, 0, LOCKED_PAUSE_MS);
        }
        locked = false;
        err = try(guard, &locked, complaint);
    }
    return err;
}

void
store_guard_follow(void)
{
    /* Fails for bad numbers only. Who was orphaned before this line sees it below: nobody reads. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd fd = {.fd = STDOUT_FILENO, .events = 0};
    if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR) != 0) {
        _exit(ARGS_EXIT_OK);
    }
}

int
store_guard_answer(enum err err, const struct complaint *complaint)
{
    if (err != ERR_CORRUPT) {
        return err == ERR_LOCKED ? EXIT_LOCKED : ARGS_EXIT_OK;
    }
    size_t len = strnlen(complaint->text, sizeof(complaint->text));
    ssize_t written = write(STDOUT_FILENO, complaint->text, len);
    (void)written; /* the status says it too */
    return ARGS_EXIT_DAMAGED;
}

/* Raised again it is pending until this returns: then the process ends as it would have. */
static void
say_last_words(int number)
{
    ssize_t written = write(STDERR_FILENO, last_words, strlen(last_words));
    (void)written; /* there is nobody else to tell */
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        if (watched[i] == number) {
            (void)sigaction(number, &before[i], NULL);
        }
    }
    (void)raise(number);
}

enum err
store_guard_watch(const struct store_guard *guard)
{
    const struct sigaction action = {.sa_handler = say_last_words};
    if (!text_format(last_words, sizeof(last_words),
                     "stopped by a fault of memory. That is what a damaged page of the store in "
                     "%s/store does; --check-store and the disk's own log tell whether it is one. "
                     "%s If the store is sound, it is a mistake in refloop: please report it.\n",
                     guard->home, guard->advice)) {
        return ERR_INTERNAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        if (sigaction(watched[i], &action, &before[i]) != 0) {
            return ERR_INTERNAL;
        }
    }
    return ERR_OK;
}
