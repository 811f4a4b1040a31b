/* A log of any size, true or with one lie in it, and the file of evidence for the loop it holds.
 * Entries that nobody looks at are all one leaf, so a log of a million is as quick as one of ten.
 */
#ifndef REFLOOP_TESTS_UNIT_PROOF_TRUE_LOG_H
#define REFLOOP_TESTS_UNIT_PROOF_TRUE_LOG_H

#include "lib/proof/evidence.h"
#include "tests/unit/wire/fixture.h"

enum { TRUE_LOG_ENTRIES = 64, TRUE_LOG_SEALED = 8 * 1024, WITNESS = 8, NEW_KEYS = 9 };
enum { TRUE_FILE_ROOM = 256 * 1024, TRUE_NOTE_ROOM = 8 * 1024 };
#define TRUE_LOG_TIME INT64_C(1763600000000)

struct true_entry {
    uint64_t index;
    int64_t log_time_ms;
    struct envelope envelope; /* views of what is below */
    struct buffer statement, sealed;
    struct digest id;
    struct merkle_hash leaf;
};

/* What one side of the loop has said and heard. */
struct true_side {
    uint32_t seq;
    struct digest last, heard;
};

struct true_log {
    uint64_t size, next, gap; /* entries are `gap` apart */
    size_t n;
    struct true_entry entries[TRUE_LOG_ENTRIES];
    struct true_side side[LOOP_ROLE_COUNT];
    struct digest newest; /* statement of the loop that is no receipt */
    /* Changes the statement that becomes entry number lie_at, or who signs it. */
    size_t lie_at;
    void (*lie)(struct statement *statement, unsigned *signer);
};

struct true_log *true_log_new(uint64_t size, uint64_t gap);
void true_log_free(struct true_log *log);
void true_log_freep(struct true_log **log);

/* Signs and logs; sealed with the texts when `body` is not NULL. Returns the entry's number. */
size_t true_log_say(struct true_log *log, struct statement statement, unsigned signer,
                    const char *body, const char *facts);
/* Genesis, clinic and pantry; then `n_witnesses` of shelter and WITNESS. */
void true_log_found(struct true_log *log, unsigned n_witnesses);
void true_log_join(struct true_log *log, unsigned who, unsigned once, const char *name);
/* The next step of the loop by clinic or pantry, and the other side's receipt for it. */
size_t true_log_step(struct true_log *log, enum loop_role role, enum loop_event event,
                     const char *body, const char *facts);
void true_log_deliver(struct true_log *log, enum loop_role reader);
/* A step that crossed: its author has not heard the newest one. */
size_t true_log_step_unheard(struct true_log *log, enum loop_role role, enum loop_event event);
/* request, ask, answer, accept, progress, note, progress, hold, progress, complete, acknowledge,
 * each delivered. */
void true_log_whole_story(struct true_log *log);
/* request with contents, decline, acknowledge, each delivered. */
void true_log_short_story(struct true_log *log);

struct merkle_hash true_log_root(const struct true_log *log, uint64_t size);
struct proof true_log_inclusion(const struct true_log *log, uint64_t index, uint64_t size);
/* The checkpoint of the whole log, cosigned by the numbers given. */
void true_log_note(const struct true_log *log, uint64_t size, unsigned signer,
                   const unsigned *cosigners, size_t n, struct buffer *note_out);
/* The evidence, cosigned by shelter and WITNESS; contents shown when `show`. */
void true_log_evidence(const struct true_log *log, bool show, struct buffer *file_out);
/* The parts of a file (views into it), and a file of parts: right in form, whatever they say. */
void true_log_take_apart(struct bytes file, struct evidence_parts *parts_out);
void true_log_wrap(const struct evidence_parts *parts, struct buffer *file_out);
void true_log_wrap_bytes(struct bytes message, struct buffer *file_out);

#endif
