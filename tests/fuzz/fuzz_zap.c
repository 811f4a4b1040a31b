/* Any frames as a ZAP request: answered in the right shape, and welcomed only with the one known
 * key in the right place. Input: frames of one length byte and that many bytes. */
#include "broker/zap.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static const struct curve_public known = {"the one key that is known here.."};

static bool
admits(const void *context, const struct curve_public *key)
{
    (void)context;
    return memcmp(key, &known, sizeof(known)) == 0;
}

static size_t
split(struct bytes input, struct bytes frames_out[ZAP_REQUEST_FRAMES_MAX])
{
    size_t n = 0;
    size_t at = 0;
    while (at < input.len && n < ZAP_REQUEST_FRAMES_MAX) {
        size_t len = input.data[at++];
        len = len < input.len - at ? len : input.len - at;
        frames_out[n++] = bytes_of(input.data + at, len);
        at += len;
    }
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes frames[ZAP_REQUEST_FRAMES_MAX];
    struct zap_answer answer;
    size_t n = split(bytes_of(data, size), frames);
    zap_decide(frames, n, admits, NULL, &answer);
    FUZZ_HOLDS(bytes_equal(answer.frames[0], bytes_of_text("1.0")));
    FUZZ_HOLDS(answer.frames[1].len <= ZAP_REQUEST_ID_MAX);
    FUZZ_HOLDS(answer.frames[2].len == 3);
    FUZZ_HOLDS((answer.user_id[0] != '\0') == answer.admitted);
    if (answer.admitted) {
        FUZZ_HOLDS(n == 7 && bytes_equal(frames[6], bytes_of(known.bytes, sizeof(known.bytes))));
        FUZZ_HOLDS(bytes_equal(frames[2], bytes_of_text(ZAP_DOMAIN)));
        FUZZ_HOLDS(bytes_equal(frames[5], bytes_of_text("CURVE")));
    }
    return 0;
}
