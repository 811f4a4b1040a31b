/* When to open, drop and retry the link. Decides what an outage is called, from what was seen of
 * it, and how long to wait; knows no socket. Every failure leads to the same place, a pause and a
 * new socket, because ZeroMQ gives up on a connection in several cases without saying so.
 *
 * The name of a trouble changes only when something better is known: an attempt that ends without
 * a word leaves the name that a probe has found. */
#include "agent/supervise/supervisor.h"

enum {
    TURN_MS = 10000, /* between turns at the latest, so that a longer gap means something */
    SUSPEND_GAP_MS = 30000,
    PROBE_AFTER = 2, /* unfinished handshakes in a row */
    BACKOFF_DOUBLINGS_MAX = 24,
};

static const char *const trouble_names[TROUBLE_COUNT] = {
    [TROUBLE_NONE] = "none",
    [TROUBLE_STARTING] = "starting",
    [TROUBLE_NO_ANSWER] = "no-answer",
    [TROUBLE_NOT_A_BROKER] = "not-a-broker",
    [TROUBLE_WRONG_KEY] = "wrong-key",
    [TROUBLE_REFUSED] = "refused",
    [TROUBLE_INTERRUPTED] = "interrupted",
    [TROUBLE_SUSPENDED] = "suspended",
};

const char *
supervisor_trouble_name(enum link_trouble trouble)
{
    return (unsigned)trouble < TROUBLE_COUNT ? trouble_names[trouble] : "unknown";
}

/* People ask "since when": the whole outage has one beginning, whatever it is called meanwhile. */
static void
set_trouble(struct supervisor *supervisor, enum link_trouble trouble, struct instant now)
{
    bool begins_or_ends = (supervisor->trouble == TROUBLE_NONE) != (trouble == TROUBLE_NONE);
    if (begins_or_ends) {
        supervisor->trouble_since_ms = now.wall_ms;
    }
    supervisor->trouble = trouble;
}

static void
set_due(struct supervisor *supervisor, int64_t due_ms, struct instant now)
{
    int64_t turn_ms = now.boot_ms + TURN_MS;
    supervisor->due_ms = due_ms;
    supervisor->deadline_ms = due_ms < turn_ms ? due_ms : turn_ms;
}

/* Full jitter between the minimum and a bound that doubles: many agents that lost the same broker
 * must not come back as one. */
static int64_t
pause_ms(const struct supervisor *supervisor)
{
    const struct supervisor_options *options = &supervisor->options;
    int64_t bound = options->backoff_min_ms;
    for (unsigned i = 0;
         i <= supervisor->attempts && i < BACKOFF_DOUBLINGS_MAX && bound < options->backoff_max_ms;
         i++) {
        bound *= 2;
    }
    bound = bound < options->backoff_max_ms ? bound : options->backoff_max_ms;
    int64_t spread = bound - options->backoff_min_ms;
    if (spread <= 0) {
        return options->backoff_min_ms;
    }
    uint32_t below = spread < UINT32_MAX ? (uint32_t)spread + 1 : UINT32_MAX;
    return options->backoff_min_ms + options->random_below(below);
}

static enum supervisor_action
fail(struct supervisor *supervisor, enum link_trouble trouble, struct instant now)
{
    set_trouble(supervisor, trouble, now);
    supervisor->phase = PHASE_WAITING;
    set_due(supervisor, now.boot_ms + pause_ms(supervisor), now);
    return SUPERVISOR_CLOSE;
}

/* The attempt met somebody who did not shake hands. What he is only a probe can tell. */
static enum supervisor_action
fail_unfinished(struct supervisor *supervisor, bool cut_off, struct instant now)
{
    supervisor->unfinished++;
    supervisor->cut_off = cut_off;
    supervisor->probe_wanted = supervisor->unfinished >= PROBE_AFTER;
    bool named =
        supervisor->trouble == TROUBLE_NOT_A_BROKER || supervisor->trouble == TROUBLE_WRONG_KEY;
    bool probed_in_vain = supervisor->unfinished > PROBE_AFTER && !named;
    bool silent = !cut_off && supervisor->trouble != TROUBLE_NOT_A_BROKER;
    return fail(supervisor, silent || probed_in_vain ? TROUBLE_NO_ANSWER : supervisor->trouble,
                now);
}

/* The connection ended, by whatever end. */
static enum supervisor_action
end(struct supervisor *supervisor, bool cut_off, struct instant now)
{
    if (supervisor->phase == PHASE_READY || supervisor->greeted) {
        return fail(supervisor, TROUBLE_INTERRUPTED, now);
    }
    if (supervisor->connected) {
        return fail_unfinished(supervisor, cut_off, now);
    }
    supervisor->unfinished = 0;
    return fail(supervisor, TROUBLE_NO_ANSWER, now);
}

static void
note_probe(struct supervisor *supervisor, enum link_event event, struct instant now)
{
    supervisor->probe_wanted = false;
    if (supervisor->trouble == TROUBLE_NONE) {
        return;
    }
    if (event == LINK_PROBED_NOT_BROKER) {
        set_trouble(supervisor, TROUBLE_NOT_A_BROKER, now);
    } else if (supervisor->cut_off) {
        /* A broker hangs up at once on a greeting made for another key. One that is only slow does
         * not, and must not be called an impostor. */
        set_trouble(supervisor, TROUBLE_WRONG_KEY, now);
    } else {
        set_trouble(supervisor, TROUBLE_NO_ANSWER, now);
    }
}

static void
note_ready(struct supervisor *supervisor, struct instant now)
{
    if (supervisor->phase != PHASE_CONNECTING) {
        return;
    }
    supervisor->phase = PHASE_READY;
    supervisor->attempts = 0;
    supervisor->unfinished = 0;
    supervisor->probe_wanted = false;
    set_trouble(supervisor, TROUBLE_NONE, now);
    set_due(supervisor, INT64_MAX, now);
}

enum supervisor_action
supervisor_event(struct supervisor *supervisor, enum link_event event, struct instant now)
{
    bool of_probe = event == LINK_PROBED_BROKER || event == LINK_PROBED_NOT_BROKER;
    if (supervisor->phase == PHASE_WAITING && !of_probe) {
        return SUPERVISOR_NOTHING; /* a late word of a socket that is gone */
    }
    switch (event) {
    case LINK_TCP_CONNECTED:
        supervisor->connected = true;
        return SUPERVISOR_NOTHING;
    case LINK_HANDSHAKE_DONE:
        supervisor->connected = supervisor->greeted = true;
        supervisor->unfinished = 0;
        supervisor->probe_wanted = false;
        return SUPERVISOR_NOTHING;
    case LINK_READY:
        note_ready(supervisor, now);
        return SUPERVISOR_NOTHING;
    case LINK_PROBED_BROKER:
    case LINK_PROBED_NOT_BROKER:
        note_probe(supervisor, event, now);
        return SUPERVISOR_NOTHING;
    case LINK_TCP_FAILED:
        supervisor->unfinished = 0;
        return fail(supervisor, TROUBLE_NO_ANSWER, now);
    case LINK_HANDSHAKE_REFUSED:
        supervisor->unfinished = 0;
        return fail(supervisor, TROUBLE_REFUSED, now);
    case LINK_HANDSHAKE_FAILED:
        supervisor->connected = true;
        return end(supervisor, true, now);
    case LINK_CLOSED:
    case LINK_DOUBT:
        return end(supervisor, event == LINK_CLOSED, now);
    case LINK_EVENT_COUNT:
        break;
    }
    return SUPERVISOR_NOTHING;
}

/* The network after a sleep is another one, so what was waited for does not count any more. */
static enum supervisor_action
wake(struct supervisor *supervisor, struct instant now)
{
    bool had_link = supervisor->phase != PHASE_WAITING;
    if (supervisor->phase == PHASE_READY || supervisor->trouble == TROUBLE_STARTING) {
        set_trouble(supervisor, TROUBLE_SUSPENDED, now);
    }
    supervisor->phase = PHASE_WAITING;
    supervisor->attempts = 0;
    supervisor->unfinished = 0;
    supervisor->probe_wanted = false;
    set_due(supervisor, now.boot_ms, now);
    return had_link ? SUPERVISOR_CLOSE : SUPERVISOR_NOTHING;
}

enum supervisor_action
supervisor_turn(struct supervisor *supervisor, struct instant now)
{
    bool slept = now.boot_ms - supervisor->last_turn_ms > SUSPEND_GAP_MS &&
                 now.boot_ms > supervisor->deadline_ms;
    supervisor->last_turn_ms = now.boot_ms;
    if (slept) {
        enum supervisor_action action = wake(supervisor, now);
        if (action != SUPERVISOR_NOTHING) {
            return action;
        }
    }
    if (now.boot_ms < supervisor->due_ms) {
        set_due(supervisor, supervisor->due_ms, now);
        return SUPERVISOR_NOTHING;
    }
    if (supervisor->phase != PHASE_WAITING) {
        return end(supervisor, false, now);
    }
    supervisor->phase = PHASE_CONNECTING;
    supervisor->attempts++;
    supervisor->connected = supervisor->greeted = false;
    set_due(supervisor, now.boot_ms + supervisor->options.ready_within_ms, now);
    return SUPERVISOR_OPEN;
}

void
supervisor_init(struct supervisor *supervisor, const struct supervisor_options *options,
                struct instant now)
{
    *supervisor = (struct supervisor){
        .options = *options,
        .phase = PHASE_WAITING,
        .trouble = TROUBLE_STARTING,
        .trouble_since_ms = now.wall_ms,
        .last_turn_ms = now.boot_ms,
    };
    set_due(supervisor, now.boot_ms, now);
}
