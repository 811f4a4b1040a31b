/* Decides the names of the tables and the bytes of their keys. It refuses to know what the records
 * hold: each is read and written by one file alone (mirror.c, steps.c, outbox.c,
 * holding.c, proof.c, alarm.c). */
#include "agent/tables.h"

#include <string.h>

const char *const table_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",     [TABLE_DIRECTORY] = "directory", [TABLE_LOOPS] = "loops",
    [TABLE_STEPS] = "steps",   [TABLE_CONTENT] = "content",     [TABLE_IDS] = "ids",
    [TABLE_LOG] = "log",       [TABLE_OUTBOX] = "outbox",       [TABLE_ORDER] = "order",
    [TABLE_PROOFS] = "proofs", [TABLE_NOTES] = "notes",         [TABLE_ALARMS] = "alarms",
};

struct bytes
table_loop_key(const struct loop_id *loop)
{
    return bytes_of(loop->bytes, sizeof(loop->bytes));
}

struct bytes
table_step_key(const struct loop_id *loop, uint32_t number, uint8_t out[STEP_KEY_BYTES])
{
    memcpy(out, loop->bytes, LOOP_ID_BYTES);
    for (unsigned i = 0; i < 4; i++)
        out[LOOP_ID_BYTES + i] = (uint8_t)((number >> (24 - 8 * i)) & 0xffU);
    return bytes_of(out, STEP_KEY_BYTES);
}

struct bytes
table_log_key(const struct loop_id *loop, uint64_t index, uint8_t out[LOG_KEY_BYTES])
{
    memcpy(out, loop->bytes, LOOP_ID_BYTES);
    (void)kv_key_u64(index, out + LOOP_ID_BYTES); /* a view of what it wrote */
    return bytes_of(out, LOG_KEY_BYTES);
}

struct bytes
table_id_key(const struct digest *id)
{
    return bytes_of(id->bytes, sizeof(id->bytes));
}
