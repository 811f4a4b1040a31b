/* The lifecycle against a list of its own: what is permitted is written here a second time, as
 * short triples, and everything else must be refused. Then every sequence of seven steps, against
 * what must hold whatever the table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "lib/loop/lifecycle.h"

/* "from event role to"; "same" stays, "back" returns to the state under the cancel. */
struct rule {
    const char *from;
    const char *event;
    char role; /* S, T, or B for both */
    const char *to;
};

static const struct rule rules[] = {
    {"none", "request", 'S', "requested"},
    {"requested", "ask", 'T', "info-requested"},
    {"requested", "accept", 'T', "accepted"},
    {"requested", "decline", 'T', "declined"},
    {"requested", "withdraw", 'S', "withdrawn"},
    {"info-requested", "answer", 'S', "requested"},
    {"info-requested", "decline", 'T', "declined"},
    {"info-requested", "withdraw", 'S', "withdrawn"},
    {"accepted", "progress", 'T', "in-progress"},
    {"accepted", "hold", 'T', "on-hold"},
    {"accepted", "cancel", 'S', "cancel-requested"},
    {"accepted", "complete", 'T', "completed"},
    {"accepted", "fail", 'T', "not-completed"},
    {"accepted", "release", 'T', "withdrawn"},
    {"in-progress", "progress", 'T', "in-progress"},
    {"in-progress", "hold", 'T', "on-hold"},
    {"in-progress", "cancel", 'S', "cancel-requested"},
    {"in-progress", "complete", 'T', "completed"},
    {"in-progress", "fail", 'T', "not-completed"},
    {"in-progress", "release", 'T', "withdrawn"},
    {"on-hold", "progress", 'T', "in-progress"},
    {"on-hold", "hold", 'T', "on-hold"},
    {"on-hold", "cancel", 'S', "cancel-requested"},
    {"on-hold", "complete", 'T', "completed"},
    {"on-hold", "fail", 'T', "not-completed"},
    {"on-hold", "release", 'T', "withdrawn"},
    {"cancel-requested", "release", 'T', "withdrawn"},
    {"cancel-requested", "complete", 'T', "completed"},
    {"cancel-requested", "fail", 'T', "not-completed"},
    {"cancel-requested", "retract", 'S', "back"},
    {"declined", "acknowledge", 'S', "closed"},
    {"completed", "acknowledge", 'S', "closed"},
    {"not-completed", "acknowledge", 'S', "closed"},
    {"withdrawn", "acknowledge", 'S', "closed"},
    {"any but none and void", "void", 'S', "void"},
    {"any but none and void", "note", 'B', "same"},
    {"any but none", "delivered", 'B', "same"},
};

static const char *const state_words[LOOP_STATE_COUNT] = {
    "none",      "requested",        "info-requested", "accepted",  "in-progress",
    "on-hold",   "cancel-requested", "declined",       "completed", "not-completed",
    "withdrawn", "closed",           "void",
};

static const char *const event_words[EVENT_COUNT] = {
    "request",  "ask",         "answer",  "accept",  "decline",   "progress",
    "hold",     "cancel",      "retract", "release", "complete",  "fail",
    "withdraw", "acknowledge", "void",    "note",    "delivered",
};

static bool
from_matches(const char *from, enum loop_state state)
{
    if (strcmp(from, "any but none") == 0)
        return state != LOOP_NONE;
    if (strcmp(from, "any but none and void") == 0)
        return state != LOOP_NONE && state != LOOP_VOID;
    return strcmp(from, state_words[state]) == 0;
}

static bool
under_is_right(struct loop_position position)
{
    bool resumable = position.under == LOOP_ACCEPTED || position.under == LOOP_IN_PROGRESS ||
                     position.under == LOOP_ON_HOLD;
    return position.state == LOOP_CANCEL_REQUESTED ? resumable : position.under == LOOP_NONE;
}

static struct loop_position
position_by_rule(const struct rule *rule, struct loop_position now)
{
    struct loop_position next = {LOOP_NONE, LOOP_NONE};

    if (strcmp(rule->to, "same") == 0)
        return now;
    if (strcmp(rule->to, "back") == 0)
        return (struct loop_position){now.under, LOOP_NONE};
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++) {
        if (strcmp(rule->to, state_words[i]) == 0)
            next.state = (enum loop_state)i;
    }
    if (next.state == LOOP_CANCEL_REQUESTED)
        next.under = now.state;
    return next;
}

static bool
permitted(struct loop_position now, enum loop_event event, enum loop_role role,
          struct loop_position *next)
{
    char letter = role == LOOP_SOURCE ? 'S' : 'T';

    if (!under_is_right(now))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (strcmp(rules[i].event, event_words[event]) == 0 &&
            from_matches(rules[i].from, now.state) &&
            (rules[i].role == letter || rules[i].role == 'B')) {
            *next = position_by_rule(&rules[i], now);
            return true;
        }
    }
    return false;
}

static void
compare_with_rules(struct loop_position now, enum loop_event event, enum loop_role role)
{
    const struct loop_position untouched = {LOOP_STATE_COUNT, LOOP_STATE_COUNT};
    struct loop_position expected = untouched;
    struct loop_position next = untouched;

    bool allowed = permitted(now, event, role, &expected);
    if (lifecycle_step(now, event, role, &next) != allowed || next.state != expected.state ||
        next.under != expected.under)
        fail_msg("%s (under %s), %s by %s: %s expected", state_words[now.state],
                 state_words[now.under], event_words[event],
                 role == LOOP_SOURCE ? "source" : "target",
                 allowed ? state_words[expected.state] : "a refusal");
}

static void
table_permits_exactly_the_rules(void **state)
{
    (void)state;
    for (unsigned s = 0; s < LOOP_STATE_COUNT; s++) {
        for (unsigned under = 0; under < LOOP_STATE_COUNT; under++) {
            for (unsigned e = 0; e < EVENT_COUNT; e++) {
                struct loop_position now = {(enum loop_state)s, (enum loop_state)under};
                compare_with_rules(now, (enum loop_event)e, LOOP_SOURCE);
                compare_with_rules(now, (enum loop_event)e, LOOP_TARGET);
            }
        }
    }
}

static void
values_outside_the_enums_are_refused(void **state)
{
    struct loop_position next = {LOOP_CLOSED, LOOP_NONE};
    const unsigned wild[] = {13, 17, 255, 256, 0x7fffffff, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
        struct loop_position requested = {LOOP_REQUESTED, LOOP_NONE};
        struct loop_position bad_state = {(enum loop_state)wild[i], LOOP_NONE};
        struct loop_position bad_under = {LOOP_CANCEL_REQUESTED, (enum loop_state)wild[i]};
        assert_false(lifecycle_step(bad_state, EVENT_NOTE, LOOP_SOURCE, &next));
        assert_false(lifecycle_step(bad_under, EVENT_RETRACT, LOOP_SOURCE, &next));
        assert_false(lifecycle_step(requested, EVENT_NOTE, (enum loop_role)wild[i], &next));
        if (wild[i] >= EVENT_COUNT)
            assert_false(lifecycle_step(requested, (enum loop_event)wild[i], LOOP_SOURCE, &next));
        assert_null(lifecycle_state_name((enum loop_state)wild[i]));
        assert_null(lifecycle_role_name((enum loop_role)wild[i]));
        assert_false(lifecycle_is_open((enum loop_state)wild[i]));
        assert_false(lifecycle_is_answered((enum loop_state)wild[i]));
        assert_string_equal(lifecycle_next_step((enum loop_state)wild[i]), "");
    }
    assert_null(lifecycle_event_name(EVENT_COUNT));
    assert_int_equal(next.state, LOOP_CLOSED);
}

/* --- every sequence --- */

enum { DEPTH = 7, CHOICES = EVENT_COUNT * LOOP_ROLE_COUNT };

struct walk {
    unsigned long steps_tried;
    unsigned long sequences; /* of permitted steps, of every length up to DEPTH */
    bool reached[LOOP_STATE_COUNT];
};

/* Who alone may bring a loop into a state by a statement of his; withdrawn is reached by both. */
static bool
may_enter(enum loop_role role, enum loop_state from, enum loop_state to)
{
    static const char by[] = "?STTTTSTTTBSS";

    if (from == LOOP_CANCEL_REQUESTED && to != LOOP_WITHDRAWN && to != LOOP_COMPLETED &&
        to != LOOP_NOT_COMPLETED)
        return role == LOOP_SOURCE; /* a retract, or void */
    if (to == LOOP_WITHDRAWN)
        return role ==
               (from == LOOP_REQUESTED || from == LOOP_INFO_REQUESTED ? LOOP_SOURCE : LOOP_TARGET);
    return by[to] == (role == LOOP_SOURCE ? 'S' : 'T');
}

static bool
is_answer(enum loop_state state)
{
    return state == LOOP_DECLINED || state == LOOP_COMPLETED || state == LOOP_NOT_COMPLETED ||
           state == LOOP_WITHDRAWN;
}

static void
check_step(struct loop_position now, enum loop_event event, enum loop_role role,
           struct loop_position next)
{
    bool moved = now.state != next.state;

    assert_true(next.state > LOOP_NONE && next.state < LOOP_STATE_COUNT);
    assert_true(under_is_right(next));
    if (event == EVENT_NOTE || event == EVENT_DELIVERED)
        assert_false(moved || now.under != next.under);
    if (now.state == LOOP_VOID)
        assert_false(moved);
    if (now.state == LOOP_CLOSED && moved)
        assert_int_equal(next.state, LOOP_VOID);
    if (is_answer(now.state) && moved)
        assert_true(next.state == LOOP_CLOSED || next.state == LOOP_VOID);
    if (next.state == LOOP_CLOSED && moved)
        assert_true(is_answer(now.state) && event == EVENT_ACKNOWLEDGE);
    if (moved)
        assert_true(may_enter(role, now.state, next.state));
}

/* Somebody must act exactly while the loop is open, and whoever it is can do so. */
static void
check_next_actor(struct loop_position now)
{
    enum loop_role actor = LOOP_ROLE_COUNT;
    bool can_move_on = false;

    assert_int_equal(lifecycle_next_actor(now.state, &actor), lifecycle_is_open(now.state));
    assert_int_equal(lifecycle_next_step(now.state)[0] != '\0', lifecycle_is_open(now.state));
    if (!lifecycle_is_open(now.state)) {
        assert_int_equal(actor, LOOP_ROLE_COUNT);
        return;
    }
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        struct loop_position next;
        if (event != EVENT_NOTE && event != EVENT_VOID && event != EVENT_WITHDRAW &&
            lifecycle_step(now, event, actor, &next) && next.state != now.state)
            can_move_on = true;
    }
    assert_true(can_move_on);
}

static void
walk_from(struct walk *walk, struct loop_position now, unsigned depth)
{
    walk->reached[now.state] = true;
    check_next_actor(now);
    if (depth == DEPTH)
        return;
    for (unsigned i = 0; i < CHOICES; i++) {
        enum loop_event event = (enum loop_event)(i / LOOP_ROLE_COUNT);
        enum loop_role role = (enum loop_role)(i % LOOP_ROLE_COUNT);
        struct loop_position next = now;
        walk->steps_tried++;
        if (!lifecycle_step(now, event, role, &next)) {
            assert_true(next.state == now.state && next.under == now.under);
            continue;
        }
        walk->sequences++;
        check_step(now, event, role, next);
        walk_from(walk, next, depth + 1);
    }
}

static void
every_sequence_of_seven_keeps_the_invariants(void **state)
{
    struct walk walk = {0};

    (void)state;
    walk_from(&walk, (struct loop_position){LOOP_NONE, LOOP_NONE}, 0);
    print_message("%lu permitted sequences of up to %d steps, %lu steps tried\n", walk.sequences,
                  DEPTH, walk.steps_tried);
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++)
        assert_true(walk.reached[i]);
    assert_true(walk.sequences > 1000);
}

/* --- words --- */

static void
names_are_stable_and_found_again(void **state)
{
    enum loop_state found_state = LOOP_VOID;
    enum loop_event found_event = EVENT_NOTE;

    (void)state;
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++) {
        assert_string_equal(lifecycle_state_name((enum loop_state)i), state_words[i]);
        assert_true(lifecycle_find_state(state_words[i], &found_state));
        assert_int_equal(found_state, i);
    }
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        assert_string_equal(lifecycle_event_name((enum loop_event)i), event_words[i]);
        assert_true(lifecycle_find_event(event_words[i], &found_event));
        assert_int_equal(found_event, i);
    }
    assert_string_equal(lifecycle_role_name(LOOP_SOURCE), "source");
    assert_string_equal(lifecycle_role_name(LOOP_TARGET), "target");
    assert_false(lifecycle_find_event("Accept", &found_event));
    assert_false(lifecycle_find_event("", &found_event));
    assert_false(lifecycle_find_state("acceptedx", &found_state));
}

static void
open_and_answered_split_the_states(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++) {
        enum loop_state s = (enum loop_state)i;
        assert_int_equal(lifecycle_is_open(s),
                         s != LOOP_NONE && s != LOOP_CLOSED && s != LOOP_VOID);
        assert_int_equal(lifecycle_is_answered(s), is_answer(s));
    }
}

static void
possible_lists_the_words_of_one_role(void **state)
{
    struct loop_position on_hold = {LOOP_ON_HOLD, LOOP_NONE};
    struct loop_position cancel = {LOOP_CANCEL_REQUESTED, LOOP_ON_HOLD};
    struct loop_position closed = {LOOP_CLOSED, LOOP_NONE};
    char out[128];

    (void)state;
    assert_ptr_equal(lifecycle_possible(on_hold, LOOP_TARGET, out, sizeof(out)), out);
    assert_string_equal(out, "progress, hold, release, complete, fail");
    assert_string_equal(lifecycle_possible(cancel, LOOP_SOURCE, out, sizeof(out)), "retract, void");
    assert_string_equal(lifecycle_possible(closed, LOOP_TARGET, out, sizeof(out)), "nothing");
    /* Never half a word, never past the end. */
    assert_string_equal(lifecycle_possible(on_hold, LOOP_TARGET, out, 14), "progress");
    assert_string_equal(lifecycle_possible(on_hold, LOOP_TARGET, out, 15), "progress, hold");
    assert_string_equal(lifecycle_possible(closed, LOOP_TARGET, out, 1), "");
    out[0] = 'x';
    assert_ptr_equal(lifecycle_possible(closed, LOOP_TARGET, out, 0), out);
    assert_int_equal(out[0], 'x');
}

/* --- what is printed --- */

static char *
printed(void (*print)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
markdown_has_a_line_for_every_state(void **state)
{
    char *text = printed(lifecycle_print_markdown);
    char line[64];

    (void)state;
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++) {
        (void)snprintf(line, sizeof(line), "\n| %s | ", state_words[i]);
        assert_non_null(strstr(text, line));
    }
    assert_non_null(strstr(text, "\n| none | request → requested | — | — |\n"));
    assert_non_null(strstr(text, "retract → back to the state before the cancel"));
    free(text);
}

static void
dot_has_an_edge_for_every_move(void **state)
{
    char *text = printed(lifecycle_print_dot);
    char edge[96];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (strncmp(rules[i].from, "any", 3) == 0 || strcmp(rules[i].to, "back") == 0)
            continue;
        (void)snprintf(edge, sizeof(edge), "\"%s\" -> \"%s\" [label=\"%s\"", rules[i].from,
                       rules[i].to, rules[i].event);
        const char *first = strstr(text, edge);
        assert_non_null(first);
        assert_null(strstr(first + 1, edge));
    }
    assert_non_null(strstr(text, "\"cancel-requested\" -> \"accepted\" [label=\"retract\""));
    assert_non_null(strstr(text, "\"cancel-requested\" -> \"in-progress\" [label=\"retract\""));
    assert_non_null(strstr(text, "\"cancel-requested\" -> \"on-hold\" [label=\"retract\""));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_permits_exactly_the_rules),
        cmocka_unit_test(values_outside_the_enums_are_refused),
        cmocka_unit_test(every_sequence_of_seven_keeps_the_invariants),
        cmocka_unit_test(names_are_stable_and_found_again),
        cmocka_unit_test(open_and_answered_split_the_states),
        cmocka_unit_test(possible_lists_the_words_of_one_role),
        cmocka_unit_test(markdown_has_a_line_for_every_state),
        cmocka_unit_test(dot_has_an_edge_for_every_move),
    };
    return cmocka_run_group_tests_name("lifecycle", tests, NULL, NULL);
}
