/* What a program says when the file of its store is damaged below what the store can check. LMDB
 * believes the pages of its file: garbage in them ends the process, or never ends. So the store is
 * opened first by a child, and what is met later is told before the process dies of it. */
#ifndef REFLOOP_LIB_EDGE_STORE_GUARD_H
#define REFLOOP_LIB_EDGE_STORE_GUARD_H

#include "lib/base/file.h"

/* What the child is told to do, as an option of the program that is not in its help. */
#define STORE_GUARD_OPTION "probe-store"

struct store_guard {
    const char *home;   /* the program's; the store is in it */
    const char *advice; /* what is to be done about a damaged store: whole sentences */
    int patience_ms;    /* how long the child may take; 0: 30 s */
};

/* Runs this program again with --home HOME --probe-store, to open the store as it would itself.
 * ERR_CORRUPT, with what is damaged and the advice, when that process died of a fault, did not end,
 * or found damage. ERR_OK when the store opened, is not there yet, or does not open for another
 * reason, which the caller will meet itself; when somebody ended that process (for want of memory,
 * say); and when none can be made. */
enum err store_guard_probe(const struct store_guard *guard, struct complaint *complaint) MUST_CHECK;
/* In the child, before its try: makes it end with its parent, so that a daemon that was killed
 * while it started does not leave somebody behind who has its store open. */
void store_guard_follow(void);
/* In the child, after its try: says what is damaged, and gives the status to end with. */
int store_guard_answer(enum err err, const struct complaint *complaint);

/* From here on a fault of memory, or LMDB's own abort, is told on standard error before it ends the
 * process, as it would have without. */
enum err store_guard_watch(const struct store_guard *guard) MUST_CHECK;

#endif
