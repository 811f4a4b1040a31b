/* HOME/agent.conf: what the people who run an agent may set. */
#ifndef REFLOOP_AGENT_DAEMON_CONFIG_H
#define REFLOOP_AGENT_DAEMON_CONFIG_H

#include "lib/base/conf.h"
#include "lib/base/logging.h"

#define CONFIG_FILE_NAME "agent.conf"

struct config {
    char endpoint[CONF_TEXT_MAX]; /* "": the one the network was founded with */
    int64_t ping_s, silence_s;
    int64_t backoff_min_ms, backoff_max_s, ready_within_s;
    int64_t credit_kib, window;
    int64_t witnesses, witness_s;
    int64_t map_mib, map_max_gib;
    int64_t log_level; /* enum logging_level */
};

/* Defaults, then HOME/agent.conf when there is one. ERR_CONFIG with file:line. */
enum err
config_load(const char *home, struct config *config_out, struct complaint *complaint) MUST_CHECK;
void config_print(const struct config *config, FILE *out);
/* Writes HOME/agent.conf with every key commented out, unless there is one. */
enum err config_write_sample(const char *home, struct complaint *complaint) MUST_CHECK;

#endif
