/* Names made from bytes: the id of a statement, the id of a key, and the bytes that prove
 * possession. Each under its own domain tag, so that no hash or signature can be taken for one of
 * another use. How a statement is written and read is in statement_encode.c and statement_decode.c.
 */
#include "lib/wire/statement.h"

#include <string.h>

struct key_id
key_set_id(const struct key_set *keys)
{
    const struct bytes parts[] = {
        bytes_of(keys->sign.bytes, sizeof(keys->sign.bytes)),
        bytes_of(keys->seal.bytes, sizeof(keys->seal.bytes)),
        bytes_of(keys->curve.bytes, sizeof(keys->curve.bytes)),
    };
    struct digest digest;
    struct key_id id;
    digest_parts("refloop.key.v1", parts, ARRAY_LEN(parts), &digest);
    memcpy(id.bytes, digest.bytes, sizeof(id.bytes));
    return id;
}

struct key_id
key_id_of_signer(const struct sign_public *key)
{
    return key_set_id(&(struct key_set){.sign = *key});
}

struct digest
statement_id(struct bytes statement_bytes)
{
    struct digest id;
    digest_one("refloop.id.v1", statement_bytes, &id);
    return id;
}

/* The organization is the one part of variable length, so it is framed. */
void
statement_possession_bytes(const struct network_id *network, const char *org,
                           const struct key_set *keys, struct buffer *out)
{
    buffer_put(out, network->bytes, sizeof(network->bytes));
    buffer_put_text(out, org);
    buffer_put(out, keys->sign.bytes, sizeof(keys->sign.bytes));
    buffer_put(out, keys->seal.bytes, sizeof(keys->seal.bytes));
    buffer_put(out, keys->curve.bytes, sizeof(keys->curve.bytes));
}
