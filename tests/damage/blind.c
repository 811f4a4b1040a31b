/* The planted fault: a store that reads its records without their digests. */
#include "lib/store/record.h"

enum err __wrap_record_open(const char *table, struct bytes key, struct bytes stored,
                            struct bytes *payload_out) MUST_CHECK;

enum err
__wrap_record_open(const char *table, struct bytes key, struct bytes stored,
                   struct bytes *payload_out)
{
    (void)table;
    (void)key;
    return record_open_unchecked(stored, payload_out);
}
