/* The wire form of an invite token. Never unpacked, only scanned and looked into, so that the two
 * secrets are in no memory but the caller's, who wipes it. */
#include "lib/wire/token_parts.h"

#include "lib/base/digest.h"
#include "lib/wire/codec.h"
#include "proto/envelope.pb-c.h"

enum { FIELD_GENESIS = 1, FIELD_INVITE = 2, FIELD_SIGN = 3, FIELD_CURVE = 4, FIELD_CHECK = 5 };
enum { LENGTH_BYTES = 4 };

static struct bytes
length_of(struct bytes bytes, uint8_t room[LENGTH_BYTES])
{
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        room[i] = (uint8_t)(bytes.len >> (8 * (LENGTH_BYTES - 1 - i)));
    }
    return bytes_of(room, LENGTH_BYTES);
}

static struct digest
check_of(const struct token_parts *parts)
{
    uint8_t genesis_length[LENGTH_BYTES], invite_length[LENGTH_BYTES];
    struct digest digest;
    const struct bytes all[] = {
        length_of(parts->genesis_envelope, genesis_length),
        parts->genesis_envelope,
        length_of(parts->invite_envelope, invite_length),
        parts->invite_envelope,
        parts->once_sign_seed,
        parts->once_curve,
    };
    digest_parts("refloop.token.v1", all, ARRAY_LEN(all), &digest);
    return digest;
}

enum err
token_parts_encode(const struct token_parts *parts, struct buffer *out)
{
    Refloop__Envelope__V1__Token token = REFLOOP__ENVELOPE__V1__TOKEN__INIT;
    struct digest check = check_of(parts);
    token.genesis_envelope = codec_bytes(parts->genesis_envelope.data, parts->genesis_envelope.len);
    token.invite_envelope = codec_bytes(parts->invite_envelope.data, parts->invite_envelope.len);
    token.once_sign_seed = codec_bytes(parts->once_sign_seed.data, parts->once_sign_seed.len);
    token.once_curve = codec_bytes(parts->once_curve.data, parts->once_curve.len);
    token.check = codec_bytes(check.bytes, sizeof(check.bytes));
    return codec_pack(&token.base, out);
}

enum err
token_parts_decode(struct bytes bytes, struct token_parts *parts_out)
{
    enum err err = codec_scan(bytes, &refloop__envelope__v1__token__descriptor);
    if (err != ERR_OK) {
        return err;
    }
    struct token_parts parts = {
        .genesis_envelope = codec_view(bytes, FIELD_GENESIS),
        .invite_envelope = codec_view(bytes, FIELD_INVITE),
        .once_sign_seed = codec_view(bytes, FIELD_SIGN),
        .once_curve = codec_view(bytes, FIELD_CURVE),
    };
    struct digest check = check_of(&parts);
    if (!bytes_equal(codec_view(bytes, FIELD_CHECK), bytes_of(check.bytes, sizeof(check.bytes)))) {
        return ERR_MALFORMED;
    }
    *parts_out = parts;
    return ERR_OK;
}
