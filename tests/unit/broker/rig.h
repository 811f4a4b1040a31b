/* A network in memory for the broker's tests: root, administrator, organizations with keys, and the
 * network edge, played by the test. Everybody here is fictional. */
#ifndef REFLOOP_TESTS_UNIT_BROKER_RIG_H
#define REFLOOP_TESTS_UNIT_BROKER_RIG_H

#include "broker/broker.h"
#include "broker/tables.h"
#include "lib/proof/view.h"
#include "lib/wire/sealed.h"

enum { RIG_PATH_MAX = 256, RIG_FRAMES_MAX = 4096, RIG_YEAR = 2026 };

struct rig_org {
    char org[ORG_ID_BYTES];
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct key_set keys;
    struct key_id key_id;
    struct route route;
    struct sign_secret once_sign; /* of the invite */
    struct sign_public once_sign_public;
    struct curve_public once_curve;
};

struct rig_frame {
    struct route route;
    struct buffer bytes;
    bool taken;
};

/* What one peer believes of the log (rig_proof.c). */
struct rig_peer {
    struct curve_public key;
    struct route route;
    size_t sent;      /* when it sent last */
    bool begins_anew; /* its last hello had no checkpoint */
    bool is_cut;      /* the broker was restarted since */
    struct view view;
    struct buffer note; /* of the view */
};

struct rig_submitted {
    struct digest id;
    struct buffer envelope;
};

struct rig {
    char dir[RIG_PATH_MAX];
    struct sign_secret root, log;
    struct sign_public log_public;
    struct network_id network;
    struct buffer genesis;
    struct broker_options options;
    struct broker *broker;
    struct instant now;
    struct rig_org admin, clinic, pantry, shelter; /* shelter is made but not invited */
    struct rig_frame *frames;
    size_t n_frames;
    struct message heard; /* the last message taken */
    struct message said;  /* scratch */
    struct message judged;
    struct rig_peer *peers;
    struct rig_submitted *submitted;
    size_t n_peers, n_submitted, n_sent;
    size_t n_heads, n_proofs; /* that were told, and are right */
};

/* cmocka setup and teardown: a founded network, clinic and pantry joined. */
int rig_start(void **state);
int rig_stop(void **state);
/* Closes and opens the broker on the same store. */
void rig_reopen(struct rig *rig);
void rig_close(struct rig *rig);
void rig_open(struct rig *rig);
/* The store of a closed broker; close it with kv_close. */
struct kv *rig_open_store(struct rig *rig);

struct rig_org *rig_org_new(struct rig_org *org, const char *id);

/* Root-signed statements. */
struct receipt rig_invite(struct rig *rig, struct rig_org *org, int64_t expires_ms, bool replaces);
struct receipt rig_revoke(struct rig *rig, const char *org);
/* The JOIN of an invited organization, signed with its one-time key. */
void rig_join_envelope(struct rig *rig, const struct rig_org *org, struct buffer *out);
/* A change of keys: `org` says with its present one that it has the keys of `next` from now on. */
void rig_rotate_envelope(const struct rig *rig, const struct rig_org *org,
                         const struct rig_org *next, struct buffer *out);
/* Invites and joins; must succeed. */
void rig_add(struct rig *rig, struct rig_org *org);

/* Encodes, signs as a turn of its own, and puts the envelope into `out`. */
void rig_envelope(const struct rig *rig, const struct statement *statement, struct bytes sealed,
                  const struct sign_secret *secret, struct buffer *out);

/* A loop as both sides see it. */
struct rig_loop {
    struct loop_id id;
    struct rig_org *side[LOOP_ROLE_COUNT];
    uint32_t seq[LOOP_ROLE_COUNT];
    struct digest last[LOOP_ROLE_COUNT];
    struct digest mark[LOOP_ROLE_COUNT]; /* newest heard by the other side */
};
struct rig_loop rig_loop_new(struct rig_org *source, struct rig_org *target);
/* The next statement of a side, not sealed yet; everything may be changed before it is sealed. */
struct statement rig_statement(const struct rig *rig, const struct rig_loop *loop,
                               enum loop_role role, enum loop_event event);
/* Seals (except EVENT_DELIVERED) and signs it; returns its id. */
struct digest rig_seal(const struct rig *rig, struct statement *statement, size_t body_bytes,
                       const struct rig_org *author, struct buffer *out);
/* Notes that it was taken, and that the other side has heard it. */
void rig_took(struct rig_loop *loop, enum loop_role role, const struct digest *id,
              enum loop_event event);
/* All of it: says the event, submits it, notes it. Returns the receipt. */
struct receipt
rig_step(struct rig *rig, struct rig_loop *loop, enum loop_role role, enum loop_event event);

/* The network edge. */
void rig_send(struct rig *rig, const struct curve_public *peer, const struct route *route,
              const struct message *message);
void rig_submit_only(struct rig *rig, const struct curve_public *peer, const struct route *route,
                     const struct buffer *envelopes, size_t n);
/* Runs all verify jobs and one turn. */
void rig_turn(struct rig *rig);
/* Takes everything the broker says; returns how many frames are waiting for the route. */
size_t rig_count(struct rig *rig, const struct route *route);
/* The next message for the route into rig->heard; false when there is none. */
bool rig_take(struct rig *rig, const struct route *route);
/* Submits one envelope and returns its receipt, which must come alone. */
struct receipt rig_submit(struct rig *rig, const struct curve_public *peer,
                          const struct route *route, const struct buffer *envelope);
struct receipt
rig_submit_as(struct rig *rig, const struct rig_org *org, const struct buffer *envelope);
void rig_fetch(struct rig *rig, const struct rig_org *org, uint64_t cursor, uint32_t credit,
               bool with_own);
void rig_hello(struct rig *rig, const struct rig_org *org);
struct broker_status rig_status(const struct rig *rig);

/* What the peer believes; made when it is new. A view until the next new peer. */
struct rig_peer *rig_peer_of(struct rig *rig, const struct curve_public *key);
/* Kept by the rig itself: what was said to the broker, and what it says, in order. */
void rig_proof_sent(struct rig *rig, const struct curve_public *key, const struct route *route,
                    const struct message *message);
void rig_proof_heard(struct rig *rig, const struct route *route, struct bytes frame);
void rig_proof_restarted(struct rig *rig);
void rig_proof_done(struct rig *rig);

/* Fail the test by name unless it is so. */
void rig_expect_code(enum err code, enum err expected);
void rig_expect_refused(struct receipt receipt, enum err code);
/* The only thing the route hears next is REFUSED with the code. */
void rig_expect_only_refused(struct rig *rig, const struct route *route, enum err code);

#endif
