/* Writes a new statement, the only place where one is ever serialized. The protobuf structs hold
 * views into the plain struct while it is packed; nothing is copied but into the output. Bounds are
 * judged before, by the same rules that reading uses. */
#include <string.h>

#include "lib/wire/codec.h"
#include "lib/wire/statement.h"
#include "lib/wire/statement_fields.h"
#include "proto/envelope.pb-c.h"

/* Room for whichever part the kind needs, and what hangs below it. */
struct parts {
    union {
        Refloop__Envelope__V1__Genesis genesis;
        Refloop__Envelope__V1__Invite invite;
        Refloop__Envelope__V1__Join join;
        Refloop__Envelope__V1__Revoke revoke;
        Refloop__Envelope__V1__Loop loop;
        Refloop__Envelope__V1__Rotate rotate;
    } as;
    Refloop__Envelope__V1__KeySet keys;
    Refloop__Envelope__V1__Reader readers[LIMIT_READERS];
    Refloop__Envelope__V1__Reader *reader_list[LIMIT_READERS];
};

static Refloop__Envelope__V1__KeySet *
fill_keys(const struct key_set *from, struct parts *parts)
{
    refloop__envelope__v1__key_set__init(&parts->keys);
    parts->keys.sign = codec_bytes(from->sign.bytes, sizeof(from->sign.bytes));
    parts->keys.seal = codec_bytes(from->seal.bytes, sizeof(from->seal.bytes));
    parts->keys.curve = codec_bytes(from->curve.bytes, sizeof(from->curve.bytes));
    return &parts->keys;
}

static void
fill_genesis(const struct statement *statement, struct parts *parts,
             Refloop__Envelope__V1__Statement *to)
{
    const struct statement_genesis *from = &statement->as.genesis;
    Refloop__Envelope__V1__Genesis *part = &parts->as.genesis;
    refloop__envelope__v1__genesis__init(part);
    part->network_name = codec_text(from->network_name);
    part->endpoint = codec_text(from->endpoint);
    part->broker_curve = codec_bytes(from->broker_curve.bytes, sizeof(from->broker_curve.bytes));
    part->broker_log = codec_bytes(from->broker_log.bytes, sizeof(from->broker_log.bytes));
    part->auditor_org = codec_text(from->auditor_org);
    part->auditor = fill_keys(&from->auditor, parts);
    to->genesis = part;
}

static void
fill_invite(const struct statement *statement, struct parts *parts,
            Refloop__Envelope__V1__Statement *to)
{
    const struct statement_invite *from = &statement->as.invite;
    Refloop__Envelope__V1__Invite *part = &parts->as.invite;
    refloop__envelope__v1__invite__init(part);
    part->org = codec_text(from->org);
    part->name = codec_text(from->name);
    part->once_sign = codec_bytes(from->once_sign.bytes, sizeof(from->once_sign.bytes));
    part->once_curve = codec_bytes(from->once_curve.bytes, sizeof(from->once_curve.bytes));
    part->expires_ms = from->expires_ms;
    part->has_replaces = part->replaces = from->replaces;
    to->invite = part;
}

static void
fill_join(const struct statement *statement, struct parts *parts,
          Refloop__Envelope__V1__Statement *to)
{
    const struct statement_join *from = &statement->as.join;
    Refloop__Envelope__V1__Join *part = &parts->as.join;
    refloop__envelope__v1__join__init(part);
    part->org = codec_text(from->org);
    part->invite = codec_bytes(from->invite.bytes, sizeof(from->invite.bytes));
    part->keys = fill_keys(&from->keys, parts);
    part->possession = codec_bytes(from->possession, sizeof(from->possession));
    to->join = part;
}

static void
fill_revoke(const struct statement *statement, struct parts *parts,
            Refloop__Envelope__V1__Statement *to)
{
    const struct statement_revoke *from = &statement->as.revoke;
    Refloop__Envelope__V1__Revoke *part = &parts->as.revoke;
    refloop__envelope__v1__revoke__init(part);
    part->org = codec_text(from->org);
    part->reason = codec_text_unless_empty(from->reason);
    to->revoke = part;
}

static void
fill_rotate(const struct statement *statement, struct parts *parts,
            Refloop__Envelope__V1__Statement *to)
{
    const struct statement_rotate *from = &statement->as.rotate;
    Refloop__Envelope__V1__Rotate *part = &parts->as.rotate;
    refloop__envelope__v1__rotate__init(part);
    part->keys = fill_keys(&from->keys, parts);
    part->possession = codec_bytes(from->possession, sizeof(from->possession));
    to->rotate = part;
}

static void
fill_readers(const struct statement_loop *from, struct parts *parts)
{
    for (size_t i = 0; i < from->n_readers; i++) {
        refloop__envelope__v1__reader__init(&parts->readers[i]);
        parts->readers[i].org = codec_text(from->readers[i].org);
        parts->readers[i].key = codec_bytes(from->readers[i].key.bytes, KEY_ID_BYTES);
        parts->reader_list[i] = &parts->readers[i];
    }
    parts->as.loop.n_readers = from->n_readers;
    parts->as.loop.readers = parts->reader_list;
}

static void
fill_loop(const struct statement *statement, struct parts *parts,
          Refloop__Envelope__V1__Statement *to)
{
    const struct statement_loop *from = &statement->as.loop;
    Refloop__Envelope__V1__Loop *part = &parts->as.loop;
    refloop__envelope__v1__loop__init(part);
    part->loop = codec_bytes(from->loop.bytes, sizeof(from->loop.bytes));
    part->event = (Refloop__Envelope__V1__Event)from->event;
    part->seq = from->seq;
    codec_set_unless_zero(&part->has_previous, &part->previous, &from->previous, DIGEST_BYTES);
    codec_set_unless_zero(&part->has_heard, &part->heard, &from->heard, DIGEST_BYTES);
    codec_set_unless_zero(&part->has_delivered, &part->delivered, &from->delivered, DIGEST_BYTES);
    fill_readers(from, parts);
    part->priority = (Refloop__Envelope__V1__Priority)from->priority;
    part->due_ms = from->due_ms;
    part->has_due_ms = from->due_ms != 0;
    part->has_automatic = part->automatic = from->automatic;
    part->has_sealed_digest = part->has_body_class = from->has_sealed;
    part->sealed_digest = codec_bytes(from->sealed_digest.bytes, DIGEST_BYTES);
    part->body_class = (Refloop__Envelope__V1__SizeClass)from->body_class;
    to->loop = part;
}

static void (*const fillers[])(const struct statement *, struct parts *,
                               Refloop__Envelope__V1__Statement *) = {
    [STATEMENT_GENESIS] = fill_genesis, [STATEMENT_INVITE] = fill_invite,
    [STATEMENT_JOIN] = fill_join,       [STATEMENT_REVOKE] = fill_revoke,
    [STATEMENT_LOOP] = fill_loop,       [STATEMENT_ROTATE] = fill_rotate,
};

enum err
statement_encode(const struct statement *statement, struct buffer *out)
{
    struct parts parts;
    Refloop__Envelope__V1__Statement to = REFLOOP__ENVELOPE__V1__STATEMENT__INIT;
    if (!statement_fields_ok(statement)) {
        return ERR_INVALID;
    }
    to.suite = statement->suite;
    to.network = codec_bytes(statement->network.bytes, sizeof(statement->network.bytes));
    to.author = codec_text_unless_empty(statement->author);
    to.author_key = codec_bytes(statement->author_key.bytes, KEY_ID_BYTES);
    to.authored_ms = statement->authored_ms;
    fillers[statement->kind](statement, &parts, &to);
    return codec_pack(&to.base, out);
}
