/* Decides what the broker is asked to prove of a loop: all of it in one checkpoint, best the one
 * that others have cosigned. What it answers counts only when it leads to that checkpoint's root;
 * without an answer in time, the proofs we hold must do. It refuses to know what the proofs are
 * for. */
#include <string.h>

#include "agent/evidence.h"
#include "agent/evidence_items.h"
#include "agent/witness.h"

enum { PATIENCE_MS = 5000 };

/* Collects what a file in this checkpoint would hold. */
static enum err
collect(const struct agent *agent, struct kv_txn *txn, const struct loop_id *loop, uint64_t size,
        struct evidence_items *items)
{
    uint64_t witnessed = agent->proof.witnessed_size;

    return evidence_collect(agent, txn, loop, size, size == witnessed ? witnessed : 0, items);
}

/* All of it stands in one checkpoint already, and there is no better one. */
static enum err
is_proved(const struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
          struct evidence_items *items, bool *proved_out)
{
    uint64_t witnessed = agent->proof.witnessed_size;
    uint64_t smallest = 0, largest = 0;
    enum err err = evidence_sizes(txn, items, &smallest, &largest);

    *proved_out = false;
    if (err != ERR_OK || (largest != witnessed && witnessed > items->last))
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    const uint64_t size = largest;
    err = collect(agent, txn, loop, size, items);
    if (err == ERR_OK)
        err = evidence_sizes(txn, items, &smallest, &largest);
    *proved_out = err == ERR_OK && smallest == size && largest == size;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The note with the broker's line only, as proofs refer to it: cosignatures are added when a file
 * is written, as they are by then. */
static enum err
keep_note(struct agent *agent, struct bytes bytes)
{
    CLEANUP(buffer_done) struct buffer bare = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    const struct sign_public *key = &agent->identity->genesis.broker_log;
    char origin[NOTE_NAME_MAX + 1];
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    struct note note;
    enum err err = note_parse(bytes, &note);

    if (err != ERR_OK)
        return err;
    checkpoint_origin(&agent->identity->network, origin);
    note_key_id(origin, NOTE_TYPE_ED25519, bytes_of(key->bytes, sizeof(key->bytes)), key_id);
    buffer_put(&bare, note.text.data, note.text.len);
    note_end_text(&bare);
    for (size_t i = 0; i < note.n_signatures; i++) {
        const struct note_signature *line = &note.signatures[i];
        if (memcmp(line->key_id, key_id, sizeof(key_id)) != 0 ||
            !bytes_equal(line->name, bytes_of_text(origin)))
            continue;
        note_put_signature(&bare, origin, key_id, bytes_of(line->signature, line->len));
        break;
    }
    err = buffer_err(&bare);
    if (err != ERR_OK)
        return err;
    memcpy(agent->prove.note, bare.data, bare.len);
    agent->prove.note_len = bare.len;
    return ERR_OK;
}

/* While one loop is being asked about, the same checkpoint all along: the log goes on meanwhile. */
static bool
goes_on(const struct agent *agent, const struct loop_id *loop, uint64_t last, struct instant now)
{
    return memcmp(agent->prove.loop.bytes, loop->bytes, LOOP_ID_BYTES) == 0 &&
           agent->prove.note_len > 0 && agent->prove.word.size > last &&
           agent->prove.word.size <= agent->proof.view.last.size &&
           now.boot_ms - agent->prove.asked_ms < PATIENCE_MS;
}

/* *size_out 0: there is no checkpoint to ask about. */
static enum err
choose_checkpoint(struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
                  uint64_t last, struct instant now, uint64_t *size_out)
{
    const struct proof_state *proof = &agent->proof;
    struct bytes note = proof->view.note;
    uint64_t size = proof->view.last.size;

    if (goes_on(agent, loop, last, now)) {
        *size_out = agent->prove.word.size;
        return ERR_OK;
    }
    *size_out = 0;
    if (!proof->view.has || size <= last)
        return ERR_OK;
    if (proof->witnessed_size > last) {
        enum err err = witness_note(txn, proof->witnessed_size, &note);
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
        if (err == ERR_OK)
            size = proof->witnessed_size;
    }
    enum err err = keep_note(agent, note);
    if (err == ERR_OK)
        *size_out = size;
    return err;
}

static enum err
fill_question(struct kv_txn *txn, const struct evidence_items *items, uint64_t size,
              struct message_prove *word)
{
    *word = (struct message_prove){.size = size};
    for (size_t i = 0; i < items->n && word->n < LIMIT_PROOFS_PER_FRAME; i++) {
        struct bytes inclusion, note;
        uint64_t proved = 0;
        enum err err = proof_find(txn, items->item[i].index, &proved, &inclusion, &note);
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
        if (err == ERR_NOT_FOUND || proved != size)
            word->indexes[word->n++] = items->item[i].index;
    }
    return ERR_OK;
}

static enum err
ask(struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
    struct evidence_items *items, struct instant now, bool *ready_out)
{
    struct message_prove word = {.n = 0};
    uint64_t size = 0;
    enum err err = choose_checkpoint(agent, txn, loop, items->last, now, &size);

    if (err != ERR_OK)
        return err;
    *ready_out = true;
    if (size == 0)
        return ERR_OK;
    err = collect(agent, txn, loop, size, items);
    if (err == ERR_OK)
        err = fill_question(txn, items, size, &word);
    if (err != ERR_OK || word.n == 0)
        return err;
    agent->prove.wanted = true;
    agent->prove.waiting = false;
    agent->prove.loop = *loop;
    agent->prove.word = word;
    agent->prove.asked_ms = now.boot_ms;
    *ready_out = false;
    return ERR_OK;
}

/* One question at a time, whoever asks; the patience with it is one for all. */
static enum err
want(struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
     struct evidence_items *items, struct instant now, bool *ready_out)
{
    enum err err = is_proved(agent, txn, loop, items, ready_out);

    if (err != ERR_OK || *ready_out)
        return err;
    if (agent->prove.wanted || agent->prove.waiting) {
        if (now.boot_ms - agent->prove.asked_ms < PATIENCE_MS)
            return ERR_OK;
        agent->prove.wanted = agent->prove.waiting = false;
        *ready_out = memcmp(agent->prove.loop.bytes, loop->bytes, LOOP_ID_BYTES) == 0;
        if (*ready_out)
            return ERR_OK;
    }
    return ask(agent, txn, loop, items, now, ready_out);
}

enum err
agent_want_proofs(struct agent *agent, const struct loop_id *loop, struct instant now,
                  bool *ready_out)
{
    CLEANUP(evidence_items_done) struct evidence_items items = {.item = NULL};
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    bool ready = true;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = evidence_collect(agent, txn, loop, 0, 0, &items);
    if (err == ERR_OK && items.n > 0 && agent->session.ready && !agent->proof.broker_recovering)
        err = want(agent, txn, loop, &items, now, &ready);
    if (err == ERR_OK)
        *ready_out = ready;
    return err;
}

bool
evidence_next_word(struct agent *agent, struct instant now)
{
    (void)now; /* patience counts from the asking, not from the saying */
    if (!agent->prove.wanted || !agent->session.ready)
        return false;
    agent->prove.wanted = false;
    agent->prove.waiting = true;
    agent->out.kind = MESSAGE_PROVE;
    agent->out.as.prove = agent->prove.word;
    return true;
}

/* ---- the answer ---- */

static enum err
find_leaf(struct kv_txn *txn, const struct loop_id *loop, uint64_t index,
          struct merkle_hash *leaf_out)
{
    uint8_t log_key[LOG_KEY_BYTES], directory_key[8];
    struct bytes record;
    struct envelope envelope;
    int64_t log_time_ms = 0;
    enum err err = kv_get(txn, TABLE_LOG, table_log_key(loop, index, log_key), &record);

    if (err == ERR_NOT_FOUND)
        err = kv_get(txn, TABLE_DIRECTORY, kv_key_u64(index, directory_key), &record);
    if (err == ERR_OK)
        err = evidence_decode_record(record, &log_time_ms, &envelope);
    return err == ERR_OK ? envelope_log_leaf(&envelope, log_time_ms, leaf_out) : err;
}

struct answer {
    const struct message_proofs *proofs;
    struct bytes note;
    struct merkle_hash root;
};

/* A proof that leads elsewhere refuses the whole answer: nothing is stored of it. */
static enum err
take_answer(struct unit *unit, void *context)
{
    const struct answer *answer = context;
    const struct message_proofs *proofs = answer->proofs;
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < proofs->n; i++) {
        struct merkle_hash leaf;
        struct proof proof;
        err = find_leaf(unit->txn, &unit->agent->prove.loop, proofs->indexes[i], &leaf);
        if (err == ERR_OK)
            err = proof_of_bytes(proofs->inclusions[i], &proof);
        if (err == ERR_OK)
            err = proof_check_inclusion(&leaf, proofs->indexes[i], proofs->size, &proof,
                                        &answer->root);
        if (err == ERR_OK)
            err = proof_replace(unit, proofs->indexes[i], proofs->size, answer->note,
                                proofs->inclusions[i]);
    }
    return err;
}

static bool
answers(const struct agent *agent, const struct message_proofs *proofs)
{
    const struct message_prove *word = &agent->prove.word;

    return agent->prove.waiting && proofs->size == word->size && proofs->n == word->n &&
           memcmp(proofs->indexes, word->indexes, word->n * sizeof(word->indexes[0])) == 0;
}

enum err
evidence_on_proofs(struct agent *agent, const struct message *message, struct instant now)
{
    const struct identity *identity = agent->identity;
    struct answer answer = {.proofs = &message->as.proofs,
                            .note = bytes_of(agent->prove.note, agent->prove.note_len)};
    struct checkpoint checkpoint;

    if (!agent->session.ready || !answers(agent, answer.proofs))
        return ERR_OK; /* of an earlier question */
    enum err err = checkpoint_open(answer.note, &identity->network, &identity->genesis.broker_log,
                                   &checkpoint);
    if (err == ERR_OK && checkpoint.size != answer.proofs->size)
        err = ERR_MALFORMED;
    answer.root = checkpoint.root;
    if (err == ERR_OK)
        err = unit_run(agent, now, take_answer, &answer);
    if (err_is_peer(err)) {
        agent->session.status.bad_frames++; /* and the patience runs out */
        return ERR_OK;
    }
    if (err == ERR_OK)
        agent->prove.waiting = false;
    return err;
}
