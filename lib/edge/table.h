/* A plain table for a terminal or a pipe. */
#ifndef REFLOOP_LIB_EDGE_TABLE_H
#define REFLOOP_LIB_EDGE_TABLE_H

#include <stdio.h>

#include "lib/base/bytes.h"

struct table;
/* Titles of the columns; NULL when out of memory. */
struct table *table_new(const char *const *titles, size_t n_columns) MUST_CHECK;
void table_free(struct table *table);
void table_freep(struct table **table);
/* Copies n_columns cells; NULL is an empty one. ERR_MEMORY. */
enum err table_add(struct table *table, const char *const *cells) MUST_CHECK;
/* Columns side by side, two blanks between, titles first. When `width` is not 0 the widest columns
 * are cut until a row fits. `emphasis` prints the titles in bold. ERR_MEMORY, ERR_IO. */
enum err table_print(const struct table *table, size_t width, bool emphasis, FILE *out) MUST_CHECK;

#endif
