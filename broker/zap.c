/* Decides which CURVE keys may connect. Everything but a well-formed CURVE request of our own
 * domain with a key that the broker admits is turned away; there is no second way in. The user id
 * that a connection bears from then on is its key, so nothing a peer says later can change who it
 * is. It refuses to know sockets and members. */
#include "broker/zap.h"

#include <string.h>

#define ZAP_VERSION "1.0"
#define ZAP_MECHANISM "CURVE"

enum zap_place {
    ZAP_PLACE_VERSION,
    ZAP_PLACE_REQUEST,
    ZAP_PLACE_DOMAIN,
    ZAP_PLACE_ADDRESS,
    ZAP_PLACE_IDENTITY,
    ZAP_PLACE_MECHANISM,
    ZAP_PLACE_KEY,
    ZAP_REQUEST_FRAMES
};

enum zap_status { ZAP_WELCOME, ZAP_UNKNOWN, ZAP_ERROR };

static const struct {
    const char *code, *text;
} statuses[] = {
    [ZAP_WELCOME] = {"200", "welcome"},
    [ZAP_UNKNOWN] = {"400", "no such key"},
    [ZAP_ERROR] = {"500", "not a request"},
};

static bool
is_text(struct bytes frame, const char *text)
{
    return bytes_equal(frame, bytes_of_text(text));
}

static enum zap_status
decide(const struct bytes *frames, size_t n_frames, zap_admits admits, const void *context,
       struct curve_public *key_out)
{
    if (n_frames <= ZAP_PLACE_MECHANISM || !is_text(frames[ZAP_PLACE_VERSION], ZAP_VERSION) ||
        frames[ZAP_PLACE_REQUEST].len > ZAP_REQUEST_ID_MAX) {
        return ZAP_ERROR;
    }
    if (n_frames != ZAP_REQUEST_FRAMES || !is_text(frames[ZAP_PLACE_DOMAIN], ZAP_DOMAIN) ||
        !is_text(frames[ZAP_PLACE_MECHANISM], ZAP_MECHANISM) ||
        frames[ZAP_PLACE_KEY].len != CURVE_KEY_BYTES) {
        return ZAP_UNKNOWN;
    }
    memcpy(key_out->bytes, frames[ZAP_PLACE_KEY].data, CURVE_KEY_BYTES);
    return admits(context, key_out) ? ZAP_WELCOME : ZAP_UNKNOWN;
}

void
zap_decide(const struct bytes *frames, size_t n_frames, zap_admits admits, const void *context,
           struct zap_answer *answer_out)
{
    struct curve_public key;
    enum zap_status status = decide(frames, n_frames, admits, context, &key);
    bool has_id =
        n_frames > ZAP_PLACE_REQUEST && frames[ZAP_PLACE_REQUEST].len <= ZAP_REQUEST_ID_MAX;

    *answer_out = (struct zap_answer){.admitted = status == ZAP_WELCOME};
    if (answer_out->admitted) {
        curve_to_z85(key.bytes, answer_out->user_id);
    }
    answer_out->frames[0] = bytes_of_text(ZAP_VERSION);
    answer_out->frames[1] = has_id ? frames[ZAP_PLACE_REQUEST] : bytes_of(NULL, 0);
    answer_out->frames[2] = bytes_of_text(statuses[status].code);
    answer_out->frames[3] = bytes_of_text(statuses[status].text);
    answer_out->frames[4] = bytes_of_text(answer_out->user_id);
    answer_out->frames[5] = bytes_of(NULL, 0);
}
