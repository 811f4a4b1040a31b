/* System calls and calls of liblmdb that fail when a test says so, in all of a program that links
 * fail_call_dep but its shared libraries.
 *
 * Not for threads. */
#ifndef REFLOOP_TESTS_SUPPORT_FAIL_CALL_H
#define REFLOOP_TESTS_SUPPORT_FAIL_CALL_H

#include <stdbool.h>

enum fail_call_kind { FAIL_SYSTEM, FAIL_LMDB };

/* The n-th call of this kind from now (1: the next) fails with `code`: an errno, or what liblmdb
 * returns. */
void fail_call_at(enum fail_call_kind kind, unsigned long n, int code);
/* Nothing fails any more. Whether something did since it was asked for. */
bool fail_call_off(void);
/* The call that failed last. */
const char *fail_call_where(void);

#endif
