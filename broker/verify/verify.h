/* refloop-verify: what it was asked, and the ways it answers. */
#ifndef REFLOOP_BROKER_VERIFY_VERIFY_H
#define REFLOOP_BROKER_VERIFY_VERIFY_H

#include "lib/base/file.h"
#include "lib/proof/evidence.h"

#define VERIFY_NAME "refloop-verify"

/* root.c: what stands after --root: the root public key itself, or the fingerprint that people
 * compare, with or without its blanks. */
enum { VERIFY_FINGERPRINT_HEX = 24 };
struct verify_root {
    bool is_whole;
    struct network_id network;                    /* when it is whole */
    char fingerprint[VERIFY_FINGERPRINT_HEX + 1]; /* lower-case hex, when not */
};
/* ERR_INVALID when it is neither. */
enum err verify_root_parse(const char *text, struct verify_root *root_out) MUST_CHECK;
/* The root key to check a file against: the one given, or the file's own when its fingerprint is
 * the one given. ERR_WRONG_NETWORK when it is not, and what evidence_claimed_network says. */
enum err verify_root_find(const struct verify_root *root, struct bytes file,
                          struct network_id *network_out, struct complaint *complaint) MUST_CHECK;

/* tell.c, for people; tell_json.c, for programs. A stream that fails remembers it. `root` says what
 * the answer rests on. */
void
verify_tell(const struct evidence_reading *reading, const struct verify_root *root, bool colour);
void verify_tell_failure(const char *path, const char *sentence, bool colour);
/* ERR_MEMORY. */
enum err
verify_tell_json(const struct evidence_reading *reading, const struct verify_root *root) MUST_CHECK;
enum err verify_tell_json_failure(enum err err, const char *sentence) MUST_CHECK;

/* The step that first confirmed the delivery of step `i`; NULL when none did. */
const struct evidence_step *verify_delivery(const struct evidence_reading *reading, size_t i);

#endif
