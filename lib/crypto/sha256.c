/* One call of libsodium, so that whoever wants a plain hash needs no library. It has no tag: what
 * is hashed here must never be taken for something that is signed. */
#include "lib/crypto/sha256.h"

#include <sodium.h>

_Static_assert((int)SHA256_BYTES == (int)crypto_hash_sha256_BYTES, "hash size");

void
sha256_of(struct bytes bytes, uint8_t hash_out[SHA256_BYTES])
{
    (void)crypto_hash_sha256(hash_out, bytes.data, bytes.len); /* cannot fail */
}
