/* Organizations with fixed keys, and one sound example of every statement and message. Everything
 * here is fictional, and the keys are public: they are made from small numbers. */
#ifndef REFLOOP_TESTS_UNIT_WIRE_FIXTURE_H
#define REFLOOP_TESTS_UNIT_WIRE_FIXTURE_H

#include "lib/wire/envelope.h"
#include "lib/wire/message.h"
#include "lib/wire/sealed.h"

struct fixture_org {
    char org[ORG_ID_BYTES];
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct key_set keys;
    struct key_id key_id;
};

/* Numbers of the organizations all tests use. */
enum { ROOT = 1, BROKER = 2, AUDITOR = 3, CLINIC = 4, PANTRY = 5, ONCE = 6, SHELTER = 7 };
enum { FIXTURE_TIME_MS = 1000 };

/* The organization made from `number`; its id is that of the fixture or "org-<number>". */
struct fixture_org fixture_org(unsigned number);
/* The same, kept for as long as the program; number < 64. */
const struct fixture_org *fixture_who(unsigned number);
struct network_id fixture_network(void);
struct key_id fixture_root_key(void);

struct statement fixture_genesis(void);
/* An invite for `org` with the one-time keys of `once`. */
struct statement fixture_invite(const char *org, unsigned once);
/* `who` joins with the one-time keys of `once`. */
struct statement fixture_join(unsigned who, unsigned once);
struct statement fixture_revoke(const char *org);
/* `who` takes the keys of `next`. */
struct statement fixture_rotate(unsigned who, unsigned next);
/* The clinic's request to the pantry; not sealed yet. */
struct statement fixture_request(void);
/* A receipt of the pantry for the statement `id`. */
struct statement fixture_delivered(const struct digest *id);
/* One of each of the six kinds, sealed parts faked: for encoding and decoding. */
size_t fixture_statements(struct statement out[8]);

/* Fills the possession signature of keys that `holder` holds. */
void fixture_possess(const char *org, const struct key_set *keys, const struct sign_secret *holder,
                     uint8_t possession_out[SIGN_BYTES]);

/* Seals body and facts for clinic, pantry and auditor. */
void fixture_seal(struct statement *statement, const char *body, const char *facts,
                  struct buffer *sealed_out);
/* Encodes, signs alone, and appends the envelope. */
void fixture_envelope(const struct statement *statement, const struct sign_secret *secret,
                      struct bytes sealed, struct buffer *out);

/* One sound message of the kind, in the heap; views point into memory that lives as long as the
 * program. */
struct message *fixture_message(enum message_kind kind);

#endif
