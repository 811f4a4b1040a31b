/* Step records: what is known of each step of a loop, its content (vault-sealed), and the way from
 * a statement's id to its step. */
#ifndef REFLOOP_AGENT_STEPS_H
#define REFLOOP_AGENT_STEPS_H

#include "agent/agent.h"
#include "agent/proof.h"

struct step {
    uint32_t number;
    enum loop_role role;
    enum loop_event event;
    enum step_stage stage;
    enum err refusal;
    int64_t authored_ms, accepted_ms, delivered_ms, due_ms;
    uint64_t index;
    bool logged; /* read back from the log; before that `index` is from a receipt */
    bool superseded, automatic, unreadable;
    enum loop_state state_after;
    struct digest id;
    enum proof_reason unproved; /* STAGE_SENT: why the broker's receipt was not taken */
};

enum err step_load(struct kv_txn *txn, const struct loop_id *loop, uint32_t number,
                   struct step *step_out) MUST_CHECK;
enum err step_decode(struct bytes record, struct step *step_out) MUST_CHECK;
enum err
step_store(struct unit *unit, const struct loop_id *loop, const struct step *step) MUST_CHECK;

enum { STEP_CONTENT_MAX = LIMIT_FACTS_BYTES + LIMIT_BODY_BYTES + 8 };
enum err step_close_content(struct unit *unit, const struct loop_id *loop, uint32_t number,
                            struct bytes facts, struct bytes body) MUST_CHECK;
/* The views point into `plain`, which the caller wipes. */
enum err step_open_content(const struct agent *agent, struct kv_txn *txn,
                           const struct loop_id *loop, uint32_t number, struct buffer *plain,
                           struct bytes *facts_out, struct bytes *body_out) MUST_CHECK;

/* From now on `id` is a name of this step; of a confirmation of ours when the number is 0. */
enum err step_name(struct unit *unit, const struct digest *id, const struct loop_id *loop,
                   uint32_t number) MUST_CHECK;
/* ERR_NOT_FOUND when no step of this loop has the name, and neither has a confirmation. */
enum err step_find(struct kv_txn *txn, const struct digest *id, const struct loop_id *loop,
                   uint32_t *number_out) MUST_CHECK;

#endif
