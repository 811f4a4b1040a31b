/* BLAKE2b-256 with the domain tag in front. The tag's NUL ends it, so that tag "a" over "bc" and
 * tag "ab" over "c" are different inputs. The parts are joined without lengths: a caller who hashes
 * several parts of variable length frames them himself. */
#include "lib/base/digest.h"

#include <string.h>

#include <sodium.h>

void
digest_parts(const char *tag, const struct bytes *parts, size_t n_parts, struct digest *digest_out)
{
    /* BLAKE2b cannot fail for a constant output length, hence the ignored results. */
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    (void)crypto_generichash_update(&state, (const unsigned char *)tag, strlen(tag) + 1);
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len > 0) {
            (void)crypto_generichash_update(&state, parts[i].data, parts[i].len);
        }
    }
    (void)crypto_generichash_final(&state, digest_out->bytes, DIGEST_BYTES);
}

void
digest_one(const char *tag, struct bytes bytes, struct digest *digest_out)
{
    digest_parts(tag, &bytes, 1, digest_out);
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

bool
digest_is_zero(const struct digest *digest)
{
    return bytes_all_zero(bytes_of(digest->bytes, DIGEST_BYTES));
}
