/* Private to broker/audit: one verification, shared by its threads.
 *
 * First every entry by itself, in the order of the log: what is signed, by whom, when, and that it
 * is what the tree was built over. Then every loop, its statements brought together: steps,
 * sequences, and what is stored of it. Last what is only one for the whole store. */
#ifndef REFLOOP_BROKER_AUDIT_VERIFY_H
#define REFLOOP_BROKER_AUDIT_VERIFY_H

#include "broker/audit/finding.h"
#include "broker/audit/spill.h"
#include "broker/audit/state.h"

enum {
    VERIFY_CHUNK = TREE_TILE_WIDTH * TREE_TILE_WIDTH, /* entries taken at a time: a tile of row 1 */
    VERIFY_MEMORIES = 64,                             /* signatures remembered by each thread */
};

struct verify_counts {
    uint64_t signatures, statements, loops;
    uint64_t mailbox, sealed; /* rows that must be there, or are */
};

struct verify;

/* A signature to be checked: the log's row, and whose it must be. */
struct verify_signature {
    uint64_t index;
    struct bytes row;
    const struct keyring_org *author;
    const struct sign_public *key;
};

/* A row that must stand in a mailbox. */
struct verify_letter {
    uint64_t index;
    uint8_t part;
    uint16_t next; /* of the same mailbox; 0: the last */
};

/* The rows that a chunk calls for: one list for each mailbox. Places of letters count from 1. */
struct verify_mail {
    size_t n_letters, n_boxes;
    struct verify_box {
        uint16_t first, last;
    } * boxes;        /* owned; one for each organization */
    uint16_t *in_use; /* owned; places of the n_boxes that have letters */
    struct verify_letter letters[1 + VERIFY_CHUNK * (1 + LIMIT_READERS)];
};

struct verify_worker {
    struct verify *verify;
    struct kv_txn *txn;
    pthread_t thread;
    struct verify_counts counts;
    struct spill_writer writer;
    struct verified_root memories[VERIFY_MEMORIES];
    size_t n_signatures;
    struct verify_signature signatures[VERIFY_CHUNK];
    struct verify_mail mail;
    struct merkle_hash leaves[VERIFY_CHUNK];
    struct buffer scratch;
};

struct verify {
    struct audit *audit;
    uint64_t from, to; /* entries to be checked */
    struct checkpoint checkpoint;
    bool has_checkpoint; /* the stored one is signed by the broker */
    struct finding finding;
    struct spill *spill;
    _Atomic uint64_t next; /* chunk or bucket to be taken */
    _Atomic uint64_t done; /* for the progress */
    size_t bucket_bytes;   /* records of one bucket may take so much memory */
    size_t n_workers;
    struct verify_worker *workers; /* owned */
};

/* verify_entries.c: one chunk after another, until there is none. */
void verify_entries_run(struct verify_worker *worker);
/* A bad entry. The content of records is not compared with the records' own digests, since what is
 * signed says more; but when an entry is bad, an accident of the disk is told from a forgery. */
void verify_entries_bad(struct verify_worker *worker, uint64_t index, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* verify_signatures.c. Puts off a check: `row` is valid as long as the transaction. */
void verify_signatures_add(struct verify_worker *worker, uint64_t index, struct bytes row,
                           const struct keyring_org *author, const struct keyring_span *span);
/* Checks all that were put off. */
void verify_signatures_run(struct verify_worker *worker);
/* Of an entry that is bad anyhow: is it also signed wrongly? Then that is found. */
bool verify_signatures_find_forgery(struct verify_worker *worker, uint64_t index);

/* verify_mail.c. Room for the mailboxes of all organizations. */
enum err verify_mail_init(struct verify_mail *mail, size_t n_orgs) MUST_CHECK;
void verify_mail_done(struct verify_mail *mail);
/* A journal_row: notes what must be in a mailbox, and leaves receipts to the loops. The context is
 * a struct verify_row. */
enum err verify_mail_expect(void *context, enum table table, struct bytes key,
                            struct bytes expected) MUST_CHECK;
/* Walks the mailboxes over the entries of a chunk: what was noted is there, and nothing between. */
void verify_mail_run(struct verify_worker *worker);

/* verify_loops.c: one bucket after another. */
void verify_loops_run(struct verify_worker *worker);

/* verify_tree.c. The leaves of entries `from` to `to` of one chunk, worked out afresh
 * (leaves[0] is that of `from`), against the tiles of rows 0 and 1. */
void verify_tree_chunk(struct verify_worker *worker, uint64_t from, uint64_t to,
                       const struct merkle_hash *leaves);
/* The rows above, the number of tiles, and the root that was signed. */
void verify_tree_top(struct verify *verify);
/* Reads the checkpoint that the verification starts from (may be empty); sets `from`. */
enum err
verify_tree_since(struct verify *verify, struct bytes note, struct complaint *complaint) MUST_CHECK;
/* The cosigned checkpoint is of this log, and its cosignatures are right. */
void verify_tree_witnessed(struct verify *verify);

/* verify_rows.c. A row of a projection that an entry calls for; a difference is a finding. */
struct verify_row {
    struct verify_worker *worker;
    uint64_t index;
    bool only_receipt; /* leave out the other rows */
};
enum err verify_row_compare(void *context, enum table table, struct bytes key,
                            struct bytes expected) MUST_CHECK;
/* There are no rows but those that were called for. */
void verify_rows_count(struct verify *verify, const struct verify_counts *sum);

#endif
