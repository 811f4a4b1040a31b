/* Where a loop stands, in FHIR's words: Task.status and ServiceRequest.status as HL7 SDOH Clinical
 * Care 3.0.0 uses them, and the business status of BSeR 2.0.0. */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_STATUS_H
#define REFLOOP_AGENT_INTAKE_FHIR_STATUS_H

#include "lib/loop/lifecycle.h"

/* Which step counts, and what came of it. */
struct fhir_standing {
    struct loop_position position; /* for a closed loop, the state it was closed from */
    const char
        *code; /* reason, or kind of progress, of the step that made this state; "" when none */
    bool re_referred; /* closed with another loop that goes on */
};

struct fhir_status {
    const char *task;
    const char *business_code;  /* of BSeR's TaskBusinessStatusCS; NULL when it has none for this */
    const char *business_words; /* NULL when there is nothing to say */
    const char *request;
};

struct fhir_status fhir_status_of(const struct fhir_standing *standing);

#endif
