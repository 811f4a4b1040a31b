/* Reads the broker's log from its disk, entry by entry, and draws its own conclusions: what must
 * never go is there, nothing is there twice, and a fold of it gives what the agents show, whatever
 * times stand beside the entries. */
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "tests/simulator/sim.h"

static bool
is_readable(struct sim *sim)
{
    struct broker_status status;
    if (sim->hub.broker == NULL) {
        return false;
    }
    broker_get_status(sim->hub.broker, &status);
    return !status.recovering;
}

static bool
holds(struct kv_txn *txn, uint64_t index, const struct digest *id)
{
    struct journal_entry entry;
    if (journal_load(txn, index, &entry) != ERR_OK) {
        return false;
    }
    struct digest found = statement_id(entry.envelope.statement);
    return digest_equal(&found, id);
}

bool
logbook_holds(struct sim *sim, uint64_t index, const struct digest *id)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    if (!is_readable(sim)) {
        return true; /* looked at when it can be */
    }
    return kv_begin_read(sim->hub.broker->kv, &txn) == ERR_OK && holds(txn, index, id);
}

void
logbook_check_receipted(struct sim *sim)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    if (!is_readable(sim)) {
        return;
    }
    if (kv_begin_read(sim->hub.broker->kv, &txn) != ERR_OK) {
        sim_break(sim, RULE_STORE, "the broker's log cannot be read");
        return;
    }
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        const struct said *said = &sim->account.said[serial];
        if (said->receipted && !holds(txn, said->index, &said->id)) {
            sim_break(sim, RULE_LOST, "statement %u was receipted as entry %llu, which it is not",
                      serial, (unsigned long long)said->index);
            return;
        }
    }
}

/* --- a fold of one's own --- */

struct own_fold {
    struct loop_position position;
    struct track track;
    bool begun;
};

static const struct said *
find_said(const struct sim *sim, const struct digest *id)
{
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        const struct said *said = &sim->account.said[serial];
        if (said->receipted && digest_equal(&said->id, id)) {
            return said;
        }
    }
    return NULL;
}

static void
step(struct sim *sim, struct own_fold *fold, const struct said *said,
     const struct statement *statement, const struct journal_entry *entry, int64_t shift_ms)
{
    const struct statement_loop *loop = &statement->as.loop;
    const struct sim_loop *known = &sim->account.loops[said->loop];
    enum loop_role role = said->author == known->source ? LOOP_SOURCE : LOOP_TARGET;
    struct digest id = statement_id(entry->envelope.statement);
    struct track_step taken = journal_step(loop, &id, role);
    struct track_verdict verdict;
    if (!fold->begun) {
        track_init(&fold->track, &loop->loop, sim->sites[known->source].identity.org,
                   sim->sites[known->target].identity.org);
        fold->begun = true;
    }
    enum err err =
        track_apply(&fold->track, &taken, entry->index, entry->log_time_ms + shift_ms, &verdict);
    if (err != ERR_OK) {
        sim_break(sim, RULE_TIME, "entry %llu does not fit when the log is folded afresh: %s",
                  (unsigned long long)entry->index, err_name(err));
        return;
    }
    if (!verdict.superseded &&
        !lifecycle_step(fold->position, loop->event, role, &fold->position)) {
        sim_break(sim, RULE_AGREE, "entry %llu: the table does not allow this step",
                  (unsigned long long)entry->index);
    }
}

/* Receipts are statements too: each confirms something that was said, once. */
static void
count_delivery(struct sim *sim, uint8_t *delivered, const struct statement *statement,
               uint64_t index)
{
    const struct said *said = find_said(sim, &statement->as.loop.delivered);
    if (said == NULL) {
        sim_break(sim, RULE_INVENTED, "entry %llu confirms what nobody said",
                  (unsigned long long)index);
    } else if (delivered[said - sim->account.said]++ > 0) {
        sim_break(sim, RULE_DOUBLED, "entry %llu confirms statement %u a second time",
                  (unsigned long long)index, (unsigned)(said - sim->account.said));
    }
}

static void
take_entry(struct sim *sim, struct own_fold *folds, uint8_t *delivered,
           const struct journal_entry *entry, int64_t shift_ms)
{
    struct statement statement;
    if (statement_decode(entry->envelope.statement, &statement) != ERR_OK) {
        sim_break(sim, RULE_STORE, "entry %llu cannot be read", (unsigned long long)entry->index);
        return;
    }
    if (statement.kind != STATEMENT_LOOP) {
        return;
    }
    struct digest id = statement_id(entry->envelope.statement);
    const struct said *said = NULL;
    if (statement.as.loop.event == EVENT_DELIVERED) {
        count_delivery(sim, delivered, &statement, entry->index);
        said = find_said(sim, &statement.as.loop.delivered);
        if (said == NULL) {
            return;
        }
        /* By the other side: a step of the chain that changes nothing. */
        struct said other = *said;
        const struct sim_loop *loop = &sim->account.loops[said->loop];
        other.author = said->author == loop->source ? loop->target : loop->source;
        step(sim, &folds[said->loop], &other, &statement, entry, shift_ms);
        return;
    }
    said = find_said(sim, &id);
    if (said == NULL || said->index != entry->index) {
        sim_break(sim, said == NULL ? RULE_INVENTED : RULE_DOUBLED, "entry %llu is %s",
                  (unsigned long long)entry->index,
                  said == NULL ? "nothing that its author shows" : "there a second time");
        return;
    }
    step(sim, &folds[said->loop], said, &statement, entry, shift_ms);
}

static void
compare(struct sim *sim, const struct own_fold *fold, uint32_t loop)
{
    const struct sim_loop *known = &sim->account.loops[loop];
    const uint32_t sides[] = {known->source, known->target};
    for (size_t i = 0; fold->begun && i < ARRAY_LEN(sides); i++) {
        struct loop_view view;
        const struct site *site = &sim->sites[sides[i]];
        if (agent_get_loop(site->agent, &known->id, &view) != ERR_OK) {
            sim_break(sim, RULE_LOST, "%s does not know a loop of the log", site->identity.org);
        } else if (view.position.state != fold->position.state ||
                   view.position.under != fold->position.under) {
            sim_break(sim, RULE_AGREE, "%s says %s, the log says %s", site->identity.org,
                      lifecycle_state_name(view.position.state),
                      lifecycle_state_name(fold->position.state));
        }
    }
}

void
logbook_check(struct sim *sim, int64_t shift_ms)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct own_fold *folds = calloc(sim->account.n_loops + 1, sizeof(*folds));
    uint8_t *delivered = calloc(sim->account.n_said + 1, 1);
    struct broker_status status;
    struct journal_entry entry;
    if (folds == NULL || delivered == NULL) {
        abort();
    }
    broker_get_status(sim->hub.broker, &status);
    if (kv_begin_read(sim->hub.broker->kv, &txn) != ERR_OK) {
        sim_break(sim, RULE_STORE, "the broker's log cannot be read");
    }
    for (uint64_t i = 0; i < status.entries && sim->broken == RULE_NONE; i++) {
        if (journal_load(txn, i, &entry) != ERR_OK) {
            sim_break(sim, RULE_STORE, "entry %llu cannot be read", (unsigned long long)i);
        } else {
            take_entry(sim, folds, delivered, &entry, shift_ms);
        }
    }
    for (uint32_t i = 0; i < sim->account.n_loops; i++) {
        if (sim->broken == RULE_NONE) {
            compare(sim, &folds[i], i);
        }
        track_done(&folds[i].track);
    }
    sim->counts.entries = status.entries;
    free(folds);
    free(delivered);
}
