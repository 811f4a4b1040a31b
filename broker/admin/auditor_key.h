/* The administrator's own member keys: they open the coded facts of every referral, and nothing
 * else. */
#ifndef REFLOOP_BROKER_ADMIN_AUDITOR_KEY_H
#define REFLOOP_BROKER_ADMIN_AUDITOR_KEY_H

#include "broker/admin/key_file.h"
#include "lib/wire/statement.h"

struct auditor_key {
    struct seal_secret *secret; /* owned, in locked memory */
    struct seal_public public_key;
    struct key_id id;
};

void auditor_key_done(struct auditor_key *key); /* wipes; zero is fine */
/* From the content of its file; it must be the auditor's of this genesis: ERR_WRONG_NETWORK. Other
 * errors as key_file_open. */
enum err auditor_key_open(struct bytes text, struct bytes passphrase,
                          const struct statement_genesis *genesis,
                          struct auditor_key *key_out) MUST_CHECK;

#endif
