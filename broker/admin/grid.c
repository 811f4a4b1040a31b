/* Hands everything on. It decides nothing: how a table looks is lib/edge's, and which of two types
 * of one name is meant is said by not letting them meet. */
#include "broker/admin/grid.h"

#include <stdlib.h>

#include "lib/edge/table.h"

struct grid {
    struct table *table; /* owned */
};

struct grid *
grid_new(const char *const *titles, size_t n_columns)
{
    struct grid *grid = calloc(1, sizeof(*grid));
    if (grid == NULL) {
        return NULL;
    }
    grid->table = table_new(titles, n_columns);
    if (grid->table == NULL) {
        free(grid);
        return NULL;
    }
    return grid;
}

enum err
grid_add(struct grid *grid, const char *const *cells)
{
    return table_add(grid->table, cells);
}

enum err
grid_print(const struct grid *grid, size_t width, bool emphasis, FILE *out)
{
    return table_print(grid->table, width, emphasis, out);
}

void
grid_freep(struct grid **grid)
{
    if (*grid != NULL) {
        table_free((*grid)->table);
        free(*grid);
    }
    *grid = NULL;
}
