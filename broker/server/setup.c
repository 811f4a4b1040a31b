/* Decides whether a home directory holds a broker that may run: keys that only we can read, a
 * genesis that names them, and a store that begins with it. */
#include "broker/server/setup.h"

#include <string.h>

enum { MIB_SHIFT = 20, GIB_SHIFT = 30, MS_PER_S = 1000 };

static enum err
read_genesis(const char *home, struct buffer *bytes, struct statement *genesis_out,
             struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    struct envelope envelope;
    enum err err = file_path(path, home, KEYS_GENESIS_NAME);
    if (err == ERR_OK) {
        err = file_read(path, bytes);
    }
    if (err == ERR_NOT_FOUND) {
        return complain(complaint, err, "%s holds no network; make one with refloop-admin init",
                        home);
    }
    if (err == ERR_OK) {
        err = envelope_decode(buffer_view(bytes), &envelope);
    }
    if (err == ERR_OK) {
        err = statement_decode(envelope.statement, genesis_out);
    }
    if (err == ERR_OK && genesis_out->kind != STATEMENT_GENESIS) {
        err = ERR_MALFORMED;
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "%s is not a genesis: %s", path, err_text(err));
}

static enum err
open_broker(struct setup *setup, const struct statement *genesis, struct complaint *complaint)
{
    char store[FILE_PATH_MAX];
    const struct config *config = &setup->config;
    enum err err = file_path(store, setup->home, KEYS_STORE_NAME);
    if (err != ERR_OK) {
        return complain(complaint, err, "the path of the home directory is too long");
    }
    const struct broker_options options = {
        .store_dir = store,
        .map_bytes = config->map_mib << MIB_SHIFT,
        .map_max_bytes = config->map_max_gib << GIB_SHIFT,
        .genesis_envelope = buffer_view(&setup->genesis),
        .network = genesis->network,
        .log_secret = setup->keys.log,
        .gather_ms = config->gather_ms,
        .gather_statements = config->gather_statements,
        .admit_below_percent = config->admit_below_percent,
        .statements_per_minute = config->statements_per_minute,
        .bytes_per_day = config->mib_per_day << MIB_SHIFT,
        .witness_ms = config->witness_s * MS_PER_S,
    };
    return broker_open(&options, &setup->broker, complaint);
}

void
setup_close(struct setup *setup)
{
    broker_freep(&setup->broker);
    buffer_done(&setup->genesis);
    keys_done(&setup->keys);
}

enum err
setup_open(const char *home, const struct config *config, struct setup *setup_out,
           struct complaint *complaint)
{
    CLEANUP(setup_close)
    struct setup setup = {.config = *config, .genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    struct statement genesis;
    size_t len = strnlen(home, sizeof(setup.home) - 1);
    memcpy(setup.home, home, len);
    enum err err = read_genesis(home, &setup.genesis, &genesis, complaint);
    if (err == ERR_OK) {
        err = keys_load(home, &setup.keys, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (memcmp(&setup.keys.curve_public, &genesis.as.genesis.broker_curve,
               sizeof(setup.keys.curve_public)) != 0) {
        return complain(complaint, ERR_KEY,
                        "the broker's CURVE key is not the one that the genesis names");
    }
    err = open_broker(&setup, &genesis, complaint);
    if (err == ERR_OK) {
        *setup_out = setup;
        setup = (struct setup){.broker = NULL};
    }
    return err;
}
