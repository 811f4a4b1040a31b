/* Decides what is due: a look at the connections several times a second, the broker's own tending
 * once a second. Tells the operator's log when the store stops taking things in, and when it takes
 * them again. It refuses to know sockets. */
#include "broker/server/upkeep.h"

#include "lib/base/logging.h"

enum { TEND_MS = 1000, DESCRIPTORS_PER_MEMBER = 4, DESCRIPTORS_OWN = 256 };

static void
tell_store(struct upkeep *upkeep)
{
    struct broker_status status;
    broker_get_status(upkeep->broker, &status);
    if (status.read_only != upkeep->was_read_only) {
        upkeep->was_read_only = status.read_only;
        logging_line(status.read_only ? LOGGING_ERROR : LOGGING_INFO,
                     status.read_only ? "store.full" : "store.writable", "fill_percent=%u",
                     status.fill_percent);
    }
}

void
upkeep_turn(struct upkeep *upkeep, struct instant now)
{
    connections_look(upkeep->connections, now.boot_ms);
    if (now.boot_ms - upkeep->tended_ms >= TEND_MS) {
        upkeep->tended_ms = now.boot_ms;
        broker_tend(upkeep->broker, now);
        tell_store(upkeep);
    }
}

long
upkeep_wait_ms(const struct upkeep *upkeep, struct instant now)
{
    int64_t turn_ms = broker_turn_wait_ms(upkeep->broker, now);
    int64_t look_ms = connections_wait_ms(upkeep->connections, now.boot_ms);
    int64_t least_ms = upkeep->tended_ms + TEND_MS - now.boot_ms;
    least_ms = look_ms < least_ms ? look_ms : least_ms;
    least_ms = turn_ms >= 0 && turn_ms < least_ms ? turn_ms : least_ms;
    return least_ms > 0 ? (long)least_ms : 0;
}

void
upkeep_check_limit(const struct upkeep *upkeep)
{
    size_t has = connections_raise_limit();
    size_t members = directory_count(broker_directory(upkeep->broker));
    size_t wants = DESCRIPTORS_PER_MEMBER * members + DESCRIPTORS_OWN;
    if (has < wants) {
        logging_line(LOGGING_WARNING, "descriptors.few", "limit=%zu wanted=%zu", has, wants);
    }
}
