/* A broker put together from its home directory: configuration, keys, genesis, store. */
#ifndef REFLOOP_BROKER_SERVER_SETUP_H
#define REFLOOP_BROKER_SERVER_SETUP_H

#include "broker/broker.h"
#include "broker/keys.h"
#include "broker/server/config.h"
#include "lib/base/file.h"

struct setup {
    char home[FILE_PATH_MAX];
    struct config config;
    struct keys keys;
    struct buffer genesis;
    struct broker *broker;
};

/* `config` must be loaded. What went wrong is in the complaint, in one sentence. */
enum err setup_open(const char *home, const struct config *config, struct setup *setup_out,
                    struct complaint *complaint) MUST_CHECK;
void setup_close(struct setup *setup);

#endif
