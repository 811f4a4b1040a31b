/* A referral in the making: what all forms of input share, whatever they look like. */
#ifndef REFLOOP_AGENT_INTAKE_REFERRAL_H
#define REFLOOP_AGENT_INTAKE_REFERRAL_H

#include "agent/intake/intake.h"

/* What intake_read was given, handed down. */
struct intake_context {
    const struct intake_defaults *defaults;
    intake_is_member is_member;
    void *member_context;
    int64_t now_ms;
};

/* Facts and body with nothing but their version; routine. ERR_MEMORY. */
enum err referral_start(struct intake_referral *referral) MUST_CHECK;
/* Frees what the referral owns. */
void referral_discard(struct intake_referral *referral);
/* Judges what a reader returned: ERR_OK makes the referral ready, once it is known to fit and to be
 * readable for the partner; ERR_INVALID makes it a refused one with its fault. Any other error is
 * returned and the referral freed. `largest` names the largest part in a fault about the size, NULL
 * when the form has no parts. */
enum err
referral_finish(struct intake_referral *referral, enum err err, const char *largest) MUST_CHECK;
/* Moves the referral to the end of the result; `room` is the number of places allocated.
 * ERR_MEMORY, then it is freed. */
enum err referral_add(struct intake_result *result, size_t *room,
                      struct intake_referral *referral) MUST_CHECK;

/* ERR_MEMORY. */
enum err referral_notice(struct intake_result *result, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_CHECK;

/* Each sets one thing or blames the field `label`. */
enum err referral_set_to(const struct intake_context *context, struct intake_referral *referral,
                         const char *label, const char *org) MUST_CHECK;
enum err referral_set_priority(struct intake_referral *referral, const char *label,
                               const char *word) MUST_CHECK;
enum err referral_set_needed_by(const struct intake_context *context,
                                struct intake_referral *referral, const char *label,
                                const char *text) MUST_CHECK;
/* Consent dates: signed not in the future (a day is left for time zones), not expired, in this
 * order. Texts may be NULL or "". */
enum err referral_check_consent_dates(const struct intake_context *context,
                                      struct content_fault *fault, const char *signed_label,
                                      const char *signed_on, const char *expires_label,
                                      const char *expires_on) MUST_CHECK;

/* "1980-02-29", "1980-02" or "1980", as FHIR's date; the last instant of it when `end`. False when
 * it is none. */
bool referral_parse_date(const char *text, bool end, int64_t *ms_out);

#endif
