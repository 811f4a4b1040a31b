/* Where stores and files of a fuzz target lie: in memory, away when the program ends by itself. A
 * store is kept as the bytes of its file and put back before the next input. */
#ifndef REFLOOP_TESTS_FUZZ_STAGE_H
#define REFLOOP_TESTS_FUZZ_STAGE_H

#include "lib/base/file.h"
#include "tests/fuzz/fuzz.h"

enum { STAGE_STORE_BYTES = 16 << 20 };

/* The directory of this process: in REFLOOP_FUZZ_DIR when that is set, else in memory. */
const char *stage_dir(void);
/* A path inside it; `inside` may have directories, which are made. */
void stage_path(const char *inside, char out[FILE_PATH_MAX]);
/* Removes a directory and what is in it. */
void stage_remove(const char *dir);
/* Writes a private file anew, without making it safe against a power cut. */
void stage_write(const char *path, struct bytes content);

/* The data file of a closed store in `dir`, and back. */
void stage_keep_store(const char *dir, struct buffer *out);
void stage_put_store(const char *dir, struct bytes kept);

/* Changes up to three bytes of `data` as the input says, and nothing when there are none. */
void stage_splice(struct reader *input, uint8_t *data, size_t len);

#endif
