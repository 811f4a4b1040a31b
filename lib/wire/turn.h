/* Private to lib/wire: a turn's signature between its plain struct and its protobuf form. */
#ifndef REFLOOP_LIB_WIRE_TURN_H
#define REFLOOP_LIB_WIRE_TURN_H

#include "lib/wire/envelope.h"
#include "proto/envelope.pb-c.h"

/* Size, index and length of the path are within their bounds; whether the path fits is for
 * turn_check. */
bool turn_fields_ok(const struct turn_signature *signature);
bool turn_read(const Refloop__Envelope__V1__Signature *from, struct turn_signature *to);
/* `to` holds views into `from`. */
void turn_fill(const struct turn_signature *from, Refloop__Envelope__V1__Signature *to);

#endif
