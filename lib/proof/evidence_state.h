/* Private to the evidence files of lib/proof: what is known so far while a file is read, and the
 * keys that its entries speak of. */
#ifndef REFLOOP_LIB_PROOF_EVIDENCE_STATE_H
#define REFLOOP_LIB_PROOF_EVIDENCE_STATE_H

#include "lib/proof/evidence.h"

/* ---- evidence_cosign.c ---- */

/* Every signing key that an entry of the file gives to a member. A member that has new keys still
 * stands by what it signed with the old ones. */
struct evidence_key {
    char org[ORG_ID_BYTES];
    struct sign_public sign;
};
struct evidence_keys {
    size_t n;
    struct evidence_key *at; /* owned; room for one per entry */
};
enum err evidence_keys_init(struct evidence_keys *keys, size_t n_entries) MUST_CHECK;
void evidence_keys_done(struct evidence_keys *keys);
/* Adds the keys a statement brings, if it brings any. */
void evidence_keys_learn(struct evidence_keys *keys, const struct statement *statement);
/* Whose cosignature a line is: a member of the keys, or NULL. */
const struct evidence_key *evidence_keys_find(const struct evidence_keys *keys,
                                              const struct network_id *network,
                                              const struct note_signature *line);
/* True when the line names the log's own key. */
bool evidence_keys_is_log(const struct network_id *network, const struct sign_public *log_key,
                          const struct note_signature *line);

/* ---- while reading ---- */

struct evidence_checkpoint {
    struct checkpoint checkpoint;
    bool proves;
};

/* Where a step's contents stand in `shown`, which may still move. */
struct evidence_place {
    size_t body, body_len, facts, facts_len;
};

struct evidence_fold {
    struct evidence_parts parts;             /* owned */
    struct evidence_checkpoint *checkpoints; /* owned */
    struct evidence_place *places;           /* owned; one per step */
    struct directory *directory;             /* owned */
    struct evidence_keys keys;               /* owned */
    struct track track;                      /* owned */
    struct verified_root memory;
    struct evidence_reading reading; /* owned until it is given away */
    struct complaint *complaint;
};

/* One entry that its author has signed and the log holds. */
struct evidence_said {
    const struct evidence_part *part;
    struct envelope envelope;
    struct statement statement;
    struct digest id;
};

/* "entry 12: ..." and "checkpoint 2: ..."; return `err`. */
enum err evidence_fold_refuse(const struct evidence_fold *fold, const struct evidence_part *part,
                              enum err err, const char *what);

/* evidence_steps.c: one statement of the loop. */
enum err
evidence_steps_take(struct evidence_fold *fold, const struct evidence_said *said) MUST_CHECK;
/* Once all are taken: who the sides are, and where contents ended up. */
enum err evidence_steps_end(struct evidence_fold *fold) MUST_CHECK;

/* evidence_cosign.c: every line of every checkpoint, by the keys of all entries. */
enum err evidence_cosign_check(struct evidence_fold *fold) MUST_CHECK;

#endif
