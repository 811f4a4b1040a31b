/* Private to broker/audit: what a verification has found, shared by its threads. The entry with the
 * lowest index is what counts, whoever finds it first; what is no single entry's fault counts after
 * all of them. */
#ifndef REFLOOP_BROKER_AUDIT_FINDING_H
#define REFLOOP_BROKER_AUDIT_FINDING_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/err.h"

#include <stdint.h>

#define FINDING_NO_ENTRY UINT64_MAX

struct finding {
    pthread_mutex_t lock;
    _Atomic uint64_t lowest; /* index of the bad entry; FINDING_NO_ENTRY while there is none */
    atomic_bool found;       /* anything */
    atomic_int broken;       /* enum err: our own trouble, which ends everything */
    struct complaint complaint;
};

void finding_init(struct finding *finding);
void finding_done(struct finding *finding);
/* A bad entry. `format` goes on from "entry 4711: ". */
void finding_entry(struct finding *finding, uint64_t index, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Something bad that is not one entry; a whole sentence. */
void finding_other(struct finding *finding, const char *format, ...) PRINTF_LIKE(2, 3);
/* An error that is not the store's fault: the first one stands. */
void finding_break(struct finding *finding, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Nothing at or above `index` needs to be looked at any more. */
bool finding_is_before(const struct finding *finding, uint64_t index);
/* ERR_OK when nothing was found; ERR_CORRUPT or what broke, with the sentence. */
enum err finding_conclude(const struct finding *finding, struct complaint *complaint) MUST_CHECK;

#endif
