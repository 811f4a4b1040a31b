/* What somebody outside the network reads: they know neither the protocol's words nor its states,
 * and a closed loop must not sound like a served person. Times are the reader's own, except bare
 * dates, which are the same day for everybody. It does not know who reads. */
#include <string.h>
#include <time.h>

#include "lib/base/text.h"
#include "lib/proof/evidence.h"

enum { MS_PER_SECOND = 1000, SECONDS_PER_DAY = 86400 };

static const struct {
    const char *words, *due;
} event_words[EVENT_COUNT] = {
    [EVENT_REQUEST] = {"sent the referral", "needed by"},
    [EVENT_ASK] = {"asked a question", NULL},
    [EVENT_ANSWER] = {"answered the question", NULL},
    [EVENT_ACCEPT] = {"accepted the referral", "outcome expected by"},
    [EVENT_DECLINE] = {"declined the referral", NULL},
    [EVENT_PROGRESS] = {"reported progress", NULL},
    [EVENT_HOLD] = {"put it on hold", "to be looked at again by"},
    [EVENT_CANCEL] = {"asked to cancel it", NULL},
    [EVENT_RETRACT] = {"took the cancel back", NULL},
    [EVENT_RELEASE] = {"gave it back", NULL},
    [EVENT_COMPLETE] = {"reported it completed", NULL},
    [EVENT_FAIL] = {"reported that it could not be done", NULL},
    [EVENT_WITHDRAW] = {"withdrew it", NULL},
    [EVENT_ACKNOWLEDGE] = {"signed for the outcome", NULL},
    [EVENT_VOID] = {"declared it entered in error", NULL},
    [EVENT_NOTE] = {"wrote a note", NULL},
    [EVENT_DELIVERED] = {"confirmed delivery", NULL},
};

static const char *const state_words[LOOP_STATE_COUNT] = {
    [LOOP_NONE] = "not started",
    [LOOP_REQUESTED] = "requested",
    [LOOP_INFO_REQUESTED] = "question asked",
    [LOOP_ACCEPTED] = "accepted",
    [LOOP_IN_PROGRESS] = "in progress",
    [LOOP_ON_HOLD] = "on hold",
    [LOOP_CANCEL_REQUESTED] = "cancel asked",
    [LOOP_DECLINED] = "declined",
    [LOOP_COMPLETED] = "completed",
    [LOOP_NOT_COMPLETED] = "not completed",
    [LOOP_WITHDRAWN] = "withdrawn",
    [LOOP_CLOSED] = "closed",
    [LOOP_VOID] = "void",
};

const char *
evidence_words_event(enum loop_event event)
{
    return (size_t)event < EVENT_COUNT ? event_words[event].words : "";
}

const char *
evidence_words_state(enum loop_state state)
{
    return (size_t)state < LOOP_STATE_COUNT ? state_words[state] : "";
}

const char *
evidence_words_due(enum loop_event event)
{
    return (size_t)event < EVENT_COUNT ? event_words[event].due : NULL;
}

/* Before 1970 the seconds round down, not towards zero. */
static time_t
seconds_of(int64_t ms)
{
    return (time_t)(ms / MS_PER_SECOND - (ms % MS_PER_SECOND < 0));
}

/* Times a member claims may be any number: those past what a calendar holds are said so. */
static void
format(int64_t ms, bool utc, const char *form, char out[EVIDENCE_TIME_TEXT])
{
    struct tm at;
    time_t seconds = seconds_of(ms);
    bool known = utc ? gmtime_r(&seconds, &at) != NULL : localtime_r(&seconds, &at) != NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    known = known && at.tm_year < 9999 - 1900 && strftime(out, EVIDENCE_TIME_TEXT, form, &at) > 0;
#pragma GCC diagnostic pop
    if (!known) {
        (void)text_format(out, EVIDENCE_TIME_TEXT, "no date");
    }
}

void
evidence_words_time(int64_t ms, char out[EVIDENCE_TIME_TEXT])
{
    format(ms, false, "%Y-%m-%d %H:%M", out);
}

void
evidence_words_zone(int64_t from_ms, int64_t to_ms, char out[EVIDENCE_TIME_TEXT])
{
    char from[EVIDENCE_TIME_TEXT];
    char to[EVIDENCE_TIME_TEXT];
    format(from_ms, false, "%Z", from);
    format(to_ms, false, "%Z", to);
    bool same = strcmp(from, to) == 0;
    (void)text_format(out, EVIDENCE_TIME_TEXT, "%s%s%s", from, same ? "" : "/", same ? "" : to);
}

void
evidence_words_date(int64_t ms, char out[EVIDENCE_TIME_TEXT])
{
    bool bare = ms >= 0 && (ms / MS_PER_SECOND) % SECONDS_PER_DAY == SECONDS_PER_DAY - 1;
    format(ms, bare, bare ? "%Y-%m-%d" : "%Y-%m-%d %H:%M", out);
}
