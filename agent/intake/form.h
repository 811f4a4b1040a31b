/* refloop's own JSON form (docs/json.md), and the same fields as columns of a CSV row. */
#ifndef REFLOOP_AGENT_INTAKE_FORM_H
#define REFLOOP_AGENT_INTAKE_FORM_H

#include "agent/intake/referral.h"

struct form_field;

/* Reads one form into a referral (zeroed but for its row): ready, or refused with its fault.
 * `columns`: the form was made from a CSV row, so faults name columns. Own errors only. */
enum err form_read(const struct intake_context *context, json_t *form, bool columns,
                   struct intake_referral *referral) MUST_CHECK;

/* A form that holds nothing but "consent": it may accompany FHIR resources that have none. */
bool form_is_consent_only(const json_t *form);
/* Reads only the consent into facts and body of a started referral. ERR_INVALID with the referral's
 * fault, ERR_MEMORY. */
enum err form_read_consent(const struct intake_context *context, json_t *form,
                           struct intake_referral *referral) MUST_CHECK;

/* The field of a CSV column (any case), NULL when there is none. */
const struct form_field *form_find_column(const char *name);
/* Writes a cell into a form as its JSON would be. ERR_INVALID when the cell is no such value. */
enum err form_set_column(const struct form_field *field, json_t *form, const char *text, size_t len,
                         struct content_fault *fault) MUST_CHECK;
/* Column names a file must have, one after the other; NULL at the end. */
const char *form_required_column(size_t i);

#endif
