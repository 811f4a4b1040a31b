/* The sealed part: two compartments. `body` (person, need, consent, notes) opens for the reader and
 * the author; `facts` (codes only) opens for both and for the network's auditor. The broker relays
 * these bytes and can open none. */
#ifndef REFLOOP_LIB_WIRE_SEALED_H
#define REFLOOP_LIB_WIRE_SEALED_H

#include "lib/wire/statement.h"

struct sealed_reader {
    struct key_id key;
    struct seal_public seal;
};

/* Seals both contents for the readers of a statement and fills statement->sealed_digest, has_sealed
 * and body_class, so the statement must otherwise be complete: network, author, loop, event, seq
 * and previous are the associated data. body readers: `sides`; facts readers: `sides` and
 * `auditor`. Appends the sealed bytes to `out`. ERR_TOO_LARGE names the compartment in the
 * complaint. */
enum err sealed_make(struct statement *statement, struct bytes body, struct bytes facts,
                     const struct sealed_reader *sides, size_t n_sides,
                     const struct sealed_reader *auditor, struct buffer *out,
                     struct complaint *complaint) MUST_CHECK;

/* Opens what `key` can open. body_out and facts_out receive the contents; a compartment with no
 * wrap for the key is left empty and its flag false. ERR_MALFORMED, ERR_SIGNATURE (does not fit its
 * statement), ERR_KEY (a wrap named our key but did not open). */
struct sealed_opened {
    bool has_body, has_facts;
};
enum err sealed_open(const struct statement *statement, struct bytes sealed,
                     const struct key_id *key, const struct seal_public *public_key,
                     const struct seal_secret *secret, struct buffer *body_out,
                     struct buffer *facts_out, struct sealed_opened *opened_out) MUST_CHECK;

/* For an outsider: the content keys of both compartments, as far as `key` opens them, and the
 * contents read with them. A key of zeros stands for a compartment that is not shown. Errors as
 * sealed_open; ERR_SIGNATURE also when a key is not the one of its compartment. */
struct sealed_revealed {
    struct seal_content_key body, facts;
};
enum err sealed_reveal(const struct statement *statement, struct bytes sealed,
                       const struct key_id *key, const struct seal_public *public_key,
                       const struct seal_secret *secret,
                       struct sealed_revealed *revealed_out) MUST_CHECK;
enum err sealed_read_revealed(const struct statement *statement, struct bytes sealed,
                              const struct sealed_revealed *revealed, struct buffer *body_out,
                              struct buffer *facts_out) MUST_CHECK;

/* Shape only, for the broker: two compartments, sizes of their classes, wraps for exactly the
 * statement's readers and author. */
enum err sealed_check_shape(const struct statement *statement, struct bytes sealed) MUST_CHECK;
struct digest sealed_digest(struct bytes sealed);

#endif
