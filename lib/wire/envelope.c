/* The way in and out for statements: outer form, signature, content, in that order. It decides
 * nothing about members: which key must have signed is handed in.
 *
 * The outer protobuf is not signed and could be written in several ways, so the log's leaf is a
 * framing of our own over (statement, signature), and ids are over the statement alone. */
#include "lib/wire/envelope.h"

#include <string.h>

#include "lib/wire/codec.h"
#include "lib/wire/sealed.h"
#include "lib/wire/turn.h"

enum { FIELD_STATEMENT = 1, FIELD_SIGNATURE = 2, FIELD_SEALED = 3 };
enum { STATEMENT_FIELD_NETWORK = 2 };
enum { LEAF_VERSION = 1 };
/* Log time, version, statement, signature with its path: the largest leaf there is. */
enum {
    LOG_LEAF_BYTES_MAX = 8 + 1 + 4 + LIMIT_STATEMENT_BYTES + SIGN_BYTES + 4 + 4 + 4 +
                         MERKLE_PATH_MAX * MERKLE_HASH_BYTES
};

static bool
sizes_ok(const struct envelope *envelope)
{
    return envelope->statement.len <= LIMIT_STATEMENT_BYTES &&
           envelope->sealed.len <= LIMIT_SEALED_BYTES;
}

/* Only the signature is unpacked: statement and sealed part stay views, they are the large part. */
enum err
envelope_decode(struct bytes bytes, struct envelope *envelope_out)
{
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Envelope__V1__Signature *signature = NULL;
    struct envelope envelope = {0};
    if (bytes.len > LIMIT_ENVELOPE_BYTES) {
        return ERR_TOO_LARGE;
    }
    enum err err = codec_scan(bytes, &refloop__envelope__v1__envelope__descriptor);
    if (err != ERR_OK) {
        return err;
    }
    envelope.statement = codec_view(bytes, FIELD_STATEMENT);
    envelope.sealed = codec_view(bytes, FIELD_SEALED);
    if (!sizes_ok(&envelope)) {
        return ERR_TOO_LARGE;
    }
    err = codec_unpack(codec_view(bytes, FIELD_SIGNATURE),
                       &refloop__envelope__v1__signature__descriptor, &arena, &signature);
    if (err != ERR_OK) {
        return err;
    }
    if (!turn_read(signature, &envelope.signature)) {
        return ERR_MALFORMED;
    }
    *envelope_out = envelope;
    return ERR_OK;
}

enum err
envelope_encode(const struct envelope *envelope, struct buffer *out)
{
    Refloop__Envelope__V1__Signature signature;
    Refloop__Envelope__V1__Envelope to = REFLOOP__ENVELOPE__V1__ENVELOPE__INIT;
    if (!sizes_ok(envelope)) {
        return ERR_TOO_LARGE;
    }
    if (envelope->statement.len == 0 || !turn_fields_ok(&envelope->signature)) {
        return ERR_INVALID;
    }
    turn_fill(&envelope->signature, &signature);
    to.statement = codec_bytes(envelope->statement.data, envelope->statement.len);
    to.signature = &signature;
    to.has_sealed = envelope->sealed.len > 0;
    to.sealed = codec_bytes(envelope->sealed.data, envelope->sealed.len);
    return codec_pack(&to.base, out);
}

/* A signature by another network's member fails because the network is signed along. Saying so is
 * worth a look at bytes that did not verify: it only chooses between two refusals. */
static enum err
refusal_for(struct bytes statement, const struct network_id *network)
{
    struct bytes claimed = codec_view(statement, STATEMENT_FIELD_NETWORK);
    bool is_other = claimed.len == sizeof(network->bytes) &&
                    !bytes_equal(claimed, bytes_of(network->bytes, sizeof(network->bytes)));
    return is_other ? ERR_WRONG_NETWORK : ERR_SIGNATURE;
}

static enum err
check_sealed(const struct statement *statement, struct bytes sealed, bool may_be_missing)
{
    bool expected = statement->kind == STATEMENT_LOOP && statement->as.loop.has_sealed;
    if (sealed.len == 0) {
        return expected && !may_be_missing ? ERR_SIGNATURE : ERR_OK;
    }
    if (!expected) {
        return ERR_MALFORMED;
    }
    struct digest digest = sealed_digest(sealed);
    return digest_equal(&digest, &statement->as.loop.sealed_digest) ? ERR_OK : ERR_SIGNATURE;
}

enum err
envelope_open(struct bytes bytes, const struct network_id *network,
              const struct sign_public *expect, bool sealed_may_be_missing,
              struct verified_root *memory, struct opened_envelope *opened_out)
{
    struct opened_envelope opened;
    enum err err = envelope_decode(bytes, &opened.envelope);
    if (err != ERR_OK) {
        return err;
    }
    err = turn_check(SIGN_STATEMENTS, network, opened.envelope.statement,
                     &opened.envelope.signature, expect, memory);
    if (err == ERR_SIGNATURE) {
        return refusal_for(opened.envelope.statement, network);
    }
    if (err == ERR_OK) {
        err = statement_decode(opened.envelope.statement, &opened.statement);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (memcmp(&opened.statement.network, network, sizeof(*network)) != 0) {
        return ERR_WRONG_NETWORK;
    }
    err = check_sealed(&opened.statement, opened.envelope.sealed, sealed_may_be_missing);
    if (err != ERR_OK) {
        return err;
    }
    opened.id = statement_id(opened.envelope.statement);
    *opened_out = opened;
    return ERR_OK;
}

void
envelope_leaf(const struct envelope *envelope, struct buffer *out)
{
    const struct turn_signature *signature = &envelope->signature;
    buffer_put_u8(out, LEAF_VERSION);
    buffer_put_blob(out, envelope->statement);
    buffer_put(out, signature->root_signature, SIGN_BYTES);
    buffer_put_u32(out, signature->size);
    buffer_put_u32(out, signature->index);
    buffer_put_blob(out, bytes_of(signature->path, signature->n_path * MERKLE_HASH_BYTES));
}

enum err
envelope_log_leaf(const struct envelope *envelope, int64_t log_time_ms,
                  struct merkle_hash *leaf_out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LOG_LEAF_BYTES_MAX);
    buffer_put_i64(&bytes, log_time_ms);
    envelope_leaf(envelope, &bytes);
    enum err err = buffer_err(&bytes);
    if (err == ERR_OK) {
        merkle_leaf(buffer_view(&bytes), leaf_out);
    }
    return err;
}

enum err
envelope_from_leaf(struct bytes leaf, struct envelope *envelope_out)
{
    struct reader reader = reader_of(leaf);
    struct envelope envelope = {0};
    uint8_t version = reader_u8(&reader);
    envelope.statement = reader_blob(&reader);
    reader_copy(&reader, envelope.signature.root_signature, SIGN_BYTES);
    envelope.signature.size = reader_u32(&reader);
    envelope.signature.index = reader_u32(&reader);
    struct bytes path = reader_blob(&reader);
    if (reader_err(&reader) != ERR_OK || version != LEAF_VERSION || envelope.statement.len == 0 ||
        !sizes_ok(&envelope) || path.len % MERKLE_HASH_BYTES != 0 ||
        path.len > sizeof(envelope.signature.path)) {
        return ERR_MALFORMED;
    }
    envelope.signature.n_path = path.len / MERKLE_HASH_BYTES;
    if (path.len > 0) {
        memcpy(envelope.signature.path, path.data, path.len);
    }
    if (!turn_fields_ok(&envelope.signature)) {
        return ERR_MALFORMED;
    }
    *envelope_out = envelope;
    return ERR_OK;
}
