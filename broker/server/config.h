/* What can be set: HOME/broker.conf. */
#ifndef REFLOOP_BROKER_SERVER_CONFIG_H
#define REFLOOP_BROKER_SERVER_CONFIG_H

#include <stdio.h>

#include "lib/base/conf.h"
#include "lib/base/logging.h"

#define CONFIG_FILE_NAME "broker.conf"

struct config {
    char listen[CONF_TEXT_MAX];
    bool ipv6;
    int64_t gather_ms, gather_statements;
    int64_t verify_threads;
    int64_t map_mib, map_max_gib;
    int64_t admit_below_percent;
    int64_t statements_per_minute, mib_per_day;
    int64_t witness_s;
    int64_t log_level; /* enum logging_level */
};

/* ERR_CONFIG with file and line. */
enum err
config_load(const char *home, struct config *config_out, struct complaint *complaint) MUST_CHECK;
void config_print(const struct config *config, FILE *out);

#endif
