/* The table of lib/edge under another name, for files that know the store too: an `enum table` is
 * there already. */
#ifndef REFLOOP_BROKER_ADMIN_GRID_H
#define REFLOOP_BROKER_ADMIN_GRID_H

#include <stdio.h>

#include "lib/base/bytes.h"

struct grid;
/* As table_new, table_add, table_print and table_freep. */
struct grid *grid_new(const char *const *titles, size_t n_columns) MUST_CHECK;
enum err grid_add(struct grid *grid, const char *const *cells) MUST_CHECK;
enum err grid_print(const struct grid *grid, size_t width, bool emphasis, FILE *out) MUST_CHECK;
void grid_freep(struct grid **grid);

#endif
