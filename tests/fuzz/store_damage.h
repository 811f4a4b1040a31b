/* Damage to a closed store, record by record: behind the records' own checks, as if whoever did it
 * had written them. */
#ifndef REFLOOP_TESTS_FUZZ_STORE_DAMAGE_H
#define REFLOOP_TESTS_FUZZ_STORE_DAMAGE_H

#include "lib/store/kv.h"
#include "tests/fuzz/stage.h"

/* Does what the input says, up to three times; bit n of *tables_out is set when a record of table n
 * is not what it was. */
void store_damage(const struct kv_options *options, struct reader *input, unsigned *tables_out);

#endif
