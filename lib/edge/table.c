/* Plain tables for people. Decides which columns give way when a row is wider than the terminal:
 * always the widest, one column at a time, so that short ones (ids, states) stay whole. */
#include "lib/edge/table.h"

#include <stdlib.h>
#include <string.h>

#include "lib/edge/terminal.h"

enum { GAP_COLUMNS = 2, COLUMN_MIN = 4 };

struct table {
    size_t n_columns;
    size_t n_cells; /* titles included */
    size_t capacity;
    char **cells; /* owned, row by row */
};

struct table *
table_new(const char *const *titles, size_t n_columns)
{
    struct table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return NULL;
    }
    table->n_columns = n_columns;
    if (table_add(table, titles) != ERR_OK) {
        table_free(table);
        return NULL;
    }
    return table;
}

void
table_free(struct table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    free(table);
}

void
table_freep(struct table **table)
{
    table_free(*table);
    *table = NULL;
}

static enum err
reserve_row(struct table *table)
{
    if (table->n_cells + table->n_columns <= table->capacity) {
        return ERR_OK;
    }
    size_t capacity = table->capacity * 2 + table->n_columns * 8;
    char **cells = reallocarray(table->cells, capacity, sizeof(*cells));
    if (cells == NULL) {
        return ERR_MEMORY;
    }
    table->cells = cells;
    table->capacity = capacity;
    return ERR_OK;
}

enum err
table_add(struct table *table, const char *const *cells)
{
    enum err err = reserve_row(table);
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        char *copy = strdup(cells[i] != NULL ? cells[i] : "");
        if (copy == NULL) {
            while (i-- > 0) {
                free(table->cells[table->n_cells + i]);
            }
            return ERR_MEMORY;
        }
        table->cells[table->n_cells + i] = copy;
    }
    table->n_cells += table->n_columns;
    return ERR_OK;
}

static void
measure_columns(const struct table *table, size_t *widths)
{
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t wide = terminal_columns(table->cells[i]);
        size_t *width = &widths[i % table->n_columns];
        *width = wide > *width ? wide : *width;
    }
}

static void
fit(size_t *widths, size_t n, size_t limit)
{
    size_t total = n > 0 ? GAP_COLUMNS * (n - 1) : 0;
    for (size_t i = 0; i < n; i++) {
        total += widths[i];
    }
    while (total > limit) {
        size_t widest = 0;
        for (size_t i = 1; i < n; i++) {
            widest = widths[i] > widths[widest] ? i : widest;
        }
        if (widths[widest] <= COLUMN_MIN) {
            return; /* narrower would say nothing: let the terminal wrap */
        }
        widths[widest]--;
        total--;
    }
}

static void
put_row(const struct table *table, size_t first, const size_t *widths, struct buffer *out)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        /* A column of width 0 holds only empty cells; 0 would mean "not cut". */
        size_t used = widths[i] > 0 ? terminal_put(out, table->cells[first + i], widths[i]) : 0;
        bool last = i + 1 == table->n_columns;
        for (size_t blanks = last ? 0 : widths[i] - used + GAP_COLUMNS; blanks > 0; blanks--) {
            buffer_put_u8(out, ' ');
        }
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ') {
        out->len--;
    }
}

static void
free_widths(size_t **widths)
{
    free(*widths);
}

enum err
table_print(const struct table *table, size_t width, bool emphasis, FILE *out)
{
    CLEANUP(free_widths) size_t *widths = calloc(table->n_columns + 1, sizeof(*widths));
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(1024 * 1024);
    if (widths == NULL) {
        return ERR_MEMORY;
    }
    measure_columns(table, widths);
    if (width > 0) {
        fit(widths, table->n_columns, width);
    }
    for (size_t first = 0; first < table->n_cells; first += table->n_columns) {
        buffer_clear(&row);
        bool bold = emphasis && first == 0;
        put_row(table, first, widths, &row);
        if (buffer_err(&row) != ERR_OK) {
            return buffer_err(&row);
        }
        if (fprintf(out, "%s%.*s%s\n", bold ? "\033[1m" : "", (int)row.len,
                    row.len > 0 ? (const char *)row.data : "", bold ? "\033[0m" : "") < 0) {
            return ERR_IO;
        }
    }
    return ERR_OK;
}
