/* Any bytes as an agent's agent.conf. */
#include <string.h>

#include "agent/daemon/config.h"

static bool
fuzz_conf_is_same(const struct config *a, const struct config *b)
{
    return strcmp(a->endpoint, b->endpoint) == 0 && a->ping_s == b->ping_s &&
           a->silence_s == b->silence_s && a->backoff_min_ms == b->backoff_min_ms &&
           a->backoff_max_s == b->backoff_max_s && a->ready_within_s == b->ready_within_s &&
           a->credit_kib == b->credit_kib && a->window == b->window &&
           a->witnesses == b->witnesses && a->witness_s == b->witness_s &&
           a->map_mib == b->map_mib && a->map_max_gib == b->map_max_gib &&
           a->log_level == b->log_level;
}

#include "tests/fuzz/fuzz_conf.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_conf(bytes_of(data, size));
    return 0;
}
