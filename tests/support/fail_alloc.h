/* Memory that runs out when a test says so. A program that links fail_alloc_dep has its own malloc,
 * calloc, realloc, reallocarray and strdup in everything it is linked from; shared libraries keep
 * the system's. All of them pass on what is not to fail.
 *
 * Not for threads. */
#ifndef REFLOOP_TESTS_SUPPORT_FAIL_ALLOC_H
#define REFLOOP_TESTS_SUPPORT_FAIL_ALLOC_H

#include <stdbool.h>

/* The n-th allocation from now fails (1: the next), the others do not. */
void fail_alloc_at(unsigned long n);
/* From the n-th allocation from now on all fail. */
void fail_alloc_from(unsigned long n);
/* Nothing fails any more. Whether something did since it was asked for. */
bool fail_alloc_off(void);

#endif
