/* Any bytes as a broker's broker.conf. */
#include <string.h>

#include "broker/server/config.h"

static bool
fuzz_conf_is_same(const struct config *a, const struct config *b)
{
    return strcmp(a->listen, b->listen) == 0 && a->ipv6 == b->ipv6 &&
           a->gather_ms == b->gather_ms && a->gather_statements == b->gather_statements &&
           a->verify_threads == b->verify_threads && a->map_mib == b->map_mib &&
           a->map_max_gib == b->map_max_gib && a->admit_below_percent == b->admit_below_percent &&
           a->statements_per_minute == b->statements_per_minute &&
           a->mib_per_day == b->mib_per_day && a->witness_s == b->witness_s &&
           a->log_level == b->log_level;
}

#include "tests/fuzz/fuzz_conf.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_conf(bytes_of(data, size));
    return 0;
}
