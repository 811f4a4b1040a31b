/* Decides the order in which a store is looked at and how the work is shared out. What is right is
 * said in the files beside it. The calling thread only waits and tells how far it has come, so that
 * a slow terminal slows nothing. */
#include "broker/audit/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "broker/recover.h"
#include "lib/base/clock.h"

enum {
    PROGRESS_MS = 250,
    BUCKETS_BYTES = 48 * 1024 * 1024, /* of all threads together */
    BUCKET_BYTES_MIN = 1024 * 1024,
};

struct phase {
    const char *words;
    void (*run)(struct verify_worker *worker);
    uint64_t total;
};

/* The threads of a phase that are still at work. */
struct crew {
    pthread_mutex_t lock;
    pthread_cond_t finished;
    size_t n_working;
    void (*run)(struct verify_worker *worker);
};

struct hand {
    struct crew *crew;
    struct verify_worker *worker;
};

static void *
work(void *context)
{
    const struct hand *hand = context;
    hand->crew->run(hand->worker);
    (void)pthread_mutex_lock(&hand->crew->lock);
    hand->crew->n_working--;
    (void)pthread_cond_signal(&hand->crew->finished);
    (void)pthread_mutex_unlock(&hand->crew->lock);
    return NULL;
}

static void
tell(const struct verify *verify, const struct audit_verify_options *options,
     const struct phase *phase)
{
    if (options->progress != NULL) {
        uint64_t done = atomic_load(&verify->done);
        options->progress(options->context, phase->words, done < phase->total ? done : phase->total,
                          phase->total);
    }
}

static void
wait_for(struct crew *crew, const struct verify *verify, const struct audit_verify_options *options,
         const struct phase *phase)
{
    enum { MS = 1000 * 1000, S = 1000 * MS };
    (void)pthread_mutex_lock(&crew->lock);
    while (crew->n_working > 0) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PROGRESS_MS * (long)MS;
        until.tv_sec += until.tv_nsec / S;
        until.tv_nsec %= S;
        if (pthread_cond_timedwait(&crew->finished, &crew->lock, &until) == ETIMEDOUT) {
            (void)pthread_mutex_unlock(&crew->lock);
            tell(verify, options, phase);
            (void)pthread_mutex_lock(&crew->lock);
        }
    }
    (void)pthread_mutex_unlock(&crew->lock);
}

static void
crew_init(struct crew *crew, void (*run)(struct verify_worker *worker))
{
    pthread_condattr_t attributes;
    *crew = (struct crew){.run = run};
    (void)pthread_condattr_init(&attributes); /* none of these can fail here */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&crew->finished, &attributes);
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_condattr_destroy(&attributes);
}

/* A thread that cannot be started is done without; with none at all this one does the work. */
static void
run_phase(struct verify *verify, const struct audit_verify_options *options,
          const struct phase *phase)
{
    struct crew crew;
    struct hand hands[STATE_THREADS_MAX];
    size_t n = 0;
    crew_init(&crew, phase->run);
    atomic_store(&verify->next, 0);
    atomic_store(&verify->done, 0);
    tell(verify, options, phase);
    for (; n < verify->n_workers; n++) {
        hands[n] = (struct hand){&crew, &verify->workers[n]};
        (void)pthread_mutex_lock(&crew.lock);
        bool started = pthread_create(&verify->workers[n].thread, NULL, work, &hands[n]) == 0;
        crew.n_working += started ? 1 : 0;
        (void)pthread_mutex_unlock(&crew.lock);
        if (!started) {
            break;
        }
    }
    if (n == 0) {
        phase->run(&verify->workers[0]);
    }
    wait_for(&crew, verify, options, phase);
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(verify->workers[i].thread, NULL);
    }
    tell(verify, options, phase);
    (void)pthread_cond_destroy(&crew.finished);
    (void)pthread_mutex_destroy(&crew.lock);
}

static void
verify_done(struct verify *verify)
{
    for (size_t i = 0; verify->workers != NULL && i < verify->n_workers; i++) {
        spill_writer_done(&verify->workers[i].writer);
        verify_mail_done(&verify->workers[i].mail);
        buffer_done(&verify->workers[i].scratch);
    }
    free(verify->workers);
    spill_freep(&verify->spill);
    finding_done(&verify->finding);
}

static enum err
init_workers(struct verify *verify, unsigned n_threads)
{
    struct audit *audit = verify->audit;
    size_t n = n_threads > 0 && n_threads < audit->n_workers ? n_threads : audit->n_workers;
    verify->workers = calloc(n, sizeof(*verify->workers));
    enum err err = verify->workers == NULL ? ERR_MEMORY : spill_new(0, &verify->spill);
    verify->n_workers = n;
    verify->bucket_bytes =
        BUCKETS_BYTES / n > BUCKET_BYTES_MIN ? BUCKETS_BYTES / n : BUCKET_BYTES_MIN;
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        struct verify_worker *worker = &verify->workers[i];
        worker->verify = verify;
        worker->txn = audit->workers[i];
        worker->scratch = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
        err = spill_writer_init(&worker->writer, verify->spill);
        if (err == ERR_OK) {
            err = verify_mail_init(&worker->mail, audit->keyring.n_orgs);
        }
    }
    return err;
}

/* What the log claims beyond, or less than, what the broker has signed. A restored store may hold
 * entries again that are not signed for yet. */
static void
check_size(struct verify *verify)
{
    const struct audit *audit = verify->audit;
    bool is_copy = kv_has(audit->txn, TABLE_META, bytes_of_text(RECOVER_MARK));
    uint64_t signed_size = verify->checkpoint.size;
    if (!verify->has_checkpoint) {
        finding_other(&verify->finding, "the broker has signed no checkpoint of this log, or it "
                                        "is damaged");
    } else if (audit->entries < signed_size) {
        finding_entry(&verify->finding, audit->entries,
                      "it is missing: the broker has signed a log of %llu entries",
                      (unsigned long long)signed_size);
    } else if (audit->entries > signed_size && !is_copy) {
        finding_entry(&verify->finding, signed_size,
                      "the broker has signed no checkpoint that covers it");
    }
}

static void
read_checkpoint(struct verify *verify)
{
    const struct audit *audit = verify->audit;
    struct bytes note;
    verify->has_checkpoint =
        state_read_meta(audit, META_CHECKPOINT, &note) == ERR_OK &&
        checkpoint_open(note, &audit->network, &directory_genesis(audit->directory)->broker_log,
                        &verify->checkpoint) == ERR_OK;
}

static struct verify_counts
sum_counts(const struct verify *verify)
{
    struct verify_counts sum = {.signatures = verify->audit->keyring.n_entries};
    for (size_t i = 0; i < verify->n_workers; i++) {
        const struct verify_counts *counts = &verify->workers[i].counts;
        sum.signatures += counts->signatures;
        sum.statements += counts->statements;
        sum.loops += counts->loops;
        sum.mailbox += counts->mailbox;
        sum.sealed += counts->sealed;
    }
    return sum;
}

/* Entries first: a bad one explains what is wrong after it. */
static void
look(struct verify *verify, const struct audit_verify_options *options)
{
    const struct phase phases[] = {
        {"checking entries", verify_entries_run, verify->to - verify->from},
        {"checking loops", verify_loops_run, SPILL_BUCKETS},
    };
    check_size(verify);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        run_phase(verify, options, &phases[i]);
    }
    if (!finding_is_before(&verify->finding, FINDING_NO_ENTRY - 1)) {
        const struct verify_counts sum = sum_counts(verify);
        verify_rows_count(verify, &sum);
        verify_tree_top(verify);
        verify_tree_witnessed(verify);
    }
}

enum err
audit_verify(struct audit *audit, const struct audit_verify_options *options,
             struct audit_report *report_out, struct complaint *complaint)
{
    CLEANUP(verify_done) struct verify verify = {.audit = audit, .to = audit->entries};
    int64_t began_ms = clock_now().boot_ms;
    finding_init(&verify.finding);
    read_checkpoint(&verify);
    enum err err = verify_tree_since(&verify, options->since, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = init_workers(&verify, options->n_threads);
    if (err != ERR_OK) {
        return complain(complaint, err, "the work cannot be begun (see TMPDIR): %s", err_text(err));
    }
    look(&verify, options);
    const struct verify_counts sum = sum_counts(&verify);
    err = finding_conclude(&verify.finding, complaint);
    if (err != ERR_OK && err != ERR_CORRUPT) {
        return err;
    }
    *report_out = (struct audit_report){
        .from = verify.from,
        .to = verify.to,
        .signatures = sum.signatures,
        .statements = sum.statements,
        .loops = sum.loops,
        .elapsed_ms = clock_now().boot_ms - began_ms,
        .bad_index = atomic_load(&verify.finding.lowest),
    };
    return err;
}
