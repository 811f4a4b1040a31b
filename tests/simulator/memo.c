/* Whether a signature fits is asked again and again by everybody who reads the log, and the answer
 * hangs on nothing but the question: so each is worked out once for all machines of a network. Four
 * fifths of the simulator's time would go there otherwise. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/crypto/sign.h"

enum { SLOTS = 1 << 15, PARTS_MAX = 8 };

struct answer {
    struct digest question;
    bool known;
    enum err err;
};

static struct answer answers[SLOTS];

static struct answer *
find(const struct digest *question, bool *known_out)
{
    uint32_t slot;
    memcpy(&slot, question->bytes, sizeof(slot));
    struct answer *answer = &answers[slot % SLOTS];
    *known_out = answer->known && digest_equal(&answer->question, question);
    answer->question = *question;
    answer->known = true;
    return answer;
}

enum err __real_sign_note_check(struct bytes text, const struct sign_public *public_key,
                                const uint8_t signature[SIGN_BYTES]);
enum err __wrap_sign_note_check(struct bytes text, const struct sign_public *public_key,
                                const uint8_t signature[SIGN_BYTES]);
enum err
__wrap_sign_note_check(struct bytes text, const struct sign_public *public_key,
                       const uint8_t signature[SIGN_BYTES])
{
    const struct bytes parts[] = {bytes_of(public_key->bytes, SIGN_PUBLIC_BYTES),
                                  bytes_of(signature, SIGN_BYTES), text};
    struct digest question;
    bool known;
    digest_parts("note", parts, ARRAY_LEN(parts), &question);
    struct answer *answer = find(&question, &known);
    if (!known) {
        answer->err = __real_sign_note_check(text, public_key, signature);
    }
    return answer->err;
}

enum err __real_sign_check(enum sign_use use, const struct bytes *parts, size_t n_parts,
                           const struct sign_public *public_key,
                           const uint8_t signature[SIGN_BYTES]);
enum err __wrap_sign_check(enum sign_use use, const struct bytes *parts, size_t n_parts,
                           const struct sign_public *public_key,
                           const uint8_t signature[SIGN_BYTES]);
enum err
__wrap_sign_check(enum sign_use use, const struct bytes *parts, size_t n_parts,
                  const struct sign_public *public_key, const uint8_t signature[SIGN_BYTES])
{
    struct digest pieces[PARTS_MAX];
    struct bytes all[PARTS_MAX + 2] = {bytes_of(public_key->bytes, SIGN_PUBLIC_BYTES),
                                       bytes_of(signature, SIGN_BYTES)};
    struct digest question;
    bool known;
    if (n_parts > PARTS_MAX) {
        return __real_sign_check(use, parts, n_parts, public_key, signature);
    }
    for (size_t i = 0; i < n_parts; i++) {
        digest_one("part", parts[i], &pieces[i]);
        all[i + 2] = bytes_of(pieces[i].bytes, DIGEST_BYTES);
    }
    digest_parts(sign_use_tag(use), all, n_parts + 2, &question);
    struct answer *answer = find(&question, &known);
    if (!known) {
        answer->err = __real_sign_check(use, parts, n_parts, public_key, signature);
    }
    return answer->err;
}
