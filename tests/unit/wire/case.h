/* cmocka with what it needs in front, and the few lines every test of this directory wants. */
#ifndef REFLOOP_TESTS_UNIT_WIRE_CASE_H
#define REFLOOP_TESTS_UNIT_WIRE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

static inline int
start_secrets(void **state)
{
    bool locked = false;
    (void)state;
    return secret_start(&locked) == ERR_OK ? 0 : -1;
}

#define assert_err(expression, expected)                                                           \
    assert_string_equal(err_name(expression), err_name(expected))
#define assert_ok(expression) assert_err(expression, ERR_OK)

#endif
