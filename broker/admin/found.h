/* Founding a network: keys, genesis and the files of a broker's home. In two steps, so that every
 * mistake in what was asked for is told before a passphrase is. */
#ifndef REFLOOP_BROKER_ADMIN_FOUND_H
#define REFLOOP_BROKER_ADMIN_FOUND_H

#include "broker/admin/root_key.h"
#include "broker/keys.h"
#include "lib/base/file.h"

#define FOUND_AUDITOR_KEY_NAME "auditor.key" /* in HOME/keys */
#define FOUND_CONF_NAME "broker.conf"

struct found_order {
    const char *home;
    const char *root_key_path;
    const char *name, *endpoint, *auditor;
    int64_t now_ms;
};

/* The secrets of the administrator's own member keys; in locked memory. */
struct found_auditor {
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
};

struct found {
    struct root_key root;
    struct keys broker;
    struct found_auditor *auditor; /* owned */
    struct seal_public auditor_seal;
    struct buffer genesis; /* owned: the envelope */
};

/* ERR_EXISTS when the home holds a network, or parts of one, or something is at the root key's
 * place. */
enum err found_check_home(const char *home, const char *root_key_path,
                          struct complaint *complaint) MUST_CHECK;
/* Makes the keys and the genesis in memory. ERR_INVALID naming what is wrong with the order. */
enum err found_prepare(const struct found_order *order, struct found *found_out,
                       struct complaint *complaint) MUST_CHECK;
void found_done(struct found *found); /* wipes; zero is fine */
/* Makes the home and writes everything; `conf` is the text of broker.conf. The genesis comes last:
 * before it there is no network. A failure takes back what was written. */
enum err found_write(const struct found *found, const struct found_order *order,
                     struct bytes passphrase, enum vault_effort effort, struct bytes conf,
                     struct complaint *complaint) MUST_CHECK;

#endif
