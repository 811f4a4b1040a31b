/* The address that is really bound: what it says, and where others find it. */
#ifndef REFLOOP_BROKER_SERVER_ENDPOINT_H
#define REFLOOP_BROKER_SERVER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/wire/limits.h"

#define ENDPOINT_FILE_NAME "endpoint" /* in HOME: the endpoint that is really bound, one line */

bool endpoint_is_tcp(const char *endpoint);
/* 0 when it names none. */
uint16_t endpoint_port(const char *endpoint);
/* Where we ourselves reach what is bound: an unspecified address is not one to connect to. */
void endpoint_reachable(const char *endpoint, char out[LIMIT_ENDPOINT_BYTES + 1]);
enum err
endpoint_write(const char *home, const char *endpoint, struct complaint *complaint) MUST_CHECK;

#endif
