/* The codes a statement carries: reasons, kinds of progress, outcomes, next steps, legal bases,
 * categories. Versioned tables (version 1), each code with plain words, for staff and for the
 * auditor. Sources: reason codes and legal bases are refloop's own (version 1); categories are the
 * codes of HL7 SDOHCC-ValueSetSDOHCategory (SDOH Clinical Care 3.0.0, CC0). */
#ifndef REFLOOP_LIB_LOOP_REASON_H
#define REFLOOP_LIB_LOOP_REASON_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/loop/lifecycle.h"

/* Lists by what they answer. */
enum reason_list {
    REASON_DECLINE,       /* decline */
    REASON_HOLD,          /* hold */
    REASON_NOT_COMPLETED, /* fail */
    REASON_WITHDRAW,      /* withdraw, cancel, release */
    REASON_VOID,          /* void */
    REASON_PROGRESS,      /* the kind of a progress statement: outreach, scheduled, no-show,
                             appointment-cancelled,      service-delivered, interim-note */
    REASON_OUTCOME,       /* complete: service-provided, enrolled, not-enrolled-on-waitlist ... */
    REASON_NEXT_STEP,     /* acknowledge: none, re-referred, other */
    REASON_BASIS,         /* consent, baa, treatment, other */
    REASON_CATEGORY,      /* the 24 SDOHCC categories */
    REASON_LIST_COUNT
};

struct reason {
    const char *code;
    const char *words; /* for people: "no room at the moment" */
    bool needs_text;   /* "other": the sender must explain in the sealed body */
    bool sensitive;    /* coarse group only in reports (deceased, incarcerated, safety) */
};

/* The codes of a list in display order; NULL and 0 for a value outside the enum. */
const struct reason *reason_all(enum reason_list list, size_t *n_out);
/* NULL when the code is not in the list. */
const struct reason *reason_find(enum reason_list list, const char *code);
/* The list an event's `reason` (or kind, outcome, next step) is taken from; false when the event
 * carries none. */
bool reason_list_for(enum loop_event event, enum reason_list *list_out);

#endif
