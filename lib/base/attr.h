/* Compiler attributes that carry our two rules: every error is looked at, every resource is
 * released by the scope that owns it. */
#ifndef REFLOOP_LIB_BASE_ATTR_H
#define REFLOOP_LIB_BASE_ATTR_H

/* The result of the function must be used. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Runs `function(&variable)` when the variable leaves its scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* printf-like: `position` (of the format) and `first` are argument positions counted from 1. */
#define PRINTF_LIKE(position, first) __attribute__((format(printf, position, first)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
