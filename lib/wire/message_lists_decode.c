/* Reads the lists of session messages, field by field from wire bytes that have passed the scan:
 * envelopes, notes and proofs are the bulk of the traffic and stay where they are. What is still
 * checked here is what a plain struct cannot tell any more: which fields were there. */
#include <stddef.h>

#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"

_Static_assert((int)REFLOOP__SESSION__V1__LOOP_STATE__LOOP_VOID + 1 == (int)LOOP_STATE_COUNT,
               "states");
_Static_assert((int)REFLOOP__SESSION__V1__RECEIPT_RESULT__RECEIPT_REFUSED == (int)RECEIPT_REFUSED,
               "results");

enum { SUBMIT_ENVELOPES = 1 };
enum { RECEIPTS_RECEIPTS = 1, RECEIPTS_PROVED = 2 };
enum {
    RECEIPT_ID = 1,
    RECEIPT_RESULT = 2,
    RECEIPT_REFUSAL = 3,
    RECEIPT_STATE = 4,
    RECEIPT_INDEX = 5,
    RECEIPT_LOG_TIME = 6,
    RECEIPT_SUPERSEDED_BY = 7,
    RECEIPT_RETRY = 8,
    RECEIPT_SIGNATURE = 9,
    RECEIPT_INCLUSION = 10,
};
enum { ENTRIES_NEXT = 1, ENTRIES_HEAD = 2, ENTRIES_ENTRIES = 3, ENTRIES_PROVED = 4 };
enum { ENTRY_INDEX = 1, ENTRY_LOG_TIME = 2, ENTRY_ENVELOPE = 3, ENTRY_INCLUSION = 4 };
enum { COPIES_COPIES = 1, COPIES_MORE = 2 };
enum {
    COPY_INDEX = 1,
    COPY_LOG_TIME = 2,
    COPY_ENVELOPE = 3,
    COPY_CHECKPOINT = 4,
    COPY_INCLUSION = 5,
};
enum { PROVE_SIZE = 1, PROVE_INDEXES = 2 };
enum { PROOFS_SIZE = 1, PROOFS_PROOFS = 2 };
enum { PROOF_INDEX = 1, PROOF_INCLUSION = 2 };

enum err
message_read_submit(struct bytes wire, struct message *to)
{
    struct message_submit *submit = &to->as.submit;
    submit->n = codec_views(wire, SUBMIT_ENVELOPES, submit->envelopes, LIMIT_ENVELOPES_PER_FRAME);
    return message_counts_check(to);
}

/* ---- receipts ---- */

#define BIT(field) (1u << (field))
enum {
    IN_EVERY_RECEIPT = BIT(RECEIPT_ID) | BIT(RECEIPT_RESULT) | BIT(RECEIPT_STATE),
    IN_LOGGED =
        IN_EVERY_RECEIPT | BIT(RECEIPT_INDEX) | BIT(RECEIPT_LOG_TIME) | BIT(RECEIPT_SIGNATURE),
};
/* Which fields a receipt of a result has, and which it may have besides. */
static const struct receipt_row {
    unsigned has, may_have;
} receipt_rows[] = {
    [RECEIPT_ACCEPTED] = {IN_LOGGED, BIT(RECEIPT_INCLUSION)},
    [RECEIPT_SUPERSEDED] = {IN_LOGGED | BIT(RECEIPT_SUPERSEDED_BY), BIT(RECEIPT_INCLUSION)},
    [RECEIPT_REFUSED] = {IN_EVERY_RECEIPT | BIT(RECEIPT_REFUSAL), BIT(RECEIPT_RETRY)},
};
#undef BIT

static enum err
read_digest(struct bytes content, struct digest *to)
{
    struct reader reader = reader_of(content);
    reader_copy(&reader, to->bytes, DIGEST_BYTES);
    return reader_err(&reader) == ERR_OK ? ERR_OK : ERR_MALFORMED;
}

static enum err
read_signature(struct bytes wire, struct codec_arena *arena, struct turn_signature *to)
{
    Refloop__Envelope__V1__Signature *from = NULL;
    enum err err = codec_unpack(wire, &refloop__envelope__v1__signature__descriptor, arena, &from);
    if (err != ERR_OK) {
        return err;
    }
    return turn_read(from, to) ? ERR_OK : ERR_MALFORMED;
}

static enum err
read_receipt_field(const struct codec_field *field, struct codec_arena *arena, struct receipt *to)
{
    switch (field->number) {
    case RECEIPT_ID:
        return read_digest(field->content, &to->id);
    case RECEIPT_RESULT:
        to->result = (enum receipt_result)field->value;
        return ERR_OK;
    case RECEIPT_REFUSAL:
        to->refusal = (enum err)field->value;
        return ERR_OK;
    case RECEIPT_STATE:
        to->state = (enum loop_state)field->value;
        return ERR_OK;
    case RECEIPT_INDEX:
        to->index = field->value;
        return ERR_OK;
    case RECEIPT_LOG_TIME:
        to->log_time_ms = (int64_t)field->value;
        return ERR_OK;
    case RECEIPT_SUPERSEDED_BY:
        return read_digest(field->content, &to->superseded_by);
    case RECEIPT_RETRY:
        to->retry_ms = (uint32_t)field->value;
        return to->retry_ms != 0 ? ERR_OK : ERR_MALFORMED;
    case RECEIPT_SIGNATURE:
        return read_signature(field->content, arena, &to->signature);
    case RECEIPT_INCLUSION:
        to->inclusion = field->content;
        return ERR_OK;
    default:
        return ERR_MALFORMED;
    }
}

static enum err
read_receipt(struct bytes wire, struct codec_arena *arena, struct receipt *to)
{
    struct codec_field field;
    unsigned seen = 0;
    while (codec_take_field(&wire, &field)) {
        enum err err = read_receipt_field(&field, arena, to);
        if (err != ERR_OK) {
            return err;
        }
        seen |= 1u << field.number;
    }
    const struct receipt_row *row = &receipt_rows[to->result];
    return (seen & ~row->may_have) == row->has ? ERR_OK : ERR_MALFORMED;
}

enum err
message_read_receipts(struct bytes wire, struct message *to)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    struct message_receipts *receipts = &to->as.receipts;
    struct bytes views[LIMIT_ENVELOPES_PER_FRAME];
    receipts->n = codec_views(wire, RECEIPTS_RECEIPTS, views, LIMIT_ENVELOPES_PER_FRAME);
    enum err err = message_counts_check(to);
    for (size_t i = 0; err == ERR_OK && i < receipts->n; i++) {
        err = read_receipt(views[i], &arena, &receipts->receipts[i]);
    }
    return err == ERR_OK ? message_read_head(wire, RECEIPTS_PROVED, &receipts->proved) : err;
}

/* ---- entries ---- */

static void
read_entry(struct bytes wire, struct entry *to)
{
    struct codec_field field;
    while (codec_take_field(&wire, &field)) {
        switch (field.number) {
        case ENTRY_INDEX:
            to->index = field.value;
            break;
        case ENTRY_LOG_TIME:
            to->log_time_ms = (int64_t)field.value;
            break;
        case ENTRY_ENVELOPE:
            to->envelope = field.content;
            break;
        case ENTRY_INCLUSION:
            to->inclusion = field.content;
            break;
        default:
            break;
        }
    }
}

enum err
message_read_entries(struct bytes wire, struct message *to)
{
    struct message_entries *entries = &to->as.entries;
    struct bytes views[LIMIT_ENTRIES_PER_FRAME];
    entries->n = codec_views(wire, ENTRIES_ENTRIES, views, LIMIT_ENTRIES_PER_FRAME);
    enum err err = message_counts_check(to);
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < entries->n; i++) {
        read_entry(views[i], &entries->entries[i]);
    }
    return codec_peek_varint(wire, ENTRIES_NEXT, &entries->next) &&
                   codec_peek_varint(wire, ENTRIES_HEAD, &entries->head)
               ? message_read_head(wire, ENTRIES_PROVED, &entries->proved)
               : ERR_MALFORMED;
}

/* ---- copies and proofs ---- */

static void
read_copy(struct bytes wire, struct message_copy *to)
{
    uint64_t log_time = 0;
    (void)codec_peek_varint(wire, COPY_INDEX, &to->index);
    (void)codec_peek_varint(wire, COPY_LOG_TIME, &log_time);
    to->log_time_ms = (int64_t)log_time;
    to->envelope = codec_view(wire, COPY_ENVELOPE);
    to->checkpoint = codec_view(wire, COPY_CHECKPOINT);
    to->inclusion = codec_view(wire, COPY_INCLUSION);
}

enum err
message_read_copies(struct bytes wire, struct message *to)
{
    struct message_copies *copies = &to->as.copies;
    struct bytes views[LIMIT_COPIES_PER_FRAME];
    uint64_t more = 0;
    copies->n = codec_views(wire, COPIES_COPIES, views, LIMIT_COPIES_PER_FRAME);
    copies->more = codec_peek_varint(wire, COPIES_MORE, &more);
    enum err err = message_counts_check(to);
    for (size_t i = 0; err == ERR_OK && i < copies->n; i++) {
        read_copy(views[i], &copies->copies[i]);
    }
    return err;
}

enum err
message_read_prove(struct bytes wire, struct message *to)
{
    struct message_prove *prove = &to->as.prove;
    struct codec_field field;
    while (codec_take_field(&wire, &field)) {
        if (field.number == PROVE_SIZE) {
            prove->size = field.value;
        } else if (prove->n == LIMIT_PROOFS_PER_FRAME) {
            return ERR_TOO_LARGE;
        } else {
            prove->indexes[prove->n++] = field.value;
        }
    }
    return ERR_OK;
}

enum err
message_read_proofs(struct bytes wire, struct message *to)
{
    struct message_proofs *proofs = &to->as.proofs;
    struct bytes views[LIMIT_PROOFS_PER_FRAME];
    proofs->n = codec_views(wire, PROOFS_PROOFS, views, LIMIT_PROOFS_PER_FRAME);
    (void)codec_peek_varint(wire, PROOFS_SIZE, &proofs->size);
    enum err err = message_counts_check(to);
    for (size_t i = 0; err == ERR_OK && i < proofs->n; i++) {
        (void)codec_peek_varint(views[i], PROOF_INDEX, &proofs->indexes[i]);
        proofs->inclusions[i] = codec_view(views[i], PROOF_INCLUSION);
    }
    return err;
}
