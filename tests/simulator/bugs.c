/* The planted bugs and the functions they sit in. It refuses to know how they are found: a bug that
 * the checker misses, or that it calls by a rule it has not broken, is a fault of the checker. */
#include "tests/simulator/bugs.h"

#include <lmdb.h>
#include <string.h>

#include "agent/arrival.h"
#include "agent/session.h"

#define BIT(rule) (UINT32_C(1) << (rule))
enum { ARRIVALS = 150, CONFIRMATIONS = 150 }; /* one of so many goes wrong */

static const struct bug bugs[BUG_COUNT] = {
    [BUG_RECEIPT_FIRST] = {"receipt-first", "the broker's receipt leaves before the commit",
                           BIT(RULE_RECEIPT) | BIT(RULE_LOST) | BIT(RULE_ALARM)},
    [BUG_CONFIRM_FIRST] = {"confirm-first", "delivery is confirmed before the commit",
                           BIT(RULE_RECEIPT) | BIT(RULE_FORGOTTEN)},
    [BUG_NO_DEDUPE] = {"no-dedupe", "a statement sent again is not known again",
                       BIT(RULE_DOUBLED) | BIT(RULE_STUCK) | BIT(RULE_LOST)},
    [BUG_CURSOR_ALONE] = {"cursor-alone", "the cursor moves without what was read",
                          BIT(RULE_LOST) | BIT(RULE_AGREE) | BIT(RULE_RECEIPT) | BIT(RULE_STUCK) |
                              BIT(RULE_ALARM)},
    [BUG_SENT_IS_DONE] = {"sent-is-done", "what was sent once is never sent again",
                          BIT(RULE_STUCK)},
    [BUG_MADE_AGAIN] = {"made-again", "a statement is made a second time on a new connection",
                        BIT(RULE_DOUBLED) | BIT(RULE_FORGOTTEN) | BIT(RULE_STORE)},
    [BUG_NOT_LOGGED] = {"not-logged", "the broker says accepted and drops the statement",
                        BIT(RULE_ALARM) | BIT(RULE_RECEIPT) | BIT(RULE_STUCK)},
    [BUG_CROSSED_WINS] = {"crossed-wins", "a step that has crossed takes effect at one side",
                          BIT(RULE_AGREE) | BIT(RULE_STORE)},
    [BUG_TIMER] = {"timer", "a timer closes what was answered long ago",
                   BIT(RULE_INVENTED) | BIT(RULE_TIME)},
    [BUG_FULL_IS_FINE] = {"full-is-fine", "a full disk is taken for success",
                          BIT(RULE_FORGOTTEN) | BIT(RULE_LOST) | BIT(RULE_RECEIPT) |
                              BIT(RULE_STUCK) | BIT(RULE_STORE) | BIT(RULE_CONTRACT) |
                              BIT(RULE_ALARM)},
    [BUG_NO_SYNC] = {"no-sync", "commits are not synced",
                     BIT(RULE_FORGOTTEN) | BIT(RULE_LOST) | BIT(RULE_STORE) | BIT(RULE_RECEIPT) |
                         BIT(RULE_ALARM) | BIT(RULE_CRASH)},
    [BUG_HELD_FOR_EVER] = {"held-for-ever", "a loop told to wait is never tried again",
                           BIT(RULE_STUCK)},
    [BUG_COPY_UNSAID] = {"copy-unsaid", "a restored broker goes on as if nothing had happened",
                         BIT(RULE_LOST) | BIT(RULE_ALARM) | BIT(RULE_STUCK)},
    [BUG_WALL_TIME] = {"wall-time", "the log's time follows a clock that goes back",
                       BIT(RULE_ALARM) | BIT(RULE_STORE)},
    [BUG_UNCONFIRMED] = {"unconfirmed", "now and then a delivery is not confirmed",
                         BIT(RULE_LOST) | BIT(RULE_STUCK) | BIT(RULE_STORE)},
    [BUG_WRONG_UNDO] = {"wrong-undo", "a retracted cancel does not lead back",
                        BIT(RULE_AGREE) | BIT(RULE_STORE) | BIT(RULE_STUCK)},
};

static enum bug_name chosen;
static enum bugs_place place;
static uint64_t dice = 88172645463325252;

void
bugs_enter(enum bugs_place at)
{
    place = at;
}

size_t
bugs_count(void)
{
    return BUG_COUNT - 1;
}

const struct bug *
bugs_at(size_t i)
{
    return &bugs[i + 1];
}

bool
bugs_choose(const char *name)
{
    for (enum bug_name i = BUG_NONE + 1; i < BUG_COUNT; i++) {
        if (strcmp(bugs[i].name, name) == 0) {
            chosen = i;
            return true;
        }
    }
    return false;
}

bool
bugs_strike(enum bug_name bug, uint32_t one_of)
{
    return chosen == bug && fault_random(&dice) % one_of == 0;
}

/* --- the store --- */

enum err __real_kv_commit(struct kv_txn **txn);
enum err __wrap_kv_commit(struct kv_txn **txn);
enum err
__wrap_kv_commit(struct kv_txn **txn)
{
    enum err err = __real_kv_commit(txn);
    bool hides = err == ERR_DISK_FULL && chosen == BUG_FULL_IS_FINE;
    return hides ? ERR_OK : err;
}

int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int
__wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    bool early = (chosen == BUG_RECEIPT_FIRST && place == BUGS_AT_BROKER) ||
                 (chosen == BUG_CONFIRM_FIRST && place == BUGS_AT_AGENT);
    /* The end of a commit reaches the disk with the next one only: what is said meanwhile was said
     * too early, and nothing else is wrong. */
    unsigned more = chosen == BUG_NO_SYNC ? MDB_NOSYNC : early ? MDB_NOMETASYNC : 0;
    return __real_mdb_env_open(env, path, flags | more, mode);
}

/* --- the agent --- */

enum err __real_arrival_take(struct unit *unit, struct arrival *arrival);
enum err __wrap_arrival_take(struct unit *unit, struct arrival *arrival);
enum err
__wrap_arrival_take(struct unit *unit, struct arrival *arrival)
{
    return bugs_strike(BUG_CURSOR_ALONE, ARRIVALS) ? ERR_OK : __real_arrival_take(unit, arrival);
}

void __real_outbox_mark_all_unsent(struct outbox *outbox);
void __wrap_outbox_mark_all_unsent(struct outbox *outbox);
void
__wrap_outbox_mark_all_unsent(struct outbox *outbox)
{
    if (chosen != BUG_SENT_IS_DONE) {
        __real_outbox_mark_all_unsent(outbox);
        return;
    }
    /* Nobody waits for what is believed to be done. */
    for (struct row *row = outbox->first; row != NULL; row = row->next) {
        row->sent_ms = row->sent ? INT64_MAX / 2 : row->sent_ms;
    }
}

void __real_outbox_hold_lane(struct outbox *outbox, struct lane *lane, int64_t until_boot_ms);
void __wrap_outbox_hold_lane(struct outbox *outbox, struct lane *lane, int64_t until_boot_ms);
void
__wrap_outbox_hold_lane(struct outbox *outbox, struct lane *lane, int64_t until_boot_ms)
{
    bool for_ever = bugs_strike(BUG_HELD_FOR_EVER, 4);
    __real_outbox_hold_lane(outbox, lane, for_ever ? INT64_MAX / 2 : until_boot_ms);
}

enum err __real_outbox_add(struct unit *unit, const struct loop_id *loop, const struct row *draft);
enum err __wrap_outbox_add(struct unit *unit, const struct loop_id *loop, const struct row *draft);
enum err
__wrap_outbox_add(struct unit *unit, const struct loop_id *loop, const struct row *draft)
{
    if (draft->kind == ROW_DELIVERED && bugs_strike(BUG_UNCONFIRMED, CONFIRMATIONS)) {
        return ERR_OK;
    }
    return __real_outbox_add(unit, loop, draft);
}

/* The same words in a new statement: what was logged of the old ones is said twice. */
static enum err
say_anew(struct unit *unit, void *context)
{
    enum err err = ERR_OK;
    (void)context;
    for (struct row *row = unit->agent->outbox.first; err == ERR_OK && row != NULL;
         row = row->next) {
        if (row->made && row->kind == ROW_STEP) {
            const struct row draft = {.kind = ROW_STEP,
                                      .event = row->event,
                                      .number = row->number,
                                      .content_bytes = row->content_bytes,
                                      .heard = row->heard,
                                      .queued_ms = row->queued_ms};
            err = outbox_add(unit, &row->lane->loop, &draft);
            break;
        }
    }
    return err;
}

void __real_agent_link_up(struct agent *agent, struct instant now);
void __wrap_agent_link_up(struct agent *agent, struct instant now);
void
__wrap_agent_link_up(struct agent *agent, struct instant now)
{
    __real_agent_link_up(agent, now);
    if (chosen == BUG_MADE_AGAIN && unit_run(agent, now, say_anew, NULL) != ERR_OK) {
        return; /* not even that */
    }
}

static bool
close_answered(void *context, const struct loop_view *view)
{
    struct loop_id *found = context;
    if (view->role == LOOP_SOURCE && lifecycle_is_answered(view->queued_position.state)) {
        *found = view->loop;
        return false;
    }
    return true;
}

void __real_agent_tend(struct agent *agent, struct instant now);
void __wrap_agent_tend(struct agent *agent, struct instant now);
void
__wrap_agent_tend(struct agent *agent, struct instant now)
{
    static const struct loop_id none = {{0}};
    struct loop_id found = none;
    const struct agent_content content = {.facts = bytes_of_text("automatic")};
    __real_agent_tend(agent, now);
    if (bugs_strike(BUG_TIMER, 200) && agent_each_loop(agent, close_answered, &found) == ERR_OK &&
        memcmp(&found, &none, sizeof(none)) != 0 &&
        agent_say(agent, &found, EVENT_ACKNOWLEDGE, 0, true, &content, now, NULL) != ERR_OK) {
        return; /* somebody was quicker */
    }
}

enum err __real_track_apply(struct track *track, const struct track_step *step, uint64_t index,
                            int64_t log_time_ms, struct track_verdict *verdict_out);
enum err __wrap_track_apply(struct track *track, const struct track_step *step, uint64_t index,
                            int64_t log_time_ms, struct track_verdict *verdict_out);
enum err
__wrap_track_apply(struct track *track, const struct track_step *step, uint64_t index,
                   int64_t log_time_ms, struct track_verdict *verdict_out)
{
    enum err err = __real_track_apply(track, step, index, log_time_ms, verdict_out);
    if (err == ERR_OK && place == BUGS_AT_AGENT && verdict_out->superseded &&
        step->role == LOOP_TARGET && chosen == BUG_CROSSED_WINS) {
        track->position = (struct loop_position){LOOP_COMPLETED, LOOP_NONE};
        verdict_out->position = track->position;
    }
    return err;
}

bool __real_lifecycle_step(struct loop_position now, enum loop_event event, enum loop_role role,
                           struct loop_position *next_out);
bool __wrap_lifecycle_step(struct loop_position now, enum loop_event event, enum loop_role role,
                           struct loop_position *next_out);
bool
__wrap_lifecycle_step(struct loop_position now, enum loop_event event, enum loop_role role,
                      struct loop_position *next_out)
{
    bool may = __real_lifecycle_step(now, event, role, next_out);
    if (may && event == EVENT_RETRACT && chosen == BUG_WRONG_UNDO && place == BUGS_AT_AGENT) {
        *next_out = (struct loop_position){LOOP_REQUESTED, LOOP_NONE};
    }
    return may;
}
