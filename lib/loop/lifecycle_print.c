/* Prints the life of a referral for people: the table as Markdown, the picture as Graphviz dot. It
 * asks lifecycle_step and nothing else, so what is printed is what is enforced; the output has no
 * date and no version, so that it can be compared byte for byte with the documentation. */
#include <string.h>

#include "lib/loop/lifecycle.h"

/* The first position the table accepts with this state: a pending cancel needs a state under it. */
static struct loop_position
any_position(enum loop_state state)
{
    struct loop_position position = {state, LOOP_NONE};

    if (state == LOOP_CANCEL_REQUESTED)
        position.under = LOOP_ACCEPTED;
    return position;
}

static void
print_cell(FILE *out, enum loop_state state, enum loop_role role)
{
    struct loop_position now = any_position(state);
    const char *comma = "";

    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        struct loop_position next;
        if (!lifecycle_step(now, event, role, &next))
            continue;
        fprintf(out, "%s%s", comma, lifecycle_event_name(event));
        comma = ", ";
        if (event == EVENT_RETRACT)
            fputs(" → back to the state before the cancel", out);
        else if (event != EVENT_NOTE && event != EVENT_DELIVERED)
            fprintf(out, " → %s", lifecycle_state_name(next.state));
    }
    if (comma[0] == '\0')
        fputs("—", out);
}

static void
print_next_step(FILE *out, enum loop_state state)
{
    enum loop_role actor;

    if (lifecycle_next_actor(state, &actor))
        fprintf(out, "%s: %s", lifecycle_role_name(actor), lifecycle_next_step(state));
    else
        fputs("—", out);
}

void
lifecycle_print_markdown(FILE *out)
{
    fputs("| State | The source may say | The target may say | Next step |\n"
          "|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++) {
        enum loop_state state = (enum loop_state)i;
        fprintf(out, "| %s | ", lifecycle_state_name(state));
        print_cell(out, state, LOOP_SOURCE);
        fputs(" | ", out);
        print_cell(out, state, LOOP_TARGET);
        fputs(" | ", out);
        print_next_step(out, state);
        fputs(" |\n", out);
    }
}

/* A pending cancel is three positions but one box: what does not depend on the state under it is
 * drawn once. */
static bool
is_drawn_already(struct loop_position now, struct loop_position next)
{
    return now.under != any_position(now.state).under && next.state != now.under;
}

static void
print_edges(FILE *out, struct loop_position now)
{
    for (unsigned i = 0; i < EVENT_COUNT * LOOP_ROLE_COUNT; i++) {
        enum loop_event event = (enum loop_event)(i / LOOP_ROLE_COUNT);
        enum loop_role role = (enum loop_role)(i % LOOP_ROLE_COUNT);
        struct loop_position next;
        if (event == EVENT_NOTE || event == EVENT_DELIVERED ||
            !lifecycle_step(now, event, role, &next) || is_drawn_already(now, next))
            continue;
        fprintf(out, "    \"%s\" -> \"%s\" [label=\"%s\", style=%s%s];\n",
                lifecycle_state_name(now.state), lifecycle_state_name(next.state),
                lifecycle_event_name(event), role == LOOP_SOURCE ? "solid" : "dashed",
                event == EVENT_VOID ? ", color=gray, fontcolor=gray" : "");
    }
}

void
lifecycle_print_dot(FILE *out)
{
    fputs("// solid: said by the source; dashed: said by the target\n"
          "digraph lifecycle {\n"
          "    rankdir=LR;\n"
          "    node [shape=box, style=rounded];\n",
          out);
    for (unsigned i = 0; i < LOOP_STATE_COUNT; i++)
        fprintf(out, "    \"%s\";\n", lifecycle_state_name((enum loop_state)i));
    for (unsigned i = 0; i < LOOP_STATE_COUNT * LOOP_STATE_COUNT; i++) {
        struct loop_position now = {(enum loop_state)(i / LOOP_STATE_COUNT),
                                    (enum loop_state)(i % LOOP_STATE_COUNT)};
        print_edges(out, now);
    }
    fputs("}\n", out);
}
