/* Talking with the broker, and how every failure is told. */
#ifndef REFLOOP_BROKER_ADMIN_TALK_H
#define REFLOOP_BROKER_ADMIN_TALK_H

#include "broker/admin/admin.h"
#include "lib/edge/control.h"

enum { TALK_PATIENCE_MS = 30000, TALK_LONG_PATIENCE_MS = 3600000 };

/* Asks {"command": command} once. ERR_OK and a new reference, or the broker's refusal or our
 * failure with its sentence; ERR_UNREACHABLE when the broker is not running. */
enum err talk_ask(const struct admin *admin, const char *command, int patience_ms,
                  json_t **answer_out, struct complaint *complaint) MUST_CHECK;
/* Hands the broker a root-signed statement; *receipt_out is a new reference to its receipt. */
enum err talk_submit(const struct admin *admin, struct bytes envelope, json_t **receipt_out,
                     struct complaint *complaint) MUST_CHECK;

/* One line on standard output. Takes the reference; NULL is out of memory. Returns the exit code.
 */
int talk_print_json(const struct admin *admin, json_t *value);
/* Tells it on standard error, or with --json on standard output; returns the exit code. `sentence`
 * may be empty or NULL. */
int talk_fail(const struct admin *admin, enum err err, const char *sentence);

#endif
