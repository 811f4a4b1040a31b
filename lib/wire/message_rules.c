/* Which fields of a session message go together, and how large each may be: the same rules for what
 * is written and what is read. Whether a proof proves anything, and whose signature a checkpoint
 * carries, is not known here (lib/proof). */
#include <stddef.h>
#include <string.h>

#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"

static enum err
must(bool holds)
{
    return holds ? ERR_OK : ERR_MALFORMED;
}

static enum err
first_of(enum err first, enum err second)
{
    return first != ERR_OK ? first : second;
}

/* ---- bytes ---- */

static enum err
content_check(struct bytes content, size_t max)
{
    return content.len > max ? ERR_TOO_LARGE : must(content.len > 0);
}

static enum err
proof_check(struct bytes proof)
{
    return proof.len > PROOF_MAX * MERKLE_HASH_BYTES ? ERR_TOO_LARGE
                                                     : must(proof.len % MERKLE_HASH_BYTES == 0);
}

/* From nothing there is nothing to prove. */
static enum err
head_check(const struct message_head *head)
{
    if (!head->present) {
        return ERR_OK;
    }
    return first_of(content_check(head->checkpoint, LIMIT_CHECKPOINT_BYTES),
                    first_of(proof_check(head->consistency),
                             must(head->from > 0 || head->consistency.len == 0)));
}

static enum err
told_check(const struct message_head *head, const struct message_witnessed *witnessed)
{
    enum err err = head_check(head);
    if (err != ERR_OK || !witnessed->present) {
        return err;
    }
    return first_of(must(head->present),
                    first_of(content_check(witnessed->checkpoint, NOTE_BYTES_MAX),
                             proof_check(witnessed->consistency)));
}

/* ---- one kind each ---- */

static enum err
hello_check(const struct message *message)
{
    const struct message_hello *hello = &message->as.hello;
    return hello->checkpoint.len > LIMIT_CHECKPOINT_BYTES
               ? ERR_TOO_LARGE
               : must(!codec_is_zero(&hello->network, sizeof(hello->network)) &&
                      codec_line_ok(hello->version, sizeof(hello->version), 0));
}

static enum err
submit_check(const struct message *message)
{
    const struct message_submit *submit = &message->as.submit;
    enum err err = must(submit->n > 0);
    for (size_t i = 0; i < submit->n && err == ERR_OK; i++) {
        err = content_check(submit->envelopes[i], LIMIT_ENVELOPE_BYTES);
    }
    return err;
}

/* A log has its genesis, so a broker that is whole always has a head to tell. */
static enum err
welcome_check(const struct message *message)
{
    const struct message_welcome *welcome = &message->as.welcome;
    bool is_recalling = welcome->recall_from > 0;
    return first_of(told_check(&welcome->proved, &welcome->witnessed),
                    must(!codec_is_zero(welcome->incarnation, sizeof(welcome->incarnation)) &&
                         welcome->broker_clock_ms >= 0 &&
                         welcome->proved.present == !is_recalling &&
                         codec_line_ok(welcome->version, sizeof(welcome->version), 0)));
}

static enum err
logged_check(const struct receipt *receipt)
{
    bool is_superseded = receipt->result == RECEIPT_SUPERSEDED;
    return first_of(proof_check(receipt->inclusion),
                    must(receipt->refusal == ERR_OK && receipt->retry_ms == 0 &&
                         receipt->log_time_ms >= 0 &&
                         digest_is_zero(&receipt->superseded_by) == !is_superseded &&
                         turn_fields_ok(&receipt->signature)));
}

static enum err
receipt_check(const struct receipt *receipt)
{
    if (digest_is_zero(&receipt->id) || receipt->state >= LOOP_STATE_COUNT) {
        return ERR_MALFORMED;
    }
    switch (receipt->result) {
    case RECEIPT_ACCEPTED:
    case RECEIPT_SUPERSEDED:
        return logged_check(receipt);
    case RECEIPT_REFUSED:
        return must(err_is_peer_number((unsigned)receipt->refusal));
    }
    return ERR_MALFORMED;
}

static enum err
receipts_check(const struct message *message)
{
    const struct message_receipts *receipts = &message->as.receipts;
    enum err err = first_of(must(receipts->n > 0), head_check(&receipts->proved));
    bool any_logged = false;
    for (size_t i = 0; i < receipts->n && err == ERR_OK; i++) {
        any_logged |= receipts->receipts[i].result != RECEIPT_REFUSED;
        err = receipt_check(&receipts->receipts[i]);
    }
    return first_of(err, must(receipts->proved.present == any_logged));
}

static enum err
entry_check(const struct entry *entry)
{
    return first_of(content_check(entry->envelope, LIMIT_ENVELOPE_BYTES),
                    first_of(proof_check(entry->inclusion), must(entry->log_time_ms >= 0)));
}

static enum err
entries_check(const struct message *message)
{
    const struct message_entries *entries = &message->as.entries;
    enum err err =
        first_of(head_check(&entries->proved), must(entries->proved.present == (entries->n > 0)));
    for (size_t i = 0; i < entries->n && err == ERR_OK; i++) {
        const struct entry *entry = &entries->entries[i];
        bool in_order = entry->index < entries->next &&
                        (i == 0 || entry->index > entries->entries[i - 1].index);
        err = first_of(entry_check(entry), must(in_order));
    }
    return err;
}

static enum err
pong_check(const struct message *message)
{
    const struct message_pong *pong = &message->as.pong;
    return first_of(told_check(&pong->proved, &pong->witnessed), must(pong->broker_clock_ms >= 0));
}

static enum err
refused_check(const struct message *message)
{
    return must(err_is_peer_number((unsigned)message->as.refused.code));
}

static enum err
cosign_check(const struct message *message)
{
    return must(message->as.cosign.size > 0);
}

static enum err
recall_check(const struct message *message)
{
    return must(message->as.recall.from > 0);
}

static enum err
copy_check(const struct message_copy *copy)
{
    return first_of(first_of(content_check(copy->envelope, LIMIT_ENVELOPE_BYTES),
                             content_check(copy->checkpoint, LIMIT_CHECKPOINT_BYTES)),
                    first_of(proof_check(copy->inclusion), must(copy->log_time_ms >= 0)));
}

/* Nothing, and more of it, would be asked for again for ever. */
static enum err
copies_check(const struct message *message)
{
    const struct message_copies *copies = &message->as.copies;
    enum err err = must(copies->n > 0 || !copies->more);
    for (size_t i = 0; i < copies->n && err == ERR_OK; i++) {
        bool rising = i == 0 || copies->copies[i].index > copies->copies[i - 1].index;
        err = first_of(copy_check(&copies->copies[i]), must(rising));
    }
    return err;
}

static enum err
indexes_check(uint64_t size, const uint64_t *indexes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (indexes[i] >= size) {
            return ERR_MALFORMED;
        }
    }
    return must(size > 0);
}

static enum err
prove_check(const struct message *message)
{
    const struct message_prove *prove = &message->as.prove;
    return indexes_check(prove->size, prove->indexes, prove->n);
}

static enum err
proofs_check(const struct message *message)
{
    const struct message_proofs *proofs = &message->as.proofs;
    enum err err = indexes_check(proofs->size, proofs->indexes, proofs->n);
    for (size_t i = 0; i < proofs->n && err == ERR_OK; i++) {
        err = proof_check(proofs->inclusions[i]);
    }
    return err;
}

static enum err
nothing_to_check(const struct message *message)
{
    (void)message;
    return ERR_OK;
}

static enum err (*const rules[])(const struct message *) = {
    [MESSAGE_HELLO] = hello_check,       [MESSAGE_SUBMIT] = submit_check,
    [MESSAGE_FETCH] = nothing_to_check,  [MESSAGE_PING] = nothing_to_check,
    [MESSAGE_BYE] = nothing_to_check,    [MESSAGE_WELCOME] = welcome_check,
    [MESSAGE_RECEIPTS] = receipts_check, [MESSAGE_ENTRIES] = entries_check,
    [MESSAGE_PONG] = pong_check,         [MESSAGE_REFUSED] = refused_check,
    [MESSAGE_COSIGN] = cosign_check,     [MESSAGE_RECALL] = recall_check,
    [MESSAGE_COPIES] = copies_check,     [MESSAGE_PROVE] = prove_check,
    [MESSAGE_PROOFS] = proofs_check,
};

enum err
message_fields_check(const struct message *message)
{
    size_t kind = (size_t)message->kind;
    return kind < ARRAY_LEN(rules) && rules[kind] != NULL ? rules[kind](message) : ERR_MALFORMED;
}

/* ---- counts ---- */

static const struct list_row {
    size_t count_at;
    size_t max;
} lists[] = {
    [MESSAGE_SUBMIT] = {offsetof(struct message, as.submit.n), LIMIT_ENVELOPES_PER_FRAME},
    [MESSAGE_RECEIPTS] = {offsetof(struct message, as.receipts.n), LIMIT_ENVELOPES_PER_FRAME},
    [MESSAGE_ENTRIES] = {offsetof(struct message, as.entries.n), LIMIT_ENTRIES_PER_FRAME},
    [MESSAGE_COPIES] = {offsetof(struct message, as.copies.n), LIMIT_COPIES_PER_FRAME},
    [MESSAGE_PROVE] = {offsetof(struct message, as.prove.n), LIMIT_PROOFS_PER_FRAME},
    [MESSAGE_PROOFS] = {offsetof(struct message, as.proofs.n), LIMIT_PROOFS_PER_FRAME},
};

enum err
message_counts_check(const struct message *message)
{
    size_t kind = (size_t)message->kind;
    size_t count = 0;
    if (kind >= ARRAY_LEN(lists) || lists[kind].max == 0) {
        return ERR_OK; /* no list */
    }
    memcpy(&count, (const char *)message + lists[kind].count_at, sizeof(count));
    return count <= lists[kind].max ? ERR_OK : ERR_TOO_LARGE;
}
