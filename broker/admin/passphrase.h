/* The passphrase of the root key: from a private file or the terminal, never from an argument or
 * the environment. */
#ifndef REFLOOP_BROKER_ADMIN_PASSPHRASE_H
#define REFLOOP_BROKER_ADMIN_PASSPHRASE_H

#include "lib/base/bytes.h"

enum { PASSPHRASE_BYTES_MAX = 1024, PASSPHRASE_CHARACTERS_MIN = 8 };

/* In locked memory; release with passphrase_freep. */
struct passphrase {
    char text[PASSPHRASE_BYTES_MAX];
};
void passphrase_freep(struct passphrase **passphrase);
struct bytes passphrase_view(const struct passphrase *passphrase);

/* An existing one. `file` may be NULL: then the terminal is asked. */
enum err passphrase_ask(const char *prompt, const char *file, struct passphrase **passphrase_out,
                        struct complaint *complaint) MUST_CHECK;
/* A new one: asked for twice on a terminal. ERR_INVALID when it is too short or the two differ. */
enum err passphrase_choose(const char *file, struct passphrase **passphrase_out,
                           struct complaint *complaint) MUST_CHECK;

#endif
