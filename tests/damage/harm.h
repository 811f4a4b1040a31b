/* The kinds of damage, each done to a fresh copy of a file, and each to be had again from its seed.
 */
#ifndef REFLOOP_TESTS_DAMAGE_HARM_H
#define REFLOOP_TESTS_DAMAGE_HARM_H

#include "lib/base/bytes.h"

enum harm_kind { HARM_NONE, HARM_BIT, HARM_ZERO, HARM_OLD, HARM_SWAP, HARM_KINDS };

enum { HARM_PAGE = 4096, HARM_TEXT = 96 };

extern const char *const harm_names[HARM_KINDS];

/* Harms `image` in place; `old` is the same store some time before, for HARM_OLD. Says where in
 * `text_out`. False when this kind finds nothing to harm. */
bool harm_do(enum harm_kind kind, uint64_t *random, struct bytes old, struct buffer *image,
             char text_out[HARM_TEXT]);

#endif
