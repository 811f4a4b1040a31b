/* Makes a program die at one exact point, as a power cut would have it: at the n-th commit since
 * its start. Linked into refloop-broker and refloop-agent with --wrap; without the variable they
 * are what they always are.
 *
 *   REFLOOP_CRASH=before:N   just before the N-th commit: nothing of that turn is on disk
 *   REFLOOP_CRASH=after:N    just after it: all of it is on disk, and nobody was told
 *   REFLOOP_CRASH=half:N     after it, and after the first message that follows: some were told
 *
 * It refuses to know what is committed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "lib/store/kv.h"

enum moment { NEVER, BEFORE, AFTER, HALF };

static struct {
    enum moment moment;
    long commits_left;
    bool sent;
} plan;

enum err __real_kv_commit(struct kv_txn **txn);
enum err __wrap_kv_commit(struct kv_txn **txn);
int __real_zmq_send(void *socket, const void *data, size_t len, int flags);
int __wrap_zmq_send(void *socket, const void *data, size_t len, int flags);

/* The daemon tries its store in a child of the same program first; the plan is for the daemon. */
__attribute__((constructor)) static void
read_plan(void)
{
    static const char *const names[] = {[BEFORE] = "before:", [AFTER] = "after:", [HALF] = "half:"};
    const char *text = getenv("REFLOOP_CRASH");
    for (enum moment moment = BEFORE; text != NULL && moment <= HALF; moment++) {
        size_t len = strlen(names[moment]);
        if (strncmp(text, names[moment], len) == 0) {
            plan.moment = moment;
            plan.commits_left = strtol(text + len, NULL, 10);
        }
    }
    (void)unsetenv("REFLOOP_CRASH"); /* fails for bad names only */
}

static _Noreturn void
die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause(); /* until it arrives */
    }
}

static bool
is_due(void)
{
    return plan.moment != NEVER && plan.commits_left <= 0;
}

enum err
__wrap_kv_commit(struct kv_txn **txn)
{
    if (is_due()) {
        die(); /* nothing was said after the last one */
    }
    plan.commits_left--;
    if (is_due() && plan.moment == BEFORE) {
        die();
    }
    enum err err = __real_kv_commit(txn);
    if (is_due() && plan.moment == AFTER) {
        die();
    }
    return err;
}

/* The first message goes out whole, so that it may arrive; the process ends at the next one. */
int
__wrap_zmq_send(void *socket, const void *data, size_t len, int flags)
{
    if (is_due() && plan.sent) {
        die();
    }
    int result = __real_zmq_send(socket, data, len, flags);
    int why = errno;
    plan.sent = is_due() && (flags & ZMQ_SNDMORE) == 0;
    errno = why;
    return result;
}
