/* Decides what a file of evidence says of one loop: each entry with the proof we hold of it, in as
 * many checkpoints as those came with, and the contents only on purpose. It refuses to know the
 * form of the file, and how proofs are had (evidence_ask.c). */
#include "agent/evidence.h"

#include <string.h>

#include "agent/evidence_items.h"
#include "agent/witness.h"
#include "lib/base/secret.h"
#include "lib/proof/evidence.h"

struct writing {
    const struct agent *agent;
    struct kv_txn *txn;
    const struct loop_id *loop;
    bool with_body;
    struct complaint *complaint;
    struct evidence_writer *writer;
    size_t n_checkpoints, n_shown;
    uint64_t sizes[EVIDENCE_CHECKPOINTS_MAX];
    size_t places[EVIDENCE_CHECKPOINTS_MAX];
};

static void
writing_done(struct writing *writing)
{
    evidence_writer_free(writing->writer);
    kv_abort(&writing->txn);
}

static enum err
unproved(const struct writing *writing)
{
    return complain(writing->complaint, ERR_UNREACHABLE,
                    "some entries of this referral have no proof here yet: they came before proofs "
                    "were kept. The broker has them: when refloop status shows the link as up, run "
                    "this again");
}

/* With the cosignatures of others where the broker has gathered them for just this size. */
static enum err
place_checkpoint(struct writing *writing, uint64_t size, struct bytes note, size_t *place_out)
{
    for (size_t i = 0; i < writing->n_checkpoints; i++) {
        if (writing->sizes[i] == size) {
            *place_out = writing->places[i];
            return ERR_OK;
        }
    }
    if (writing->n_checkpoints == EVIDENCE_CHECKPOINTS_MAX)
        return complain(writing->complaint, ERR_UNREACHABLE,
                        "the proofs of this referral stand in more than %d checkpoints. The broker "
                        "can prove it in one: when refloop status shows the link as up, run this "
                        "again",
                        EVIDENCE_CHECKPOINTS_MAX);
    enum err err = witness_note(writing->txn, size, &note);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    err = evidence_add_checkpoint(writing->writer, note, place_out);
    if (err != ERR_OK)
        return err;
    writing->sizes[writing->n_checkpoints] = size;
    writing->places[writing->n_checkpoints++] = *place_out;
    return ERR_OK;
}

/* What does not open, or was erased, is not shown; the statement proves itself without it. */
static enum err
show(struct writing *writing, struct evidence_entry *entry)
{
    struct statement statement;
    enum err err = statement_decode(entry->envelope.statement, &statement);

    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    if (entry->envelope.sealed.len == 0)
        return ERR_OK;
    err = identity_reveal_sealed(writing->agent->identity, &statement, entry->envelope.sealed,
                                 &entry->revealed);
    if (err == ERR_MEMORY)
        return err;
    entry->shown =
        err == ERR_OK && !bytes_all_zero(bytes_of(&entry->revealed, sizeof(entry->revealed)));
    writing->n_shown += entry->shown;
    return ERR_OK;
}

static enum err
find_record(const struct writing *writing, const struct evidence_item *item,
            struct bytes *record_out)
{
    uint8_t key[LOG_KEY_BYTES];

    return item->of_loop
               ? kv_get(writing->txn, TABLE_LOG, table_log_key(writing->loop, item->index, key),
                        record_out)
               : kv_get(writing->txn, TABLE_DIRECTORY, kv_key_u64(item->index, key), record_out);
}

static enum err
write_entry(struct writing *writing, const struct evidence_item *item)
{
    struct evidence_entry entry = {.index = item->index};
    struct bytes record, inclusion, note;
    uint64_t size = 0;
    enum err err = find_record(writing, item, &record);

    if (err == ERR_OK)
        err = evidence_decode_record(record, &entry.log_time_ms, &entry.envelope);
    if (err != ERR_OK)
        return err;
    err = proof_find(writing->txn, item->index, &size, &inclusion, &note);
    if (err == ERR_NOT_FOUND)
        return unproved(writing);
    if (err == ERR_OK && proof_of_bytes(inclusion, &entry.inclusion) != ERR_OK)
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        err = place_checkpoint(writing, size, note, &entry.checkpoint);
    if (err == ERR_OK && writing->with_body && item->of_loop)
        err = show(writing, &entry);
    if (!entry.shown)
        entry.envelope.sealed = bytes_of(NULL, 0);
    if (err == ERR_OK)
        err = evidence_add_entry(writing->writer, &entry);
    secret_wipe(&entry.revealed, sizeof(entry.revealed));
    return err;
}

/* As far as the largest checkpoint among the proofs goes, which more key entries may move on. */
static enum err
collect(const struct writing *writing, struct evidence_items *items)
{
    const struct agent *agent = writing->agent;
    uint64_t limit = 0, largest = 0, smallest = 0;
    enum err err = ERR_OK;

    do {
        limit = largest;
        uint64_t witnessed = agent->proof.witnessed_size;
        err = evidence_collect(agent, writing->txn, writing->loop, limit,
                               witnessed >= smallest && witnessed <= limit ? witnessed : 0, items);
        if (err == ERR_OK && items->n > 0)
            err = evidence_sizes(writing->txn, items, &smallest, &largest);
    } while (err == ERR_OK && items->n > 0 && largest > limit);
    return err == ERR_NOT_FOUND ? unproved(writing) : err;
}

static enum err
write_all(struct writing *writing, struct buffer *file_out)
{
    CLEANUP(evidence_items_done) struct evidence_items items = {.item = NULL};
    enum err err = collect(writing, &items);

    if (err == ERR_UNKNOWN_LOOP)
        return complain(writing->complaint, err, "there is no such referral here");
    if (err == ERR_OK && items.n == 0)
        return complain(writing->complaint, ERR_WRONG_STATE,
                        "this referral is not in the log yet, so there is nothing to prove: it "
                        "waits for the broker (see refloop status)");
    for (size_t i = 0; err == ERR_OK && i < items.n; i++)
        err = write_entry(writing, &items.item[i]);
    if (err == ERR_OK && writing->with_body && writing->n_shown == 0)
        return complain(writing->complaint, ERR_KEY,
                        "none of this referral's contents can be opened from its sealed form here; "
                        "evidence without them can be written");
    return err == ERR_OK ? evidence_finish(writing->writer, file_out) : err;
}

enum err
agent_evidence(struct agent *agent, const struct loop_id *loop, bool with_body,
               struct buffer *file_out, struct complaint *complaint)
{
    struct complaint said = {""};
    CLEANUP(writing_done)
    struct writing writing = {
        .agent = agent, .loop = loop, .with_body = with_body, .complaint = &said};
    enum err err = kv_begin_read(agent->kv, &writing.txn);

    if (err == ERR_OK)
        err = evidence_writer_new(&agent->identity->network, loop, &writing.writer);
    if (err == ERR_OK)
        err = write_all(&writing, file_out);
    if (err == ERR_OK)
        return ERR_OK;
    return said.text[0] != '\0'
               ? complain(complaint, err, "%s", said.text)
               : complain(complaint, err, "the evidence cannot be written: %s", err_text(err));
}
