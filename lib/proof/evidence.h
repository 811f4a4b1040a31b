/* Evidence: one file that proves one loop to somebody who has nothing but the network's root key.
 *
 * "refloop-evidence-1" LF, then a message of proto/evidence.proto, then the SHA-256 of everything
 * before it, so that a damaged file is told from a forged one. It holds the loop's statements and
 * the entries that give members their keys (genesis, invites, joins, rotations, revocations): all
 * there are of the two organizations, and of whoever else is to count as a witness. Each entry is
 * there with its inclusion proof in one of the checkpoints, which carry cosignatures. Bodies and
 * facts are not in it unless somebody who can open them has shown their content keys.
 *
 * What it proves ends at its checkpoints: nothing in it can show that nothing happened later, or
 * that no entry of these organizations was left out (a revocation, say). That is what reading the
 * whole log is for (broker/audit). */
#ifndef REFLOOP_LIB_PROOF_EVIDENCE_H
#define REFLOOP_LIB_PROOF_EVIDENCE_H

#include "lib/log/tree.h"
#include "lib/loop/track.h"
#include "lib/proof/checkpoint.h"
#include "lib/wire/evidence_parts.h"

#define EVIDENCE_MAGIC "refloop-evidence-1\n"
/* One entry on its way into a file. Views. */
struct evidence_entry {
    uint64_t index;
    int64_t log_time_ms;
    struct envelope envelope; /* the sealed part only where it is shown */
    size_t checkpoint;        /* which of the file's checkpoints proves it */
    struct proof inclusion;
    bool shown;
    struct sealed_revealed revealed; /* when shown */
};

/* Building. Entries in order of the log, the genesis first; every checkpoint must prove one. The
 * writer copies what it is given. It does not judge it, but leaves out lines of a note by keys that
 * no entry of the file speaks of, as nobody could check them. */
struct evidence_writer;
enum err evidence_writer_new(const struct network_id *network, const struct loop_id *loop,
                             struct evidence_writer **writer_out) MUST_CHECK;
void evidence_writer_free(struct evidence_writer *writer);
void evidence_writer_freep(struct evidence_writer **writer);
/* The same bytes twice are one checkpoint. ERR_MALFORMED for what is no note, ERR_TOO_LARGE. */
enum err evidence_add_checkpoint(struct evidence_writer *writer, struct bytes note,
                                 size_t *place_out) MUST_CHECK;
/* ERR_INVALID when it is not above the one before, or names no checkpoint; ERR_TOO_LARGE. */
enum err
evidence_add_entry(struct evidence_writer *writer, const struct evidence_entry *entry) MUST_CHECK;
/* Appends the file. ERR_INVALID without the genesis, or with a checkpoint that proves nothing. */
enum err evidence_finish(struct evidence_writer *writer, struct buffer *file_out) MUST_CHECK;

/* One line of the timeline of a verified loop. */
struct evidence_step {
    uint64_t index;
    int64_t log_time_ms, authored_ms, due_ms;
    enum loop_role role; /* who said it */
    enum loop_event event;
    bool superseded, automatic;
    enum loop_state state_after;
    struct digest id;
    size_t confirms;          /* EVENT_DELIVERED: the step it confirms; SIZE_MAX otherwise */
    struct bytes body, facts; /* views into the reading; empty when not shown */
};
/* A member that has vouched for a checkpoint: the largest one, and when. Revoked members do not
 * count. */
struct evidence_cosigner {
    char org[ORG_ID_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    uint64_t time_s, size;
};

/* A file that was read and found true in every point. */
struct evidence_reading {
    struct network_id network;
    char network_name[LIMIT_NAME_BYTES + 1];
    struct loop_id loop;
    char org[LOOP_ROLE_COUNT][ORG_ID_BYTES];
    char name[LOOP_ROLE_COUNT][LIMIT_NAME_BYTES + 1];
    enum loop_state state;
    uint64_t size;    /* of the largest checkpoint */
    int64_t as_of_ms; /* log time of its last entry in the file */
    size_t n_entries, n_checkpoints;
    size_t n_steps;
    struct evidence_step *steps; /* owned */
    size_t n_cosigners;
    struct evidence_cosigner *cosigners; /* owned */
    struct buffer shown;                 /* owned: what bodies and facts point into */
};
/* The network a file says it is of: to compare its fingerprint, before anything in it is believed.
 */
enum err evidence_claimed_network(struct bytes file, struct network_id *network_out,
                                  struct complaint *complaint) MUST_CHECK;
/* Checks everything against the pinned root. PEER errors with a sentence that names the first thing
 * that is wrong; nothing is written then. */
enum err evidence_read(struct bytes file, const struct network_id *root,
                       struct evidence_reading *reading_out,
                       struct complaint *complaint) MUST_CHECK;
void evidence_reading_done(struct evidence_reading *reading);

/* evidence_words.c: what an outsider reads for an event ("accepted the referral"), for a state, and
 * for the date that comes with an event ("needed by"; NULL for an event that has none). */
const char *evidence_words_event(enum loop_event event);
const char *evidence_words_state(enum loop_state state);
const char *evidence_words_due(enum loop_event event);
/* "2026-11-21 09:30", local time, and the zone's name then ("CET"; "CEST/CET" when it has changed
 * between the two times). A due date given as a
 * bare date (the last second of a day in UTC) is "2026-11-25" everywhere. */
enum { EVIDENCE_TIME_TEXT = 32 };
void evidence_words_time(int64_t ms, char out[EVIDENCE_TIME_TEXT]);
void evidence_words_zone(int64_t from_ms, int64_t to_ms, char out[EVIDENCE_TIME_TEXT]);
void evidence_words_date(int64_t ms, char out[EVIDENCE_TIME_TEXT]);

/* picture.c: the loop as lanes of source, broker and target, an arrow for each statement and each
 * delivery receipt, as one SVG of its own (no script, no reference to anything outside). */
enum err picture_draw(const struct evidence_reading *reading, struct buffer *svg_out) MUST_CHECK;

#endif
