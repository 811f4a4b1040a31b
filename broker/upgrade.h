/* Stores written by an earlier version. */
#ifndef REFLOOP_BROKER_UPGRADE_H
#define REFLOOP_BROKER_UPGRADE_H

#include "broker/ledger.h"

/* Brings a store of an earlier format to TABLES_FORMAT, all of it or nothing; one of this format,
 * or of one that nobody knows, is left alone. The log must be known to be this network's. */
enum err upgrade_store(struct kv *kv, const struct network_id *network,
                       const struct sign_secret *log_secret) MUST_CHECK;

#endif
