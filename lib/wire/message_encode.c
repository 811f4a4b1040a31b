/* Writes session messages. The protobuf structs are views into the plain message; lists of them
 * come from an arena that lives as long as the packing. */
#include "lib/wire/codec.h"
#include "lib/wire/message.h"
#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"
#include "proto/session.pb-c.h"

/* Room for the one part that the kind needs. */
union part {
    Refloop__Session__V1__Hello hello;
    Refloop__Session__V1__Submit submit;
    Refloop__Session__V1__Fetch fetch;
    Refloop__Session__V1__Ping ping;
    Refloop__Session__V1__Bye bye;
    Refloop__Session__V1__Welcome welcome;
    Refloop__Session__V1__Receipts receipts;
    Refloop__Session__V1__Entries entries;
    Refloop__Session__V1__Pong pong;
    Refloop__Session__V1__Refused refused;
};

struct filling {
    const struct message *from;
    Refloop__Session__V1__Message *to;
    union part *part;
    struct codec_arena *arena;
};

static enum err
fill_hello(const struct filling *f)
{
    const struct message_hello *from = &f->from->as.hello;
    Refloop__Session__V1__Hello *to = f->to->hello = &f->part->hello;
    refloop__session__v1__hello__init(to);
    to->protocol = from->protocol;
    to->network = codec_bytes(from->network.bytes, sizeof(from->network.bytes));
    to->cursor = from->cursor;
    to->version = codec_text_unless_empty(from->version);
    return ERR_OK;
}

static enum err
fill_submit(const struct filling *f)
{
    const struct message_submit *from = &f->from->as.submit;
    Refloop__Session__V1__Submit *to = f->to->submit = &f->part->submit;
    refloop__session__v1__submit__init(to);
    to->envelopes = codec_alloc(f->arena, from->n * sizeof(*to->envelopes));
    if (to->envelopes == NULL) {
        return f->arena->failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        to->envelopes[i] = codec_bytes(from->envelopes[i].data, from->envelopes[i].len);
    }
    to->n_envelopes = from->n;
    return ERR_OK;
}

static enum err
fill_fetch(const struct filling *f)
{
    const struct message_fetch *from = &f->from->as.fetch;
    Refloop__Session__V1__Fetch *to = f->to->fetch = &f->part->fetch;
    refloop__session__v1__fetch__init(to);
    to->cursor = from->cursor;
    to->credit_bytes = from->credit_bytes;
    to->has_with_own_sealed = to->with_own_sealed = from->with_own_sealed;
    return ERR_OK;
}

static enum err
fill_ping(const struct filling *f)
{
    Refloop__Session__V1__Ping *to = f->to->ping = &f->part->ping;
    refloop__session__v1__ping__init(to);
    to->nonce = f->from->as.ping.nonce;
    return ERR_OK;
}

static enum err
fill_bye(const struct filling *f)
{
    f->to->bye = &f->part->bye;
    refloop__session__v1__bye__init(f->to->bye);
    return ERR_OK;
}

static enum err
fill_welcome(const struct filling *f)
{
    const struct message_welcome *from = &f->from->as.welcome;
    Refloop__Session__V1__Welcome *to = f->to->welcome = &f->part->welcome;
    refloop__session__v1__welcome__init(to);
    to->incarnation = codec_bytes(from->incarnation, sizeof(from->incarnation));
    to->head = from->head;
    to->log_time_ms = from->log_time_ms;
    to->version = codec_text_unless_empty(from->version);
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
    }
}

static enum err
fill_receipts(const struct filling *f)
{
    const struct message_receipts *from = &f->from->as.receipts;
    Refloop__Session__V1__Receipts *to = f->to->receipts = &f->part->receipts;
    refloop__session__v1__receipts__init(to);
    struct wire_receipt *room = codec_alloc(f->arena, from->n * sizeof(*room));
    to->receipts = codec_alloc(f->arena, from->n * sizeof(struct wire_receipt *));
    if (room == NULL || to->receipts == NULL) {
        return f->arena->failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        fill_receipt(&from->receipts[i], &room[i]);
        to->receipts[i] = &room[i].receipt;
    }
    to->n_receipts = from->n;
    return ERR_OK;
}

static enum err
fill_entries(const struct filling *f)
{
    const struct message_entries *from = &f->from->as.entries;
    Refloop__Session__V1__Entries *to = f->to->entries = &f->part->entries;
    refloop__session__v1__entries__init(to);
    to->next = from->next;
    to->head = from->head;
    Refloop__Session__V1__Entry *room = codec_alloc(f->arena, from->n * sizeof(*room));
    to->entries = codec_alloc(f->arena, from->n * sizeof(room));
    if (room == NULL || to->entries == NULL) {
        return f->arena->failed;
    }
    for (size_t i = 0; i < from->n; i++) {
        refloop__session__v1__entry__init(&room[i]);
        room[i].index = from->entries[i].index;
        room[i].log_time_ms = from->entries[i].log_time_ms;
        room[i].envelope =
            codec_bytes(from->entries[i].envelope.data, from->entries[i].envelope.len);
        to->entries[i] = &room[i];
    }
    to->n_entries = from->n;
    return ERR_OK;
}

static enum err
fill_pong(const struct filling *f)
{
    const struct message_pong *from = &f->from->as.pong;
    Refloop__Session__V1__Pong *to = f->to->pong = &f->part->pong;
    refloop__session__v1__pong__init(to);
    to->nonce = from->nonce;
    to->head = from->head;
    to->log_time_ms = from->log_time_ms;
    to->has_fetch_waiting = to->fetch_waiting = from->fetch_waiting;
    return ERR_OK;
}

static enum err
fill_refused(const struct filling *f)
{
    const struct message_refused *from = &f->from->as.refused;
    Refloop__Session__V1__Refused *to = f->to->refused = &f->part->refused;
    refloop__session__v1__refused__init(to);
    to->code = (uint32_t)from->code;
    to->has_retry_ms = from->retry_ms != 0;
    to->retry_ms = from->retry_ms;
    return ERR_OK;
}

static enum err (*const fillers[])(const struct filling *) = {
    [MESSAGE_HELLO] = fill_hello,       [MESSAGE_SUBMIT] = fill_submit,
    [MESSAGE_FETCH] = fill_fetch,       [MESSAGE_PING] = fill_ping,
    [MESSAGE_BYE] = fill_bye,           [MESSAGE_WELCOME] = fill_welcome,
    [MESSAGE_RECEIPTS] = fill_receipts, [MESSAGE_ENTRIES] = fill_entries,
    [MESSAGE_PONG] = fill_pong,         [MESSAGE_REFUSED] = fill_refused,
};

/* Counts first: everything after them walks the lists. */
static bool
counts_ok(const struct message *message)
{
    return (message->kind != MESSAGE_SUBMIT || message->as.submit.n <= LIMIT_ENVELOPES_PER_FRAME) &&
           (message->kind != MESSAGE_RECEIPTS ||
            message->as.receipts.n <= LIMIT_ENVELOPES_PER_FRAME) &&
           (message->kind != MESSAGE_ENTRIES || message->as.entries.n <= LIMIT_ENTRIES_PER_FRAME);
}

enum err
message_encode(const struct message *message, struct buffer *out)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Session__V1__Message to = REFLOOP__SESSION__V1__MESSAGE__INIT;
    union part part;
    const struct filling filling = {.from = message, .to = &to, .part = &part, .arena = &arena};
    if (!counts_ok(message)) {
        return ERR_TOO_LARGE;
    }
    if (!message_fields_ok(message)) {
        return ERR_INVALID;
    }
    enum err err = fillers[message->kind](&filling);
    if (err != ERR_OK) {
        return err;
    }
    if (protobuf_c_message_get_packed_size(&to.base) > LIMIT_FRAME_BYTES) {
        return ERR_TOO_LARGE;
    }
    return codec_pack(&to.base, out);
}
