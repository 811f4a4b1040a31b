/* Calls that fail. A program that links this file has its own malloc, open, read, write, fsync and
 * so on, also in every library it uses; they do what they always do, except that the n-th of a kind
 * fails in the way that was asked for. Not for threads. */
#ifndef REFLOOP_TESTS_FAULTS_FAULT_CALL_H
#define REFLOOP_TESTS_FAULTS_FAULT_CALL_H

#include <stdbool.h>

enum fault_call {
    CALL_MEMORY, /* malloc, calloc, realloc */
    CALL_MMAP,
    CALL_OPEN, /* open, mkostemp */
    CALL_READ,
    CALL_PREAD,
    CALL_WRITE,
    CALL_PWRITE,
    CALL_WRITEV,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_RENAME, /* rename, renameat2 */
    CALL_MKDIR,
    CALL_FTRUNCATE,
    CALL_COUNT
};

/* Instead of an errno: half of it is written, and no error is given. */
enum { FAULT_CALL_SHORT = -1 };

struct fault_call_plan {
    enum fault_call call;
    unsigned long n, times; /* from the n-th on (1: the first), so often */
    int error;              /* errno, or FAULT_CALL_SHORT */
};

/* From here on calls are counted from nought; NULL: and none fails. */
void fault_call_arm(const struct fault_call_plan *plan);
/* Nothing is counted and nothing fails any more, or until it is resumed. */
void fault_call_disarm(void);
void fault_call_pause(bool paused);
unsigned long fault_call_count(enum fault_call call);
const char *fault_call_name(enum fault_call call);

#endif
