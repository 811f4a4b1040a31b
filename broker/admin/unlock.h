/* The keys of this call's network: the root's, unlocked for one statement, and the auditor's. */
#ifndef REFLOOP_BROKER_ADMIN_UNLOCK_H
#define REFLOOP_BROKER_ADMIN_UNLOCK_H

#include "broker/admin/admin.h"
#include "broker/admin/auditor_key.h"
#include "broker/admin/root_key.h"

/* Where init puts it, and where it is looked for: --root-key, else HOME/root.key. */
enum err unlock_path(const struct admin *admin, char out[FILE_PATH_MAX],
                     struct complaint *complaint) MUST_CHECK;
/* Says so on standard error when keys may reach the swap space. */
void unlock_warn(const struct admin *admin);
/* Asks for the passphrase and opens the key; it must be that of `network`. */
enum err unlock_root(const struct admin *admin, const struct network_id *network,
                     struct root_key *key_out, struct complaint *complaint) MUST_CHECK;
/* Asks for the passphrase and opens the auditor's key: --auditor-key, else HOME/keys/auditor.key.
 */
enum err unlock_auditor(const struct admin *admin, const struct statement_genesis *genesis,
                        struct auditor_key *key_out, struct complaint *complaint) MUST_CHECK;

#endif
