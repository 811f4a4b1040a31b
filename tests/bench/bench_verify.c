/* How fast a log is verified, beside this machine's own Ed25519 verifications in the same run; how
 * much memory that takes; how fast the last thousand entries are verified alone, and how fast a
 * broker starts on such a log.
 *
 *   bench_verify make HOME ENTRIES     a log with one signature for each entry
 *   bench_verify run HOME [THREADS] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker/audit/audit.h"
#include "lib/base/secret.h"
#include "tests/support/make_log.h"

enum {
    MEMBERS = 60,
    SEALED_BYTES = 2560, /* a request of a few lines, sealed */
    COMMIT_AFTER = 4096,
    SINCE = 1000,
    ROUNDS = 40960,
    SIGNATURES = 4096,
    SIGNERS = 60,
    MIB = 1 << 20,
};

static long peak_kib;

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        fprintf(stderr, "bench_verify: %s: %s\n", what, err_text(err));
        exit(1);
    }
}

static double
read_clock(clockid_t clock)
{
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double
now_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* What this process has worked: the same on a machine that others use too. */
static double
worked_s(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

struct taken {
    double seconds, worked;
};

/* Memory of our own: the map of the store is the kernel's to drop. */
static void
look_at_memory(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            long kib = strtol(line + 8, NULL, 10);
            peak_kib = kib > peak_kib ? kib : peak_kib;
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
}

static void
on_progress(void *context, const char *phase, uint64_t done, uint64_t total)
{
    (void)context;
    look_at_memory();
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%-20s %" PRIu64 " of %" PRIu64 "   ", phase, done, total);
    }
}

/* Signatures that differ, as those of a log do: one checked again and again would be checked faster
 * than any in use, since the processor learns its bits. */
static struct taken
measure_core(void)
{
    static struct sign_public public_keys[SIGNERS];
    static struct sign_secret secrets[SIGNERS];
    static uint8_t signatures[SIGNATURES][SIGN_BYTES];
    uint8_t text[68] = {1};
    const struct bytes part = bytes_of(text, sizeof(text));
    for (size_t i = 0; i < SIGNERS; i++) {
        sign_new_pair(&public_keys[i], &secrets[i]);
    }
    for (size_t i = 0; i < SIGNATURES; i++) {
        (void)kv_key_u64(i, text);
        sign_make(SIGN_STATEMENTS, &part, 1, &secrets[i % SIGNERS], signatures[i]);
    }
    double began = now_s();
    double began_work = worked_s();
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t k = i % SIGNATURES;
        (void)kv_key_u64(k, text);
        must(sign_check(SIGN_STATEMENTS, &part, 1, &public_keys[k % SIGNERS], signatures[k]),
             "signature");
    }
    return (struct taken){(now_s() - began) / ROUNDS, (worked_s() - began_work) / ROUNDS};
}

/* ---- make ---- */

static void
start_broker(const char *home, const struct make_log *log, struct bytes genesis)
{
    char store[FILE_PATH_MAX];
    struct broker *broker = NULL;
    struct complaint complaint = {.text = ""};
    must(file_path(store, home, "store"), "path");
    const struct broker_options options = {
        .store_dir = store,
        .map_bytes = (int64_t)16 * 1024 * MIB,
        .map_max_bytes = (int64_t)16 * 1024 * MIB,
        .genesis_envelope = genesis,
        .network = log->network,
        .log_secret = &log->log,
        .gather_statements = 64,
        .admit_below_percent = 90,
    };
    double began = now_s();
    must(broker_open(&options, &broker, &complaint), complaint.text);
    printf("broker start                       %.3f s\n", now_s() - began);
    broker_free(broker);
}

static void
make(const char *home, uint64_t entries)
{
    char path[FILE_PATH_MAX];
    CLEANUP(buffer_done) struct buffer genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    static struct make_log kept;
    const struct make_log_options options = {.home = home,
                                             .n_members = MEMBERS,
                                             .sealed_bytes = SEALED_BYTES,
                                             .commit_after = COMMIT_AFTER};
    double began = now_s();
    struct make_log *log = make_log_new(&options);
    make_log_fill(log, entries > SINCE ? entries - SINCE : entries);
    make_log_commit(log);
    must(file_path(path, home, "since"), "path");
    must(file_replace(path, buffer_view(&log->note), 0600), "checkpoint");
    make_log_fill(log, entries);
    buffer_put(&genesis, log->genesis.data, log->genesis.len);
    kept.network = log->network;
    kept.log = log->log;
    make_log_free(log);
    printf("made %" PRIu64 " entries in             %.1f s\n", entries, now_s() - began);
    start_broker(home, &kept, buffer_view(&genesis));
}

/* ---- run ---- */

static struct audit_report
verify(const char *home, unsigned n_threads, struct bytes since, struct taken *taken_out)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    struct audit_report report;
    const struct audit_verify_options options = {
        .since = since, .n_threads = n_threads, .progress = on_progress};
    double began = now_s();
    double began_work = worked_s();
    must(audit_open(home, NULL, &audit, &complaint), complaint.text);
    must(audit_verify(audit, &options, &report, &complaint), complaint.text);
    look_at_memory();
    *taken_out = (struct taken){now_s() - began, worked_s() - began_work};
    return report;
}

static void
run(const char *home, unsigned n_threads)
{
    CLEANUP(buffer_done) struct buffer since = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    char path[FILE_PATH_MAX];
    struct taken all;
    long n_cores = n_threads > 0 ? (long)n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    must(file_path(path, home, "since"), "path");
    must(file_read(path, &since), "checkpoint");
    struct taken before = measure_core();
    struct audit_report report = verify(home, n_threads, bytes_of(NULL, 0), &all);
    struct taken after = measure_core();
    double core = (before.seconds + after.seconds) / 2;
    double core_worked = (before.worked + after.worked) / 2;
    double rate = (double)report.signatures / all.seconds;
    printf("Ed25519 verifications, one core    %.0f /s (%.0f before, %.0f after)\n", 1 / core,
           1 / before.seconds, 1 / after.seconds);
    printf("entries %" PRIu64 ", loops %" PRIu64 ", signatures %" PRIu64 "\n",
           report.to - report.from, report.loops, report.signatures);
    printf("verified in                        %.2f s, %.0f signatures/s on %ld cores\n",
           all.seconds, rate, n_cores);
    printf("ratio to cores x one core's rate   %.3f\n", rate * core / (double)n_cores);
    printf("the same by processor time         %.3f (%.1f us an entry, %.1f of them Ed25519)\n",
           (double)report.signatures * core_worked / all.worked,
           all.worked * 1e6 / (double)report.signatures, core_worked * 1e6);
    printf("memory beside the map, peak        %.1f MiB\n", (double)peak_kib / 1024);
    report = verify(home, n_threads, buffer_view(&since), &all);
    printf("since a checkpoint, %" PRIu64 " entries    %.3f s\n", report.to - report.from,
           all.seconds);
}

int
main(int argc, char **argv)
{
    bool locked;
    must(secret_start(&locked), "start");
    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        make(argv[2], strtoull(argv[3], NULL, 10));
    } else if ((argc == 3 || argc == 4) && strcmp(argv[1], "run") == 0) {
        run(argv[2], argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0);
    } else {
        fprintf(stderr, "usage: bench_verify make HOME ENTRIES | run HOME [THREADS]\n");
        return 2;
    }
    return 0;
}
