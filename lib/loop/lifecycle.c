/* Decides what may follow what in a referral, and nothing else. Everything a reader must know is in
 * the one table below, one row per state, each row written out in full: a row that borrowed from
 * another could change without anybody touching it. The roles, the words and the expected next
 * actor are tables too.
 *
 * It refuses to know time, organizations, statements and who has heard what: a clock never moves a
 * loop, and two sides that speak at once are lib/loop/track.c's business. */
#include "lib/loop/lifecycle.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/attr.h"

/* How an event changes the position. REFUSE is zero, so that a cell nobody wrote refuses. */
enum move {
    REFUSE,
    GO,      /* to the state in the cell */
    SUSPEND, /* to the state in the cell, which remembers the state left */
    RESUME,  /* back to the remembered state */
    STAY,    /* nothing changes */
};

enum {
    BY_SOURCE = 1 << LOOP_SOURCE,
    BY_TARGET = 1 << LOOP_TARGET,
    BY_BOTH = BY_SOURCE | BY_TARGET
};

struct cell {
    uint8_t roles;
    uint8_t move;
    uint8_t next;
};

/* clang-format off */
static const struct cell lifecycle[LOOP_STATE_COUNT][EVENT_COUNT] = {
    [LOOP_NONE] = {
        [EVENT_REQUEST] = {BY_SOURCE, GO, LOOP_REQUESTED},
    },
    [LOOP_REQUESTED] = {
        [EVENT_ASK] = {BY_TARGET, GO, LOOP_INFO_REQUESTED},
        [EVENT_ACCEPT] = {BY_TARGET, GO, LOOP_ACCEPTED},
        [EVENT_DECLINE] = {BY_TARGET, GO, LOOP_DECLINED},
        [EVENT_WITHDRAW] = {BY_SOURCE, GO, LOOP_WITHDRAWN},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_INFO_REQUESTED] = {
        [EVENT_ANSWER] = {BY_SOURCE, GO, LOOP_REQUESTED},
        [EVENT_DECLINE] = {BY_TARGET, GO, LOOP_DECLINED},
        [EVENT_WITHDRAW] = {BY_SOURCE, GO, LOOP_WITHDRAWN},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_ACCEPTED] = {
        [EVENT_PROGRESS] = {BY_TARGET, GO, LOOP_IN_PROGRESS},
        [EVENT_HOLD] = {BY_TARGET, GO, LOOP_ON_HOLD},
        [EVENT_CANCEL] = {BY_SOURCE, SUSPEND, LOOP_CANCEL_REQUESTED},
        [EVENT_RELEASE] = {BY_TARGET, GO, LOOP_WITHDRAWN},
        [EVENT_COMPLETE] = {BY_TARGET, GO, LOOP_COMPLETED},
        [EVENT_FAIL] = {BY_TARGET, GO, LOOP_NOT_COMPLETED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_IN_PROGRESS] = {
        [EVENT_PROGRESS] = {BY_TARGET, GO, LOOP_IN_PROGRESS},
        [EVENT_HOLD] = {BY_TARGET, GO, LOOP_ON_HOLD},
        [EVENT_CANCEL] = {BY_SOURCE, SUSPEND, LOOP_CANCEL_REQUESTED},
        [EVENT_RELEASE] = {BY_TARGET, GO, LOOP_WITHDRAWN},
        [EVENT_COMPLETE] = {BY_TARGET, GO, LOOP_COMPLETED},
        [EVENT_FAIL] = {BY_TARGET, GO, LOOP_NOT_COMPLETED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_ON_HOLD] = {
        [EVENT_PROGRESS] = {BY_TARGET, GO, LOOP_IN_PROGRESS},
        [EVENT_HOLD] = {BY_TARGET, GO, LOOP_ON_HOLD},
        [EVENT_CANCEL] = {BY_SOURCE, SUSPEND, LOOP_CANCEL_REQUESTED},
        [EVENT_RELEASE] = {BY_TARGET, GO, LOOP_WITHDRAWN},
        [EVENT_COMPLETE] = {BY_TARGET, GO, LOOP_COMPLETED},
        [EVENT_FAIL] = {BY_TARGET, GO, LOOP_NOT_COMPLETED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_CANCEL_REQUESTED] = {
        [EVENT_RETRACT] = {BY_SOURCE, RESUME, 0},
        [EVENT_RELEASE] = {BY_TARGET, GO, LOOP_WITHDRAWN},
        [EVENT_COMPLETE] = {BY_TARGET, GO, LOOP_COMPLETED},
        [EVENT_FAIL] = {BY_TARGET, GO, LOOP_NOT_COMPLETED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_DECLINED] = {
        [EVENT_ACKNOWLEDGE] = {BY_SOURCE, GO, LOOP_CLOSED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_COMPLETED] = {
        [EVENT_ACKNOWLEDGE] = {BY_SOURCE, GO, LOOP_CLOSED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_NOT_COMPLETED] = {
        [EVENT_ACKNOWLEDGE] = {BY_SOURCE, GO, LOOP_CLOSED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_WITHDRAWN] = {
        [EVENT_ACKNOWLEDGE] = {BY_SOURCE, GO, LOOP_CLOSED},
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_CLOSED] = {
        [EVENT_VOID] = {BY_SOURCE, GO, LOOP_VOID},
        [EVENT_NOTE] = {BY_BOTH, STAY, 0},
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
    [LOOP_VOID] = {
        [EVENT_DELIVERED] = {BY_BOTH, STAY, 0},
    },
};
/* clang-format on */

struct state_row {
    const char *name;
    const char *next_step; /* NULL: nobody must act */
    enum loop_role actor;  /* of next_step */
    bool open;
    bool answered;
};

static const struct state_row states[LOOP_STATE_COUNT] = {
    [LOOP_NONE] = {.name = "none"},
    [LOOP_REQUESTED] = {.name = "requested",
                        .next_step = "accept, decline or ask",
                        .actor = LOOP_TARGET,
                        .open = true},
    [LOOP_INFO_REQUESTED] = {.name = "info-requested",
                             .next_step = "answer the question, or withdraw",
                             .actor = LOOP_SOURCE,
                             .open = true},
    [LOOP_ACCEPTED] = {.name = "accepted",
                       .next_step = "report progress or the outcome",
                       .actor = LOOP_TARGET,
                       .open = true},
    [LOOP_IN_PROGRESS] = {.name = "in-progress",
                          .next_step = "report progress or the outcome",
                          .actor = LOOP_TARGET,
                          .open = true},
    [LOOP_ON_HOLD] = {.name = "on-hold",
                      .next_step = "take it up again, or report the outcome",
                      .actor = LOOP_TARGET,
                      .open = true},
    [LOOP_CANCEL_REQUESTED] = {.name = "cancel-requested",
                               .next_step = "release it, or report the outcome",
                               .actor = LOOP_TARGET,
                               .open = true},
    [LOOP_DECLINED] = {.name = "declined",
                       .next_step = "acknowledge",
                       .actor = LOOP_SOURCE,
                       .open = true,
                       .answered = true},
    [LOOP_COMPLETED] = {.name = "completed",
                        .next_step = "acknowledge",
                        .actor = LOOP_SOURCE,
                        .open = true,
                        .answered = true},
    [LOOP_NOT_COMPLETED] = {.name = "not-completed",
                            .next_step = "acknowledge",
                            .actor = LOOP_SOURCE,
                            .open = true,
                            .answered = true},
    [LOOP_WITHDRAWN] = {.name = "withdrawn",
                        .next_step = "acknowledge",
                        .actor = LOOP_SOURCE,
                        .open = true,
                        .answered = true},
    [LOOP_CLOSED] = {.name = "closed"},
    [LOOP_VOID] = {.name = "void"},
};

static const char *const event_names[EVENT_COUNT] = {
    [EVENT_REQUEST] = "request",     [EVENT_ASK] = "ask",
    [EVENT_ANSWER] = "answer",       [EVENT_ACCEPT] = "accept",
    [EVENT_DECLINE] = "decline",     [EVENT_PROGRESS] = "progress",
    [EVENT_HOLD] = "hold",           [EVENT_CANCEL] = "cancel",
    [EVENT_RETRACT] = "retract",     [EVENT_RELEASE] = "release",
    [EVENT_COMPLETE] = "complete",   [EVENT_FAIL] = "fail",
    [EVENT_WITHDRAW] = "withdraw",   [EVENT_ACKNOWLEDGE] = "acknowledge",
    [EVENT_VOID] = "void",           [EVENT_NOTE] = "note",
    [EVENT_DELIVERED] = "delivered",
};

static const char *const role_names[LOOP_ROLE_COUNT] = {
    [LOOP_SOURCE] = "source",
    [LOOP_TARGET] = "target",
};

/* A position read from disk may hold anything. One that the table could never have produced permits
 * nothing, so that a retract never leads into a state nobody asked for a cancel in. */
static bool
position_is_sound(struct loop_position position)
{
    if (position.state >= LOOP_STATE_COUNT || position.under >= LOOP_STATE_COUNT)
        return false;
    if (position.state != LOOP_CANCEL_REQUESTED)
        return position.under == LOOP_NONE;
    return lifecycle[position.under][EVENT_CANCEL].move == SUSPEND;
}

bool
lifecycle_step(struct loop_position now, enum loop_event event, enum loop_role role,
               struct loop_position *next_out)
{
    if (event >= EVENT_COUNT || role >= LOOP_ROLE_COUNT || !position_is_sound(now))
        return false;
    const struct cell *cell = &lifecycle[now.state][event];
    bool may_say = (cell->roles & (1U << role)) != 0;
    switch (may_say ? (enum move)cell->move : REFUSE) {
    case GO:
        *next_out = (struct loop_position){(enum loop_state)cell->next, LOOP_NONE};
        return true;
    case SUSPEND:
        *next_out = (struct loop_position){(enum loop_state)cell->next, now.state};
        return true;
    case RESUME:
        *next_out = (struct loop_position){now.under, LOOP_NONE};
        return true;
    case STAY:
        *next_out = now;
        return true;
    case REFUSE:
        break;
    }
    return false;
}

bool
lifecycle_is_open(enum loop_state state)
{
    return state < LOOP_STATE_COUNT && states[state].open;
}

bool
lifecycle_is_answered(enum loop_state state)
{
    return state < LOOP_STATE_COUNT && states[state].answered;
}

bool
lifecycle_next_actor(enum loop_state state, enum loop_role *role_out)
{
    if (state >= LOOP_STATE_COUNT || states[state].next_step == NULL)
        return false;
    *role_out = states[state].actor;
    return true;
}

const char *
lifecycle_next_step(enum loop_state state)
{
    if (state >= LOOP_STATE_COUNT || states[state].next_step == NULL)
        return "";
    return states[state].next_step;
}

const char *
lifecycle_state_name(enum loop_state state)
{
    return state < LOOP_STATE_COUNT ? states[state].name : NULL;
}

const char *
lifecycle_event_name(enum loop_event event)
{
    return event < EVENT_COUNT ? event_names[event] : NULL;
}

const char *
lifecycle_role_name(enum loop_role role)
{
    return role < LOOP_ROLE_COUNT ? role_names[role] : NULL;
}

bool
lifecycle_find_event(const char *name, enum loop_event *event_out)
{
    for (size_t i = 0; i < ARRAY_LEN(event_names); i++) {
        if (strcmp(event_names[i], name) == 0) {
            *event_out = (enum loop_event)i;
            return true;
        }
    }
    return false;
}

bool
lifecycle_find_state(const char *name, enum loop_state *state_out)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcmp(states[i].name, name) == 0) {
            *state_out = (enum loop_state)i;
            return true;
        }
    }
    return false;
}

/* Appends a whole word or nothing: half a word in a list of commands would be read as a command. */
static void
append_word(char *out, unsigned size, const char *word)
{
    const char *comma = out[0] == '\0' ? "" : ", ";
    size_t used = strlen(out);

    if (used + strlen(comma) + strlen(word) < size)
        (void)snprintf(out + used, size - used, "%s%s", comma, word); /* fits, just measured */
}

char *
lifecycle_possible(struct loop_position now, enum loop_role role, char *out, unsigned size)
{
    struct loop_position next;
    bool any = false;

    if (size == 0)
        return out;
    out[0] = '\0';
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        if (event == EVENT_NOTE || event == EVENT_DELIVERED ||
            !lifecycle_step(now, event, role, &next))
            continue;
        append_word(out, size, event_names[event]);
        any = true;
    }
    if (!any)
        append_word(out, size, "nothing");
    return out;
}
