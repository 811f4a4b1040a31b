/* The broker's own keys: the file keys/broker.key (mode 0600) with the lines `curve = <64 hex>` and
 * `log = <128 hex>`. Made by refloop-admin, read by refloop-broker. */
#ifndef REFLOOP_BROKER_KEYS_H
#define REFLOOP_BROKER_KEYS_H

#include "lib/crypto/curve.h"
#include "lib/crypto/sign.h"

#define KEYS_DIR_NAME "keys"
#define KEYS_FILE_NAME "broker.key"
#define KEYS_GENESIS_NAME "genesis" /* beside the directory: the encoded genesis envelope */
#define KEYS_STORE_NAME "store"

struct keys {
    struct curve_secret *curve; /* owned, in locked memory */
    struct sign_secret *log;    /* owned, in locked memory: signs receipts */
    struct curve_public curve_public;
    struct sign_public log_public;
};

/* New random keys. ERR_MEMORY. */
enum err keys_make(struct keys *keys_out) MUST_CHECK;
void keys_done(struct keys *keys); /* wipes; zero is fine */

/* Writes HOME/keys/broker.key, making the directory. ERR_EXISTS when there is one: keys are never
 * overwritten. */
enum err
keys_save(const struct keys *keys, const char *home, struct complaint *complaint) MUST_CHECK;
/* ERR_KEY when there is none or it is not readable as one, ERR_PERMISSION when others could read
 * it. */
enum err keys_load(const char *home, struct keys *keys_out, struct complaint *complaint) MUST_CHECK;

#endif
