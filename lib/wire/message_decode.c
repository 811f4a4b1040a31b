/* Reads session messages: one strict pass over the frame, then the part of its one kind. Envelopes
 * stay views into the frame; a version of the protocol that is not ours is told from a broken
 * message. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire/codec.h"
#include "lib/wire/message.h"
#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"
#include "proto/session.pb-c.h"

enum { HELLO_PROTOCOL = 1, SUBMIT_ENVELOPES = 1, ENTRIES_ENTRIES = 3, ENTRY_ENVELOPE = 3 };

_Static_assert((int)REFLOOP__SESSION__V1__LOOP_STATE__LOOP_VOID + 1 == (int)LOOP_STATE_COUNT,
               "states");
_Static_assert((int)REFLOOP__SESSION__V1__RECEIPT_RESULT__RECEIPT_REFUSED == (int)RECEIPT_REFUSED,
               "results");

/* `part` is the unpacked message of the kind, `wire` the bytes it was unpacked from. */
static enum err
read_hello(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Hello *from = part;
    struct message_hello *hello = &to->as.hello;
    (void)wire;
    hello->protocol = from->protocol;
    hello->cursor = from->cursor;
    return codec_get(&from->network, &hello->network, sizeof(hello->network)) &&
                   codec_get_text(from->version, hello->version, sizeof(hello->version))
               ? ERR_OK
               : ERR_MALFORMED;
}

static bool
sizes_ok(const struct bytes *envelopes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (envelopes[i].len > LIMIT_ENVELOPE_BYTES) {
            return false;
        }
    }
    return true;
}

static enum err
read_submit(const void *part, struct bytes wire, struct message *to)
{
    struct message_submit *submit = &to->as.submit;
    (void)part;
    submit->n = codec_views(wire, SUBMIT_ENVELOPES, submit->envelopes, LIMIT_ENVELOPES_PER_FRAME);
    return submit->n <= LIMIT_ENVELOPES_PER_FRAME && sizes_ok(submit->envelopes, submit->n)
               ? ERR_OK
               : ERR_TOO_LARGE;
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
    (void)wire;
    welcome->head = from->head;
    welcome->log_time_ms = from->log_time_ms;
    return codec_get(&from->incarnation, welcome->incarnation, INCARNATION_BYTES) &&
                   codec_get_text(from->version, welcome->version, sizeof(welcome->version))
               ? ERR_OK
               : ERR_MALFORMED;
}

/* Present for logged receipts, absent for refused ones. */
static bool
presence_ok(const Refloop__Session__V1__Receipt *from)
{
    bool is_refused = from->result == REFLOOP__SESSION__V1__RECEIPT_RESULT__RECEIPT_REFUSED;
    bool is_logged = !is_refused;
    bool is_superseded = from->result == REFLOOP__SESSION__V1__RECEIPT_RESULT__RECEIPT_SUPERSEDED;
    return (bool)from->has_refusal == is_refused && (bool)from->has_index == is_logged &&
           (bool)from->has_log_time_ms == is_logged && (from->signature != NULL) == is_logged &&
           (bool)from->has_retry_ms == (from->retry_ms != 0) &&
           (is_refused || !from->has_retry_ms) && (bool)from->has_superseded_by == is_superseded;
}

static bool
read_receipt(const Refloop__Session__V1__Receipt *from, struct receipt *to)
{
    to->result = (enum receipt_result)from->result;
    to->refusal = (enum err)from->refusal;
    to->state = (enum loop_state)from->state;
    to->index = from->index;
    to->log_time_ms = from->log_time_ms;
    to->retry_ms = from->retry_ms;
    return presence_ok(from) && codec_get(&from->id, &to->id, DIGEST_BYTES) &&
           codec_get_unless_zero(from->has_superseded_by, &from->superseded_by, &to->superseded_by,
                                 DIGEST_BYTES) &&
           (from->signature == NULL || turn_read(from->signature, &to->signature));
}

static enum err
read_receipts(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Receipts *from = part;
    struct message_receipts *receipts = &to->as.receipts;
    (void)wire;
    if (from->n_receipts > LIMIT_ENVELOPES_PER_FRAME) {
        return ERR_TOO_LARGE;
    }
    receipts->n = from->n_receipts;
    for (size_t i = 0; i < receipts->n; i++) {
        if (!read_receipt(from->receipts[i], &receipts->receipts[i])) {
            return ERR_MALFORMED;
        }
    }
    return ERR_OK;
}

static enum err
read_entries(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Entries *from = part;
    struct message_entries *entries = &to->as.entries;
    struct bytes views[LIMIT_ENTRIES_PER_FRAME];
    if (from->n_entries > LIMIT_ENTRIES_PER_FRAME) {
        return ERR_TOO_LARGE;
    }
    entries->next = from->next;
    entries->head = from->head;
    entries->n = codec_views(wire, ENTRIES_ENTRIES, views, LIMIT_ENTRIES_PER_FRAME);
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = &entries->entries[i];
        entry->index = from->entries[i]->index;
        entry->log_time_ms = from->entries[i]->log_time_ms;
        entry->envelope = codec_view(views[i], ENTRY_ENVELOPE);
        if (entry->envelope.len > LIMIT_ENVELOPE_BYTES) {
            return ERR_TOO_LARGE;
        }
    }
    return ERR_OK;
}

static enum err
read_pong(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Pong *from = part;
    (void)wire;
    to->as.pong = (struct message_pong){.nonce = from->nonce,
                                        .head = from->head,
                                        .log_time_ms = from->log_time_ms,
                                        .fetch_waiting = from->has_fetch_waiting};
    return ERR_OK;
}

static enum err
read_refused(const void *part, struct bytes wire, struct message *to)
{
    const Refloop__Session__V1__Refused *from = part;
    (void)wire;
    if ((bool)from->has_retry_ms != (from->retry_ms != 0)) {
        return ERR_MALFORMED;
    }
    to->as.refused =
        (struct message_refused){.code = (enum err)from->code, .retry_ms = from->retry_ms};
    return ERR_OK;
}

#define PART(name) offsetof(Refloop__Session__V1__Message, name)
static const struct kind_row {
    enum message_kind kind; /* also the part's field number */
    size_t offset;
    enum err (*read)(const void *part, struct bytes wire, struct message *to);
} kind_rows[] = {
    {MESSAGE_HELLO, PART(hello), read_hello},
    {MESSAGE_SUBMIT, PART(submit), read_submit},
    {MESSAGE_FETCH, PART(fetch), read_fetch},
    {MESSAGE_PING, PART(ping), read_ping},
    {MESSAGE_BYE, PART(bye), read_bye},
    {MESSAGE_WELCOME, PART(welcome), read_welcome},
    {MESSAGE_RECEIPTS, PART(receipts), read_receipts},
    {MESSAGE_ENTRIES, PART(entries), read_entries},
    {MESSAGE_PONG, PART(pong), read_pong},
    {MESSAGE_REFUSED, PART(refused), read_refused},
};
#undef PART

/* Exactly one kind's part must be there. */
static const struct kind_row *
find_kind(const Refloop__Session__V1__Message *from, const void **part_out)
{
    const struct kind_row *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(kind_rows); i++) {
        const void *part = NULL;
        memcpy(&part, (const char *)from + kind_rows[i].offset, sizeof(part));
        if (part == NULL) {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = &kind_rows[i];
        *part_out = part;
    }
    return found;
}

static bool
is_other_version(struct bytes bytes)
{
    uint64_t protocol = MESSAGE_PROTOCOL;
    return codec_peek_varint(codec_view(bytes, MESSAGE_HELLO), HELLO_PROTOCOL, &protocol) &&
           protocol != MESSAGE_PROTOCOL;
}

static enum err
read_message(const Refloop__Session__V1__Message *from, struct bytes bytes, struct message *to)
{
    const void *part = NULL;
    const struct kind_row *row = find_kind(from, &part);
    if (row == NULL) {
        return ERR_MALFORMED;
    }
    to->kind = row->kind;
    enum err err = row->read(part, codec_view(bytes, (uint32_t)row->kind), to);
    if (err == ERR_OK && !message_fields_ok(to)) {
        err = ERR_MALFORMED;
    }
    return err;
}

static void
free_message(struct message **message)
{
    free(*message);
}

enum err
message_decode(struct bytes bytes, struct message *message_out)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Session__V1__Message *from = NULL;
    if (bytes.len > LIMIT_FRAME_BYTES) {
        return ERR_TOO_LARGE;
    }
    if (is_other_version(bytes)) {
        return ERR_VERSION;
    }
    enum err err = codec_unpack(bytes, &refloop__session__v1__message__descriptor, &arena, &from);
    if (err != ERR_OK) {
        return err;
    }
    /* In the heap, so that the caller's message stays as it was until this one is whole. */
    CLEANUP(free_message) struct message *message = calloc(1, sizeof(*message));
    if (message == NULL) {
        return ERR_MEMORY;
    }
    err = read_message(from, bytes, message);
    if (err == ERR_OK) {
        *message_out = *message;
    }
    return err;
}
