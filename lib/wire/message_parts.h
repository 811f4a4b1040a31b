/* Private to lib/wire: the rules of session messages that hold both ways. */
#ifndef REFLOOP_LIB_WIRE_MESSAGE_PARTS_H
#define REFLOOP_LIB_WIRE_MESSAGE_PARTS_H

#include "lib/wire/message.h"

/* What must hold between the fields of a message, once its counts are known to be within bounds. */
bool message_fields_ok(const struct message *message);

#endif
