/* Plain words. Decides what staff read for every word of the protocol. Delivered, accepted and
 * served are four different facts to these readers, so no two stages share a word, and nothing says
 * "read" or "seen": a machine cannot know that.
 *
 * It refuses to know who reads and where it is printed. A word from a newer agent stays as it is.
 */
#include "agent/cli/words.h"

#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

enum { MS_PER_SECOND = 1000, SECONDS_PER_DAY = 86400, LATE_MS = 300000 };

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

static const struct {
    const char *words;
    bool expects;
} event_words[EVENT_COUNT] = {
    [EVENT_REQUEST] = {"sent the referral", true},
    [EVENT_ASK] = {"asked a question", true},
    [EVENT_ANSWER] = {"answered", true},
    [EVENT_ACCEPT] = {"accepted", false},
    [EVENT_DECLINE] = {"declined", true},
    [EVENT_PROGRESS] = {"reported progress", false},
    [EVENT_HOLD] = {"put it on hold", false},
    [EVENT_CANCEL] = {"asked to cancel", true},
    [EVENT_RETRACT] = {"took the cancel back", false},
    [EVENT_RELEASE] = {"released it", true},
    [EVENT_COMPLETE] = {"completed it", true},
    [EVENT_FAIL] = {"could not complete it", true},
    [EVENT_WITHDRAW] = {"withdrew it", false},
    [EVENT_ACKNOWLEDGE] = {"signed and closed it", false},
    [EVENT_VOID] = {"voided it", false},
    [EVENT_NOTE] = {"wrote a note", false},
    [EVENT_DELIVERED] = {"confirmed delivery", false},
};

static const struct {
    const char *stage, *mine, *theirs;
    const char *time; /* the field with the time it came so far, NULL when none is shown */
} stages[] = {
    {"queued", "on this machine", "", NULL},
    {"sent", "sent", "", NULL},
    {"accepted", "on the broker's disk", "", "accepted"},
    {"delivered", "on their disk", "reached us", "delivered"},
    {"refused", "refused", "refused", NULL},
};

static const struct {
    const char *event, *words;
} key_event_words[] = {
    {"founded", "the network was founded"},
    {"invited", "was invited"},
    {"invited-anew", "was invited anew (lost machine)"},
    {"joined", "joined"},
    {"joined-anew", "joined anew, with new keys"},
    {"new-keys", "changed its keys"},
    {"revoked", "was revoked"},
};

/* A step of theirs that is shown has reached us; it is worth a word only when it took long. */
static bool
reached_at_once(const json_t *step)
{
    int64_t logged_ms = 0;
    int64_t here_ms = 0;
    return !fields_flag(step, "mine") &&
           (!fields_time(step, "accepted", &logged_ms) ||
            !fields_time(step, "delivered", &here_ms) || here_ms - logged_ms < LATE_MS);
}

const char *
words_state(const char *state)
{
    enum loop_state found;
    return lifecycle_find_state(state, &found) ? state_words[found] : state;
}

const char *
words_event(const char *event)
{
    enum loop_event found;
    return lifecycle_find_event(event, &found) ? event_words[found].words : event;
}

const char *
words_key_event(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(key_event_words); i++) {
        if (strcmp(key_event_words[i].event, event) == 0) {
            return key_event_words[i].words;
        }
    }
    return event;
}

bool
words_event_expects(const char *event)
{
    enum loop_event found;
    return lifecycle_find_event(event, &found) && event_words[found].expects;
}

const char *
words_code(enum reason_list list, const char *code)
{
    const struct reason *reason = reason_find(list, code);
    if (reason == NULL) {
        return code;
    }
    /* "another reason, please explain" is a request to the writer; the reader gets the text. */
    return reason->needs_text ? code : reason->words;
}

const char *
words_code_field(enum loop_event event)
{
    static const struct {
        enum reason_list list;
        const char *field;
    } names[] = {
        {REASON_PROGRESS, "kind"},
        {REASON_OUTCOME, "outcome"},
        {REASON_NEXT_STEP, "next"},
    };
    enum reason_list list;
    if (!reason_list_for(event, &list)) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].list == list) {
            return names[i].field;
        }
    }
    return "reason";
}

const char *
words_step_code(const char *event, const json_t *facts)
{
    enum loop_event found;
    enum reason_list list;
    if (!lifecycle_find_event(event, &found) || !reason_list_for(found, &list)) {
        return "";
    }
    return words_code(list, fields_text(facts, words_code_field(found)));
}

const char *
words_notice(const json_t *loop)
{
    const char *notice = fields_text(loop, "notice");
    bool repeats = fields_flag(loop, "no_contact") && strstr(notice, "not be contacted") != NULL;
    return repeats ? "" : notice;
}

/* --- times ----------------------------------------------------------------------------------- */

static void
break_down(int64_t ms, bool utc, struct tm *out)
{
    time_t seconds = (time_t)(ms / MS_PER_SECOND);
    memset(out, 0, sizeof(*out));
    if (utc) {
        (void)gmtime_r(&seconds, out); /* fails past the year 2^31 only: then all fields are 0 */
    } else {
        (void)localtime_r(&seconds, out); /* as above */
    }
}

static const char *
month_name(const struct tm *day)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return names[(unsigned)day->tm_mon % ARRAY_LEN(names)];
}

static void
format_day(const struct tm *day, int64_t now_ms, char out[WORDS_BYTES])
{
    struct tm today;
    break_down(now_ms, false, &today);
    if (day->tm_year == today.tm_year) {
        (void)text_format(out, WORDS_BYTES, "%s %d", month_name(day), day->tm_mday);
    } else {
        (void)text_format(out, WORDS_BYTES, "%s %d %d", month_name(day), day->tm_mday,
                          day->tm_year + 1900);
    }
}

void
words_moment(int64_t ms, int64_t now_ms, char out[WORDS_BYTES])
{
    struct tm at;
    char day[WORDS_BYTES];
    break_down(ms, false, &at);
    format_day(&at, now_ms, day);
    (void)text_format(out, WORDS_BYTES, "%s %02d:%02d", day, at.tm_hour, at.tm_min);
}

void
words_moment_near(int64_t ms, int64_t near_ms, int64_t now_ms, char out[WORDS_BYTES])
{
    struct tm at;
    struct tm near;
    break_down(ms, false, &at);
    break_down(near_ms, false, &near);
    if (at.tm_year == near.tm_year && at.tm_yday == near.tm_yday) {
        (void)text_format(out, WORDS_BYTES, "%02d:%02d", at.tm_hour, at.tm_min);
    } else {
        words_moment(ms, now_ms, out);
    }
}

void
words_day(int64_t ms, int64_t now_ms, char out[WORDS_BYTES])
{
    struct tm at;
    bool bare_date = (ms / MS_PER_SECOND) % SECONDS_PER_DAY == SECONDS_PER_DAY - 1;
    break_down(ms, bare_date, &at);
    format_day(&at, now_ms, out);
}

void
words_field_day(const json_t *object, const char *name, int64_t now_ms, char out[WORDS_BYTES])
{
    int64_t ms = 0;
    out[0] = '\0';
    if (fields_time(object, name, &ms)) {
        words_day(ms, now_ms, out);
    }
}

void
words_stage(const json_t *step, int64_t now_ms, char out[WORDS_BYTES])
{
    const char *stage = fields_text(step, "stage");
    int64_t said_ms = 0;
    int64_t at_ms = 0;
    char at[WORDS_BYTES] = "";
    const char *words = stage;
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (strcmp(stages[i].stage, stage) != 0) {
            continue;
        }
        words = fields_flag(step, "mine") ? stages[i].mine : stages[i].theirs;
        if (stages[i].time != NULL && reached_at_once(step)) {
            words = "";
        } else if (words[0] != '\0' && stages[i].time != NULL &&
                   fields_time(step, stages[i].time, &at_ms)) {
            bool known = fields_time(step, "authored", &said_ms);
            words_moment_near(at_ms, known ? said_ms : 0, now_ms, at);
        }
    }
    (void)text_format(out, WORDS_BYTES, "%s%s%s", words, at[0] != '\0' ? " " : "", at);
}

void
words_to_utc(const char *text, char out[WORDS_BYTES])
{
    static const char *const forms[] = {"%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm local = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &local);
        time_t seconds = end != NULL && *end == '\0' ? mktime(&local) : (time_t)-1;
        if (seconds != (time_t)-1) {
            char utc[CLOCK_TEXT_BYTES];
            clock_format_utc((int64_t)seconds * MS_PER_SECOND, utc);
            (void)text_format(out, WORDS_BYTES, "%s", utc);
            return;
        }
    }
    (void)text_format(out, WORDS_BYTES, "%s", text); /* too long is no time: refused by the agent */
}

const char *
words_bad_time(const char *text, bool with_time)
{
    char utc[WORDS_BYTES];
    int64_t ms = 0;
    words_to_utc(text, utc);
    bool has_time = strchr(text, ':') != NULL;
    if (clock_parse(utc, true, &ms) == ERR_OK && (has_time || !with_time)) {
        return "";
    }
    return with_time ? "a time like \"2026-12-01 14:30\"" : "a date like 2026-12-01";
}
