/* Reads session messages: the frame holds one part, whose field number is its kind; one strict pass
 * over that part, then its reader. Small parts are unpacked, lists are read where they stand
 * (message_lists_decode). A version of the protocol that is not ours is told from a broken message.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/wire/message_parts.h"

enum { HELLO_PROTOCOL = 1, HELLO_CHECKPOINT = 5 };
enum { HEAD_CHECKPOINT = 1, HEAD_FROM = 2, HEAD_CONSISTENCY = 3 };
enum { WITNESSED_CHECKPOINT = 1, WITNESSED_CONSISTENCY = 2 };
enum { WELCOME_PROVED = 5, WELCOME_WITNESSED = 6, PONG_PROVED = 5, PONG_WITNESSED = 6 };

/* Zero stands for absent in these, and is not written. */
static bool
absent_when_zero(protobuf_c_boolean has, uint64_t value)
{
    return (bool)has == (value != 0);
}

enum err
message_read_head(struct bytes part, uint32_t number, struct message_head *to)
{
    struct bytes head = codec_view(part, number);
    if (head.len == 0) {
        return ERR_OK; /* absent: one that is there has a checkpoint */
    }
    to->present = true;
    to->checkpoint = codec_view(head, HEAD_CHECKPOINT);
    to->consistency = codec_view(head, HEAD_CONSISTENCY);
    bool has_from = codec_peek_varint(head, HEAD_FROM, &to->from);
    return absent_when_zero(has_from, to->from) ? ERR_OK : ERR_MALFORMED;
}

static void
read_witnessed(struct bytes part, uint32_t number, struct message_witnessed *to)
{
    struct bytes witnessed = codec_view(part, number);
    to->present = witnessed.len > 0;
    to->checkpoint = codec_view(witnessed, WITNESSED_CHECKPOINT);
    to->consistency = codec_view(witnessed, WITNESSED_CONSISTENCY);
}

/* `part` is the unpacked message of the kind, `wire` the bytes it was unpacked from. */
static enum err
read_hello(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Hello *from = part;
    struct message_hello *hello = &to->as.hello;
    hello->checkpoint = codec_view(wire, HELLO_CHECKPOINT);
    hello->protocol = from->protocol;
    hello->cursor = from->cursor;
    return codec_get(&from->network, &hello->network, sizeof(hello->network)) &&
                   codec_get_text(from->version, hello->version, sizeof(hello->version))
               ? ERR_OK
               : ERR_MALFORMED;
}

static enum err
read_fetch(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Fetch *from = part;
    (void)wire;
    to->as.fetch = (struct message_fetch){.cursor = from->cursor,
                                          .credit_bytes = from->credit_bytes,
                                          .with_own_sealed = from->has_with_own_sealed};
    return ERR_OK;
}

static enum err
read_ping(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Ping *from = part;
    (void)wire;
    to->as.ping.nonce = from->nonce;
    return ERR_OK;
}

static enum err
read_bye(const void *part, struct bytes wire, struct message *to)
{
    (void)part;
    (void)wire;
    (void)to;
    return ERR_OK;
}

static enum err
read_welcome(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Welcome *from = part;
    struct message_welcome *welcome = &to->as.welcome;
    welcome->head = from->head;
    welcome->broker_clock_ms = from->broker_clock_ms;
    welcome->recall_from = from->recall_from;
    read_witnessed(wire, WELCOME_WITNESSED, &welcome->witnessed);
    return codec_get(&from->incarnation, welcome->incarnation, INCARNATION_BYTES) &&
                   codec_get_text(from->version, welcome->version, sizeof(welcome->version)) &&
                   absent_when_zero(from->has_recall_from, from->recall_from)
               ? message_read_head(wire, WELCOME_PROVED, &welcome->proved)
               : ERR_MALFORMED;
}

static enum err
read_pong(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Pong *from = part;
    to->as.pong = (struct message_pong){.nonce = from->nonce,
                                        .head = from->head,
                                        .broker_clock_ms = from->broker_clock_ms,
                                        .fetch_waiting = from->has_fetch_waiting};
    read_witnessed(wire, PONG_WITNESSED, &to->as.pong.witnessed);
    return message_read_head(wire, PONG_PROVED, &to->as.pong.proved);
}

static enum err
read_refused(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Refused *from = part;
    (void)wire;
    if (!absent_when_zero(from->has_retry_ms, from->retry_ms)) {
        return ERR_MALFORMED;
    }
    to->as.refused =
        (struct message_refused){.code = (enum err)from->code, .retry_ms = from->retry_ms};
    return ERR_OK;
}

static enum err
read_cosign(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Cosign *from = part;
    struct message_cosign *cosign = &to->as.cosign;
    (void)wire;
    cosign->size = from->size;
    cosign->time_s = from->time_s;
    return codec_get(&from->signature, cosign->signature, sizeof(cosign->signature))
               ? ERR_OK
               : ERR_MALFORMED;
}

static enum err
read_recall(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Recall *from = part;
    (void)wire;
    to->as.recall.from = from->from;
    return ERR_OK;
}

/* By kind, which is also the part's field number. Exactly one of the readers is there. */
#define TYPE(name) &refloop__session__v1__##name##__descriptor
static const struct kind_row {
    const ProtobufCMessageDescriptor *type;
    enum err (*read)(const void *part, struct bytes wire, struct message *to);
    enum err (*read_list)(struct bytes wire, struct message *to);
} kind_rows[] = {
    [MESSAGE_HELLO] = {TYPE(hello), read_hello, NULL},
    [MESSAGE_SUBMIT] = {TYPE(submit), NULL, message_read_submit},
    [MESSAGE_FETCH] = {TYPE(fetch), read_fetch, NULL},
    [MESSAGE_PING] = {TYPE(ping), read_ping, NULL},
    [MESSAGE_BYE] = {TYPE(bye), read_bye, NULL},
    [MESSAGE_WELCOME] = {TYPE(welcome), read_welcome, NULL},
    [MESSAGE_RECEIPTS] = {TYPE(receipts), NULL, message_read_receipts},
    [MESSAGE_ENTRIES] = {TYPE(entries), NULL, message_read_entries},
    [MESSAGE_PONG] = {TYPE(pong), read_pong, NULL},
    [MESSAGE_REFUSED] = {TYPE(refused), read_refused, NULL},
    [MESSAGE_COSIGN] = {TYPE(cosign), read_cosign, NULL},
    [MESSAGE_RECALL] = {TYPE(recall), read_recall, NULL},
    [MESSAGE_COPIES] = {TYPE(copies), NULL, message_read_copies},
    [MESSAGE_PROVE] = {TYPE(prove), NULL, message_read_prove},
    [MESSAGE_PROOFS] = {TYPE(proofs), NULL, message_read_proofs},
};
#undef TYPE

/* Exactly one kind's part must be there, and nothing else. */
static const struct kind_row *
find_part(struct bytes frame, struct codec_field *part_out)
{
    if (!codec_take_field(&frame, part_out) || frame.len > 0 ||
        part_out->wire != CODEC_WIRE_BYTES || part_out->number >= ARRAY_LEN(kind_rows) ||
        kind_rows[part_out->number].type == NULL) {
        return NULL;
    }
    return &kind_rows[part_out->number];
}

static bool
is_other_version(struct bytes bytes)
{
    uint64_t protocol = MESSAGE_PROTOCOL;
    return codec_peek_varint(codec_view(bytes, MESSAGE_HELLO), HELLO_PROTOCOL, &protocol) &&
           protocol != MESSAGE_PROTOCOL;
}

static enum err
read_part(const struct kind_row *row, struct bytes wire, struct message *to)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    ProtobufCMessage *part = NULL;
    if (row->read_list != NULL) {
        enum err err = codec_scan(wire, row->type);
        return err == ERR_OK ? row->read_list(wire, to) : err;
    }
    enum err err = codec_unpack(wire, row->type, &arena, &part);
    return err == ERR_OK ? row->read(part, wire, to) : err;
}

static void
free_message(struct message **message)
{
    free(*message);
}

enum err
message_decode(struct bytes bytes, struct message *message_out)
{
    struct codec_field part;
    if (bytes.len > LIMIT_FRAME_BYTES) {
        return ERR_TOO_LARGE;
    }
    if (is_other_version(bytes)) {
        return ERR_VERSION;
    }
    const struct kind_row *row = find_part(bytes, &part);
    if (row == NULL) {
        return ERR_MALFORMED;
    }
    /* In the heap, so that the caller's message stays as it was until this one is whole. */
    CLEANUP(free_message) struct message *message = calloc(1, sizeof(*message));
    if (message == NULL) {
        return ERR_MEMORY;
    }
    message->kind = (enum message_kind)part.number;
    enum err err = read_part(row, part.content, message);
    if (err == ERR_OK) {
        err = message_fields_check(message);
    }
    if (err == ERR_OK) {
        *message_out = *message;
    }
    return err;
}
