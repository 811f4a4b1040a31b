/* The root key: the network's name and the only key that founds, invites and revokes. In memory
 * while one command runs; at rest wrapped under a passphrase, best offline. */
#ifndef REFLOOP_BROKER_ADMIN_ROOT_KEY_H
#define REFLOOP_BROKER_ADMIN_ROOT_KEY_H

#include "broker/admin/key_file.h"
#include "lib/wire/envelope.h"

#define ROOT_KEY_FILE_NAME "root.key"

struct root_key {
    struct sign_secret *secret; /* owned, in locked memory */
    struct network_id network;  /* the public key */
};

/* A new random one. ERR_MEMORY. */
enum err root_key_make(struct root_key *key_out) MUST_CHECK;
void root_key_done(struct root_key *key); /* wipes; zero is fine */

/* The content of its file, and back. Errors as key_file_open. */
enum err root_key_close(const struct root_key *key, struct bytes passphrase,
                        enum vault_effort effort, struct buffer *out) MUST_CHECK;
enum err
root_key_open(struct bytes text, struct bytes passphrase, struct root_key *key_out) MUST_CHECK;
/* From the file. `is_elsewhere`: the file is where the administrator keeps it offline; such media
 * often know no owners, so its mode is not judged. ERR_WRONG_NETWORK when it is another network's.
 */
enum err root_key_load(const char *path, bool is_elsewhere, struct bytes passphrase,
                       const struct network_id *network, struct root_key *key_out,
                       struct complaint *complaint) MUST_CHECK;

/* Makes `statement` (kind and content given, the rest zero) one of the root's and appends its
 * envelope. ERR_INVALID when a field is out of its bounds. */
enum err root_key_sign(const struct root_key *key, struct statement *statement, int64_t now_ms,
                       struct buffer *envelope_out) MUST_CHECK;

#endif
