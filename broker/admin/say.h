/* Sentences for people. Names in them were chosen by others, so every line is cleaned before it
 * reaches a terminal. */
#ifndef REFLOOP_BROKER_ADMIN_SAY_H
#define REFLOOP_BROKER_ADMIN_SAY_H

#include <stdint.h>
#include <stdio.h>

#include "lib/base/clock.h"

/* One line, '\n' added. A stream that fails remembers it; main looks. */
void say_line(FILE *out, const char *format, ...) PRINTF_LIKE(2, 3);
/* "2026-11-21 09:30" by the clock on the wall here. */
void say_time(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);
/* "1,204,331". */
enum { SAY_COUNT_BYTES = 32 };
const char *say_count(uint64_t n, char out[SAY_COUNT_BYTES]);
/* "s" unless n is 1. */
const char *say_plural(uint64_t n);

#endif
