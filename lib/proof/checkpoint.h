/* Checkpoints: a size and a root of the log, signed by the broker's log key as a C2SP signed note
 * (Ed25519, type 0x01) whose origin names the network; and cosignatures of members beside it (C2SP
 * tlog-cosignature, type 0x04). Read by any tool that knows these formats. */
#ifndef REFLOOP_LIB_PROOF_CHECKPOINT_H
#define REFLOOP_LIB_PROOF_CHECKPOINT_H

#include "lib/log/note.h"
#include "lib/trust/directory.h"

/* "refloop/" and the root public key in hex: origin of the log and name of the broker's note key. A
 * member's note key is called origin "/" organization. */
void checkpoint_origin(const struct network_id *network, char out[NOTE_NAME_MAX + 1]);
void checkpoint_member_name(const struct network_id *network, const char *org,
                            char out[NOTE_NAME_MAX + 1]);

/* Appends a whole signed note. */
enum err checkpoint_sign(const struct network_id *network, uint64_t size,
                         const struct merkle_hash *root, const struct sign_secret *log_secret,
                         struct buffer *note_out) MUST_CHECK;
/* Parses a note and checks the broker's signature. Other signatures in it are left alone.
 * ERR_MALFORMED, ERR_WRONG_NETWORK (another origin), ERR_SIGNATURE. */
enum err checkpoint_open(struct bytes note, const struct network_id *network,
                         const struct sign_public *log_key,
                         struct checkpoint *checkpoint_out) MUST_CHECK;

/* A member's cosignature of the text of a note at `time_s` (seconds since 1970). */
enum err checkpoint_cosign(struct bytes note, uint64_t time_s, const struct sign_secret *secret,
                           uint8_t signature_out[SIGN_BYTES]) MUST_CHECK;
enum err checkpoint_check_cosignature(struct bytes note, uint64_t time_s,
                                      const struct sign_public *key,
                                      const uint8_t signature[SIGN_BYTES]) MUST_CHECK;
/* Appends the line of a cosignature to a note. ERR_TOO_LARGE past NOTE_SIGNATURES_MAX. */
enum err checkpoint_add_cosignature(struct buffer *note, const struct network_id *network,
                                    const char *org, const struct sign_public *key, uint64_t time_s,
                                    const uint8_t signature[SIGN_BYTES]) MUST_CHECK;

struct cosigner {
    char org[ORG_ID_BYTES];
    uint64_t time_s;
};
/* The members whose present keys cosigned the note, each once. Lines by keys that the directory
 * does not know are ignored. ERR_SIGNATURE when the signature of a known key does not fit the text:
 * then that member was shown another log; its organization is in *liar_out. */
enum err checkpoint_cosigners(struct bytes note, const struct directory *directory,
                              struct cosigner cosigners_out[NOTE_SIGNATURES_MAX], size_t *n_out,
                              char liar_out[ORG_ID_BYTES]) MUST_CHECK;

#endif
