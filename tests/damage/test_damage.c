/* One thing wrong in the file of a store, and then everything a broker or an agent does, in a child
 * process: 1,000 single bits (500 in each store) and 200 pages that are zeroed, old or another's.
 * Each must be found and said, or do no harm. Not allowed: anything wrong taken for right, a
 * receipt for what is not in the log, a process that does not end, and silence.
 *
 * With --blind this program is linked so that records are read without their digests: then it must
 * find violations, and ends well when it has. Arguments: --store broker or agent, --seed N, --runs
 * N (bits in each store), --verbose; --only N has the N-th run alone. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/broker.h"
#include "lib/log/merkle.h"
#include "tests/damage/chance.h"
#include "tests/damage/harm.h"
#include "tests/damage/store_files.h"
#include "tests/support/fault_disk.h"

enum { HANG_S = 10, BIT_RUNS = 500, PAGE_RUNS = 100, FAILURES_SHOWN = 20 };

enum stage { AT_OPEN, AT_READ, AT_SYNC, AT_SAY, AT_LOOK, AT_CHECK, AT_END };
static const char *const stage_names[] = {"opening", "reading",   "a session", "statements",
                                          "showing", "the check", "the end"};

/* What a child reports, in memory shared with its parent. */
struct report {
    enum stage stage; /* the last one begun */
    enum stage found; /* where `err` came up */
    enum err err;     /* the first error that the damaged program gave itself */
    char said[COMPLAINT_MAX_BYTES];
    enum err check;
    char check_said[COMPLAINT_MAX_BYTES];
    enum err other; /* an error of a program whose store is sound */
    unsigned n_false;
    uint64_t busy; /* statements that the broker told to come again */
    struct sight before, after;
};

enum verdict {
    VERDICT_HARMLESS,
    VERDICT_FOUND, /* an error, in words */
    VERDICT_TOLD,  /* by a member's agent: it has refused what it got, or it shows it */
    VERDICT_CHECK, /* only by the check of the store */
    VERDICT_DIED,  /* LMDB ended the process: the guard around it tells */
    VERDICT_BAD,   /* this and what follows is not allowed */
    VERDICT_COUNT,
};
static const char *const verdict_names[VERDICT_COUNT] = {"harmless",        "found and said",
                                                         "told by members", "found by the check",
                                                         "ended by LMDB",   "NOT ALLOWED"};

struct bench {
    struct world world;
    char dir[128];
    struct buffer packed[WORLD_STORES], raw[WORLD_STORES], old[WORLD_STORES];
    struct report *report;
    struct sight clean[WORLD_STORES][2]; /* of undamaged runs: before and after, packed */
    unsigned count[VERDICT_COUNT];
    unsigned died_at[AT_END + 1];
    unsigned n_runs, n_shown, only;
    size_t store; /* the damaged one; WORLD_STORES: one after the other */
    bool verbose;
};

/* ---- the child ---- */

static bool
note(struct report *report, enum err err, const char *said)
{
    if (err != ERR_OK && report->err == ERR_OK) {
        report->err = err;
        report->found = report->stage;
        (void)snprintf(report->said, sizeof(report->said), "%s",
                       said[0] != '\0' ? said : err_text(err));
    }
    return err == ERR_OK;
}

static enum err
open_store(struct bench *bench, size_t store)
{
    bench->world.complaint.text[0] = '\0';
    return store == WORLD_BROKER ? world_open_broker(&bench->world, bench->dir)
                                 : world_open_agent(&bench->world, bench->dir, store);
}

static bool
settle(struct bench *bench, size_t damaged)
{
    size_t of = damaged;
    enum err err = world_settle(&bench->world, &of);
    if (err == ERR_OK || of == damaged) {
        return note(bench->report, err, "");
    }
    bench->report->other = err;
    return false;
}

static bool
read_agent(struct bench *bench, size_t damaged)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(STORE_FILE_MAX);
    struct report *report = bench->report;
    struct world *world = &bench->world;
    struct complaint complaint = {""};
    struct agent_queue_status queue;
    report->stage = AT_READ;
    bool good = note(report, sight_look(world, damaged, &report->before), "");
    agent_get_queue_status(world->peer[damaged].agent, &queue);
    enum err err =
        agent_evidence(world->peer[damaged].agent, &world->loops[0].id, true, &file, &complaint);
    /* What has no proof is refused in words: it would have to be asked for, and nobody is there. */
    bool refused = err_is_peer(err) || err == ERR_NOT_FOUND || err == ERR_UNREACHABLE;
    return note(report, refused ? ERR_OK : err, complaint.text) && good;
}

static bool
say(struct bench *bench, size_t damaged)
{
    struct world *world = &bench->world;
    bench->report->stage = AT_SAY;
    for (size_t i = 0; i <= WORLD_MEMBERS; i++) {
        enum err err =
            i < WORLD_MEMBERS ? world_say(world, i, i, EVENT_NOTE) : world_start(world, 0, 2);
        if (err_is_peer(err)) {
            continue; /* refused, in words; what is missing then shows */
        }
        if (err != ERR_OK && (i % WORLD_MEMBERS) != damaged) {
            bench->report->other = err;
            return false;
        }
        if (!note(bench->report, err, world->complaint.text)) {
            return false;
        }
    }
    return settle(bench, damaged);
}

static bool
sync_all(struct bench *bench, size_t damaged)
{
    bench->report->stage = AT_SYNC;
    for (size_t i = 0; i < WORLD_STORES; i++) {
        if (i != damaged && open_store(bench, i) != ERR_OK) {
            (void)fprintf(stderr, "damage: store %zu: %s\n", i, bench->world.complaint.text);
            abort();
        }
    }
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        world_connect(&bench->world, i);
    }
    return settle(bench, damaged);
}

static void
look(struct bench *bench, size_t damaged)
{
    struct report *report = bench->report;
    struct broker_status status;
    report->stage = AT_LOOK;
    broker_get_status(bench->world.broker, &status);
    report->busy = status.refused[ERR_BUSY];
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        enum err err = sight_look(&bench->world, i, &report->after);
        if (i == damaged) {
            (void)note(report, err, "");
        } else if (err != ERR_OK) {
            report->other = err;
        }
    }
}

static void
check(struct bench *bench, size_t damaged)
{
    struct report *report = bench->report;
    struct complaint complaint = {""};
    report->stage = AT_CHECK;
    report->check = damaged == WORLD_BROKER
                        ? broker_check_store(bench->world.broker, &complaint)
                        : agent_check_store(bench->world.peer[damaged].agent, &complaint);
    (void)snprintf(report->check_said, sizeof(report->check_said), "%s",
                   complaint.text[0] != '\0' ? complaint.text : err_text(report->check));
}

static void
run_child(struct bench *bench, size_t damaged)
{
    struct report *report = bench->report;
    report->stage = AT_OPEN;
    if (!note(report, open_store(bench, damaged), bench->world.complaint.text)) {
        return;
    }
    bool good = damaged == WORLD_BROKER || read_agent(bench, damaged);
    good = sync_all(bench, damaged) && good;
    if (good) {
        good = say(bench, damaged);
    }
    look(bench, damaged);
    check(bench, damaged);
    world_close(&bench->world);
    if (damaged == WORLD_BROKER) {
        (void)note(report, store_files_count_false(bench->dir, &report->after, &report->n_false),
                   "");
    }
    report->stage = AT_END;
}

/* ---- the parent ---- */

/* Gives the status of the child. One who reads afresh is among the readers of a broker. */
static int
run(struct bench *bench, size_t damaged, struct bytes image)
{
    enum { FRESH = 1 };
    int status = 0;
    memset(bench->report, 0, sizeof(*bench->report));
    if (mkdir(bench->dir, 0700) != 0) {
        perror(bench->dir);
        abort();
    }
    for (size_t i = 0; i < WORLD_STORES; i++) {
        if (i != FRESH || damaged != WORLD_BROKER) {
            store_files_put(bench->dir, i, i == damaged ? image : buffer_view(&bench->packed[i]));
        }
    }
    (void)fflush(stdout);
    pid_t pid = fork(); /* one thread, no store open */
    if (pid == 0) {
        (void)alarm(HANG_S);
        if (!bench->verbose) {
            (void)!freopen("/dev/null", "w", stderr); /* LMDB says what it dies of */
        }
        run_child(bench, damaged);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("child");
        abort();
    }
    store_files_remove(bench->dir);
    return status;
}

static enum verdict
judge_end(const struct report *report, int status, char why[SIGHT_TEXT])
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number == SIGALRM) {
        (void)snprintf(why, SIGHT_TEXT, "%s did not end within %d s", stage_names[report->stage],
                       HANG_S);
        return VERDICT_BAD;
    }
    if (number == SIGABRT || number == SIGSEGV || number == SIGBUS) {
        return VERDICT_DIED;
    }
    (void)snprintf(why, SIGHT_TEXT, "%s ended with status %#x", stage_names[report->stage],
                   (unsigned)status);
    return status == 0 ? VERDICT_HARMLESS : VERDICT_BAD;
}

static enum verdict
judge(const struct bench *bench, size_t damaged, int status, char why[SIGHT_TEXT])
{
    const struct report *report = bench->report;
    const struct sight *clean = bench->clean[damaged];
    enum verdict verdict = judge_end(report, status, why);
    why[verdict == VERDICT_HARMLESS ? 0 : SIGHT_TEXT - 1] = '\0';
    if (verdict == VERDICT_BAD) {
        return verdict;
    }
    if (report->before.n_wrong > 0 || report->after.n_wrong > 0) {
        (void)snprintf(why, SIGHT_TEXT, "%s",
                       report->before.n_wrong > 0 ? report->before.wrong : report->after.wrong);
        return VERDICT_BAD;
    }
    if (report->n_false > 0) {
        (void)snprintf(why, SIGHT_TEXT, "%u receipts for what is not in the log", report->n_false);
        return VERDICT_BAD;
    }
    if (report->other != ERR_OK) {
        (void)snprintf(why, SIGHT_TEXT, "it took another down: %s", err_text(report->other));
        return VERDICT_BAD;
    }
    if ((report->err != ERR_OK && report->err != ERR_CORRUPT) ||
        (report->check != ERR_OK && report->check != ERR_CORRUPT)) {
        (void)snprintf(why, SIGHT_TEXT, "%s is called: %s", stage_names[report->found],
                       err_text(report->err != ERR_OK ? report->err : report->check));
        return VERDICT_BAD;
    }
    if (verdict == VERDICT_DIED) {
        return verdict;
    }
    if (report->err != ERR_OK) {
        return VERDICT_FOUND;
    }
    if (report->busy > 0 ||
        report->before.n_told + report->after.n_told > clean[0].n_told + clean[1].n_told) {
        return VERDICT_TOLD;
    }
    if (report->check != ERR_OK) {
        return VERDICT_CHECK;
    }
    return sight_equal(&clean[0], &report->before, why) &&
                   sight_equal(&clean[1], &report->after, why)
               ? VERDICT_HARMLESS
               : VERDICT_BAD;
}

static void
show(struct bench *bench, size_t damaged, enum harm_kind kind, const char *place,
     enum verdict verdict, const char *why)
{
    const struct report *report = bench->report;
    const char *said = verdict == VERDICT_BAD    ? why
                       : report->err != ERR_OK   ? report->said
                       : report->check != ERR_OK ? report->check_said
                       : verdict == VERDICT_DIED ? stage_names[report->stage]
                                                 : "";
    if (bench->verbose || (verdict == VERDICT_BAD && bench->n_shown++ < FAILURES_SHOWN)) {
        (void)printf("  run %u, %s of %s, %s: %s: %s\n", bench->n_runs, harm_names[kind],
                     damaged == WORLD_BROKER ? "the broker" : "an agent", place,
                     verdict_names[verdict], said);
        if (bench->verbose) {
            (void)printf("    at %s: %s; check: %s; told %u and %u\n", stage_names[report->found],
                         report->said, report->check_said, report->before.n_told,
                         report->after.n_told);
        }
    }
}

static void
harm_and_run(struct bench *bench, size_t damaged, enum harm_kind kind, uint64_t *random)
{
    CLEANUP(buffer_done) struct buffer image = BUFFER_INIT(STORE_FILE_MAX);
    char place[HARM_TEXT];
    char why[SIGHT_TEXT] = "";
    const struct buffer *base = kind == HARM_BIT ? &bench->packed[damaged] : &bench->raw[damaged];
    buffer_put(&image, base->data, base->len);
    while (!harm_do(kind, random, buffer_view(&bench->old[damaged]), &image, place)) {
    }
    if (bench->only != 0 && bench->only != bench->n_runs + 1) {
        bench->n_runs++;
        return;
    }
    int status = run(bench, damaged, buffer_view(&image));
    enum verdict verdict = judge(bench, damaged, status, why);
    bench->n_runs++;
    bench->count[verdict]++;
    if (verdict == VERDICT_DIED) {
        bench->died_at[bench->report->stage]++;
    }
    show(bench, damaged, kind, place, verdict, why);
}

static void
harm_store(struct bench *bench, size_t store, unsigned long runs, uint64_t *random)
{
    for (unsigned long i = 0; i < runs; i++) {
        harm_and_run(bench, store, HARM_BIT, random);
    }
    for (unsigned long i = 0; i < runs * PAGE_RUNS / BIT_RUNS; i++) {
        harm_and_run(bench, store, HARM_ZERO + (enum harm_kind)(i % 3), random);
    }
}

static void
take_old(void *context)
{
    struct bench *bench = context;
    for (size_t i = 0; i < WORLD_STORES; i++) {
        store_files_take(bench->world.fixture.dir, i, false, &bench->old[i]);
    }
}

static void
bench_init(struct bench *bench)
{
    world_init(&bench->world);
    world_live(&bench->world, take_old, bench);
    (void)snprintf(bench->dir, sizeof(bench->dir), "%s/case", bench->world.fixture.dir);
    for (size_t i = 0; i < WORLD_STORES; i++) {
        store_files_take(bench->world.fixture.dir, i, false, &bench->raw[i]);
        store_files_take(bench->world.fixture.dir, i, true, &bench->packed[i]);
    }
    bench->report = mmap(NULL, sizeof(*bench->report), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench->report == MAP_FAILED) {
        abort();
    }
}

static void
bench_done(struct bench *bench)
{
    for (size_t i = 0; i < WORLD_STORES; i++) {
        buffer_done(&bench->packed[i]);
        buffer_done(&bench->raw[i]);
        buffer_done(&bench->old[i]);
    }
    (void)munmap(bench->report, sizeof(*bench->report));
    world_done(&bench->world);
}

/* What everybody sees when nothing is damaged: all that was said, and it reached the other side. */
static bool
learn(struct bench *bench, size_t store)
{
    int status = run(bench, store, buffer_view(&bench->packed[store]));
    const struct report *report = bench->report;
    bench->clean[store][0] = report->before;
    bench->clean[store][1] = report->after;
    bool good = status == 0 && report->err == ERR_OK && report->check == ERR_OK &&
                report->other == ERR_OK && report->after.n_wrong == 0 && report->n_false == 0 &&
                report->stage == AT_END && report->after.n_told == 0;
    for (size_t i = 0; i < bench->world.n_said; i++) {
        const struct world_said *said = &bench->world.said[i];
        good = good && report->after.stage[said->by][i] == 1 + STAGE_DELIVERED;
    }
    if (!good) {
        (void)printf("the undamaged run is not clean: status %#x, %s %s, %s, %u told, wrong: %s\n",
                     (unsigned)status, report->said, stage_names[report->stage], report->check_said,
                     report->after.n_told, report->after.wrong);
    }
    return good;
}

static void
print_result(const struct bench *bench, uint64_t seed, double seconds)
{
    (void)printf("damage: %u runs (seed %" PRIu64 ") in %.0f s:", bench->n_runs, seed, seconds);
    for (enum verdict i = 0; i < VERDICT_COUNT; i++) {
        (void)printf("%s %u %s", i == 0 ? "" : ",", bench->count[i], verdict_names[i]);
    }
    (void)printf("\n  ended by LMDB while");
    for (enum stage i = 0; i <= AT_END; i++) {
        (void)printf(" %s: %u%s", stage_names[i], bench->died_at[i], i == AT_END ? "\n" : ",");
    }
}

static double
seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct bench bench = {.store = WORLD_STORES};

int
main(int argc, char **argv)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
                                          {"runs", required_argument, NULL, 'n'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"store", required_argument, NULL, 't'},
                                          {"blind", no_argument, NULL, 'b'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    static const size_t stores[] = {WORLD_BROKER, 0};
    uint64_t seed = 20261122;
    unsigned long runs = BIT_RUNS;
    bool blind = false;
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            runs = strtoul(optarg, NULL, 10);
            break;
        case 'o':
            bench.only = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            bench.store = strcmp(optarg, "broker") == 0 ? WORLD_BROKER : 0;
            break;
        case 'b':
            blind = true;
            break;
        case 'v':
            bench.verbose = true;
            break;
        default:
            return 2;
        }
    }
    double began = seconds_now();
    uint64_t random = seed | 1;
    chance_seed(seed);
    bench_init(&bench);
    bool good = learn(&bench, WORLD_BROKER) && learn(&bench, 0);
    for (size_t i = 0; good && i < ARRAY_LEN(stores); i++) {
        if (bench.store == WORLD_STORES || bench.store == stores[i]) {
            harm_store(&bench, stores[i], runs, &random);
        }
    }
    print_result(&bench, seed, seconds_now() - began);
    bench_done(&bench);
    good = good && (bench.count[VERDICT_BAD] > 0) == blind;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
