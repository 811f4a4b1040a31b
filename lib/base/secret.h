/* Secrets: memory that is locked, kept out of core dumps and wiped when released. */
#ifndef REFLOOP_LIB_BASE_SECRET_H
#define REFLOOP_LIB_BASE_SECRET_H

#include "lib/base/bytes.h"

/* Must be called once, first in main, before any thread: starts the cryptographic library, turns
 * core dumps off, forbids other processes of the user to read our memory. Sets *locked_out to
 * whether memory can really be locked (else keys may reach swap, and the caller says so).
 * ERR_INTERNAL when the library cannot start. */
enum err secret_start(bool *locked_out) MUST_CHECK;

/* Guarded, locked, zeroed memory; NULL when there is none. secret_free wipes; NULL is allowed. */
void *secret_alloc(size_t len) MUST_CHECK;
void secret_free(void *secret);
void
secret_freep(void *pointer_to_secret); /* for CLEANUP on any pointer variable: void ** in fact */

void secret_wipe(void *memory, size_t len);
/* Constant time in `len`. */
bool secret_equal(const void *a, const void *b, size_t len);
/* Unpredictable bytes, and an unpredictable number below `bound` (bound > 0). */
void secret_random(void *out, size_t len);
uint32_t secret_random_below(uint32_t bound);

#endif
