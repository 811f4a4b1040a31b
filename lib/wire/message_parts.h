/* Private to lib/wire: what the readers, writers and rules of session messages share. */
#ifndef REFLOOP_LIB_WIRE_MESSAGE_PARTS_H
#define REFLOOP_LIB_WIRE_MESSAGE_PARTS_H

#include "lib/wire/codec.h"
#include "lib/wire/message.h"
#include "proto/session.pb-c.h"

/* Counts of lists: everything else walks them. ERR_TOO_LARGE. */
enum err message_counts_check(const struct message *message) MUST_CHECK;
/* What must hold in and between the fields of a message whose counts are within bounds.
 * ERR_MALFORMED, ERR_TOO_LARGE. */
enum err message_fields_check(const struct message *message) MUST_CHECK;

/* Readers of lists: straight from wire bytes that have passed the scan, with views into them.
 * ERR_MALFORMED, ERR_TOO_LARGE, ERR_MEMORY. */
enum err message_read_submit(struct bytes wire, struct message *to) MUST_CHECK;
enum err message_read_receipts(struct bytes wire, struct message *to) MUST_CHECK;
enum err message_read_entries(struct bytes wire, struct message *to) MUST_CHECK;
enum err message_read_copies(struct bytes wire, struct message *to) MUST_CHECK;
enum err message_read_prove(struct bytes wire, struct message *to) MUST_CHECK;
enum err message_read_proofs(struct bytes wire, struct message *to) MUST_CHECK;
/* The Head that is field `number` of a part; not present when there is none. */
enum err message_read_head(struct bytes part, uint32_t number, struct message_head *to) MUST_CHECK;

/* Where the protobuf form of one message is built: views into the plain one, lists in the arena. */
struct message_room {
    union {
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
        Refloop__Session__V1__Cosign cosign;
        Refloop__Session__V1__Recall recall;
        Refloop__Session__V1__Copies copies;
        Refloop__Session__V1__Prove prove;
        Refloop__Session__V1__Proofs proofs;
    } part;
    Refloop__Session__V1__Head head;
    Refloop__Session__V1__Witnessed witnessed;
    struct codec_arena arena;
};
struct message_filling {
    const struct message *from;
    Refloop__Session__V1__Message *to;
    struct message_room *room;
};

/* Writers of lists. ERR_MEMORY. */
enum err message_fill_submit(const struct message_filling *f) MUST_CHECK;
enum err message_fill_receipts(const struct message_filling *f) MUST_CHECK;
enum err message_fill_entries(const struct message_filling *f) MUST_CHECK;
enum err message_fill_copies(const struct message_filling *f) MUST_CHECK;
enum err message_fill_prove(const struct message_filling *f) MUST_CHECK;
enum err message_fill_proofs(const struct message_filling *f) MUST_CHECK;
/* NULL when it is not present. */
Refloop__Session__V1__Head *
message_fill_head(const struct message_filling *f, const struct message_head *from);

#endif
