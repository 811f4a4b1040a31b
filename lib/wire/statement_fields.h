/* Private to lib/wire: what must hold between the fields of a statement, whichever way it goes. */
#ifndef REFLOOP_LIB_WIRE_STATEMENT_FIELDS_H
#define REFLOOP_LIB_WIRE_STATEMENT_FIELDS_H

#include "lib/wire/statement.h"

/* False when a field is out of its bounds or contradicts another. Any bytes are safe as input. */
bool statement_fields_ok(const struct statement *statement);

#endif
