/* What holds for session messages whichever way they go: names, the bytes a receipt's signature
 * covers, and which fields go together. It knows nothing of sessions: who may say what when is the
 * broker's. */
#include "lib/wire/message.h"

#include "lib/wire/codec.h"
#include "lib/wire/message_parts.h"
#include "lib/wire/turn.h"

enum { RECEIPT_FORM = 1 };

static const char *const names[] = {
    [MESSAGE_HELLO] = "hello",       [MESSAGE_SUBMIT] = "submit",   [MESSAGE_FETCH] = "fetch",
    [MESSAGE_PING] = "ping",         [MESSAGE_BYE] = "bye",         [MESSAGE_WELCOME] = "welcome",
    [MESSAGE_RECEIPTS] = "receipts", [MESSAGE_ENTRIES] = "entries", [MESSAGE_PONG] = "pong",
    [MESSAGE_REFUSED] = "refused",
};

const char *
message_name(enum message_kind kind)
{
    size_t place = (size_t)kind;
    return place < ARRAY_LEN(names) && names[place] != NULL ? names[place] : "unknown";
}

void
receipt_signed_bytes(const struct receipt *receipt, struct buffer *out)
{
    buffer_put_u8(out, RECEIPT_FORM);
    buffer_put(out, receipt->id.bytes, DIGEST_BYTES);
    buffer_put_u8(out, (uint8_t)receipt->result);
    buffer_put_u8(out, (uint8_t)receipt->state);
    buffer_put_u64(out, receipt->index);
    buffer_put_i64(out, receipt->log_time_ms);
    buffer_put(out, receipt->superseded_by.bytes, DIGEST_BYTES);
}

static bool
logged_fields_ok(const struct receipt *receipt)
{
    bool is_superseded = receipt->result == RECEIPT_SUPERSEDED;
    return receipt->refusal == ERR_OK && receipt->retry_ms == 0 && receipt->log_time_ms >= 0 &&
           digest_is_zero(&receipt->superseded_by) == !is_superseded &&
           turn_fields_ok(&receipt->signature);
}

static bool
receipt_fields_ok(const struct receipt *receipt)
{
    if (digest_is_zero(&receipt->id) || receipt->state >= LOOP_STATE_COUNT) {
        return false;
    }
    switch (receipt->result) {
    case RECEIPT_ACCEPTED:
    case RECEIPT_SUPERSEDED:
        return logged_fields_ok(receipt);
    case RECEIPT_REFUSED:
        return err_is_peer_number((unsigned)receipt->refusal);
    }
    return false;
}

static bool
entries_ok(const struct message *message)
{
    const struct message_entries *entries = &message->as.entries;
    for (size_t i = 0; i < entries->n; i++) {
        const struct entry *entry = &entries->entries[i];
        if (entry->envelope.len == 0 || entry->log_time_ms < 0 || entry->index >= entries->next ||
            (i > 0 && entry->index <= entries->entries[i - 1].index)) {
            return false;
        }
    }
    return true;
}

static bool
hello_ok(const struct message *message)
{
    const struct message_hello *hello = &message->as.hello;
    return !codec_is_zero(&hello->network, sizeof(hello->network)) &&
           codec_line_ok(hello->version, sizeof(hello->version), 0);
}

static bool
welcome_ok(const struct message *message)
{
    const struct message_welcome *welcome = &message->as.welcome;
    return !codec_is_zero(welcome->incarnation, sizeof(welcome->incarnation)) &&
           welcome->log_time_ms >= 0 &&
           codec_line_ok(welcome->version, sizeof(welcome->version), 0);
}

static bool
pong_ok(const struct message *message)
{
    return message->as.pong.log_time_ms >= 0;
}

static bool
refused_ok(const struct message *message)
{
    return err_is_peer_number((unsigned)message->as.refused.code);
}

static bool
submit_ok(const struct message *message)
{
    const struct message_submit *submit = &message->as.submit;
    for (size_t i = 0; i < submit->n; i++) {
        if (submit->envelopes[i].len == 0) {
            return false;
        }
    }
    return submit->n > 0;
}

static bool
receipts_ok(const struct message *message)
{
    const struct message_receipts *receipts = &message->as.receipts;
    for (size_t i = 0; i < receipts->n; i++) {
        if (!receipt_fields_ok(&receipts->receipts[i])) {
            return false;
        }
    }
    return receipts->n > 0;
}

static bool
nothing_to_check(const struct message *message)
{
    (void)message;
    return true;
}

static bool (*const rules[])(const struct message *) = {
    [MESSAGE_HELLO] = hello_ok,         [MESSAGE_SUBMIT] = submit_ok,
    [MESSAGE_FETCH] = nothing_to_check, [MESSAGE_PING] = nothing_to_check,
    [MESSAGE_BYE] = nothing_to_check,   [MESSAGE_WELCOME] = welcome_ok,
    [MESSAGE_RECEIPTS] = receipts_ok,   [MESSAGE_ENTRIES] = entries_ok,
    [MESSAGE_PONG] = pong_ok,           [MESSAGE_REFUSED] = refused_ok,
};

bool
message_fields_ok(const struct message *message)
{
    size_t kind = (size_t)message->kind;
    return kind < ARRAY_LEN(rules) && rules[kind] != NULL && rules[kind](message);
}
