/* What this agent believes of the log, and how everything the broker says is held to it. A new
 * checkpoint is on disk before anything is done on the strength of it. */
#ifndef REFLOOP_AGENT_PROOF_H
#define REFLOOP_AGENT_PROOF_H

#include "agent/alarm.h"
#include "lib/proof/view.h"

/* In struct agent; as on disk. */
struct proof_state {
    struct view view; /* its note points at `note` */
    uint8_t note[LIMIT_CHECKPOINT_BYTES];
    int64_t verified_ms;     /* wall time of the last */
    uint64_t witnessed_size; /* largest checkpoint enough others have cosigned */
    int64_t witnessed_ms;
    int64_t
        unconfirmed_ms; /* wall: the log is beyond witnessed_size since then, on this run; else 0 */
    size_t n_witnesses;
    uint32_t n_alarms;
    bool stopped;
    bool broker_recovering; /* of the present connection */
    uint64_t recall_from;
};

/* Why something the broker told is not believed, in words for people; a step keeps the number.
 * X(symbol, number, words). Numbers are stored: never reused. */
#define PROOF_REASON_TABLE(X)                                                                      \
    X(PROOF_NO_HEAD, 1, "the broker did not say where its log stands")                             \
    X(PROOF_HEAD_UNPROVED, 2,                                                                      \
      "the broker did not prove that its log goes on from the one we know")                        \
    X(PROOF_HEAD_SPLIT, 3, "the broker showed two different logs of the same length")              \
    X(PROOF_HEAD_REWRITTEN, 4, "the broker's log no longer contains what it contained before")     \
    X(PROOF_HEAD_SHORTER, 5, "the broker's log is shorter than it was")                            \
    X(PROOF_NO_ENTRY, 6, "the broker did not prove that it is in its log")                         \
    X(PROOF_NOT_IN_LOG, 7, "the broker's own proof shows that it is not in its log")

enum proof_reason {
    PROOF_GOOD = 0,
#define PROOF_REASON_ENUM(symbol, number, words) symbol = number,
    PROOF_REASON_TABLE(PROOF_REASON_ENUM)
#undef PROOF_REASON_ENUM
};
/* NULL for PROOF_GOOD. */
const char *proof_reason_words(enum proof_reason reason);
/* Back from the words of proof_take_head; PROOF_GOOD for NULL. */
enum proof_reason proof_reason_of(const char *words);

/* Reads it back from disk, with the alarms' count. For state_reload. */
enum err proof_load(struct agent *agent, struct kv_txn *txn) MUST_CHECK;

/* A head the broker told. Believed: it is the one we know or goes on from it, and is on our disk
 * when the unit commits; unit->agent's state follows after the commit by itself (state_reload on
 * failure). Not believed: *why_out says why in plain words; an alarm is raised in the unit when it
 * proves that the broker lies. */
enum err proof_take_head(struct unit *unit, const struct message_head *head, bool answers_ours,
                         bool *believed_out, const char **why_out) MUST_CHECK;
/* The same question without storing anything: ERR_OK; ERR_MALFORMED when there is no usable proof;
 * ERR_SIGNATURE when it shows that the entry is not in the log. */
enum err proof_judge_entry(const struct agent *agent, uint64_t index, int64_t log_time_ms,
                           const struct envelope *envelope, struct bytes inclusion) MUST_CHECK;
/* Is the entry (our own statement with the log time it was given, or one that was delivered) in the
 * log of the head just believed? Stores its proof when it is. */
enum err proof_take_entry(struct unit *unit, uint64_t index, int64_t log_time_ms,
                          const struct envelope *envelope, struct bytes inclusion,
                          bool *proved_out) MUST_CHECK;
/* Size of the checkpoint and the proof stored for an entry. ERR_NOT_FOUND. Views. */
enum err proof_find(struct kv_txn *txn, uint64_t index, uint64_t *size_out,
                    struct bytes *inclusion_out, struct bytes *note_out) MUST_CHECK;
/* Whether the proof stored for an entry proves it. ERR_NOT_FOUND when there is none, ERR_CORRUPT
 * when it does not. */
enum err proof_check_stored(const struct agent *agent, struct kv_txn *txn, uint64_t index,
                            int64_t log_time_ms, const struct envelope *envelope) MUST_CHECK;
/* Replaces the proof of an entry by one in another checkpoint, which is stored too. */
enum err proof_replace(struct unit *unit, uint64_t index, uint64_t size, struct bytes note,
                       struct bytes inclusion) MUST_CHECK;

#endif
