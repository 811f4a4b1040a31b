/* Writes the lists of session messages: one allocation for the items and one for the pointers that
 * protobuf-c wants, from the arena of the packing. */
#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"

enum err
message_fill_submit(const struct message_filling *f)
{
    const struct message_submit *from = &f->from->as.submit;
    Refloop__Session__V1__Submit *to = f->to->submit = &f->room->part.submit;
    refloop__session__v1__submit__init(to);
    to->envelopes = codec_alloc(&f->room->arena, from->n * sizeof(*to->envelopes));
    if (to->envelopes == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        to->envelopes[i] = codec_bytes(from->envelopes[i].data, from->envelopes[i].len);
    }
    to->n_envelopes = from->n;
    return ERR_OK;
}

/* One receipt and the signature it points to. */
struct wire_receipt {
    Refloop__Session__V1__Receipt receipt;
    Refloop__Envelope__V1__Signature signature;
};

static void
fill_receipt(const struct receipt *from, struct wire_receipt *room)
{
    Refloop__Session__V1__Receipt *to = &room->receipt;
    bool is_refused = from->result == RECEIPT_REFUSED;
    refloop__session__v1__receipt__init(to);
    to->id = codec_bytes(from->id.bytes, DIGEST_BYTES);
    to->result = (Refloop__Session__V1__ReceiptResult)from->result;
    to->has_refusal = is_refused;
    to->refusal = (uint32_t)from->refusal;
    to->state = (Refloop__Session__V1__LoopState)from->state;
    to->has_index = to->has_log_time_ms = !is_refused;
    to->index = from->index;
    to->log_time_ms = from->log_time_ms;
    to->has_superseded_by = from->result == RECEIPT_SUPERSEDED;
    to->superseded_by = codec_bytes(from->superseded_by.bytes, DIGEST_BYTES);
    to->has_retry_ms = is_refused && from->retry_ms != 0;
    to->retry_ms = from->retry_ms;
    if (!is_refused) {
        turn_fill(&from->signature, &room->signature);
        to->signature = &room->signature;
        to->has_inclusion = from->inclusion.len > 0;
        to->inclusion = codec_bytes(from->inclusion.data, from->inclusion.len);
    }
}

enum err
message_fill_receipts(const struct message_filling *f)
{
    const struct message_receipts *from = &f->from->as.receipts;
    Refloop__Session__V1__Receipts *to = f->to->receipts = &f->room->part.receipts;
    refloop__session__v1__receipts__init(to);
    struct wire_receipt *room = codec_alloc(&f->room->arena, from->n * sizeof(*room));
    to->receipts = codec_alloc(&f->room->arena, from->n * sizeof(struct wire_receipt *));
    if (room == NULL || to->receipts == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        fill_receipt(&from->receipts[i], &room[i]);
        to->receipts[i] = &room[i].receipt;
    }
    to->n_receipts = from->n;
    to->proved = message_fill_head(f, &from->proved);
    return ERR_OK;
}

static void
fill_entry(const struct entry *from, Refloop__Session__V1__Entry *to)
{
    refloop__session__v1__entry__init(to);
    to->index = from->index;
    to->log_time_ms = from->log_time_ms;
    to->envelope = codec_bytes(from->envelope.data, from->envelope.len);
    to->has_inclusion = from->inclusion.len > 0;
    to->inclusion = codec_bytes(from->inclusion.data, from->inclusion.len);
}

enum err
message_fill_entries(const struct message_filling *f)
{
    const struct message_entries *from = &f->from->as.entries;
    Refloop__Session__V1__Entries *to = f->to->entries = &f->room->part.entries;
    refloop__session__v1__entries__init(to);
    to->next = from->next;
    to->head = from->head;
    Refloop__Session__V1__Entry *room = codec_alloc(&f->room->arena, from->n * sizeof(*room));
    to->entries = codec_alloc(&f->room->arena, from->n * sizeof(room));
    if (room == NULL || to->entries == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        fill_entry(&from->entries[i], &room[i]);
        to->entries[i] = &room[i];
    }
    to->n_entries = from->n;
    to->proved = message_fill_head(f, &from->proved);
    return ERR_OK;
}

static void
fill_copy(const struct message_copy *from, Refloop__Session__V1__Copy *to)
{
    refloop__session__v1__copy__init(to);
    to->index = from->index;
    to->log_time_ms = from->log_time_ms;
    to->envelope = codec_bytes(from->envelope.data, from->envelope.len);
    to->checkpoint = codec_bytes(from->checkpoint.data, from->checkpoint.len);
    to->has_inclusion = from->inclusion.len > 0;
    to->inclusion = codec_bytes(from->inclusion.data, from->inclusion.len);
}

enum err
message_fill_copies(const struct message_filling *f)
{
    const struct message_copies *from = &f->from->as.copies;
    Refloop__Session__V1__Copies *to = f->to->copies = &f->room->part.copies;
    refloop__session__v1__copies__init(to);
    Refloop__Session__V1__Copy *room = codec_alloc(&f->room->arena, from->n * sizeof(*room));
    to->copies = codec_alloc(&f->room->arena, from->n * sizeof(room));
    if (room == NULL || to->copies == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        fill_copy(&from->copies[i], &room[i]);
        to->copies[i] = &room[i];
    }
    to->n_copies = from->n;
    to->has_more = to->more = from->more;
    return ERR_OK;
}

enum err
message_fill_prove(const struct message_filling *f)
{
    const struct message_prove *from = &f->from->as.prove;
    Refloop__Session__V1__Prove *to = f->to->prove = &f->room->part.prove;
    refloop__session__v1__prove__init(to);
    to->indexes = codec_alloc(&f->room->arena, from->n * sizeof(*to->indexes));
    if (to->indexes == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        to->indexes[i] = from->indexes[i];
    }
    to->n_indexes = from->n;
    to->size = from->size;
    return ERR_OK;
}

enum err
message_fill_proofs(const struct message_filling *f)
{
    const struct message_proofs *from = &f->from->as.proofs;
    Refloop__Session__V1__Proofs *to = f->to->proofs = &f->room->part.proofs;
    refloop__session__v1__proofs__init(to);
    Refloop__Session__V1__Proof *room = codec_alloc(&f->room->arena, from->n * sizeof(*room));
    to->proofs = codec_alloc(&f->room->arena, from->n * sizeof(room));
    if (room == NULL || to->proofs == NULL) {
        return f->room->arena.failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        refloop__session__v1__proof__init(&room[i]);
        room[i].index = from->indexes[i];
        room[i].has_inclusion = from->inclusions[i].len > 0;
        room[i].inclusion = codec_bytes(from->inclusions[i].data, from->inclusions[i].len);
        to->proofs[i] = &room[i];
    }
    to->n_proofs = from->n;
    to->size = from->size;
    return ERR_OK;
}
