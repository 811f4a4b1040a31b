/* ZAP (ZeroMQ RFC 27): libzmq asks who may connect, before anything of a peer is let through. The
 * decision alone: frames in, frames out. The socket is the server's. */
#ifndef REFLOOP_BROKER_ZAP_H
#define REFLOOP_BROKER_ZAP_H

#include "lib/crypto/curve.h"

#define ZAP_DOMAIN "refloop"
enum { ZAP_ANSWER_FRAMES = 6, ZAP_REQUEST_FRAMES_MAX = 16, ZAP_REQUEST_ID_MAX = 255 };

/* Is this key to be let in? */
typedef bool (*zap_admits)(const void *context, const struct curve_public *key);

/* frames: version, request id, status code, status text, user id, metadata. Views into the request,
 * into `user_id` and into constants: do not copy the struct. */
struct zap_answer {
    bool admitted;
    char user_id[CURVE_Z85_BYTES]; /* the peer's key; "" when not admitted */
    struct bytes frames[ZAP_ANSWER_FRAMES];
};

/* Any frames are safe. What is not a well-formed CURVE request of our domain is not admitted. */
void zap_decide(const struct bytes *frames, size_t n_frames, zap_admits admits, const void *context,
                struct zap_answer *answer_out);

#endif
