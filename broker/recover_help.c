/* Decides what becomes of keys that this copy of the log does not know, while it is being refilled:
 * they may be those of members that joined or changed keys since it was made, and hold entries that
 * nobody else has. What they show and bring proves itself, so they need not be known for it; all
 * else waits until their own entry is back. It refuses to count them as anybody's voice. Strangers
 * without a checkpoint of ours cost a place that the next one takes. */
#include <stdlib.h>
#include <string.h>

#include "broker/recover.h"
#include "broker/state.h"

static struct recover_helper *
find(const struct broker *broker, const struct curve_public *key)
{
    return map_find(broker->recover.helpers, key->bytes);
}

/* Whose statements are still being checked is left to the time that forgets the silent. */
static void
forget(struct broker *broker, const struct curve_public *key)
{
    struct session *session = sessions_find(&broker->sessions, key);
    free(map_remove(broker->recover.helpers, key->bytes));
    if (session != NULL && session->pending_jobs == 0) {
        sessions_remove(&broker->sessions, session);
    }
}

static bool
find_unproved(const struct broker *broker, struct curve_public *key_out)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (map_next(broker->recover.helpers, &cursor, &key, &value)) {
        const struct recover_helper *helper = value;
        if (!helper->proved) {
            memcpy(key_out->bytes, key, sizeof(key_out->bytes));
            return true;
        }
    }
    return false;
}

bool
recover_may_connect(const struct broker *broker)
{
    struct curve_public unused;
    const struct recover *recover = &broker->recover;
    return recover->active &&
           (map_count(recover->helpers) < RECOVER_HELPERS_MAX || find_unproved(broker, &unused));
}

bool
recover_meet(struct broker *broker, const struct curve_public *key)
{
    struct recover *recover = &broker->recover;
    struct curve_public other;
    if (find(broker, key) != NULL) {
        return true;
    }
    if (map_count(recover->helpers) >= RECOVER_HELPERS_MAX) {
        if (!find_unproved(broker, &other)) {
            return false;
        }
        forget(broker, &other);
    }
    struct recover_helper *helper = calloc(1, sizeof(*helper));
    if (helper == NULL || map_put(recover->helpers, key->bytes, helper) != ERR_OK) {
        free(helper);
        return false;
    }
    return true;
}

struct recover_voice *
recover_find_helper(const struct broker *broker, const struct curve_public *key)
{
    struct recover_helper *helper = find(broker, key);
    return helper != NULL && helper->proved ? &helper->voice : NULL;
}

enum err
recover_offer(struct broker *broker, const struct curve_public *key, const struct checkpoint *shown,
              struct bytes note, bool *taken_out)
{
    struct recover_helper *helper = find(broker, key);
    bool raised = false;
    *taken_out = false;
    if (helper == NULL || shown->size <= recover_from(broker)) {
        return ERR_OK;
    }
    enum err err = recover_raise_goal(broker, shown, note, &raised);
    if (err == ERR_OK && raised) {
        err = recover_write_mark(broker);
    }
    if (err == ERR_OK) {
        *helper = (struct recover_helper){.proved = true}; /* its Welcome asks for all there is */
        *taken_out = true;
    }
    return err;
}

void
recover_helper_is_known(struct broker *broker, const struct curve_public *key)
{
    struct recover_helper *helper = map_remove(broker->recover.helpers, key->bytes);
    struct session *session = sessions_find(&broker->sessions, key);
    if (helper != NULL && session != NULL) {
        session_refuse(&broker->sessions, session, ERR_BUSY, RECOVER_RETRY_MS);
    }
    free(helper);
}

/* First found, then removed: the map must not change under the walk. */
void
recover_tend_helpers(struct broker *broker)
{
    struct curve_public gone[RECOVER_HELPERS_MAX];
    struct curve_public helper;
    size_t n = 0;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (n < RECOVER_HELPERS_MAX && map_next(broker->recover.helpers, &cursor, &key, &value)) {
        memcpy(helper.bytes, key, sizeof(helper.bytes));
        if (sessions_find(&broker->sessions, &helper) == NULL) {
            gone[n++] = helper;
        }
    }
    for (size_t i = 0; i < n; i++) {
        free(map_remove(broker->recover.helpers, gone[i].bytes));
    }
}

void
recover_let_helpers_go(struct broker *broker)
{
    struct curve_public helper;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (map_next(broker->recover.helpers, &cursor, &key, &value)) {
        struct session *session;
        memcpy(helper.bytes, key, sizeof(helper.bytes));
        session = sessions_find(&broker->sessions, &helper);
        if (session != NULL && session->pending_jobs == 0) {
            sessions_remove(&broker->sessions, session);
        }
    }
}

size_t
broker_recover_helpers(const struct broker *broker)
{
    size_t n = 0;
    size_t cursor = 0;
    const void *key;
    void *value;
    while (broker->recover.active && map_next(broker->recover.helpers, &cursor, &key, &value)) {
        const struct recover_helper *helper = value;
        struct curve_public curve;
        memcpy(curve.bytes, key, sizeof(curve.bytes));
        const struct session *session = sessions_find(&broker->sessions, &curve);
        n += helper->proved && session != NULL && session->has_route && !session->left ? 1 : 0;
    }
    return n;
}
