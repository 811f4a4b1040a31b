/* A store that fails when a test says so: a program that links fail_store_dep passes every call of
 * lib/store/kv.h that can fail through here. What kv.h promises of errors is kept: a failed write
 * sticks to its transaction, a failed commit ends it and nothing of it happened.
 *
 * Not for threads. */
#ifndef REFLOOP_TESTS_SUPPORT_FAIL_STORE_H
#define REFLOOP_TESTS_SUPPORT_FAIL_STORE_H

#include <stdbool.h>

#include "lib/base/err.h"

/* The n-th call from now answers `err` (1: the next), the others what they are. */
void fail_store_at(unsigned long n, enum err err);
/* Nothing fails any more. Whether something did since it was asked for. */
bool fail_store_off(void);
/* The name of the call that failed last, for messages. */
const char *fail_store_where(void);

#endif
