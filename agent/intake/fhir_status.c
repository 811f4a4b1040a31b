/* THE mapping from our states to FHIR's. One table, first matching row counts; the row without a
 * code is the rest of its state. Where the guides differ (BSeR knows appointments, SDOH Clinical
 * Care does not) each word goes into the element of the guide it comes from.
 *
 * It refuses to know how a loop came to stand where it stands. */
#include "agent/intake/fhir_status.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/attr.h"

struct row {
    enum loop_state state;
    const char *code; /* NULL: any */
    const char *task;
    const char *business_code;
    const char *business_words;
    const char *request;
    const char *request_re_referred; /* when another loop goes on with it */
};

/* clang-format off */
static const struct row rows[] = {
    {LOOP_NONE, NULL, "draft", NULL, NULL, "draft", "draft"},
    {LOOP_REQUESTED, NULL, "requested", "2.0", "requested", "active", "active"},
    {LOOP_INFO_REQUESTED, NULL, "requested", NULL, "information requested", "active", "active"},
    {LOOP_ACCEPTED, NULL, "accepted", "3.0", "accepted", "active", "active"},
    {LOOP_IN_PROGRESS, "outreach", "in-progress", NULL, "outreach", "active", "active"},
    {LOOP_IN_PROGRESS, "scheduled", "in-progress", "5.1.1", "appointment made", "active", "active"},
    {LOOP_IN_PROGRESS, "no-show", "in-progress", "5.1.2", "did not come to the appointment", "active", "active"},
    {LOOP_IN_PROGRESS, "appointment-cancelled", "in-progress", "5.1.3", "appointment called off", "active", "active"},
    {LOOP_IN_PROGRESS, "service-delivered", "in-progress", "5.1.4", "some help was given", "active", "active"},
    {LOOP_IN_PROGRESS, "interim-note", "in-progress", "5.1.4", "news on the way", "active", "active"},
    {LOOP_IN_PROGRESS, NULL, "in-progress", NULL, "in progress", "active", "active"},
    {LOOP_ON_HOLD, "waitlist", "on-hold", NULL, "on the waiting list", "active", "active"},
    {LOOP_ON_HOLD, NULL, "on-hold", NULL, "on hold", "active", "active"},
    {LOOP_DECLINED, "not-eligible", "rejected", "4.0", "declined", "revoked", "revoked"},
    {LOOP_DECLINED, "not-authorized", "rejected", "4.0", "declined", "revoked", "revoked"},
    {LOOP_DECLINED, NULL, "rejected", "4.0", "declined", "revoked", "active"},
    {LOOP_COMPLETED, NULL, "completed", "7.0", "completed", "completed", "completed"},
    {LOOP_NOT_COMPLETED, "unable-to-reach", "failed", "6.0", "could not be reached", "revoked", "active"},
    {LOOP_NOT_COMPLETED, NULL, "failed", "6.0", "not completed", "revoked", "revoked"},
    {LOOP_WITHDRAWN, "declined-after-accept", "cancelled", "4.0", "declined after it was accepted", "revoked", "active"},
    {LOOP_WITHDRAWN, NULL, "cancelled", "6.0", "withdrawn", "revoked", "revoked"},
    {LOOP_VOID, NULL, "entered-in-error", NULL, NULL, "entered-in-error", "entered-in-error"},
    /* Reached only when the step that ended the loop cannot be read: what is sure is that it has ended. */
    {LOOP_CLOSED, NULL, "completed", NULL, "closed", "completed", "completed"},
};
/* clang-format on */

static const struct row *
find_row(enum loop_state state, const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].state == state && (rows[i].code == NULL || strcmp(rows[i].code, code) == 0))
            return &rows[i];
    }
    return &rows[0];
}

struct fhir_status
fhir_status_of(const struct fhir_standing *standing)
{
    bool is_pending = standing->position.state == LOOP_CANCEL_REQUESTED;
    const struct row *row =
        find_row(is_pending ? standing->position.under : standing->position.state, standing->code);
    struct fhir_status status = {
        .task = row->task,
        .business_code = row->business_code,
        .business_words = row->business_words,
        .request = standing->re_referred ? row->request_re_referred : row->request,
    };

    /* FHIR's Task has no word for it: it goes on as it was until the cancel is confirmed. */
    if (is_pending) {
        status.business_code = "5.2";
        status.business_words = "cancellation requested";
    }
    return status;
}
