/* Decides what a person is told first about this machine. A full disk comes before the link, since
 * it stops even the work that needs no network; then the link's trouble, one row of a table each;
 * when all is well, what there is to do.
 *
 * It refuses to know how a trouble was found. */
#include "agent/command/sentence.h"

#include <time.h>

#include "lib/base/text.h"

enum { WHEN_BYTES = 64, QUEUE_BYTES = 128 };

static const int64_t day_ms = INT64_C(86400000);
static const int64_t clock_off_ms = 2 * 60000;
/* Fewer entries behind is the ordinary run of things. */
static const uint64_t reading_entries = 50;

/* before · since_before TIME since_after · after · queue. */
static const struct row {
    const char *name;
    const char *before, *since_before, *since_after, *after;
    bool tells_queue;   /* what waits goes out by itself once this has passed */
    bool tells_refusal; /* in the broker's words */
    bool problem;
} rows[SENTENCE_TROUBLE_COUNT] = {
    [TROUBLE_NONE] = {"none", "Connecting to the broker", "", "", "", true, false, false},
    [TROUBLE_STARTING] = {"starting", "Starting: connecting to the broker", "", "", "", true, false,
                          false},
    [TROUBLE_NO_ANSWER] = {"no-answer", "Offline", " since ", "",
                           ": nobody answers at the broker's address", true, false, true},
    [TROUBLE_NOT_A_BROKER] = {"not-a-broker", "A login page or proxy answers instead of the broker",
                              " (since ", ")",
                              ": open a web browser on this machine and log in to the network",
                              true, false, true},
    [TROUBLE_WRONG_KEY] = {"wrong-key",
                           "The broker answers with a different key than this "
                           "network's",
                           " (since ", ")", ": nothing is sent. Tell your administrator", false,
                           false, true},
    [TROUBLE_REFUSED] = {"refused", "The broker does not let this agent in", " (since ", ")",
                         ": nothing is sent. Tell your administrator", false, true, true},
    [TROUBLE_INTERRUPTED] = {"interrupted", "Offline", " since ", "",
                             ": the connection to the broker was lost and is being made anew", true,
                             false, true},
    [TROUBLE_SUSPENDED] = {"suspended", "This machine slept", " until ", "", "; reconnecting", true,
                           false, false},
    [SENTENCE_REVOKED] = {"revoked", "The administrator has revoked this organization's access",
                          " (since ", ")", ": nothing is sent or received. Call the administrator",
                          false, false, true},
    [SENTENCE_BUSY] = {"broker-busy", "The broker has no room just now", " (since ", ")",
                       ": it is asked again by itself", true, false, true},
    [SENTENCE_ROLLED_BACK] = {"broker-rolled-back",
                              "The broker has lost part of what it once confirmed", " (since ", ")",
                              ": nothing is sent. Tell your administrator", false, false, true},
    [SENTENCE_RECOVERING] = {"broker-recovering",
                             "The broker was restored from a backup and takes back from its "
                             "members what it has lost",
                             " (since ", ")", ": there is nothing to do, leave this machine on",
                             true, false, true},
    [SENTENCE_UNPROVED] = {"broker-unproved", "The broker answers, but is not believed", " (since ",
                           ")",
                           ": nothing is sent until it proves its words; it is "
                           "asked again by itself",
                           false, true, true},
};

const char *
sentence_trouble_name(unsigned trouble)
{
    return trouble < SENTENCE_TROUBLE_COUNT ? rows[trouble].name : "unknown";
}

static bool
is_same_day(const struct tm *one, const struct tm *other)
{
    return one->tm_year == other->tm_year && one->tm_yday == other->tm_yday;
}

/* "16:10", "Tue 16:10" or "2026-11-03 16:10", as far back as it takes to be clear; "" when unknown.
 */
static void
write_when(int64_t ms, int64_t now_ms, char out[WHEN_BYTES])
{
    time_t then = (time_t)(ms / 1000);
    time_t now = (time_t)(now_ms / 1000);
    struct tm then_tm, now_tm;

    out[0] = '\0';
    if (ms <= 0 || localtime_r(&then, &then_tm) == NULL || localtime_r(&now, &now_tm) == NULL)
        return;
    bool near = ms <= now_ms && now_ms - ms < 6 * day_ms;
    if (is_same_day(&then_tm, &now_tm))
        (void)strftime(out, WHEN_BYTES, "%H:%M", &then_tm);
    else if (near)
        (void)strftime(out, WHEN_BYTES, "%a %H:%M", &then_tm);
    else
        (void)strftime(out, WHEN_BYTES, "%Y-%m-%d %H:%M", &then_tm);
}

static void
write_since(const char *before, const char *after, int64_t ms, int64_t now_ms, char out[WHEN_BYTES])
{
    char when[WHEN_BYTES];

    write_when(ms, now_ms, when);
    out[0] = '\0';
    if (when[0] != '\0')
        (void)text_format(out, WHEN_BYTES, "%s%s%s", before, when, after);
}

static void
write_queue(uint64_t n, char out[QUEUE_BYTES])
{
    out[0] = '\0';
    if (n == 1)
        (void)text_format(out, QUEUE_BYTES,
                          "; 1 referral waits on this machine and goes out by "
                          "itself");
    else if (n > 1)
        (void)text_format(out, QUEUE_BYTES,
                          "; %llu referrals wait on this machine and go out by themselves",
                          (unsigned long long)n);
}

static bool
write_disk(const struct sentence_facts *facts, char *out)
{
    char since[WHEN_BYTES];

    write_since(" since ", "", facts->disk_full_since_ms, facts->now_ms, since);
    (void)text_format(out, SENTENCE_BYTES,
                      "The disk is full%s: nothing new is taken in; free some space.", since);
    return true;
}

static bool
write_trouble(const struct sentence_facts *facts, char *out)
{
    unsigned trouble = facts->trouble < SENTENCE_TROUBLE_COUNT ? facts->trouble : TROUBLE_NONE;
    const struct row *row = &rows[trouble];
    const char *refusal = facts->unproved != NULL    ? facts->unproved
                          : facts->refusal != ERR_OK ? err_text(facts->refusal)
                                                     : NULL;
    bool tells_refusal = row->tells_refusal && refusal != NULL;
    char since[WHEN_BYTES];
    char queue[QUEUE_BYTES];

    write_since(row->since_before, row->since_after, facts->since_ms, facts->now_ms, since);
    write_queue(row->tells_queue ? facts->n_waiting : 0, queue);
    (void)text_format(out, SENTENCE_BYTES, "%s%s%s%s%s%s%s.", row->before,
                      row->since_before[0] != '\0' ? since : "", tells_refusal ? ": " : "",
                      tells_refusal ? refusal : "",
                      tells_refusal && row->after[0] == ':' ? ";" : "",
                      tells_refusal && row->after[0] == ':' ? row->after + 1 : row->after, queue);
    return row->problem;
}

static void
write_clock(const struct sentence_facts *facts, char out[QUEUE_BYTES])
{
    int64_t ahead = facts->clock_ahead_ms;
    char span[CLOCK_TEXT_BYTES];

    out[0] = '\0';
    if (ahead > -clock_off_ms && ahead < clock_off_ms)
        return;
    clock_format_span(ahead > 0 ? ahead : -ahead, span);
    (void)text_format(out, QUEUE_BYTES,
                      " This machine's clock is %s %s the broker's: set it right, or tell your "
                      "administrator if it is.",
                      span, ahead > 0 ? "behind" : "ahead of");
}

/* What cannot be believed is passed over, so something may be missing here that others have. */
static void
write_bad(const struct sentence_facts *facts, char out[QUEUE_BYTES])
{
    out[0] = '\0';
    if (facts->n_bad > 0)
        (void)text_format(out, QUEUE_BYTES,
                          " %llu %s from the broker cannot be believed or read: tell your "
                          "administrator.",
                          (unsigned long long)facts->n_bad,
                          facts->n_bad == 1 ? "statement" : "statements");
}

static bool
write_online(const struct sentence_facts *facts, char *out)
{
    char reading[QUEUE_BYTES] = "";
    char clock[QUEUE_BYTES];
    char bad[QUEUE_BYTES];

    if (facts->head > facts->read && facts->head - facts->read > reading_entries)
        (void)text_format(reading, sizeof(reading),
                          ", still reading what happened meanwhile (%llu of %llu)",
                          (unsigned long long)facts->read, (unsigned long long)facts->head);
    write_clock(facts, clock);
    write_bad(facts, bad);
    if (facts->n_need_me == 0)
        (void)text_format(out, SENTENCE_BYTES, "Online%s. Nothing needs you.%s%s", reading, clock,
                          bad);
    else
        (void)text_format(out, SENTENCE_BYTES, "Online%s. %llu %s you.%s%s", reading,
                          (unsigned long long)facts->n_need_me,
                          facts->n_need_me == 1 ? "referral needs" : "referrals need", clock, bad);
    return clock[0] != '\0' || bad[0] != '\0';
}

bool
sentence_write(const struct sentence_facts *facts, char out[SENTENCE_BYTES])
{
    if (facts->disk_full)
        return write_disk(facts, out);
    return facts->ready ? write_online(facts, out) : write_trouble(facts, out);
}
