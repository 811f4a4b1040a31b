/* Files: whole-file reads with a limit, atomic replacement, and refusal of secrets that others can
 * read. */
#ifndef REFLOOP_LIB_BASE_FILE_H
#define REFLOOP_LIB_BASE_FILE_H

#include <sys/types.h>

#include "lib/base/bytes.h"

enum { FILE_PATH_MAX = 1024 };

/* dir "/" name into out[FILE_PATH_MAX]; ERR_INVALID when it does not fit. */
enum err file_path(char out[FILE_PATH_MAX], const char *dir, const char *name) MUST_CHECK;

/* Appends the whole file to `out`, whose max is the limit: ERR_TOO_LARGE past it, ERR_NOT_FOUND,
 * ERR_IO. path "-" reads standard input. */
enum err file_read(const char *path, struct buffer *out) MUST_CHECK;
/* The same for a secret: also ERR_PERMISSION when it is not a regular file of ours with mode 0600
 * or stricter. */
enum err file_read_secret(const char *path, struct buffer *out) MUST_CHECK;

/* Writes beside, fsyncs, renames over, fsyncs the directory: after ERR_OK the content survives
 * power loss, after an error the old content stands. ERR_DISK_FULL or ERR_IO. */
enum err file_replace(const char *path, struct bytes content, mode_t mode) MUST_CHECK;
/* As file_replace, but ERR_EXISTS when the path exists. */
enum err file_create(const char *path, struct bytes content, mode_t mode) MUST_CHECK;

bool file_exists(const char *path);
/* Creates the directory (and parents) with mode 0700; fine when it exists. ERR_PERMISSION when it
 * exists and others may write to it. */
enum err file_make_dir(const char *path) MUST_CHECK;

#endif
