/* The broker's store: which tables there are and what their keys look like. The log (with the
 * sealed parts beside it) is the truth; ids, mailbox, directory and loops are projections that
 * broker_rebuild can make again. Numbers are places in broker_table_names. */
#ifndef REFLOOP_BROKER_TABLES_H
#define REFLOOP_BROKER_TABLES_H

#include <string.h>

#include "lib/loop/ident.h"
#include "lib/store/kv.h"

enum table {
    TABLE_META,   /* word → value: "format" u8, "incarnation" 16 bytes, "probe",
                   "checkpoint" the last note signed, in the transaction of the entries it covers,
                   "witnessed" the newest note with cosignatures, "restored" (see recover.h) */
    TABLE_LOG,    /* index u64 → log time i64 ‖ leaf */
    TABLE_SEALED, /* index u64 → sealed bytes; apart, so that they can be erased and the log still
                     verifies */
    TABLE_IDS,    /* statement id → the receipt it was given (journal.c) */
    TABLE_MAILBOX,   /* member handle u64 ‖ index u64 → 1 byte, enum journal_part */
    TABLE_DIRECTORY, /* index u64 → empty: the entries that concern every member */
    TABLE_LOOPS,     /* loop id → track_encode */
    TABLE_TREE,      /* row u8 ‖ column u64 → hashes of a tile (lib/log/tree.h) */
    TABLE_COPIES,    /* index u64 → what members hold of a lost end of the log (recover.c) */
    TABLE_COUNT
};

enum { TABLES_FORMAT = 2, MAILBOX_KEY_BYTES = 16 };

static inline struct bytes
tables_mailbox_key(uint64_t handle, uint64_t index, uint8_t out[MAILBOX_KEY_BYTES])
{
    (void)kv_key_u64(handle, out);
    (void)kv_key_u64(index, out + 8);
    return bytes_of(out, MAILBOX_KEY_BYTES);
}

enum { TREE_KEY_BYTES = 9 };

static inline struct bytes
tables_tree_key(unsigned row, uint64_t column, uint8_t out[TREE_KEY_BYTES])
{
    out[0] = (uint8_t)row;
    (void)kv_key_u64(column, out + 1);
    return bytes_of(out, TREE_KEY_BYTES);
}

/* Words of TABLE_META that more than one file knows. */
#define META_FORMAT "format"
#define META_INCARNATION "incarnation"
#define META_CHECKPOINT "checkpoint"

/* The names, in order, for whoever opens a store. */
extern const char *const tables_names[TABLE_COUNT];

static inline struct bytes
tables_loop_key(const struct loop_id *loop)
{
    return bytes_of(loop->bytes, LOOP_ID_BYTES);
}

#endif
