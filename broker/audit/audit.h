/* Reading a broker's store from outside: live beside the running broker, or a copy of it. Nothing
 * here changes the store, asks the broker anything, or needs a key but where it says so. */
#ifndef REFLOOP_BROKER_AUDIT_AUDIT_H
#define REFLOOP_BROKER_AUDIT_AUDIT_H

#include "broker/journal.h"
#include "broker/ledger.h"

struct audit;

/* `dir` is a broker's home or a directory made by backup or export: DIR/genesis and DIR/store. The
 * network is the one of that genesis; `expect` (may be NULL) pins it: ERR_WRONG_NETWORK. The whole
 * audit sees the store as it is now. ERR_NOT_FOUND, ERR_CORRUPT, ERR_PERMISSION with a sentence. */
enum err audit_open(const char *dir, const struct network_id *expect, struct audit **audit_out,
                    struct complaint *complaint) MUST_CHECK;
void audit_close(struct audit *audit);
void audit_closep(struct audit **audit);

struct audit_summary {
    struct network_id network;
    char network_name[LIMIT_NAME_BYTES + 1];
    uint64_t entries, loops;
    int64_t log_time_ms;
    struct checkpoint checkpoint; /* the last one signed */
    struct bytes checkpoint_note; /* view, as long as the audit is open */
    struct bytes witnessed_note;  /* view; empty when no member has cosigned */
    bool is_copy;                 /* it is marked as a backup */
};
enum err audit_get_summary(struct audit *audit, struct audit_summary *summary_out) MUST_CHECK;
/* The fold of the directory entries, each verified; valid as long as the audit is open. */
const struct directory *audit_directory(const struct audit *audit);

/* --- verify.c: the whole log, or what came after a checkpoint --- */
struct audit_verify_options {
    struct bytes since; /* a note signed by this broker; empty: everything */
    unsigned n_threads; /* 0: one per processor */
    /* Now and then, from the calling thread; may be NULL. `phase` is words for people. */
    void (*progress)(void *context, const char *phase, uint64_t done, uint64_t total);
    void *context;
};
struct audit_report {
    uint64_t from, to;   /* entries checked: from <= index < to */
    uint64_t signatures; /* root signatures checked with Ed25519 */
    uint64_t statements, loops;
    int64_t elapsed_ms;
    uint64_t bad_index; /* of the first bad entry; UINT64_MAX when it is not one entry */
};
/* Checks: the checkpoint's signature; that the tree over the stored leaves has its root, and the
 * stored tiles are those of this tree; every statement's signature by the key its author had at
 * that index; times; sequences, chains and transitions of every loop; every projection row against
 * a fresh fold; cosignatures. ERR_OK: all true. ERR_CORRUPT with the first bad entry (lowest index)
 * and the reason in the complaint. Memory does not grow with the log. */
enum err audit_verify(struct audit *audit, const struct audit_verify_options *options,
                      struct audit_report *report_out, struct complaint *complaint) MUST_CHECK;

/* --- copy.c: backup and export --- */
struct audit_copy_options {
    bool mark_as_backup; /* a broker started from it will know that it was restored */
    bool without_sealed; /* leave out what is sealed */
};
/* Writes DIR/store, DIR/genesis and DIR/checkpoint (the note, with cosignatures when there are)
 * into a new or empty directory, syncs, reopens it, and checks that it holds what was read. */
enum err audit_copy(struct audit *audit, const char *dir, const struct audit_copy_options *options,
                    struct complaint *complaint) MUST_CHECK;

/* --- proof.c: evidence of one loop, from the broker's log --- */
/* ERR_UNKNOWN_LOOP. The proofs are in the newest cosigned checkpoint that covers the loop, else in
 * the last one signed. */
enum err audit_evidence(struct audit *audit, const struct loop_id *loop, struct buffer *file_out,
                        struct complaint *complaint) MUST_CHECK;
/* Loops whose id starts with the short form: ERR_UNKNOWN_LOOP, ERR_AMBIGUOUS, ERR_INVALID. */
enum err audit_find_loop(struct audit *audit, const char *short_form, struct loop_id *loop_out,
                         struct complaint *complaint) MUST_CHECK;

/* --- key_event.c: who was let in, changed keys, was sent away --- */
struct audit_key_event {
    uint64_t index;
    int64_t log_time_ms;
    enum statement_kind kind; /* never STATEMENT_LOOP */
    const char *org, *name;   /* of the genesis: the auditor's id and the network's name */
    const char *reason;       /* of a revocation; else "" */
    int64_t expires_ms;       /* of an invite */
    bool again;               /* the organization had keys of its own before */
};
/* In order of the log. What the event points to is valid during the call only. */
typedef void (*audit_key_event_callback)(void *context, const struct audit_key_event *event);
enum err audit_each_key_event(struct audit *audit, audit_key_event_callback callback,
                              void *context) MUST_CHECK;

/* --- verdict.c: what an auditor says of a loop (domain: closed-met and so on) --- */
enum verdict {
    VERDICT_HALF_CLOSED, /* answered by the target, not acknowledged by the source */
    VERDICT_SILENT,      /* nobody who owes a step has said anything for too long */
    VERDICT_BROKEN,      /* a statement has not reached the other side's disk for too long */
    VERDICT_OVERDUE,     /* past the date a side named itself */
    VERDICT_OPEN,        /* on its way, in time */
    VERDICT_CLOSED_MET,
    VERDICT_CLOSED_UNMET,
    VERDICT_VOID,
    VERDICT_COUNT
};
const char *verdict_name(enum verdict verdict);  /* "half-closed" */
const char *verdict_words(enum verdict verdict); /* one sentence for people */

struct audit_loop {
    struct loop_id loop;
    const char *source, *target; /* organization ids */
    struct loop_position position;
    enum verdict verdict;
    int64_t requested_ms, since_ms, due_ms; /* log times; due_ms 0 when none */
    enum statement_priority priority;
    uint32_t n_statements;  /* receipts too */
    uint32_t n_undelivered; /* of an open loop; nobody waits for what an ended one lacks */
    bool waits_on_source;   /* who owes the next step, while one is owed */
    bool owes;
    /* As far as the key given opens them, JSON, else empty: of the newest step that carries a code
     * (an acknowledgement does not count), and of the request. */
    struct bytes facts, asked;
};
struct audit_loops_options {
    int64_t now_ms;
    /* 0: the network's default clocks (days in requested and info-requested: urgent 1, routine 5;
     * accepted and in-progress: 10; on-hold: 30; cancel-requested: 5; undelivered: 24 hours). */
    int64_t silent_after_ms, undelivered_after_ms;
    const struct key_id *key; /* the auditor's, to open facts; NULL: do not */
    const struct seal_public *seal_public;
    const struct seal_secret *seal_secret;
};
/* Walks all loops in order of the store; ids and facts are valid during the call only. The callback
 * returns false to stop. ERR_CORRUPT when a loop's row cannot be read; one whose statements do not
 * hang together is broken, and the walk goes on. */
typedef bool (*audit_loop_callback)(void *context, const struct audit_loop *loop);
enum err audit_each_loop(struct audit *audit, const struct audit_loops_options *options,
                         audit_loop_callback callback, void *context) MUST_CHECK;

#endif
