/* The directory a store lives in: made, found fit, and taken for one process. */
#ifndef REFLOOP_LIB_STORE_PLACE_H
#define REFLOOP_LIB_STORE_PLACE_H

#include "lib/base/bytes.h"

/* Makes the directory with mode 0700 when absent and locks its file "lock". The lock lasts until
 * the descriptor is closed (or the process ends, in whatever way). ERR_LOCKED when anybody has it,
 * this process included; ERR_CONFIG on a network file system; ERR_PERMISSION, ERR_DISK_FULL,
 * ERR_IO. */
enum err place_take(const char *dir, int *lock_fd_out, struct complaint *complaint) MUST_CHECK;
/* Makes the directory when absent; ERR_EXISTS when there is anything in it. */
enum err place_make_empty(const char *dir) MUST_CHECK;
/* Puts the directory's list of names on disk. */
enum err place_sync(const char *dir) MUST_CHECK;
/* What a statfs type is called when locks and memory maps cannot be trusted there; NULL when they
 * can. */
const char *place_find_remote(uint32_t type);

#endif
