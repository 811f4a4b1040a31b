/* The files of stores as a test handles them: taken, put elsewhere, looked into. */
#ifndef REFLOOP_TESTS_DAMAGE_STORE_FILES_H
#define REFLOOP_TESTS_DAMAGE_STORE_FILES_H

#include "tests/damage/sight.h"

enum { STORE_FILE_MAX = 32 << 20 };

/* DIR/NAME/data.mdb into a buffer. With `packed` without its free pages, so that every page
 * counts. Aborts on failure. */
void store_files_take(const char *dir, size_t store, bool packed, struct buffer *out);
/* A store directory with nothing but that file. */
void store_files_put(const char *dir, size_t store, struct bytes image);
void store_files_remove(const char *dir);
/* How many of the receipts are for entries that the broker's log in `dir` does not hold. */
enum err store_files_count_false(const char *dir, const struct sight *sight, unsigned *n_out);

#endif
