/* Identifiers: loop ids, organization ids, and short forms of loop ids. */
#ifndef REFLOOP_LIB_LOOP_IDENT_H
#define REFLOOP_LIB_LOOP_IDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOOP_ID_BYTES = 16,    /* random, no time in it */
    LOOP_ID_TEXT = 33,     /* 32 hex digits and NUL */
    LOOP_ID_SHORT_MIN = 4, /* hex digits of the shortest short form */
    ORG_ID_MAX = 48,       /* characters */
    ORG_ID_BYTES = ORG_ID_MAX + 1,
};

struct loop_id {
    uint8_t bytes[LOOP_ID_BYTES];
};

void ident_format(const struct loop_id *id, char out[LOOP_ID_TEXT]);
/* Exactly 32 hex digits. */
bool ident_parse(const char *text, struct loop_id *id_out);
/* 4 to 32 hex digits of either case: the bounds of the ids that start with them, for a range
 * search. False when `text` is no such prefix. */
bool ident_prefix_range(const char *text, struct loop_id *first_out, struct loop_id *last_out);
/* An organization id: 2 to 48 of a-z, 0-9 and single inner hyphens, starting with a letter. */
bool ident_is_org(const char *text);

#endif
