/* Transport keys and their Z85 text. These keys open the connection and nothing else: what a member
 * says is signed, and what it says in confidence is sealed, with other keys.
 *
 * Z85 is written here because ZeroMQ's own encoder belongs to the network edge. Decoding is strict:
 * five characters that stand for more than 32 bits are refused, so every key has one text. */
#include "lib/crypto/curve.h"

#include <string.h>

#include <sodium.h>

enum { GROUP_BYTES = 4, GROUP_CHARS = 5, KEY_GROUPS = CURVE_KEY_BYTES / GROUP_BYTES, BASE = 85 };

static const char alphabet[BASE + 1] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

_Static_assert((int)CURVE_KEY_BYTES == (int)crypto_box_PUBLICKEYBYTES, "public key size");
_Static_assert((int)CURVE_KEY_BYTES == (int)crypto_box_SECRETKEYBYTES, "secret key size");
_Static_assert((int)CURVE_Z85_BYTES == (int)KEY_GROUPS * (int)GROUP_CHARS + 1, "text size");

void
curve_new_pair(struct curve_public *public_out, struct curve_secret *secret_out)
{
    crypto_box_keypair(public_out->bytes, secret_out->bytes);
}

void
curve_public_of(const struct curve_secret *secret, struct curve_public *public_out)
{
    crypto_scalarmult_base(public_out->bytes, secret->bytes);
}

void
curve_to_z85(const uint8_t key[CURVE_KEY_BYTES], char out[CURVE_Z85_BYTES])
{
    for (size_t group = 0; group < KEY_GROUPS; group++) {
        const uint8_t *from = key + group * GROUP_BYTES;
        uint32_t value = (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
                         (uint32_t)from[2] << 8 | (uint32_t)from[3];
        for (size_t i = GROUP_CHARS; i-- > 0; value /= BASE) {
            out[group * GROUP_CHARS + i] = alphabet[value % BASE];
        }
    }
    out[CURVE_Z85_BYTES - 1] = '\0';
}

static bool
group_value(const char *text, uint32_t *value_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < GROUP_CHARS; i++) {
        const char *found = memchr(alphabet, text[i], BASE);
        if (found == NULL) {
            return false;
        }
        value = value * BASE + (uint64_t)(found - alphabet);
    }
    if (value > UINT32_MAX) {
        return false;
    }
    *value_out = (uint32_t)value;
    return true;
}

bool
curve_from_z85(const char *text, uint8_t key_out[CURVE_KEY_BYTES])
{
    uint8_t key[CURVE_KEY_BYTES];
    if (strnlen(text, CURVE_Z85_BYTES) != CURVE_Z85_BYTES - 1) {
        return false;
    }
    for (size_t group = 0; group < KEY_GROUPS; group++) {
        uint32_t value;
        if (!group_value(text + group * GROUP_CHARS, &value)) {
            return false;
        }
        for (size_t i = GROUP_BYTES; i-- > 0; value >>= 8) {
            key[group * GROUP_BYTES + i] = (uint8_t)(value & 0xff);
        }
    }
    memcpy(key_out, key, sizeof(key));
    sodium_memzero(key, sizeof(key)); /* the text may have been that of a secret key */
    return true;
}
