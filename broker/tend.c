/* Decides what is let go with time: routes of the silent, sessions of keys that are no longer
 * anybody's, and the pause after a full disk. Nothing durable depends on it. */
#include "broker/witness.h"

/* Any small write will do: it says whether the disk takes writes again. */
static bool
can_write(struct broker *broker)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    static const uint8_t mark = 1;
    if (kv_begin(broker->kv, &txn) != ERR_OK) {
        return false;
    }
    enum err err = kv_put(txn, TABLE_META, bytes_of_text("probe"), bytes_of(&mark, 1));
    return kv_commit(&txn) == ERR_OK && err == ERR_OK;
}

static int64_t
patience_ms(const struct broker *broker, const struct session *session, const struct member *member)
{
    if (member != NULL) {
        return SESSION_FORGET_MS;
    }
    return recover_find_helper(broker, &session->key) != NULL ? SESSION_SILENT_MS
                                                              : SESSION_STRANGE_MS;
}

/* A member's present key is kept as long as the broker runs, so that it can be said when it was
 * last heard. One that is nobody's goes soon, or a member that changes its keys all the time would
 * fill the table that all share. */
static bool
is_forgettable(const struct broker *broker, const struct session *session, struct instant now)
{
    bool once = false;
    const struct member *member = directory_find_curve(broker->directory, &session->key, &once);
    int64_t silent_ms = now.boot_ms - session->heard_boot_ms;
    if (session->pending_jobs > 0 || (member != NULL && !once && member->state == MEMBER_ACTIVE)) {
        return false;
    }
    return silent_ms >= patience_ms(broker, session, member);
}

/* First found, then removed: the map must not change under the walk. */
static void
forget(struct broker *broker, struct instant now)
{
    enum { FORGET_AT_ONCE = 1024 };
    struct session *found[FORGET_AT_ONCE];
    size_t n = 0;
    size_t cursor = 0;
    struct session *session;
    while (n < FORGET_AT_ONCE && sessions_next(&broker->sessions, &cursor, &session)) {
        if (is_forgettable(broker, session, now)) {
            found[n++] = session;
        }
    }
    for (size_t i = 0; i < n; i++) {
        sessions_remove(&broker->sessions, found[i]);
    }
}

/* A store that fails here fails the next turn too, which ends the program; until then, and if it
 * does not, it takes nothing new. */
static void
mind(struct broker *broker, const char *what, enum err err)
{
    if (err != ERR_OK) {
        broker->read_only = true;
        logging_line(LOGGING_ERROR, "tend.failed", "what=%s reason=%s", what, err_name(err));
    }
}

void
broker_tend(struct broker *broker, struct instant now)
{
    size_t cursor = 0;
    struct session *session;
    kv_tend(broker->kv);
    broker->fill_percent = kv_fill_percent(broker->kv);
    if (broker->read_only && can_write(broker)) {
        broker->read_only = false;
    }
    while (sessions_next(&broker->sessions, &cursor, &session)) {
        if (session->has_route && now.boot_ms - session->heard_boot_ms >= SESSION_SILENT_MS) {
            session_drop(&broker->sessions, session);
        }
    }
    forget(broker, now);
    mind(broker, "recovery", recover_tend(broker, now));
    mind(broker, "witness", witness_tend(broker, now));
}
