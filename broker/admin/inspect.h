/* Opening the store that a command looks into, and telling of its checkpoints. */
#ifndef REFLOOP_BROKER_ADMIN_INSPECT_H
#define REFLOOP_BROKER_ADMIN_INSPECT_H

#include <jansson.h>

#include "broker/admin/admin.h"
#include "broker/audit/audit.h"

/* That of --copy, else of the home. From then on a store whose file is cut short or garbage ends
 * the program with a sentence and status 1, where LMDB would end it with none. */
enum err inspect_open(const struct admin *admin, struct audit **audit_out,
                      struct complaint *complaint) MUST_CHECK;

/* A checkpoint as it is told: what it says, and which members' cosignatures under it are right. */
struct inspect_note {
    struct checkpoint checkpoint;
    char root[64]; /* as the note has it, base64 */
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    size_t n_cosigners;
    struct bytes bytes; /* the note: a view, as long as the audit is open */
};
/* ERR_NOT_FOUND when it is empty, ERR_CORRUPT when it is not signed by this broker or has a wrong
 * cosignature. */
enum err inspect_read_note(const struct audit *audit, struct bytes note,
                           struct inspect_note *note_out) MUST_CHECK;
/* The newest that members have cosigned, else the last one signed. */
enum err inspect_best_note(struct audit *audit, struct inspect_note *note_out) MUST_CHECK;
/* {"size", "root", "note", "cosigners": [{"org", "time"}]}; NULL is out of memory. */
json_t *inspect_note_json(const struct inspect_note *note);
/* "oak-clinic, elm-pantry and 3 more" */
enum { INSPECT_NAMES_BYTES = 512 };
void inspect_names(const struct inspect_note *note, char out[INSPECT_NAMES_BYTES]);

/* Small values for answers. NULL is out of memory. */
json_t *inspect_time_json(int64_t ms); /* null for 0 */
json_t *inspect_network_json(const struct audit_summary *summary);

#endif
