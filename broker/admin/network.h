/* The network a home directory holds: its genesis, checked against its own root. */
#ifndef REFLOOP_BROKER_ADMIN_NETWORK_H
#define REFLOOP_BROKER_ADMIN_NETWORK_H

#include "lib/wire/envelope.h"

struct network {
    struct network_id id;
    struct statement_genesis genesis;
    struct buffer envelope; /* owned: the exact bytes */
};

/* ERR_NOT_FOUND when the home holds none. */
enum err
network_load(const char *home, struct network *network_out, struct complaint *complaint) MUST_CHECK;
void network_done(struct network *network);

#endif
