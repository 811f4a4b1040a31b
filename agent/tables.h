/* What the agent keeps on disk, and the keys it is kept under. Every key is fixed-width and
 * big-endian. */
#ifndef REFLOOP_AGENT_TABLES_H
#define REFLOOP_AGENT_TABLES_H

#include "lib/base/digest.h"
#include "lib/loop/ident.h"
#include "lib/store/kv.h"

/* A table is named by its place in table_names: new ones go to the end. */
enum table {
    TABLE_META,      /* word → cursor, incarnation, owner, probe */
    TABLE_DIRECTORY, /* log index → log time ‖ envelope without a sealed part */
    TABLE_LOOPS,     /* loop → mirror record (mirror.h) */
    TABLE_STEPS,   /* loop ‖ number → step record (steps.h): nothing that identifies a person */
    TABLE_CONTENT, /* loop ‖ number → facts and body, vault-sealed, place = the key */
    TABLE_IDS,     /* statement id → loop ‖ number, 0 for confirmations; every version of an own
                      statement that was ever made */
    TABLE_LOG,     /* loop ‖ log index → log time ‖ envelope, sealed part and all:
                      evidence, and what a restored broker is refilled from */
    TABLE_OUTBOX,  /* order → row record (outbox.h) */
    TABLE_ORDER,   /* log index → loop: our copies in order of the log */
    TABLE_PROOFS,  /* log index → size of the checkpoint ‖ inclusion proof */
    TABLE_NOTES,   /* size → checkpoint note that proofs refer to */
    TABLE_ALARMS,  /* number u32 → alarm record (alarm.h) */
    TABLE_COUNT
};
extern const char *const table_names[TABLE_COUNT];

enum { STEP_KEY_BYTES = LOOP_ID_BYTES + 4, LOG_KEY_BYTES = LOOP_ID_BYTES + 8 };

struct bytes table_loop_key(const struct loop_id *loop);
struct bytes
table_step_key(const struct loop_id *loop, uint32_t number, uint8_t out[STEP_KEY_BYTES]);
struct bytes table_log_key(const struct loop_id *loop, uint64_t index, uint8_t out[LOG_KEY_BYTES]);
struct bytes table_id_key(const struct digest *id);

#endif
