/* Decides what the broker tells about itself: numbers and names of organizations, never a loop's
 * content. */
#include <string.h>

#include "broker/state.h"

void
broker_get_status(const struct broker *broker, struct broker_status *status_out)
{
    const struct state_counters *counters = &broker->counters;
    const struct recover *recover = &broker->recover;
    *status_out = (struct broker_status){
        .entries = broker->head.entries,
        .loops = broker->head.loops,
        .log_time_ms = broker->head.log_time_ms,
        .read_only = broker->read_only,
        .fill_percent = kv_fill_percent(broker->kv),
        .sessions = map_count(broker->sessions.by_key),
        .accepted = counters->accepted,
        .superseded = counters->superseded,
        .duplicates = counters->duplicates,
        /* Nothing is signed while it is being refilled: then it is as of the beginning. */
        .checkpoint_size = recover->active ? recover->began_at : broker->ledger.tree.size,
        .witnessed_size = broker->witnessed_size,
        .n_cosignatures = broker->n_cosignatures,
        .witness_round_ms = broker->witness_round_ms,
        .recovering = recover->active,
        .recover_began_at = recover->began_at,
        .recover_goal = recover->goal,
        .recover_missing = broker_recover_unheard(broker),
        .recover_forked = recover->forked,
        .recover_helpers = broker_recover_helpers(broker),
    };
    memcpy(status_out->refused, broker->refusals.totals, sizeof(broker->refusals.totals));
    memcpy(status_out->incarnation, broker->incarnation, sizeof(status_out->incarnation));
}

static const struct session *
find_session(const struct broker *broker, const char *org)
{
    const struct member *member = directory_find(broker->directory, org);
    if (member == NULL || member->state != MEMBER_ACTIVE) {
        return NULL;
    }
    return sessions_find(&broker->sessions, &member->keys.curve);
}

int64_t
broker_last_heard_ms(const struct broker *broker, const char *org)
{
    const struct session *session = find_session(broker, org);
    return session == NULL ? 0 : session->heard_wall_ms;
}

bool
broker_is_online(const struct broker *broker, const char *org, struct instant now)
{
    const struct session *session = find_session(broker, org);
    return session != NULL && session->has_route && !session->left &&
           now.boot_ms - session->heard_boot_ms < SESSION_ONLINE_MS;
}
