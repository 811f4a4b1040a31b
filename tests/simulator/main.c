/* refloop-simulator: runs networks, each in a process of its own, so that an assertion or an
 * endless loop is a finding like any other and no run can spoil the next. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulator/bugs.h"
#include "tests/simulator/sim.h"

enum { JOBS_MAX = 16, SPAN_DAYS = 5, HUNT_SEEDS = 24, PATIENCE_S = 300, FILES = 4096 };

struct options {
    unsigned days, agents, jobs;
    uint64_t seed;
    const char *bug, *seeds;
    bool json, quiet, twice, hunt, talks;
};

struct order {
    uint64_t seed;
    unsigned agents, days;
};

struct worker {
    pid_t pid;
    int pipe;
    struct order order;
};

struct totals {
    unsigned runs, broken, days;
    struct counts counts;
    uint8_t digest[16]; /* of all, whatever their order */
    struct result last; /* the last that was broken */
};

static void
work(const struct options *options, const struct order *order, int out)
{
    struct result result = {.broken = RULE_NONE};
    (void)alarm(PATIENCE_S);
    sim_run(order->seed, order->agents, order->days, options->talks, &result);
    if (write(out, &result, sizeof(result)) != (ssize_t)sizeof(result)) {
        _exit(1);
    }
    exit(0); /* with what a sanitizer has to say */
}

static void
start(const struct options *options, const struct order *order, struct worker *worker)
{
    int ends[2];
    (void)fflush(NULL);
    if (pipe(ends) != 0) {
        abort();
    }
    *worker = (struct worker){.pipe = ends[0], .order = *order};
    worker->pid = fork();
    if (worker->pid < 0) {
        abort();
    }
    if (worker->pid == 0) {
        close(ends[0]);
        work(options, order, ends[1]);
    }
    close(ends[1]);
}

static struct result
finish(struct worker *worker, int status)
{
    struct result result = {.broken = RULE_NONE};
    ssize_t n = read(worker->pipe, &result, sizeof(result));
    close(worker->pipe);
    worker->pid = 0;
    if (n != (ssize_t)sizeof(result) || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
        result = (struct result){.broken = RULE_CRASH};
        (void)snprintf(result.what, sizeof(result.what), hung ? "no end after %d s" : "status %d",
                       hung ? PATIENCE_S : status);
    }
    return result;
}

static void
add(struct totals *totals, const struct order *order, const struct result *result)
{
    uint64_t *sum = (uint64_t *)&totals->counts;
    const uint64_t *one = (const uint64_t *)&result->counts;
    totals->runs++;
    totals->days += order->days;
    for (size_t i = 0; i < sizeof(struct counts) / sizeof(uint64_t); i++) {
        sum[i] += one[i];
    }
    for (size_t i = 0; i < sizeof(totals->digest); i++) {
        totals->digest[i] ^= result->digest[i];
    }
    if (result->broken != RULE_NONE) {
        totals->broken++;
        totals->last = *result;
    }
}

static void
report(const struct options *options, const struct order *order, const struct result *result)
{
    if (result->broken != RULE_NONE && !(options->quiet && options->hunt)) {
        printf("BROKEN seed=%llu agents=%u days=%u rule=%s (%s): %s\n",
               (unsigned long long)order->seed, order->agents, order->days,
               rule_word(result->broken), rule_sentence(result->broken), result->what);
    } else if (!options->quiet && !options->json) {
        printf("seed=%llu entries=%llu statements=%llu loops=%llu digest=%02x%02x%02x%02x\n",
               (unsigned long long)order->seed, (unsigned long long)result->counts.entries,
               (unsigned long long)result->counts.statements,
               (unsigned long long)result->counts.loops, result->digest[0], result->digest[1],
               result->digest[2], result->digest[3]);
    }
}

/* Two at a time, in the order they end. */
static void
run_all(const struct options *options, const struct order *orders, size_t n, struct totals *totals,
        bool until_broken)
{
    struct worker workers[JOBS_MAX] = {{.pid = 0}};
    unsigned running = 0;
    size_t next = 0;
    while (next < n || running > 0) {
        bool enough = until_broken && totals->broken > 0;
        if (running < options->jobs && next < n && !enough) {
            size_t slot = 0;
            while (workers[slot].pid != 0) {
                slot++;
            }
            start(options, &orders[next++], &workers[slot]);
            running++;
            continue;
        }
        if (running == 0) {
            return;
        }
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        for (size_t i = 0; i < JOBS_MAX; i++) {
            if (pid > 0 && workers[i].pid == pid) {
                world_remove(pid);
                struct result result = finish(&workers[i], status);
                report(options, &workers[i].order, &result);
                add(totals, &workers[i].order, &result);
                running--;
            }
        }
    }
}

/* --- what is asked for --- */

static size_t
make_orders(const struct options *options, struct order **orders_out)
{
    size_t n = (options->days + SPAN_DAYS - 1) / SPAN_DAYS;
    struct order *orders = calloc(n + 1, sizeof(*orders));
    for (size_t i = 0; orders != NULL && i < n; i++) {
        unsigned left = options->days - (unsigned)i * SPAN_DAYS;
        orders[i] = (struct order){.seed = options->seed + i,
                                   .agents = options->agents,
                                   .days = left < SPAN_DAYS ? left : SPAN_DAYS};
    }
    *orders_out = orders;
    return n;
}

/* Lines of "seed agents days", and comments. */
static size_t
read_orders(const char *path, struct order **orders_out)
{
    char line[256];
    size_t n = 0;
    struct order *orders = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long long seed;
        struct order order;
        if (sscanf(line, "%llu %u %u", &seed, &order.agents, &order.days) == 3) {
            order.seed = seed;
            orders = realloc(orders, (n + 1) * sizeof(*orders));
            if (orders == NULL) {
                abort();
            }
            orders[n++] = order;
        }
    }
    (void)fclose(file);
    *orders_out = orders;
    return n;
}

static double
seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
summarize(const struct options *options, const struct totals *totals, double took_s)
{
    const struct counts *counts = &totals->counts;
    const char *format =
        options->json
            ? "{\"days\": %u, \"networks\": %u, \"broken\": %u, \"statements\": %llu, "
              "\"receipted\": "
              "%llu, \"delivered\": %llu, \"refused\": %llu, \"loops\": %llu, \"entries\": %llu, "
              "\"frames\": %llu, \"faults\": %llu, \"broker_starts\": %llu, \"agent_starts\": "
              "%llu, "
              "\"restores\": %llu, \"seed\": %llu, \"seconds\": %.1f, \"days_per_s\": %.2f, "
              "\"digest\": \"%02x%02x%02x%02x\"}\n"
            : "%u network-days in %u networks: %u broken; %llu statements, %llu receipted, %llu "
              "delivered, %llu refused; %llu loops, %llu entries, %llu frames; %llu faults, %llu "
              "broker starts, %llu agent starts, %llu restores; seed %llu, %.1f s, %.2f days/s, "
              "digest %02x%02x%02x%02x\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    printf(format, totals->days, totals->runs, totals->broken,
           (unsigned long long)counts->statements, (unsigned long long)counts->receipted,
           (unsigned long long)counts->delivered, (unsigned long long)counts->refused,
           (unsigned long long)counts->loops, (unsigned long long)counts->entries,
           (unsigned long long)counts->frames, (unsigned long long)counts->faults,
           (unsigned long long)counts->broker_starts, (unsigned long long)counts->agent_starts,
           (unsigned long long)counts->restores, (unsigned long long)options->seed, took_s,
           (double)totals->days / (took_s > 0 ? took_s : 1), totals->digest[0], totals->digest[1],
           totals->digest[2], totals->digest[3]);
#pragma GCC diagnostic pop
}

/* Every planted bug must be found, by a rule that it breaks. */
static int
hunt(struct options *options)
{
    unsigned missed = 0;
    for (size_t i = 0; i < bugs_count(); i++) {
        const struct bug *bug = bugs_at(i);
        struct order orders[HUNT_SEEDS];
        struct totals totals = {.runs = 0};
        if (options->bug != NULL && strcmp(options->bug, bug->name) != 0) {
            continue;
        }
        for (size_t k = 0; k < HUNT_SEEDS; k++) {
            orders[k] = (struct order){options->seed + k, options->agents, options->days};
        }
        (void)bugs_choose(bug->name);
        run_all(options, orders, HUNT_SEEDS, &totals, true);
        bool found = totals.broken > 0 && (bug->rules & (UINT32_C(1) << totals.last.broken)) != 0;
        printf("%s bug %s (%s): %s after %u networks: %s\n", found ? "found" : "MISSED", bug->name,
               bug->class, rule_word(totals.last.broken), totals.runs, totals.last.what);
        missed += !found;
    }
    printf("%zu planted bugs, %u missed\n", options->bug != NULL ? 1 : bugs_count(), missed);
    return missed == 0 ? 0 : 1;
}

static int
simulate(const struct options *options)
{
    struct order *orders = NULL;
    struct totals first = {.runs = 0};
    struct totals second = {.runs = 0};
    double began_s = seconds();
    size_t n = options->seeds != NULL ? read_orders(options->seeds, &orders)
                                      : make_orders(options, &orders);
    run_all(options, orders, n, &first, false);
    if (options->twice) {
        run_all(options, orders, n, &second, false);
    }
    free(orders);
    summarize(options, &first, seconds() - began_s);
    if (options->twice && memcmp(first.digest, second.digest, sizeof(first.digest)) != 0) {
        printf("NOT THE SAME: one seed gave two different runs\n");
        return 1;
    }
    return first.broken == 0 ? 0 : 1;
}

static int
usage(void)
{
    fprintf(stderr,
            "refloop-simulator [--days N] [--agents N] [--seed S] [--jobs N] [--bug NAME] [--json] "
            "[--quiet]\n"
            "  --seeds FILE  runs the networks listed there (seed agents days)\n"
            "  --twice       each network twice, and the same must come out\n"
            "  --hunt        plants every bug (or that of --bug) and must find it\n"
            "  --talk        tells what happens\n");
    return 2;
}

/* What an option sets: a number, a word, or that it was given. */
struct known {
    const char *name;
    size_t at;
    enum { NUMBER, SEED, WORD, GIVEN } kind;
};

static const struct known known[] = {
    {"days", offsetof(struct options, days), NUMBER},
    {"agents", offsetof(struct options, agents), NUMBER},
    {"jobs", offsetof(struct options, jobs), NUMBER},
    {"seed", offsetof(struct options, seed), SEED},
    {"bug", offsetof(struct options, bug), WORD},
    {"seeds", offsetof(struct options, seeds), WORD},
    {"json", offsetof(struct options, json), GIVEN},
    {"quiet", offsetof(struct options, quiet), GIVEN},
    {"twice", offsetof(struct options, twice), GIVEN},
    {"hunt", offsetof(struct options, hunt), GIVEN},
    {"talk", offsetof(struct options, talks), GIVEN},
};

static bool
take_option(struct options *options, const char *name, const char *value, bool *used_value)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        uint8_t *place = (uint8_t *)options + known[i].at;
        const bool yes = true;
        if (strcmp(known[i].name, name) != 0) {
            continue;
        }
        *used_value = known[i].kind != GIVEN;
        if (*used_value && value == NULL) {
            return false;
        }
        const uint64_t seed = known[i].kind == SEED ? strtoull(value, NULL, 10) : 0;
        const unsigned number = known[i].kind == NUMBER ? (unsigned)strtoul(value, NULL, 10) : 0;
        const void *from = known[i].kind == NUMBER ? (const void *)&number
                           : known[i].kind == SEED ? (const void *)&seed
                           : known[i].kind == WORD ? (const void *)&value
                                                   : (const void *)&yes;
        const size_t sizes[] = {sizeof(number), sizeof(seed), sizeof(value), sizeof(yes)};
        memcpy(place, from, sizes[known[i].kind]);
        return true;
    }
    return false;
}

int
main(int argc, char **argv)
{
    struct options options = {.days = 5, .agents = 20, .jobs = 2, .seed = 1};
    const struct rlimit files = {FILES, FILES};
    for (int i = 1; i < argc; i++) {
        bool used_value = false;
        if (strncmp(argv[i], "--", 2) != 0 ||
            !take_option(&options, argv[i] + 2, argv[i + 1], &used_value)) {
            return usage();
        }
        i += used_value;
    }
    if (options.agents < 2 || options.agents > SITES_MAX || options.jobs < 1 ||
        options.jobs > JOBS_MAX || options.days < 1 ||
        (options.bug != NULL && !bugs_choose(options.bug))) {
        return usage();
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
    return options.hunt ? hunt(&options) : simulate(&options);
}
