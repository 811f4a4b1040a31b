/* The answer for people: the yes or no first, then what happened, then what was checked and what
 * that is worth. The reader knows nothing of refloop and may have to defend the page before others,
 * so it claims no more than was checked. Names and contents were written by others: none of their
 * bytes can steer the terminal. */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/verify/verify.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/terminal.h"
#include "lib/trust/token.h"

enum { LINE_BYTES = 256 * 1024, CONTENT_INDENT = 4, MS_PER_SECOND = 1000, SLOW_MS = 5 * 60 * 1000 };
enum { COUNT_TEXT = 32, STEP_COLUMN = 30 };

static void
free_text(char **text)
{
    free(*text);
}

static void say(const char *format, ...) PRINTF_LIKE(1, 2);

/* One line, cleaned. A stream that fails remembers it; main looks. */
static void
say(const char *format, ...)
{
    CLEANUP(buffer_wipe) struct buffer clean = BUFFER_INIT(LINE_BYTES);
    CLEANUP(free_text) char *line = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&line, format, args);
    va_end(args);
    if (len < 0) {
        line = NULL;
        (void)fputs("(out of memory)\n", stdout); /* at least the line's absence is seen */
        return;
    }
    (void)terminal_put(&clean, line, 0);
    (void)fprintf(stdout, "%.*s\n", (int)clean.len, clean.len > 0 ? (const char *)clean.data : "");
}

static void
paint(bool colour, const char *code)
{
    if (colour) {
        (void)fputs(code, stdout);
    }
}

/* "1,000,000": such a number is read aloud. */
static const char *
count_text(uint64_t n, char out[COUNT_TEXT])
{
    char digits[COUNT_TEXT];
    size_t at = 0;
    (void)text_format(digits, sizeof(digits), "%" PRIu64, n);
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

const struct evidence_step *
verify_delivery(const struct evidence_reading *reading, size_t i)
{
    for (size_t k = i + 1; k < reading->n_steps; k++) {
        if (reading->steps[k].confirms == i) {
            return &reading->steps[k];
        }
    }
    return NULL;
}

/* ---- the yes ---- */

/* What became of it, for somebody who does not know the states. Not every state has more to say
 * than its name. */
static const char *const state_sentences[LOOP_STATE_COUNT] = {
    [LOOP_REQUESTED] = "it had not been answered yet",
    [LOOP_INFO_REQUESTED] = "a question about it was open",
    [LOOP_ACCEPTED] = "it was accepted and open",
    [LOOP_IN_PROGRESS] = "it was accepted, in progress and open",
    [LOOP_ON_HOLD] = "it was accepted, on hold and open",
    [LOOP_CANCEL_REQUESTED] = "a request to cancel it was open",
    [LOOP_DECLINED] = "it was declined, and the sender had not signed for that yet",
    [LOOP_COMPLETED] = "it was reported completed, and the sender had not signed for that yet",
    [LOOP_NOT_COMPLETED] =
        "it was reported not completed, and the sender had not signed for that yet",
    [LOOP_WITHDRAWN] = "it was taken or given back, and the sender had not signed for that yet",
    [LOOP_VOID] = "it was declared entered in error",
};

/* A closed loop is closed over an outcome, and the outcome is what the reader wants to know. */
static const char *
outcome_of(const struct evidence_reading *reading)
{
    for (size_t i = reading->n_steps; i > 0; i--) {
        enum loop_state state = reading->steps[i - 1].state_after;
        if (lifecycle_is_answered(state)) {
            return evidence_words_state(state);
        }
    }
    return "answered";
}

static void
tell_yes(const struct evidence_reading *reading, bool colour)
{
    const char *source = reading->name[LOOP_SOURCE];
    const char *target = reading->name[LOOP_TARGET];
    char at[EVIDENCE_TIME_TEXT];
    char zone[EVIDENCE_TIME_TEXT];
    evidence_words_time(reading->as_of_ms, at);
    evidence_words_zone(reading->as_of_ms, reading->as_of_ms, zone);
    paint(colour, "\x1b[1;32m");
    if (reading->state == LOOP_CLOSED) {
        say("This file is true: %s sent a referral to %s; it was %s, and %s signed for that: the "
            "loop is closed, as of %s %s.",
            source, target, outcome_of(reading), source, at, zone);
    } else {
        say("This file is true: %s sent a referral to %s; as of %s %s %s.", source, target, at,
            zone, state_sentences[reading->state]);
    }
    paint(colour, "\x1b[0m");
}

/* ---- what happened ---- */

static void
tell_content(const char *title, struct bytes content)
{
    CLEANUP(free_text) char *text = NULL;
    if (content.len == 0) {
        return;
    }
    json_t *value =
        json_loadb((const char *)content.data, content.len, JSON_REJECT_DUPLICATES, NULL);
    if (value != NULL) {
        text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
        json_decref(value);
    }
    if (text == NULL) {
        text = strndup((const char *)content.data, content.len);
    }
    say("%*s%s:", STEP_COLUMN, "", title);
    char *rest = text;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        say("%*s%s", STEP_COLUMN + CONTENT_INDENT, "", line);
    }
}

static void
tell_due(const struct evidence_step *step)
{
    char due[EVIDENCE_TIME_TEXT];
    const char *words = evidence_words_due(step->event);
    if (step->due_ms != 0) {
        evidence_words_date(step->due_ms, due);
        say("%*s%s %s", STEP_COLUMN, "", words != NULL ? words : "due", due);
    }
}

static void
tell_delivery(const struct evidence_reading *reading, size_t i)
{
    const struct evidence_step *delivery = verify_delivery(reading, i);
    const char *reader =
        reading->name[reading->steps[i].role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE];
    char at[EVIDENCE_TIME_TEXT];
    if (delivery == NULL) {
        say("%*snot confirmed as received by %s", STEP_COLUMN, "", reader);
        return;
    }
    evidence_words_time(delivery->log_time_ms, at);
    say("%*sreceived by %s %s (entry %" PRIu64 ")", STEP_COLUMN, "", reader, at, delivery->index);
}

/* A machine that was offline says things late; a wrong clock looks the same. */
static void
tell_delay(const struct evidence_step *step)
{
    char at[EVIDENCE_TIME_TEXT];
    bool apart = step->authored_ms < step->log_time_ms - SLOW_MS ||
                 step->authored_ms > step->log_time_ms + SLOW_MS;
    if (apart) {
        evidence_words_time(step->authored_ms, at);
        say("%*swritten %s by its author's clock", STEP_COLUMN, "", at);
    }
}

static void
tell_step(const struct evidence_reading *reading, size_t i, enum loop_state before, bool colour)
{
    const struct evidence_step *step = &reading->steps[i];
    char at[EVIDENCE_TIME_TEXT];
    char entry[COUNT_TEXT];
    evidence_words_time(step->log_time_ms, at);
    (void)text_format(entry, sizeof(entry), "%" PRIu64, step->index);
    paint(colour && step->superseded, "\x1b[2m");
    say("%s  %-*s%s %s%s%s%s", at, STEP_COLUMN - 18, entry, reading->name[step->role],
        evidence_words_event(step->event), step->automatic ? " (by a rule, not a person)" : "",
        step->state_after != before ? "  -> " : "",
        step->state_after != before ? evidence_words_state(step->state_after) : "");
    if (step->superseded) {
        say("%*ssuperseded: it crossed with a step of the other side and changed nothing",
            STEP_COLUMN, "");
    }
    tell_due(step);
    tell_delay(step);
    tell_delivery(reading, i);
    tell_content("coded facts", step->facts);
    tell_content("contents", step->body);
    paint(colour && step->superseded, "\x1b[0m");
}

static void
tell_timeline(const struct evidence_reading *reading, bool colour)
{
    enum loop_state before = LOOP_NONE;
    char zone[EVIDENCE_TIME_TEXT];
    char loop[LOOP_ID_TEXT];
    evidence_words_zone(reading->steps[0].log_time_ms, reading->as_of_ms, zone);
    ident_format(&reading->loop, loop);
    say("%s", "");
    say("Referral %s", loop);
    say("From:    %s (%s)", reading->name[LOOP_SOURCE], reading->org[LOOP_SOURCE]);
    say("To:      %s (%s)", reading->name[LOOP_TARGET], reading->org[LOOP_TARGET]);
    say("Network: %s", reading->network_name);
    say("%s", "");
    say("What happened (logged, times in %s; entry of the log; who did what)", zone);
    for (size_t i = 0; i < reading->n_steps; i++) {
        if (reading->steps[i].event != EVENT_DELIVERED) {
            tell_step(reading, i, before, colour);
            before = reading->steps[i].state_after;
        }
    }
}

/* ---- what that is worth ---- */

static bool
is_side(const struct evidence_reading *reading, const char *org)
{
    return strcmp(org, reading->org[LOOP_SOURCE]) == 0 ||
           strcmp(org, reading->org[LOOP_TARGET]) == 0;
}

static void
tell_witnesses(const struct evidence_reading *reading)
{
    char count[COUNT_TEXT];
    char at[EVIDENCE_TIME_TEXT];
    if (reading->n_cosigners == 0) {
        say("Witnessed by nobody: no member has vouched in this file that it was shown the same "
            "log.");
        return;
    }
    if (reading->n_cosigners == 1) {
        say("Witnessed by 1 member, who vouches that it was shown the same log:");
    } else {
        say("Witnessed by %zu members, who vouch that they were shown the same log:",
            reading->n_cosigners);
    }
    for (size_t i = 0; i < reading->n_cosigners; i++) {
        const struct evidence_cosigner *who = &reading->cosigners[i];
        int64_t ms = who->time_s > INT64_MAX / MS_PER_SECOND ? INT64_MAX
                                                             : (int64_t)who->time_s * MS_PER_SECOND;
        evidence_words_time(ms, at);
        say("  %s (%s), %s, a log of %s entries%s", who->name, who->org, at,
            count_text(who->size, count),
            is_side(reading, who->org) ? "; a side of this referral" : "");
    }
}

static void
tell_checked(const struct evidence_reading *reading, const struct verify_root *root)
{
    char fingerprint[FINGERPRINT_TEXT];
    char count[COUNT_TEXT];
    token_fingerprint(&reading->network, fingerprint);
    say("%s", "");
    say("Checked:");
    say("  %zu entries of the log, each signed by its author;", reading->n_entries);
    say("  every author's key, back to the network's root key %s (%s);", fingerprint,
        root->is_whole ? "given whole" : "given as this fingerprint");
    say("  that each stands in the broker's log of %s entries, at its place and time (%zu "
        "checkpoint%s, signed by the broker);",
        count_text(reading->size, count), reading->n_checkpoints, plural(reading->n_checkpoints));
    say("  that each step was allowed by the rules when it was made.");
    if (reading->n_checkpoints > 1) {
        say("  Not checked: that the log of one checkpoint goes on in the next; the file does not "
            "show it.");
    }
    tell_witnesses(reading);
}

static void
tell_limits(void)
{
    say("%s", "");
    say("This proves who said what, and in which order, and that nobody has changed it since.");
    say("It does not prove that what they said is so, that nothing was said after the last "
        "checkpoint,");
    say("or that no revocation of a key was left out of this file: that takes an audit of the "
        "whole log.");
}

void
verify_tell(const struct evidence_reading *reading, const struct verify_root *root, bool colour)
{
    tell_yes(reading, colour);
    tell_timeline(reading, colour);
    tell_checked(reading, root);
    tell_limits();
}

void
verify_tell_failure(const char *path, const char *sentence, bool colour)
{
    paint(colour, "\x1b[1;31m");
    say("This file proves nothing: %s.", sentence);
    paint(colour, "\x1b[0m");
    say("%s: whatever it tells, do not rely on it.", path);
}
