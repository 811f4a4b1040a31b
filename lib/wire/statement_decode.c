/* Reads a statement from outside: suite first, so that a newer one is told from a broken one; then
 * the strict form; then lengths; then what goes together. The output is written when all of that
 * held. */
#include <stddef.h>
#include <string.h>

#include "lib/wire/codec.h"
#include "lib/wire/statement.h"
#include "lib/wire/statement_fields.h"
#include "proto/envelope.pb-c.h"

enum { FIELD_SUITE = 1 };

/* The schema lists the same numbers; a value added on one side only must not compile. */
_Static_assert((int)REFLOOP__ENVELOPE__V1__EVENT__EVENT_DELIVERED == (int)EVENT_DELIVERED &&
                   (int)EVENT_DELIVERED + 1 == (int)EVENT_COUNT,
               "events");
_Static_assert((int)REFLOOP__ENVELOPE__V1__PRIORITY__PRIORITY_URGENT == (int)PRIORITY_URGENT,
               "priorities");
_Static_assert((int)REFLOOP__ENVELOPE__V1__SIZE_CLASS__SIZE_CLASS_192K + 1 == (int)SEAL_CLASS_COUNT,
               "size classes");

static bool
read_keys(const Refloop__Envelope__V1__KeySet *from, struct key_set *to)
{
    return codec_get(&from->sign, to->sign.bytes, sizeof(to->sign.bytes)) &&
           codec_get(&from->seal, to->seal.bytes, sizeof(to->seal.bytes)) &&
           codec_get(&from->curve, to->curve.bytes, sizeof(to->curve.bytes));
}

static bool
read_genesis(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Genesis *from = part;
    struct statement_genesis *to = &statement->as.genesis;
    return codec_get_text(from->network_name, to->network_name, sizeof(to->network_name)) &&
           codec_get_text(from->endpoint, to->endpoint, sizeof(to->endpoint)) &&
           codec_get(&from->broker_curve, &to->broker_curve, sizeof(to->broker_curve)) &&
           codec_get(&from->broker_log, &to->broker_log, sizeof(to->broker_log)) &&
           codec_get_org(from->auditor_org, to->auditor_org) &&
           read_keys(from->auditor, &to->auditor);
}

static bool
read_invite(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Invite *from = part;
    struct statement_invite *to = &statement->as.invite;
    to->expires_ms = from->expires_ms;
    to->replaces = from->has_replaces;
    return codec_get_org(from->org, to->org) &&
           codec_get_text(from->name, to->name, sizeof(to->name)) &&
           codec_get(&from->once_sign, &to->once_sign, sizeof(to->once_sign)) &&
           codec_get(&from->once_curve, &to->once_curve, sizeof(to->once_curve));
}

static bool
read_join(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Join *from = part;
    struct statement_join *to = &statement->as.join;
    return codec_get_org(from->org, to->org) &&
           codec_get(&from->invite, &to->invite, sizeof(to->invite)) &&
           read_keys(from->keys, &to->keys) &&
           codec_get(&from->possession, to->possession, sizeof(to->possession));
}

static bool
read_revoke(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Revoke *from = part;
    struct statement_revoke *to = &statement->as.revoke;
    return codec_get_org(from->org, to->org) &&
           codec_get_text(from->reason, to->reason, sizeof(to->reason));
}

static bool
read_rotate(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Rotate *from = part;
    struct statement_rotate *to = &statement->as.rotate;
    return read_keys(from->keys, &to->keys) &&
           codec_get(&from->possession, to->possession, sizeof(to->possession));
}

static bool
read_readers(const Refloop__Envelope__V1__Loop *from, struct statement_loop *to)
{
    if (from->n_readers > LIMIT_READERS) {
        return false;
    }
    to->n_readers = from->n_readers;
    for (size_t i = 0; i < from->n_readers; i++) {
        if (!codec_get_org(from->readers[i]->org, to->readers[i].org) ||
            !codec_get(&from->readers[i]->key, &to->readers[i].key, KEY_ID_BYTES)) {
            return false;
        }
    }
    return true;
}

static bool
read_sealed(const Refloop__Envelope__V1__Loop *from, struct statement_loop *to)
{
    to->has_sealed = from->has_sealed_digest;
    to->body_class = from->has_body_class ? (enum seal_class)from->body_class : SEAL_1K;
    return from->has_sealed_digest == from->has_body_class &&
           codec_get_unless_zero(from->has_sealed_digest, &from->sealed_digest, &to->sealed_digest,
                                 DIGEST_BYTES);
}

static bool
read_loop(const void *part, struct statement *statement)
{
    const Refloop__Envelope__V1__Loop *from = part;
    struct statement_loop *to = &statement->as.loop;
    to->event = (enum loop_event)from->event;
    to->seq = from->seq;
    to->priority = (enum statement_priority)from->priority;
    to->due_ms = from->has_due_ms ? from->due_ms : 0;
    to->automatic = from->has_automatic;
    return codec_get(&from->loop, &to->loop, sizeof(to->loop)) &&
           codec_get_unless_zero(from->has_previous, &from->previous, &to->previous,
                                 DIGEST_BYTES) &&
           codec_get_unless_zero(from->has_heard, &from->heard, &to->heard, DIGEST_BYTES) &&
           codec_get_unless_zero(from->has_delivered, &from->delivered, &to->delivered,
                                 DIGEST_BYTES) &&
           from->has_due_ms == (to->due_ms != 0) && read_readers(from, to) && read_sealed(from, to);
}

/* Where each kind's part hangs in the message, and what reads it. */
static const struct kind_row {
    enum statement_kind kind;
    size_t offset;
    bool (*read)(const void *part, struct statement *statement);
} kind_rows[] = {
    {STATEMENT_GENESIS, offsetof(Refloop__Envelope__V1__Statement, genesis), read_genesis},
    {STATEMENT_INVITE, offsetof(Refloop__Envelope__V1__Statement, invite), read_invite},
    {STATEMENT_JOIN, offsetof(Refloop__Envelope__V1__Statement, join), read_join},
    {STATEMENT_REVOKE, offsetof(Refloop__Envelope__V1__Statement, revoke), read_revoke},
    {STATEMENT_LOOP, offsetof(Refloop__Envelope__V1__Statement, loop), read_loop},
    {STATEMENT_ROTATE, offsetof(Refloop__Envelope__V1__Statement, rotate), read_rotate},
};

/* Exactly one kind's part must be there. */
static const struct kind_row *
find_kind(const Refloop__Envelope__V1__Statement *from, const void **part_out)
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
read_statement(const Refloop__Envelope__V1__Statement *from, struct statement *to)
{
    const void *part = NULL;
    const struct kind_row *row = find_kind(from, &part);
    if (row == NULL) {
        return false;
    }
    to->suite = from->suite;
    to->kind = row->kind;
    to->authored_ms = from->authored_ms;
    return codec_get(&from->network, &to->network, sizeof(to->network)) &&
           codec_get_org(from->author, to->author) &&
           codec_get(&from->author_key, &to->author_key, sizeof(to->author_key)) &&
           row->read(part, to) && statement_fields_ok(to);
}

enum err
statement_decode(struct bytes bytes, struct statement *statement_out)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Envelope__V1__Statement *from = NULL;
    struct statement statement = {0};
    uint64_t suite = STATEMENT_SUITE_1;
    if (bytes.len > LIMIT_STATEMENT_BYTES) {
        return ERR_TOO_LARGE;
    }
    if (codec_peek_varint(bytes, FIELD_SUITE, &suite) && suite != STATEMENT_SUITE_1) {
        return ERR_VERSION;
    }
    enum err err =
        codec_unpack(bytes, &refloop__envelope__v1__statement__descriptor, &arena, &from);
    if (err != ERR_OK) {
        return err;
    }
    if (!read_statement(from, &statement)) {
        return ERR_MALFORMED;
    }
    *statement_out = statement;
    return ERR_OK;
}
