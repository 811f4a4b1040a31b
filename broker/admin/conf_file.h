/* The broker.conf of a new home: what was asked for is set, every other key is there with its help
 * and default, commented out. */
#ifndef REFLOOP_BROKER_ADMIN_CONF_FILE_H
#define REFLOOP_BROKER_ADMIN_CONF_FILE_H

#include "lib/base/bytes.h"

/* The address to listen on: `listen` when given, else the endpoint's port on every address.
 * ERR_INVALID with a sentence when it is none. */
enum err conf_file_listen(const char *listen, const char *endpoint, char *out, size_t size,
                          struct complaint *complaint) MUST_CHECK;
/* Appends the file's text. `home` is the (empty) directory it is for. */
enum err conf_file_make(const char *home, const char *listen, struct buffer *out,
                        struct complaint *complaint) MUST_CHECK;

#endif
