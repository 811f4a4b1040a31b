/* Decides what people see of the alarms and of what this agent believes, and what becomes of the
 * alarms once they have looked. Everything is read before a callback runs, so that a callback may
 * ask again. It refuses to know what raised an alarm. */
#include <string.h>

#include "agent/alarm_record.h"
#include "agent/session.h"
#include "agent/steps.h"
#include "agent/witness.h"

enum { RECORD_COPY_MAX = 2 * ALARM_PROOF_MAX, MS_PER_S = 1000 };

struct numbers {
    uint32_t number[ALARMS_KEPT];
    size_t n;
};

static enum err
list_alarms(struct kv_txn *txn, struct numbers *numbers)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    struct alarm alarm;
    enum err err = alarm_record_open(txn, &cursor);

    while (err == ERR_OK && numbers->n < ALARMS_KEPT) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = alarm_record_decode(key, record, &alarm);
        if (err == ERR_OK)
            numbers->number[numbers->n++] = alarm.number;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
copy_record(struct agent *agent, struct bytes key, struct buffer *copy)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct bytes record;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = kv_get(txn, TABLE_ALARMS, key, &record);
    if (err != ERR_OK)
        return err;
    buffer_put(copy, record.data, record.len);
    return buffer_err(copy);
}

enum err
agent_each_alarm(struct agent *agent, agent_alarm_callback callback, void *context)
{
    struct numbers numbers = {.n = 0};
    struct kv_txn *txn = NULL;
    bool more = true;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = list_alarms(txn, &numbers);
    kv_abort(&txn);
    for (size_t i = numbers.n; err == ERR_OK && more && i > 0; i--) {
        CLEANUP(buffer_done) struct buffer copy = BUFFER_INIT(RECORD_COPY_MAX);
        uint8_t bytes[ALARM_KEY_BYTES];
        struct bytes key = alarm_record_key(numbers.number[i - 1], bytes);
        struct alarm alarm;
        err = copy_record(agent, key, &copy);
        if (err == ERR_OK)
            err = alarm_record_decode(key, buffer_view(&copy), &alarm);
        if (err == ERR_OK)
            more = callback(context, &alarm);
    }
    return err;
}

/* The proof is a view into the record that is being replaced. */
static enum err
settle_one(struct unit *unit, uint32_t number, bool *settled)
{
    CLEANUP(buffer_done) struct buffer copy = BUFFER_INIT(RECORD_COPY_MAX);
    uint8_t bytes[ALARM_KEY_BYTES];
    struct bytes key = alarm_record_key(number, bytes);
    struct bytes record;
    struct alarm alarm = {.number = 0};
    enum err err = kv_get(unit->txn, TABLE_ALARMS, key, &record);

    if (err != ERR_OK)
        return err;
    buffer_put(&copy, record.data, record.len);
    err = buffer_err(&copy);
    if (err == ERR_OK)
        err = alarm_record_decode(key, buffer_view(&copy), &alarm);
    if (err != ERR_OK || alarm.settled_ms != 0)
        return err;
    alarm.settled_ms = unit->now.wall_ms;
    *settled = true;
    return alarm_record_put(unit, &alarm);
}

static enum err
settle(struct unit *unit, void *context)
{
    struct proof_state *proof = &unit->agent->proof;
    struct numbers numbers = {.n = 0};
    bool settled = proof->stopped; /* a stop may stand without a record: there was no room */
    enum err err = list_alarms(unit->txn, &numbers);

    (void)context; /* the store says it all */
    for (size_t i = 0; err == ERR_OK && i < numbers.n; i++)
        err = settle_one(unit, numbers.number[i], &settled);
    if (err != ERR_OK || !settled)
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    unit->touched = true;
    proof->n_alarms = 0;
    proof->stopped = false;
    return alarm_record_clear_stop(unit);
}

enum err
agent_settle_alarms(struct agent *agent, struct instant now)
{
    enum err err = unit_run(agent, now, settle, NULL);

    if (err == ERR_OK) {
        agent->outbox.retry_ms = 0;
        session_hello_again(agent, now);
    }
    return err;
}

/* Steps only: a delivery receipt is nothing that people wait for. */
static uint32_t
count_unproved(struct agent *agent)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint32_t n = 0;

    if (kv_begin_read(agent->kv, &txn) != ERR_OK)
        return 0;
    for (const struct row *row = agent->outbox.first; row != NULL; row = row->next) {
        struct step step;
        if (row->kind == ROW_STEP && row->made &&
            step_load(txn, &row->lane->loop, row->number, &step) == ERR_OK)
            n += step.stage == STAGE_SENT && step.unproved != 0;
    }
    return n;
}

/* A network with fewer others than the policy asks for can do no better than all of them. */
static size_t
count_wanted(const struct agent *agent)
{
    size_t wanted = (size_t)agent->options.witnesses_wanted;
    size_t others = 0;

    for (size_t i = 0; others < wanted && i < directory_count(agent->directory); i++) {
        const struct member *member = directory_at(agent->directory, i);
        others += member->state == MEMBER_ACTIVE && !member->is_auditor &&
                  strcmp(member->org, agent->identity->org) != 0;
    }
    return others;
}

void
agent_get_proof_status(struct agent *agent, struct agent_proof_status *status_out)
{
    const struct proof_state *proof = &agent->proof;

    *status_out = (struct agent_proof_status){
        .has_checkpoint = proof->view.has,
        .checkpoint_size = proof->view.has ? proof->view.last.size : 0,
        .checkpoint_ms = proof->view.has ? proof->verified_ms : 0,
        .witnessed_size = proof->witnessed_size,
        .witnessed_ms = proof->witnessed_ms,
        .n_witnesses = proof->n_witnesses,
        .unconfirmed_ms = proof->unconfirmed_ms,
        .witnesses_wanted = count_wanted(agent),
        .broker_recovering = proof->broker_recovering,
        .recall_from = proof->broker_recovering ? proof->recall_from : 0,
        .n_alarms = proof->n_alarms,
        .stopped = proof->stopped,
        .n_unproved = count_unproved(agent),
    };
}

/* As of when we verified it: that is what we vouch for. */
static enum err
add_ours(const struct agent *agent, struct buffer *note)
{
    const struct identity *identity = agent->identity;
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    uint8_t signature[SIGN_BYTES];
    char liar[ORG_ID_BYTES];
    size_t n = 0;
    uint64_t time_s = (uint64_t)(agent->proof.verified_ms / MS_PER_S);
    enum err err = checkpoint_cosigners(buffer_view(note), agent->directory, cosigners, &n, liar);

    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        if (strcmp(cosigners[i].org, identity->org) == 0)
            return ERR_OK;
    }
    if (err == ERR_OK)
        err = checkpoint_cosign(buffer_view(note), time_s, &identity->secrets->sign, signature);
    return err == ERR_OK ? checkpoint_add_cosignature(note, &identity->network, identity->org,
                                                      &identity->keys.sign, time_s, signature)
                         : err;
}

enum err
agent_get_checkpoint(struct agent *agent, struct buffer *note_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    const struct proof_state *proof = &agent->proof;
    struct bytes seen = proof->view.note;

    if (!proof->view.has)
        return ERR_NOT_FOUND;
    enum err err = kv_begin_read(agent->kv, &txn);
    /* Never an older one for the sake of its cosignatures: whoever keeps those back would choose
     * what is compared. */
    if (err == ERR_OK && proof->witnessed_size == proof->view.last.size)
        err = witness_note(txn, proof->witnessed_size, &seen);
    if (err == ERR_NOT_FOUND)
        err = ERR_OK;
    if (err != ERR_OK)
        return err;
    buffer_put(&note, seen.data, seen.len);
    err = buffer_err(&note);
    if (err == ERR_OK)
        err = add_ours(agent, &note);
    if (err != ERR_OK)
        return err;
    buffer_put(note_out, note.data, note.len);
    return buffer_err(note_out);
}
