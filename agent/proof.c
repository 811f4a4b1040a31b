/* Decides what this agent believes of the log: one checkpoint, which is replaced only by one that
 * provably contains it, and is on disk before anything is done on the strength of it. What the
 * broker tells is held to it; what proves a lie is an alarm, what proves nothing is a reason. It
 * refuses to know frames, loops and the directory. */
#include "agent/proof.h"

#include <string.h>

#include "agent/state.h"
#include "agent/witness.h"

enum { RECORD_BYTES_MAX = LIMIT_CHECKPOINT_BYTES + 8, PROOF_RECORD_MAX = 8 + PROOF_MAX * 32 };
static const char meta_checkpoint[] = "checkpoint";

static const char *const reason_words[] = {
#define REASON_ROW(symbol, number, words) [symbol] = words,
    PROOF_REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

const char *
proof_reason_words(enum proof_reason reason)
{
    size_t place = (size_t)reason;

    return place < ARRAY_LEN(reason_words) ? reason_words[place] : NULL;
}

enum proof_reason
proof_reason_of(const char *words)
{
    for (size_t i = 1; words != NULL && i < ARRAY_LEN(reason_words); i++) {
        if (strcmp(words, reason_words[i]) == 0)
            return (enum proof_reason)i;
    }
    return PROOF_GOOD;
}

/* ---- the checkpoint ---- */

static enum err
load_checkpoint(struct agent *agent, struct kv_txn *txn)
{
    struct proof_state *proof = &agent->proof;
    const struct identity *identity = agent->identity;
    struct checkpoint last;
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_checkpoint), &value);

    proof->view = (struct view){.has = false};
    proof->verified_ms = 0;
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    struct reader reader = reader_of(value);
    int64_t verified_ms = reader_i64(&reader);
    if (reader.bad || reader.rest.len > sizeof(proof->note))
        return ERR_CORRUPT;
    err = checkpoint_open(reader.rest, &identity->network, &identity->genesis.broker_log, &last);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    memcpy(proof->note, reader.rest.data, reader.rest.len);
    proof->view =
        (struct view){.has = true, .last = last, .note = bytes_of(proof->note, reader.rest.len)};
    proof->verified_ms = verified_ms;
    return ERR_OK;
}

enum err
proof_load(struct agent *agent, struct kv_txn *txn)
{
    struct proof_state *proof = &agent->proof;
    enum err err = load_checkpoint(agent, txn);

    if (err == ERR_OK)
        err = alarm_load(txn, &proof->n_alarms, &proof->stopped);
    return err == ERR_OK ? witness_load(agent, txn) : err;
}

static enum err
keep_head(struct unit *unit, struct bytes note, const struct checkpoint *told)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(RECORD_BYTES_MAX);
    struct proof_state *proof = &unit->agent->proof;

    unit->touched = true;
    memcpy(proof->note, note.data, note.len);
    proof->view =
        (struct view){.has = true, .last = *told, .note = bytes_of(proof->note, note.len)};
    proof->verified_ms = unit->now.wall_ms;
    if (proof->unconfirmed_ms == 0)
        proof->unconfirmed_ms = unit->now.wall_ms;
    buffer_put_i64(&record, proof->verified_ms);
    buffer_put(&record, note.data, note.len);
    return unit_put_record(unit, TABLE_META, bytes_of_text(meta_checkpoint), &record);
}

/* Both notes, and the broker's way from one to the other. */
static enum err
raise(struct unit *unit, enum alarm_kind alarm, const struct message_head *head,
      const struct checkpoint *told)
{
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(ALARM_PROOF_MAX);
    const struct view *view = &unit->agent->proof.view;

    buffer_put_blob(&proof, view->note);
    buffer_put_blob(&proof, head->checkpoint);
    buffer_put_u64(&proof, head->from);
    buffer_put_blob(&proof, head->consistency);
    enum err err = buffer_err(&proof);
    if (err != ERR_OK)
        return err;
    if (told->size == view->last.size)
        return alarm_raise(unit, alarm, UINT64_MAX, buffer_view(&proof), "two logs of %llu entries",
                           (unsigned long long)told->size);
    return alarm_raise(unit, alarm, UINT64_MAX, buffer_view(&proof),
                       "we know a log of %llu entries, it shows one of %llu",
                       (unsigned long long)view->last.size, (unsigned long long)told->size);
}

enum err
proof_take_head(struct unit *unit, const struct message_head *head, bool answers_ours,
                bool *believed_out, const char **why_out)
{
    static const struct {
        bool believed, lie;
        enum proof_reason reason;
        enum alarm_kind alarm;
    } findings[] = {
        [VIEW_SAME] = {.believed = true},
        [VIEW_GOES_ON] = {.believed = true},
        [VIEW_UNPROVED] = {.reason = PROOF_HEAD_UNPROVED},
        [VIEW_SPLIT] = {.lie = true, .reason = PROOF_HEAD_SPLIT, .alarm = ALARM_SPLIT_VIEW},
        [VIEW_REWRITTEN] = {.lie = true, .reason = PROOF_HEAD_REWRITTEN, .alarm = ALARM_REWRITTEN},
        [VIEW_ROLLED_BACK] = {.lie = true,
                              .reason = PROOF_HEAD_SHORTER,
                              .alarm = ALARM_ROLLED_BACK},
    };
    struct agent *agent = unit->agent;
    struct checkpoint told = {.size = 0};
    bool fits = head->present && head->checkpoint.len <= sizeof(agent->proof.note);
    enum view_finding finding =
        fits ? view_judge(&agent->proof.view, &agent->identity->network,
                          &agent->identity->genesis.broker_log, head, answers_ours, &told)
             : VIEW_UNPROVED;
    enum err err = ERR_OK;

    if (finding == VIEW_GOES_ON)
        err = keep_head(unit, head->checkpoint, &told);
    else if (findings[finding].lie)
        err = raise(unit, findings[finding].alarm, head, &told);
    if (err != ERR_OK)
        return err;
    if (finding == VIEW_SAME)
        agent->proof.verified_ms = unit->now.wall_ms; /* on disk with the next one that is larger */
    *believed_out = findings[finding].believed;
    *why_out = proof_reason_words(head->present ? findings[finding].reason : PROOF_NO_HEAD);
    return ERR_OK;
}

/* ---- entries ---- */

enum err
proof_judge_entry(const struct agent *agent, uint64_t index, int64_t log_time_ms,
                  const struct envelope *envelope, struct bytes inclusion)
{
    struct merkle_hash leaf;
    enum err err = envelope_log_leaf(envelope, log_time_ms, &leaf);

    return err == ERR_OK ? view_check_entry(&agent->proof.view, &leaf, index, inclusion) : err;
}

static enum err
put_proof(struct unit *unit, uint64_t index, uint64_t size, struct bytes inclusion)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(PROOF_RECORD_MAX);
    uint8_t key[8];

    buffer_put_u64(&record, size);
    buffer_put(&record, inclusion.data, inclusion.len);
    return unit_put_record(unit, TABLE_PROOFS, kv_key_u64(index, key), &record);
}

static enum err
put_note(struct unit *unit, uint64_t size, struct bytes note)
{
    uint8_t key[8];

    return unit_put(unit, TABLE_NOTES, kv_key_u64(size, key), note);
}

/* A note that is there already may say more: others may have cosigned it. */
static enum err
put_own_note(struct unit *unit)
{
    const struct view *view = &unit->agent->proof.view;
    uint8_t key[8];

    return kv_has(unit->txn, TABLE_NOTES, kv_key_u64(view->last.size, key))
               ? ERR_OK
               : put_note(unit, view->last.size, view->note);
}

/* The first proof stays: a later one says no more, and each costs a note. */
enum err
proof_take_entry(struct unit *unit, uint64_t index, int64_t log_time_ms,
                 const struct envelope *envelope, struct bytes inclusion, bool *proved_out)
{
    uint8_t key[8];
    enum err err = proof_judge_entry(unit->agent, index, log_time_ms, envelope, inclusion);

    if (err != ERR_OK && !err_is_peer(err))
        return err;
    bool proved = err == ERR_OK;
    err = ERR_OK;
    if (proved && !kv_has(unit->txn, TABLE_PROOFS, kv_key_u64(index, key))) {
        err = put_own_note(unit);
        if (err == ERR_OK)
            err = put_proof(unit, index, unit->agent->proof.view.last.size, inclusion);
    }
    if (err == ERR_OK)
        *proved_out = proved;
    return err;
}

enum err
proof_find(struct kv_txn *txn, uint64_t index, uint64_t *size_out, struct bytes *inclusion_out,
           struct bytes *note_out)
{
    uint8_t key[8];
    struct bytes record, note;
    enum err err = kv_get(txn, TABLE_PROOFS, kv_key_u64(index, key), &record);

    if (err != ERR_OK)
        return err;
    struct reader reader = reader_of(record);
    uint64_t size = reader_u64(&reader);
    if (reader.bad)
        return ERR_CORRUPT;
    err = kv_get(txn, TABLE_NOTES, kv_key_u64(size, key), &note);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    *size_out = size;
    *inclusion_out = reader.rest;
    *note_out = note;
    return ERR_OK;
}

static enum err
check_proof(const struct agent *agent, uint64_t index, const struct merkle_hash *leaf,
            uint64_t size, struct bytes inclusion, struct bytes note)
{
    const struct identity *identity = agent->identity;
    struct checkpoint checkpoint;
    struct proof proof;
    enum err err =
        checkpoint_open(note, &identity->network, &identity->genesis.broker_log, &checkpoint);

    if (err == ERR_OK)
        err = checkpoint.size == size ? proof_of_bytes(inclusion, &proof) : ERR_CORRUPT;
    if (err == ERR_OK)
        err = proof_check_inclusion(leaf, index, size, &proof, &checkpoint.root);
    return err;
}

enum err
proof_check_stored(const struct agent *agent, struct kv_txn *txn, uint64_t index,
                   int64_t log_time_ms, const struct envelope *envelope)
{
    struct merkle_hash leaf;
    struct bytes inclusion, note;
    uint64_t size = 0;
    enum err err = proof_find(txn, index, &size, &inclusion, &note);

    if (err != ERR_OK)
        return err;
    err = envelope_log_leaf(envelope, log_time_ms, &leaf);
    if (err == ERR_OK)
        err = check_proof(agent, index, &leaf, size, inclusion, note);
    return err_is_peer(err) ? ERR_CORRUPT : err;
}

enum err
proof_replace(struct unit *unit, uint64_t index, uint64_t size, struct bytes note,
              struct bytes inclusion)
{
    enum err err = put_note(unit, size, note);

    return err == ERR_OK ? put_proof(unit, index, size, inclusion) : err;
}
