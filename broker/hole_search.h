/* The search for the log times and the order of statements that are known to be missing, but not
 * where: the leaf of an entry is the hash of its log time, its statement and its signature, and the
 * root of the tree behind the hole is known. So a right guess proves itself, and no other does.
 *
 * What is guessed. Times: entries of one turn have consecutive milliseconds, so some entries go on
 * from the time before the hole, some lead up to the one behind it, and those between are of one
 * turn of their own, at some distance from when their author says that they were written. Order:
 * each author's own, as a rule without leaving out any; for short holes also with some left out,
 * and in any order that keeps each chain of statements. First one author alone, then two, then all.
 *
 * Pure, and bounded: a call does so much work and goes on from there the next time. */
#ifndef REFLOOP_BROKER_HOLE_SEARCH_H
#define REFLOOP_BROKER_HOLE_SEARCH_H

#include "lib/base/digest.h"
#include "lib/log/tree.h"

enum {
    HOLE_GAP_MAX = 64,               /* entries of one hole */
    HOLE_FREE_MAX = 8,               /* of one in which statements may be left out and reordered */
    HOLE_UNIT_WORK = 100 * 1000,     /* hashes on one idea before the next one has its turn */
    HOLE_SKEW_MS = 3600 * 1000,      /* an author's clock may be so far ahead ... */
    HOLE_AHEAD_MS = 24 * 3600 * 1000 /* ... and a statement may have waited so long */
};
#define HOLE_NONE ((size_t)-1)

/* The full subtrees of a tree, the largest first: all that a root needs. */
struct hole_edge {
    uint64_t size;
    size_t n;
    struct merkle_hash hashes[64];
};
void hole_edge_of(const struct tree *tree, struct hole_edge *edge_out);
/* Appends a leaf; returns how many hashes that took. */
size_t hole_edge_push(struct hole_edge *edge, const struct merkle_hash *leaf);
size_t hole_edge_root(const struct hole_edge *edge, struct merkle_hash *root_out);

struct hole_question {
    struct hole_edge edge; /* the log before the hole */
    size_t n;              /* entries missing, 1 .. HOLE_GAP_MAX */
    int64_t after_ms;      /* log time of the entry before */
    int64_t before_ms;     /* of the entry behind; INT64_MAX when there is none */
    struct merkle_hash root;
};

/* A statement that may be one of them. */
struct hole_piece {
    struct bytes row;    /* a row of the log; the time in its first 8 bytes does not matter */
    uint64_t author;     /* pieces of one author are one after the other, in its own order */
    int64_t authored_ms; /* as claimed */
    bool stands;         /* on what is in the log: it may be the first */
    size_t after;        /* the piece it stands on, or HOLE_NONE */
};

struct hole_entry {
    size_t piece;
    int64_t log_time_ms;
    struct merkle_hash leaf;
    struct merkle_hash before; /* root of the log up to it */
};

enum hole_outcome {
    HOLE_FOUND,
    HOLE_LATER,   /* not yet; call again */
    HOLE_GIVEN_UP /* nothing left to try */
};

struct hole_search;
/* Copies question and pieces, but not their rows. NULL when out of memory. */
struct hole_search *
hole_search_new(const struct hole_question *question, const struct hole_piece *pieces, size_t n);
void hole_search_free(struct hole_search *search);
/* At most about `work` hashes (of 256 bytes), and no less than HOLE_UNIT_WORK. */
enum hole_outcome hole_search_run(struct hole_search *search, size_t work);
/* What was found, question.n of them. */
const struct hole_entry *hole_search_found(const struct hole_search *search);
size_t hole_search_spent(const struct hole_search *search); /* in the last run */

#endif
