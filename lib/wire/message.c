/* What session messages are called, and the bytes that a receipt's signature covers. It knows
 * nothing of their form on the wire (message_encode, message_decode), nor of sessions: who may say
 * what when is the broker's. */
#include "lib/wire/message.h"

enum { RECEIPT_FORM = 1 };

static const char *const names[] = {
    [MESSAGE_HELLO] = "hello",       [MESSAGE_SUBMIT] = "submit",   [MESSAGE_FETCH] = "fetch",
    [MESSAGE_PING] = "ping",         [MESSAGE_BYE] = "bye",         [MESSAGE_WELCOME] = "welcome",
    [MESSAGE_RECEIPTS] = "receipts", [MESSAGE_ENTRIES] = "entries", [MESSAGE_PONG] = "pong",
    [MESSAGE_REFUSED] = "refused",   [MESSAGE_COSIGN] = "cosign",   [MESSAGE_RECALL] = "recall",
    [MESSAGE_COPIES] = "copies",     [MESSAGE_PROVE] = "prove",     [MESSAGE_PROOFS] = "proofs",
};

const char *
message_name(enum message_kind kind)
{
    size_t place = (size_t)kind;
    return place < ARRAY_LEN(names) && names[place] != NULL ? names[place] : "unknown";
}

/* The inclusion proof is not among them: it proves by itself, and the same receipt is proved in
 * other heads later. */
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
