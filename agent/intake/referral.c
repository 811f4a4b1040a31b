/* Decides what every referral must keep to, whatever form it came in: a partner that is a member, a
 * priority, dates that make sense, and a size that fits one statement. It refuses to know the forms
 * themselves. */
#include "agent/intake/referral.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/content/content_text.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"

static const int64_t day_ms = INT64_C(86400000);

enum err
referral_start(struct intake_referral *referral)
{
    referral->priority = PRIORITY_ROUTINE;
    referral->facts = json_object();
    referral->body = json_object();
    if (content_put(referral->facts, "v", json_integer(1)) != ERR_OK)
        return ERR_MEMORY;
    return content_put(referral->body, "v", json_integer(1));
}

void
referral_discard(struct intake_referral *referral)
{
    json_decref(referral->facts);
    json_decref(referral->body);
    referral->facts = NULL;
    referral->body = NULL;
}

/* Printed and read back as the partner will: what it could not read must not leave. */
static enum err
check_fits(struct intake_referral *referral, const char *largest)
{
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(8 * (size_t)LIMIT_BODY_BYTES);
    CLEANUP(buffer_done) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    enum err err = content_print(referral->body, &body);

    if (err != ERR_OK && err != ERR_TOO_LARGE)
        return err;
    if (err == ERR_TOO_LARGE || body.len > LIMIT_BODY_BYTES) {
        return content_blame(&referral->fault, largest != NULL ? largest : "body",
                             "the referral has %s%zu bytes, at most %d fit%s%s",
                             err == ERR_TOO_LARGE ? "more than " : "", body.len, LIMIT_BODY_BYTES,
                             largest != NULL ? "; its largest part is " : "",
                             largest != NULL ? largest : "");
    }
    err = content_print(referral->facts, &facts);
    if (err != ERR_OK) {
        return err != ERR_TOO_LARGE
                   ? err
                   : content_blame(&referral->fault, "service", "the codes are too long together");
    }
    json_t *read = NULL;
    err = content_parse(buffer_view(&body), LIMIT_BODY_BYTES, &read, &referral->fault);
    json_decref(read);
    return err;
}

enum err
referral_finish(struct intake_referral *referral, enum err err, const char *largest)
{
    if (err == ERR_OK)
        err = check_fits(referral, largest);
    referral->ready = err == ERR_OK;
    if (err == ERR_OK)
        return ERR_OK;
    referral_discard(referral);
    return err == ERR_INVALID ? ERR_OK : err;
}

enum err
referral_add(struct intake_result *result, size_t *room, struct intake_referral *referral)
{
    if (result->n == *room) {
        size_t more = *room == 0 ? 8 : 2 * *room;
        struct intake_referral *grown =
            reallocarray(result->referrals, more, sizeof(*result->referrals));
        if (grown == NULL) {
            referral_discard(referral);
            return ERR_MEMORY;
        }
        result->referrals = grown;
        *room = more;
    }
    result->referrals[result->n++] = *referral;
    return ERR_OK;
}

enum err
referral_notice(struct intake_result *result, const char *format, ...)
{
    char text[COMPLAINT_MAX_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool cut = false;
    return content_append(result->notices, content_clean("note", text, &cut));
}

enum err
referral_set_to(const struct intake_context *context, struct intake_referral *referral,
                const char *label, const char *org)
{
    char shown[ORG_ID_BYTES];

    if (!ident_is_org(org)) {
        return content_blame(&referral->fault, label,
                             "%s must be an organization's id, like elm-pantry", label);
    }
    (void)text_format(shown, sizeof(shown), "%s", org);
    if (context->is_member != NULL && !context->is_member(context->member_context, org)) {
        return content_blame(&referral->fault, label, "there is no member \"%s\" in this network",
                             shown);
    }
    memcpy(referral->to, shown, sizeof(referral->to));
    return ERR_OK;
}

enum err
referral_set_priority(struct intake_referral *referral, const char *label, const char *word)
{
    if (strcmp(word, "routine") == 0)
        referral->priority = PRIORITY_ROUTINE;
    else if (strcmp(word, "urgent") == 0)
        referral->priority = PRIORITY_URGENT;
    else
        return content_blame(&referral->fault, label, "%s must be routine or urgent", label);
    return ERR_OK;
}

enum err
referral_set_needed_by(const struct intake_context *context, struct intake_referral *referral,
                       const char *label, const char *text)
{
    int64_t ms = 0;

    if (clock_parse(text, true, &ms) != ERR_OK || ms <= 0) {
        return content_blame(
            &referral->fault, label,
            "%s must be a date like 2026-12-01 or a time like 2026-12-01T14:30:00Z", label);
    }
    /* A day for the time zones: the end of today is over in UTC while it is still today in the
     * west. */
    if (ms < context->now_ms - day_ms)
        return content_blame(&referral->fault, label, "%s is in the past", label);
    referral->needed_by_ms = ms;
    return ERR_OK;
}

static bool
is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

enum err
referral_check_consent_dates(const struct intake_context *context, struct content_fault *fault,
                             const char *signed_label, const char *signed_on,
                             const char *expires_label, const char *expires_on)
{
    int64_t from = INT64_MIN;
    int64_t until = INT64_MAX;

    if (is_given(signed_on) && !referral_parse_date(signed_on, false, &from))
        return content_blame(fault, signed_label, "%s must be a date like 2026-12-01",
                             signed_label);
    if (is_given(expires_on) && !referral_parse_date(expires_on, true, &until)) {
        return content_blame(fault, expires_label, "%s must be a date like 2026-12-01",
                             expires_label);
    }
    if (from != INT64_MIN && from > context->now_ms + day_ms)
        return content_blame(fault, signed_label, "%s is in the future", signed_label);
    if (until < from)
        return content_blame(fault, expires_label, "%s is before the consent was signed",
                             expires_label);
    if (until < context->now_ms - day_ms)
        return content_blame(fault, expires_label, "the consent has expired");
    return ERR_OK;
}

bool
referral_parse_date(const char *text, bool end, int64_t *ms_out)
{
    /* The shorter forms are filled up to a whole date; of the last days of a month, the first that
     * exists. */
    static const char *const first[] = {"-01-01", "-01"};
    static const char *const last[] = {"-12-31", "-31", "-30", "-29", "-28"};
    size_t len = strlen(text);
    char date[16];

    if (len != 4 && len != 7)
        return clock_parse(text, end, ms_out) == ERR_OK;
    const char *const *tails = end ? last : first;
    size_t n = end ? ARRAY_LEN(last) : ARRAY_LEN(first);
    for (size_t i = len == 4 ? 0 : 1; i < (len == 4 ? 1 : n); i++) {
        if (text_format(date, sizeof(date), "%s%s", text, tails[i]) &&
            clock_parse(date, end, ms_out) == ERR_OK)
            return true;
    }
    return false;
}
