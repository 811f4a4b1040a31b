/* A CSV file of referrals, one per row. */
#ifndef REFLOOP_AGENT_INTAKE_CSV_ROWS_H
#define REFLOOP_AGENT_INTAKE_CSV_ROWS_H

#include "agent/intake/referral.h"

/* Adds one referral per row that is not blank, ready or refused. ERR_INVALID with *fault when the
 * header cannot be used or there are too many rows; ERR_MEMORY. The caller frees what was added. */
enum err csv_rows_read(const struct intake_context *context, struct bytes text,
                       struct intake_result *result, struct content_fault *fault) MUST_CHECK;

#endif
