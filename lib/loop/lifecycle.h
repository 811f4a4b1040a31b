/* THE table of a referral's life: who may say what when, and what follows. One pure function over
 * one table, used by the broker to enforce and by both agents to mirror; docs/protocol.md is
 * printed from it. An empty cell is a refusal; nothing is inherited. Time is not an input: clocks
 * never move a loop. */
#ifndef REFLOOP_LIB_LOOP_LIFECYCLE_H
#define REFLOOP_LIB_LOOP_LIFECYCLE_H

#include <stdbool.h>
#include <stdio.h>

/* The source asks, the target answers. */
enum loop_role { LOOP_SOURCE, LOOP_TARGET, LOOP_ROLE_COUNT };

/* LOOP_NONE is "no such loop yet"; the other twelve are the states of a referral. Numbers are
 * stored and sent: never reused. */
enum loop_state {
    LOOP_NONE = 0,
    LOOP_REQUESTED = 1,
    LOOP_INFO_REQUESTED = 2,
    LOOP_ACCEPTED = 3,
    LOOP_IN_PROGRESS = 4,
    LOOP_ON_HOLD = 5,
    LOOP_CANCEL_REQUESTED = 6,
    LOOP_DECLINED = 7,
    LOOP_COMPLETED = 8,
    LOOP_NOT_COMPLETED = 9,
    LOOP_WITHDRAWN = 10,
    LOOP_CLOSED = 11,
    LOOP_VOID = 12,
    LOOP_STATE_COUNT = 13,
};

/* What a statement in a loop says. Numbers are stored and sent: never reused. EVENT_DELIVERED is
 * the reader's agent confirming that a statement is on its disk; it and EVENT_NOTE change no state.
 */
enum loop_event {
    EVENT_REQUEST = 0,
    EVENT_ASK = 1,
    EVENT_ANSWER = 2,
    EVENT_ACCEPT = 3,
    EVENT_DECLINE = 4,
    EVENT_PROGRESS = 5,
    EVENT_HOLD = 6,
    EVENT_CANCEL = 7,
    EVENT_RETRACT = 8,
    EVENT_RELEASE = 9,
    EVENT_COMPLETE = 10,
    EVENT_FAIL = 11,
    EVENT_WITHDRAW = 12,
    EVENT_ACKNOWLEDGE = 13,
    EVENT_VOID = 14,
    EVENT_NOTE = 15,
    EVENT_DELIVERED = 16,
    EVENT_COUNT = 17,
};

/* Where a loop stands. `under` is the state a pending cancel was asked in (the one a retract
 * returns to): accepted, in-progress or on-hold while state is cancel-requested, LOOP_NONE
 * otherwise. */
struct loop_position {
    enum loop_state state;
    enum loop_state under;
};

/* Applies one event. True and *next_out written when the table permits it; false and *next_out
 * untouched when not. Any values are safe as input. */
bool lifecycle_step(struct loop_position now, enum loop_event event, enum loop_role role,
                    struct loop_position *next_out);

/* Open: there is such a loop, and it is neither closed nor void. */
bool lifecycle_is_open(enum loop_state state);
/* Terminal for the target (declined, completed, not-completed, withdrawn): the source still owes
 * the acknowledgement. */
bool lifecycle_is_answered(enum loop_state state);
/* Who must act next in this state: *role_out, and false when nobody must (closed, void, none). */
bool lifecycle_next_actor(enum loop_state state, enum loop_role *role_out);
/* What that actor is expected to do, in plain words ("accept, decline or ask"); "" when nobody
 * must. */
const char *lifecycle_next_step(enum loop_state state);

/* Stable words: "info-requested", "source", "acknowledge"; NULL for a value outside the enum. */
const char *lifecycle_state_name(enum loop_state state);
const char *lifecycle_event_name(enum loop_event event);
const char *lifecycle_role_name(enum loop_role role);
/* The reverse; false when no such word. */
bool lifecycle_find_event(const char *name, enum loop_event *event_out);
bool lifecycle_find_state(const char *name, enum loop_state *state_out);

/* Writes the words of every event `role` may say now, comma-separated, without note and delivered,
 * into out; "nothing" when there is none. Returns out. */
char *lifecycle_possible(struct loop_position now, enum loop_role role, char *out, unsigned size);

/* lifecycle_print.c. Prints the table as Markdown, and the picture as Graphviz dot:
 * docs/protocol.md holds exactly these. */
void lifecycle_print_markdown(FILE *out);
void lifecycle_print_dot(FILE *out);

#endif
