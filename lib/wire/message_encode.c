/* Writes session messages: checks first, so that nothing is written that a reader would refuse. The
 * protobuf structs are views into the plain message. Lists are in message_lists_encode. */
#include "lib/wire/message_parts.h"

Refloop__Session__V1__Head *
message_fill_head(const struct message_filling *f, const struct message_head *from)
{
    Refloop__Session__V1__Head *to = &f->room->head;
    if (!from->present) {
        return NULL;
    }
    refloop__session__v1__head__init(to);
    to->checkpoint = codec_bytes(from->checkpoint.data, from->checkpoint.len);
    to->has_from = from->from != 0;
    to->from = from->from;
    to->has_consistency = from->consistency.len > 0;
    to->consistency = codec_bytes(from->consistency.data, from->consistency.len);
    return to;
}

static Refloop__Session__V1__Witnessed *
fill_witnessed(const struct message_filling *f, const struct message_witnessed *from)
{
    Refloop__Session__V1__Witnessed *to = &f->room->witnessed;
    if (!from->present) {
        return NULL;
    }
    refloop__session__v1__witnessed__init(to);
    to->checkpoint = codec_bytes(from->checkpoint.data, from->checkpoint.len);
    to->has_consistency = from->consistency.len > 0;
    to->consistency = codec_bytes(from->consistency.data, from->consistency.len);
    return to;
}

static enum err
fill_hello(const struct message_filling *f)
{
    const struct message_hello *from = &f->from->as.hello;
    Refloop__Session__V1__Hello *to = f->to->hello = &f->room->part.hello;
    refloop__session__v1__hello__init(to);
    to->protocol = from->protocol;
    to->network = codec_bytes(from->network.bytes, sizeof(from->network.bytes));
    to->cursor = from->cursor;
    to->version = codec_text_unless_empty(from->version);
    to->has_checkpoint = from->checkpoint.len > 0;
    to->checkpoint = codec_bytes(from->checkpoint.data, from->checkpoint.len);
    return ERR_OK;
}

static enum err
fill_fetch(const struct message_filling *f)
{
    const struct message_fetch *from = &f->from->as.fetch;
    Refloop__Session__V1__Fetch *to = f->to->fetch = &f->room->part.fetch;
    refloop__session__v1__fetch__init(to);
    to->cursor = from->cursor;
    to->credit_bytes = from->credit_bytes;
    to->has_with_own_sealed = to->with_own_sealed = from->with_own_sealed;
    return ERR_OK;
}

static enum err
fill_ping(const struct message_filling *f)
{
    Refloop__Session__V1__Ping *to = f->to->ping = &f->room->part.ping;
    refloop__session__v1__ping__init(to);
    to->nonce = f->from->as.ping.nonce;
    return ERR_OK;
}

static enum err
fill_bye(const struct message_filling *f)
{
    f->to->bye = &f->room->part.bye;
    refloop__session__v1__bye__init(f->to->bye);
    return ERR_OK;
}

static enum err
fill_welcome(const struct message_filling *f)
{
    const struct message_welcome *from = &f->from->as.welcome;
    Refloop__Session__V1__Welcome *to = f->to->welcome = &f->room->part.welcome;
    refloop__session__v1__welcome__init(to);
    to->incarnation = codec_bytes(from->incarnation, sizeof(from->incarnation));
    to->head = from->head;
    to->broker_clock_ms = from->broker_clock_ms;
    to->version = codec_text_unless_empty(from->version);
    to->proved = message_fill_head(f, &from->proved);
    to->witnessed = fill_witnessed(f, &from->witnessed);
    to->has_recall_from = from->recall_from != 0;
    to->recall_from = from->recall_from;
    return ERR_OK;
}

static enum err
fill_pong(const struct message_filling *f)
{
    const struct message_pong *from = &f->from->as.pong;
    Refloop__Session__V1__Pong *to = f->to->pong = &f->room->part.pong;
    refloop__session__v1__pong__init(to);
    to->nonce = from->nonce;
    to->head = from->head;
    to->broker_clock_ms = from->broker_clock_ms;
    to->has_fetch_waiting = to->fetch_waiting = from->fetch_waiting;
    to->proved = message_fill_head(f, &from->proved);
    to->witnessed = fill_witnessed(f, &from->witnessed);
    return ERR_OK;
}

static enum err
fill_refused(const struct message_filling *f)
{
    const struct message_refused *from = &f->from->as.refused;
    Refloop__Session__V1__Refused *to = f->to->refused = &f->room->part.refused;
    refloop__session__v1__refused__init(to);
    to->code = (uint32_t)from->code;
    to->has_retry_ms = from->retry_ms != 0;
    to->retry_ms = from->retry_ms;
    return ERR_OK;
}

static enum err
fill_cosign(const struct message_filling *f)
{
    const struct message_cosign *from = &f->from->as.cosign;
    Refloop__Session__V1__Cosign *to = f->to->cosign = &f->room->part.cosign;
    refloop__session__v1__cosign__init(to);
    to->size = from->size;
    to->time_s = from->time_s;
    to->signature = codec_bytes(from->signature, sizeof(from->signature));
    return ERR_OK;
}

static enum err
fill_recall(const struct message_filling *f)
{
    Refloop__Session__V1__Recall *to = f->to->recall = &f->room->part.recall;
    refloop__session__v1__recall__init(to);
    to->from = f->from->as.recall.from;
    return ERR_OK;
}

static enum err (*const fillers[])(const struct message_filling *) = {
    [MESSAGE_HELLO] = fill_hello,
    [MESSAGE_SUBMIT] = message_fill_submit,
    [MESSAGE_FETCH] = fill_fetch,
    [MESSAGE_PING] = fill_ping,
    [MESSAGE_BYE] = fill_bye,
    [MESSAGE_WELCOME] = fill_welcome,
    [MESSAGE_RECEIPTS] = message_fill_receipts,
    [MESSAGE_ENTRIES] = message_fill_entries,
    [MESSAGE_PONG] = fill_pong,
    [MESSAGE_REFUSED] = fill_refused,
    [MESSAGE_COSIGN] = fill_cosign,
    [MESSAGE_RECALL] = fill_recall,
    [MESSAGE_COPIES] = message_fill_copies,
    [MESSAGE_PROVE] = message_fill_prove,
    [MESSAGE_PROOFS] = message_fill_proofs,
};

static void
room_done(struct message_room *room)
{
    codec_arena_done(&room->arena);
}

/* Counts first: everything after them walks the lists. */
static enum err
check(const struct message *message)
{
    enum err err = message_counts_check(message);
    if (err == ERR_OK) {
        err = message_fields_check(message);
    }
    return err == ERR_MALFORMED ? ERR_INVALID : err; /* not a peer's fault here */
}

/* The frame's size is worked out once: for long lists that costs as much as writing it. */
static enum err
pack(const ProtobufCMessage *message, struct buffer *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > LIMIT_FRAME_BYTES) {
        return ERR_TOO_LARGE;
    }
    uint8_t *place = buffer_extend(out, size);
    if (place == NULL) {
        return buffer_err(out);
    }
    protobuf_c_message_pack(message, place);
    return ERR_OK;
}

enum err
message_encode(const struct message *message, struct buffer *out)
{
    CLEANUP(room_done) struct message_room room;
    Refloop__Session__V1__Message to = REFLOOP__SESSION__V1__MESSAGE__INIT;
    const struct message_filling filling = {.from = message, .to = &to, .room = &room};
    room.arena = (struct codec_arena){0};
    enum err err = check(message);
    if (err == ERR_OK) {
        err = fillers[message->kind](&filling);
    }
    return err == ERR_OK ? pack(&to.base, out) : err;
}
