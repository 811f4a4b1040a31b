/* Reading HOME/genesis. Decides whether the file is what some root signed; whose root that is, only
 * the fingerprint and people can say. */
#include "broker/admin/network.h"

#include <string.h>

#include "broker/keys.h"
#include "lib/base/file.h"

void
network_done(struct network *network)
{
    buffer_done(&network->envelope);
}

static enum err
open_genesis(struct network *network)
{
    struct envelope claimed;
    struct statement statement;
    struct opened_envelope opened;
    struct sign_public root;
    struct bytes bytes = buffer_view(&network->envelope);
    enum err err = envelope_decode(bytes, &claimed);
    if (err == ERR_OK) {
        err = statement_decode(claimed.statement, &statement);
    }
    if (err != ERR_OK) {
        return err;
    }
    memcpy(root.bytes, statement.network.bytes, sizeof(root.bytes));
    err = envelope_open(bytes, &statement.network, &root, false, NULL, &opened);
    if (err == ERR_OK && opened.statement.kind != STATEMENT_GENESIS) {
        err = ERR_MALFORMED;
    }
    if (err == ERR_OK) {
        network->id = opened.statement.network;
        network->genesis = opened.statement.as.genesis;
    }
    return err;
}

enum err
network_load(const char *home, struct network *network_out, struct complaint *complaint)
{
    CLEANUP(network_done) struct network network = {.envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, KEYS_GENESIS_NAME);
    if (err == ERR_OK) {
        err = file_read(path, &network.envelope);
    }
    if (err == ERR_NOT_FOUND) {
        return complain(complaint, err,
                        "%s holds no network; say where it is with --home DIR, or found one with "
                        "'refloop-admin init'",
                        home);
    }
    if (err == ERR_OK) {
        err = open_genesis(&network);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "%s/" KEYS_GENESIS_NAME " is not usable: %s", home,
                        err_text(err));
    }
    *network_out = network;
    network.envelope = BUFFER_INIT(0);
    return ERR_OK;
}
