/* Every call that can fail, fails once: memory, files, syncs, names. A process of its own lives
 * through the story until the fault ends it, or goes on; another one then finds the disks, holds
 * them against what anybody had been told, and brings the story to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/kv.h"
#include "tests/faults/fault_call.h"
#include "tests/faults/story.h"

enum {
    FAULTS = 900,
    EXIT_ERROR = 3, /* as a program that ends with one sentence */
    EXIT_WRONG = 4,
    SEED = 20261122,
    SHOWN_MAX = 40,
    LASTING = 40, /* calls that fail in a row, where it is not one alone */
};

/* Shared by all processes of one fault. */
struct shared {
    struct promises promises;
    unsigned long counts[CALL_COUNT];
    enum err ended; /* what ended the story */
    char doing[64], said[COMPLAINT_MAX_BYTES];
};

static struct {
    struct fixture fixture;
    struct shared *shared;
    unsigned n_faults, n_hit, n_ended, n_wrong;
    unsigned patience_s;
    bool silent;
} run = {.patience_s = 60};

/* Planted mistakes, for the self-tests. */
static struct {
    bool commit_lies, file_in_place;
} planted;

static const struct way {
    const char *name;
    enum fault_call call;
    int error;
    unsigned long times;
    unsigned share; /* of the volume, where there are more places than that */
} ways[] = {
    {"no memory", CALL_MEMORY, ENOMEM, 1, 260},
    {"no memory for a while", CALL_MEMORY, ENOMEM, LASTING, 60},
    {"no address space", CALL_MMAP, ENOMEM, 1, 20},
    {"no descriptor", CALL_OPEN, EMFILE, 1, 60},
    {"open fails", CALL_OPEN, EIO, 1, 40},
    {"read fails", CALL_READ, EIO, 1, 40},
    {"pread fails", CALL_PREAD, EIO, 1, 20},
    {"write fails", CALL_WRITE, EIO, 1, 30},
    {"write: disk full", CALL_WRITE, ENOSPC, 1, 30},
    {"write is short", CALL_WRITE, FAULT_CALL_SHORT, 1, 30},
    {"pwrite fails", CALL_PWRITE, EIO, 1, 60},
    {"pwrite: disk full", CALL_PWRITE, ENOSPC, 1, 60},
    {"pwrite: disk full for a while", CALL_PWRITE, ENOSPC, LASTING, 40},
    {"pwrite is short", CALL_PWRITE, FAULT_CALL_SHORT, 1, 60},
    {"writev fails", CALL_WRITEV, EIO, 1, 40},
    {"writev: disk full", CALL_WRITEV, ENOSPC, 1, 40},
    {"writev is short", CALL_WRITEV, FAULT_CALL_SHORT, 1, 40},
    {"fsync fails", CALL_FSYNC, EIO, 1, 40},
    {"fsync: disk full", CALL_FSYNC, ENOSPC, 1, 20},
    {"fdatasync fails", CALL_FDATASYNC, EIO, 1, 90},
    {"fdatasync fails for good", CALL_FDATASYNC, EIO, 1000000, 30},
    {"rename fails", CALL_RENAME, EIO, 1, 40},
    {"rename: disk full", CALL_RENAME, ENOSPC, 1, 40},
    {"mkdir fails", CALL_MKDIR, ENOSPC, 1, 20},
    {"ftruncate fails", CALL_FTRUNCATE, EIO, 1, 20},
};

/* --- planted mistakes: these two stand before the real ones --- */

enum err __real_kv_commit(struct kv_txn **txn);
enum err __wrap_kv_commit(struct kv_txn **txn);
enum err __real_file_replace(const char *path, struct bytes content, mode_t mode);
enum err __wrap_file_replace(const char *path, struct bytes content, mode_t mode);

/* Says "on disk" whatever the disk said. */
enum err
__wrap_kv_commit(struct kv_txn **txn)
{
    enum err err = __real_kv_commit(txn);
    return planted.commit_lies && err == ERR_IO ? ERR_OK : err;
}

/* Writes where the file is, and does not look how much was written. */
enum err
__wrap_file_replace(const char *path, struct bytes content, mode_t mode)
{
    if (!planted.file_in_place) {
        return __real_file_replace(path, content, mode);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    ssize_t written = fd >= 0 ? write(fd, content.data, content.len) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return written >= 0 ? ERR_OK : ERR_IO;
}

/* --- disks of one fault --- */

static void
world_dir(char out[FILE_PATH_MAX])
{
    assert_int_equal(file_path(out, run.fixture.dir, "calls"), ERR_OK);
}

static int
remove_one(const char *path, const struct stat *status, int flag, struct FTW *where)
{
    (void)status;
    (void)flag;
    (void)where;
    return remove(path);
}

static void
forget(void)
{
    char dir[FILE_PATH_MAX];
    world_dir(dir);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    memset(run.shared, 0, sizeof(*run.shared));
}

static void
tell(const struct world *world, enum err err)
{
    run.shared->ended = err;
    (void)snprintf(run.shared->doing, sizeof(run.shared->doing), "%s", world->doing);
    (void)snprintf(run.shared->said, sizeof(run.shared->said), "%s", world->complaint.text);
}

/* --- the two processes --- */

static int
live(const void *context)
{
    static struct world world;
    char dir[FILE_PATH_MAX];
    world_dir(dir);
    world_init(&world, &run.fixture, &run.shared->promises, dir);
    fault_call_arm(context);
    enum err err = story_run(&world);
    tell(&world, err);
    world_close(&world);
    fault_call_disarm();
    for (size_t i = 0; i < CALL_COUNT; i++) {
        run.shared->counts[i] = fault_call_count((enum fault_call)i);
    }
    return err == ERR_OK ? EXIT_SUCCESS : EXIT_ERROR;
}

static int
go_on(const void *context)
{
    static struct world world;
    char dir[FILE_PATH_MAX];
    (void)context;
    world_dir(dir);
    world_init(&world, &run.fixture, &run.shared->promises, dir);
    enum err err = story_check_disks(&world);
    if (err == ERR_OK) {
        err = story_run(&world);
    }
    if (err == ERR_OK) {
        err = story_check_end(&world);
    }
    tell(&world, err);
    world_close(&world);
    return err == ERR_OK ? EXIT_SUCCESS : EXIT_WRONG;
}

/* The exit code, or 128 and the signal. */
static int
in_a_process(int (*what)(const void *), const void *context)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(run.patience_s); /* a hang is a fault too */
        exit(what(context));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- one fault --- */

/* Nothing that blames the store, a key or a partner for it. A broker that has just failed to write
 * asks people to come back. */
static bool
is_right_word(enum err err)
{
    return err == ERR_MEMORY || err == ERR_IO || err == ERR_DISK_FULL || err == ERR_BUSY;
}

static void
show(const struct way *way, unsigned long n, const char *what, int code)
{
    if (++run.n_wrong <= SHOWN_MAX && !run.silent) {
        print_message("%s, the %luth: %s (%d): %s: %s: %s\n", way->name, n, what, code,
                      run.shared->doing, err_name(run.shared->ended), run.shared->said);
        (void)fflush(stdout);
    }
}

static void
try_fault(const struct way *way, unsigned long n)
{
    const struct fault_call_plan plan = {way->call, n, way->times, way->error};
    run.n_faults++;
    forget();
    int code = in_a_process(live, &plan);
    run.n_hit += run.shared->counts[way->call] >= n;
    run.n_ended += code == EXIT_ERROR;
    if (code != EXIT_SUCCESS && code != EXIT_ERROR) {
        show(way, n, "it did not end cleanly", code);
    } else if (code == EXIT_ERROR && !is_right_word(run.shared->ended)) {
        show(way, n, "a wrong word for it", code);
    }
    code = in_a_process(go_on, NULL);
    if (code != EXIT_SUCCESS) {
        show(way, n, "afterwards", code);
    }
}

/* All places where there are few, else so many of them, at random. */
static void
try_way(const struct way *way, unsigned long places, uint64_t *random)
{
    const char *only = getenv("REFLOOP_FAULT"); /* "NAME:N", to see one again; N 0: a volume */
    size_t len = strlen(way->name);
    bool named = only != NULL && strncmp(only, way->name, len) == 0 && only[len] == ':';
    unsigned long number = named ? strtoul(only + len + 1, NULL, 10) : 0;
    if (only != NULL && (!named || number > 0)) {
        if (named) {
            try_fault(way, number);
        }
        return;
    }
    bool all = places <= way->share || getenv("REFLOOP_LONG") != NULL;
    unsigned long n_tried = all ? places : way->share;
    for (unsigned long i = 0; i < n_tried; i++) {
        /* One in each of as many stretches: seeded, and nowhere left out for long. */
        unsigned long first = i * places / n_tried;
        unsigned long room = (i + 1) * places / n_tried - first;
        *random = *random * 6364136223846793005U + 1442695040888963407U;
        try_fault(way, 1 + first + (unsigned long)(*random >> 33) % room);
    }
}

static void
test_no_fault(void **state)
{
    (void)state;
    forget();
    int code = in_a_process(live, NULL);
    if (code != EXIT_SUCCESS) {
        fail_msg("%d: %s: %s: %s", code, run.shared->doing, err_name(run.shared->ended),
                 run.shared->said);
    }
    for (size_t i = 0; i < CALL_COUNT; i++) {
        print_message("%s %lu, ", fault_call_name((enum fault_call)i), run.shared->counts[i]);
    }
    print_message("are what may fail\n");
    code = in_a_process(go_on, NULL);
    if (code != EXIT_SUCCESS) {
        fail_msg("%d: %s: %s: %s", code, run.shared->doing, err_name(run.shared->ended),
                 run.shared->said);
    }
}

static void
test_faults(void **state)
{
    unsigned long places[CALL_COUNT];
    const char *seed = getenv("REFLOOP_SEED");
    uint64_t random = seed != NULL ? strtoull(seed, NULL, 10) : SEED;
    (void)state;
    forget();
    assert_int_equal(in_a_process(live, NULL), EXIT_SUCCESS);
    memcpy(places, run.shared->counts, sizeof(places));
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        try_way(&ways[i], places[ways[i].call], &random);
    }
    print_message("%u faults, %u were met, %u ended the programs, %u wrong; seed %s\n",
                  run.n_faults, run.n_hit, run.n_ended, run.n_wrong,
                  seed != NULL ? seed : "as ever");
    assert_int_equal(run.n_wrong, 0);
    if (getenv("REFLOOP_FAULT") == NULL) {
        assert_true(run.n_faults >= FAULTS && run.n_hit > run.n_faults * 9 / 10);
    }
}

/* --- the checkers themselves --- */

/* Whether any of the first faults of a way is found to do harm. */
static bool
is_found(const char *name, unsigned long places)
{
    const struct way *way = ways;
    unsigned before = run.n_wrong;
    while (strcmp(way->name, name) != 0) {
        way++;
        assert_true(way < ways + ARRAY_LEN(ways));
    }
    run.silent = true;
    for (unsigned long n = 1; n <= places && run.n_wrong == before; n++) {
        try_fault(way, n);
    }
    bool found = run.n_wrong > before;
    run.silent = false;
    run.n_wrong = run.n_faults = run.n_hit = run.n_ended = 0;
    return found;
}

static void
test_early_word_is_found(void **state)
{
    (void)state;
    planted.commit_lies = true;
    bool found = is_found("fdatasync fails", 60);
    planted.commit_lies = false;
    assert_true(found);
}

static void
test_half_file_is_found(void **state)
{
    (void)state;
    planted.file_in_place = true;
    bool found = is_found("write is short", 16);
    planted.file_in_place = false;
    assert_true(found);
}

static int
hang(const void *context)
{
    while (context == NULL) {
        (void)pause();
    }
    return EXIT_SUCCESS;
}

static int
crash(const void *context)
{
    if (context == NULL) {
        abort();
    }
    return EXIT_SUCCESS;
}

static void
test_hang_and_crash_are_found(void **state)
{
    (void)state;
    run.patience_s = 1;
    assert_int_equal(in_a_process(hang, NULL), 128 + SIGALRM);
    assert_int_equal(in_a_process(crash, NULL), 128 + SIGABRT);
    run.patience_s = 60;
}

static int
start_all(void **state)
{
    (void)state;
    run.shared =
        mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(run.shared != MAP_FAILED);
    fixture_init(&run.fixture, WORLD_MEMBERS);
    promise_set_aside(fault_call_pause);
    return 0;
}

static int
stop_all(void **state)
{
    (void)state;
    fixture_done(&run.fixture);
    return munmap(run.shared, sizeof(*run.shared));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_fault),
        cmocka_unit_test(test_early_word_is_found),
        cmocka_unit_test(test_half_file_is_found),
        cmocka_unit_test(test_hang_and_crash_are_found),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
