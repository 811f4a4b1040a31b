/* What becomes of loops when one of their sides is gone. Decides which words tell the other side's
 * way out; the lifecycle table says which steps it has. */
#include <string.h>

#include "broker/admin/loops.h"
#include "broker/admin/say.h"
#include "lib/base/text.h"

enum { SHOWN = 20, SHORT_DIGITS = 8 };

/* Steps that end a loop without the other side, the better one first. */
static const struct {
    enum loop_event event;
    const char *words;
} exits[] = {
    {EVENT_ACKNOWLEDGE, "can sign for the outcome"},
    {EVENT_WITHDRAW, "can withdraw it"},
    {EVENT_VOID, "can only void it"},
};

static const char *
left_side(const struct loops_row *row, const char *gone)
{
    return strcmp(row->source, gone) == 0 ? row->target : row->source;
}

/* An outcome that a target reports now stays unsigned, so it is no way out. */
static const char *
way_out(const struct loops_row *row, const char *gone)
{
    enum loop_role role = strcmp(row->source, gone) == 0 ? LOOP_TARGET : LOOP_SOURCE;
    struct loop_position next;
    for (size_t i = 0; i < ARRAY_LEN(exits); i++) {
        if (lifecycle_step(row->loop.position, exits[i].event, role, &next)) {
            return exits[i].words;
        }
    }
    return "cannot end it: nobody is left to sign for it";
}

static void
print_row(const struct loops_row *row, const char *gone, FILE *out)
{
    char id[LOOP_ID_TEXT];
    ident_format(&row->loop.loop, id);
    say_line(out, "  %.*s  %s: %s %s", SHORT_DIGITS, id,
             lifecycle_state_name(row->loop.position.state), left_side(row, gone),
             way_out(row, gone));
}

void
loops_print_ending(const struct loops *loops, const char *gone, FILE *out)
{
    char count[SAY_COUNT_BYTES];
    if (loops->matched == 0) {
        say_line(out, "No referral is open with it.");
        return;
    }
    say_line(out, "%s referral%s with it %s open and wait%s for the other side:",
             say_count(loops->matched, count), say_plural(loops->matched),
             loops->matched == 1 ? "is" : "are", loops->matched == 1 ? "s" : "");
    for (size_t i = 0; i < loops->n_rows && i < SHOWN; i++) {
        print_row(loops->rows[i], gone, out);
    }
    if (loops->n_rows > SHOWN) {
        say_line(out, "  and %zu more", loops->n_rows - SHOWN);
    }
    say_line(out, "Tell them. All of them: refloop-admin loops --open --org %s", gone);
}

json_t *
loops_ending_json(const struct loops *loops, const char *gone)
{
    json_auto_t *list = json_array();
    for (size_t i = 0; i < loops->n_rows; i++) {
        const struct loops_row *row = loops->rows[i];
        char id[LOOP_ID_TEXT];
        ident_format(&row->loop.loop, id);
        if (json_array_append_new(
                list, json_pack("{s:s, s:s, s:s}", "loop", id, "other", left_side(row, gone),
                                "state", lifecycle_state_name(row->loop.position.state))) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}
