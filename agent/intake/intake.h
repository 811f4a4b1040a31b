/* Intake: from files as people and systems give them to referrals ready to be queued. Three forms
 * are told apart by content: FHIR R4 JSON (one or several files making up one referral, or a
 * Bundle), refloop's own JSON form, and CSV (one referral per row). Nothing is sent from here; what
 * is missing or contradictory is refused by the field's name. */
#ifndef REFLOOP_AGENT_INTAKE_INTAKE_H
#define REFLOOP_AGENT_INTAKE_INTAKE_H

#include "agent/content/content.h"
#include "lib/loop/ident.h"
#include "lib/wire/statement.h"

enum { INTAKE_FILES_MAX = 64, INTAKE_ROWS_MAX = 10000, INTAKE_FILE_BYTES = 2 * 1024 * 1024 };

struct intake_file {
    const char *name; /* for messages only: as the user gave it */
    struct bytes text;
};

/* Given on the command line; empty or zero when not. They win over what the files say, except that
 * a contradiction is refused. */
struct intake_defaults {
    const char *to;
    const char *priority;
    const char *needed_by;
};

/* One referral: ready, or refused with its fault. */
struct intake_referral {
    bool ready;
    struct content_fault fault;
    unsigned row; /* CSV row number counted from 2 (row 1 is the header), 0 for other forms */
    char to[ORG_ID_BYTES];
    enum statement_priority priority;
    int64_t needed_by_ms;
    json_t *facts, *body; /* owned */
};

struct intake_result {
    struct intake_referral *referrals; /* owned */
    size_t n;
    json_t *notices; /* list of sentences: what was understood differently than one might think */
    json_t *carried; /* list of texts: resources that travel along without being understood */
};

/* ERR_INVALID with *fault when the files as a whole cannot be read (no JSON, unknown form, too
 * many); else ERR_OK and the referrals, each ready or refused. `is_member` tells whether an
 * organization id is one in the network (for Task.owner). */
typedef bool (*intake_is_member)(void *context, const char *org);
enum err intake_read(const struct intake_file *files, size_t n_files,
                     const struct intake_defaults *defaults, intake_is_member is_member,
                     void *context, int64_t now_ms, struct intake_result *result_out,
                     struct content_fault *fault) MUST_CHECK;
void intake_done(struct intake_result *result);

#endif
