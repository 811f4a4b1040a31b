/* list: the table a coordinator looks at in the morning. Decides which columns there is room for,
 * and that what needs the reader stands out by a word and a mark as well as by colour. The order of
 * the rows is the agent's. */
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cmd.h"
#include "agent/cli/talk.h"
#include "agent/cli/words.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"
#include "lib/edge/table.h"
#include "lib/edge/terminal.h"

enum { SHORT_ID = 8, CELL_BYTES = 512, GAP_COLUMNS = 2, NOTICE_INDENT = 12, RANKS = 4 };

struct row {
    const json_t *loop;
    int64_t now_ms;
};

typedef void (*fill_cell)(const struct row *row, char out[CELL_BYTES]);

static bool
is_marked(const json_t *loop)
{
    return fields_text(loop, "notice")[0] != '\0' || fields_flag(loop, "no_contact");
}

static bool
is_queued(const json_t *loop)
{
    const char *queued = fields_text(loop, "queued_state");
    return queued[0] != '\0' && strcmp(queued, fields_text(loop, "state")) != 0;
}

static void
fill_mark(const struct row *row, char out[CELL_BYTES])
{
    (void)text_format(out, CELL_BYTES, "%s", is_marked(row->loop) ? "!" : "");
}

static void
fill_loop(const struct row *row, char out[CELL_BYTES])
{
    (void)text_format(out, CELL_BYTES, "%.*s", SHORT_ID, fields_text(row->loop, "loop"));
}

static void
fill_person(const struct row *row, char out[CELL_BYTES])
{
    const char *person = fields_text(row->loop, "person");
    (void)text_format(out, CELL_BYTES, "%s", person[0] != '\0' ? person : "(no name)");
}

static void
fill_what(const struct row *row, char out[CELL_BYTES])
{
    const char *category = fields_text(row->loop, "category");
    const char *need = fields_text(row->loop, "need");
    bool specific = category[0] != '\0' && strcmp(category, "sdoh-category-unspecified") != 0;
    bool urgent = strcmp(fields_text(row->loop, "priority"), "urgent") == 0;
    const char *what = specific || need[0] == '\0' ? words_code(REASON_CATEGORY, category) : need;
    (void)text_format(out, CELL_BYTES, "%s%s%s", urgent ? "urgent" : "",
                      urgent && what[0] != '\0' ? ": " : "", what);
}

static void
fill_partner(const struct row *row, char out[CELL_BYTES])
{
    const json_t *partner = json_object_get(row->loop, "partner");
    const char *name = fields_text(partner, "name");
    (void)text_format(out, CELL_BYTES, "%s", name[0] != '\0' ? name : fields_text(partner, "org"));
}

/* Where it will stand once our queue has arrived; the star says that it has not yet. */
static void
fill_state(const struct row *row, char out[CELL_BYTES])
{
    bool queued = is_queued(row->loop);
    const char *state = fields_text(row->loop, queued ? "queued_state" : "state");
    (void)text_format(out, CELL_BYTES, "%s%s", words_state(state), queued ? "*" : "");
}

static void
fill_next(const struct row *row, char out[CELL_BYTES])
{
    const json_t *next = json_object_get(row->loop, "next");
    const char *who = fields_text(next, "who");
    char span[CLOCK_TEXT_BYTES] = "";
    int64_t since_ms = 0;
    if (fields_time(next, "since", &since_ms)) {
        clock_format_span(row->now_ms - since_ms, span);
    }
    if (who[0] == '\0') {
        out[0] = '\0';
        return;
    }
    bool ours = strcmp(who, fields_text(row->loop, "role")) == 0;
    (void)text_format(out, CELL_BYTES, "%s%s%s", ours ? "you" : "them", span[0] != '\0' ? ", " : "",
                      span);
}

static void
fill_due(const struct row *row, char out[CELL_BYTES])
{
    char day[WORDS_BYTES];
    words_field_day(row->loop, "due", row->now_ms, day);
    if (day[0] == '\0') {
        words_field_day(row->loop, "needed_by", row->now_ms, day);
    }
    (void)text_format(out, CELL_BYTES, "%s", day);
}

/* A column with a least width may be cut down to it: half a name is still of use, half a "2 days"
 * is not. When that is not enough, columns go, the lowest rank first; rank 0 stays. */
static const struct {
    const char *title;
    fill_cell fill;
    size_t least; /* 0: never cut */
    unsigned rank;
} columns[] = {
    {"", fill_mark, 0, 0},
    {"LOOP", fill_loop, 0, 0},
    {"PERSON", fill_person, 12, 0},
    {"WHAT", fill_what, 12, 2},
    {"PARTNER", fill_partner, 12, 1},
    {"STATE", fill_state, 11, 0},
    {"NEXT, FOR", fill_next, 0, 0},
    {"DUE", fill_due, 0, 3},
};

/* The columns chosen for one screen. */
struct layout {
    size_t n;
    size_t columns[ARRAY_LEN(columns)];
    size_t widths[ARRAY_LEN(columns)];
};

/* Who sends wants to know where, who receives wants to know what. */
static bool
sends_more(const json_t *loops)
{
    size_t n_sent = 0;
    size_t i = 0;
    const json_t *loop = NULL;
    json_array_foreach(loops, i, loop)
    {
        n_sent += strcmp(fields_text(loop, "role"), "source") == 0 ? 1 : 0;
    }
    return 2 * n_sent > json_array_size(loops);
}

static void
choose_columns(bool any_marked, struct layout *layout)
{
    layout->n = 0;
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        if (columns[i].fill != fill_mark || any_marked) {
            layout->columns[layout->n] = i;
            layout->widths[layout->n++] = terminal_columns(columns[i].title);
        }
    }
}

static void
measure(const struct screen *screen, const json_t *loops, struct layout *layout)
{
    size_t place = 0;
    const json_t *loop = NULL;
    json_array_foreach(loops, place, loop)
    {
        const struct row row = {.loop = loop, .now_ms = screen->now_ms};
        for (size_t i = 0; i < layout->n; i++) {
            char cell[CELL_BYTES];
            columns[layout->columns[i]].fill(&row, cell);
            size_t wide = terminal_columns(cell);
            layout->widths[i] = wide > layout->widths[i] ? wide : layout->widths[i];
        }
    }
}

static size_t
least_width(const struct layout *layout, size_t i)
{
    size_t least = columns[layout->columns[i]].least;
    return least > 0 && least < layout->widths[i] ? least : layout->widths[i];
}

static size_t
least_total(const struct layout *layout)
{
    size_t total = GAP_COLUMNS * (layout->n - 1);
    for (size_t i = 0; i < layout->n; i++) {
        total += least_width(layout, i);
    }
    return total;
}

static void
drop_rank(struct layout *layout, unsigned rank, bool partner_first)
{
    static const unsigned swapped[RANKS] = {0, 2, 1, 3};
    size_t n = 0;
    for (size_t i = 0; i < layout->n; i++) {
        unsigned own = columns[layout->columns[i]].rank;
        if ((partner_first ? own : swapped[own]) != rank) {
            layout->columns[n] = layout->columns[i];
            layout->widths[n++] = layout->widths[i];
        }
    }
    layout->n = n;
}

/* The widest column that may be cut gives way first, one place at a time. */
static void
shrink(const struct screen *screen, struct layout *layout)
{
    size_t total = GAP_COLUMNS * (layout->n - 1);
    for (size_t i = 0; i < layout->n; i++) {
        total += layout->widths[i];
    }
    for (; total > screen->width; total--) {
        size_t *widest = NULL;
        for (size_t i = 0; i < layout->n; i++) {
            size_t *width = &layout->widths[i];
            bool may = *width > least_width(layout, i);
            widest = may && (widest == NULL || *width > *widest) ? width : widest;
        }
        if (widest == NULL) {
            return; /* the table cuts the rest */
        }
        (*widest)--;
    }
}

static void
fit(const struct screen *screen, const json_t *loops, struct layout *layout)
{
    if (screen->width == 0) {
        return;
    }
    bool partner_first = !sends_more(loops);
    for (unsigned rank = 1; rank < RANKS && least_total(layout) > screen->width; rank++) {
        drop_rank(layout, rank, partner_first);
    }
    shrink(screen, layout);
}

static enum err
add_row(struct table *table, const struct row *row, const struct layout *layout)
{
    char cells[ARRAY_LEN(columns)][CELL_BYTES + 4]; /* and the ellipsis of a cut one */
    const char *pointers[ARRAY_LEN(columns)];
    for (size_t i = 0; i < layout->n; i++) {
        CLEANUP(buffer_wipe) struct buffer cut = BUFFER_INIT(CELL_BYTES + 4);
        columns[layout->columns[i]].fill(row, cells[i]);
        (void)terminal_put(&cut, cells[i], layout->widths[i]);
        buffer_put_u8(&cut, 0);
        if (buffer_err(&cut) != ERR_OK) {
            return buffer_err(&cut);
        }
        memcpy(cells[i], cut.data, cut.len);
        pointers[i] = cells[i];
    }
    return table_add(table, pointers);
}

static void
free_inks(enum screen_ink **inks)
{
    free(*inks);
}

static void
print_table(struct screen *screen, const json_t *loops, bool any_marked)
{
    struct layout layout;
    const char *titles[ARRAY_LEN(columns)];
    choose_columns(any_marked, &layout);
    measure(screen, loops, &layout);
    fit(screen, loops, &layout);
    for (size_t i = 0; i < layout.n; i++) {
        titles[i] = columns[layout.columns[i]].title;
    }
    CLEANUP(table_freep) struct table *table = table_new(titles, layout.n);
    CLEANUP(free_inks)
    enum screen_ink *inks = calloc(json_array_size(loops), sizeof(*inks));
    if (table == NULL || inks == NULL) {
        screen->failed = true;
        return;
    }
    size_t i = 0;
    const json_t *loop = NULL;
    json_array_foreach(loops, i, loop)
    {
        const struct row row = {.loop = loop, .now_ms = screen->now_ms};
        inks[i] = fields_flag(loop, "needs_me") ? SCREEN_BOLD : SCREEN_PLAIN;
        if (add_row(table, &row, &layout) != ERR_OK) {
            screen->failed = true;
            return;
        }
    }
    screen_table(screen, table, inks);
}

static void
print_notices(struct screen *screen, const json_t *loops)
{
    size_t i = 0;
    const json_t *loop = NULL;
    json_array_foreach(loops, i, loop)
    {
        char label[SHORT_ID + 8];
        (void)text_format(label, sizeof(label), "! %.*s", SHORT_ID, fields_text(loop, "loop"));
        if (fields_flag(loop, "no_contact")) {
            screen_field(screen, SCREEN_ALARM, label, NOTICE_INDENT, "do not contact this person");
        }
        screen_field(screen, SCREEN_WARN, label, NOTICE_INDENT, "%s", words_notice(loop));
    }
}

static const struct {
    const char *filter, *adjective, *empty;
} filters[] = {
    {"needs-me", "", "Nothing needs you. 'refloop list --open' shows what others are to do."},
    {"open", "open ",
     "No open referrals. 'refloop send FILE' starts one; 'refloop list --all' shows the closed "
     "ones."},
    {"closed", "closed ", "No closed referrals yet. 'refloop list --open' shows the open ones."},
    {"all", "", "No referrals yet. 'refloop send FILE' starts one."},
};

static size_t
find_filter(const char *filter)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        if (strcmp(filters[i].filter, filter) == 0) {
            return i;
        }
    }
    return ARRAY_LEN(filters) - 1;
}

/* How many need the reader is known only when the cut came after the last of them: they stand
 * first. */
static void
print_closing(struct screen *screen, const json_t *answer, const char *adjective)
{
    const json_t *loops = json_object_get(answer, "loops");
    size_t n_shown = json_array_size(loops);
    size_t n = fields_count(answer, "matched");
    size_t n_mine = 0;
    bool any_queued = false;
    size_t i = 0;
    const json_t *loop = NULL;
    json_array_foreach(loops, i, loop)
    {
        n_mine += fields_flag(loop, "needs_me") ? 1 : 0;
        any_queued = any_queued || is_queued(loop);
    }
    n = n > n_shown ? n : n_shown;
    if (any_queued) {
        screen_line(screen, SCREEN_PLAIN, 0, "* on this machine, not on the broker's disk yet");
    }
    char mine[WORDS_BYTES] = "none";
    bool more = n > n_shown && n_mine == n_shown;
    if (n_mine > 0) {
        (void)text_format(mine, sizeof(mine), "%zu%s", n_mine, more ? " or more" : "");
    }
    screen_line(screen, SCREEN_PLAIN, 0, "%zu %sreferral%s, %s need%s you", n, adjective,
                n == 1 ? "" : "s", mine, n_mine > 1 || more ? "" : "s");
    if (n > n_shown) {
        screen_line(screen, SCREEN_PLAIN, 0, "Shown: %zu of %zu; --limit %zu shows all.", n_shown,
                    n, n);
    }
}

void
cmd_print_list(struct screen *screen, const json_t *answer, const char *filter)
{
    const json_t *loops = json_object_get(answer, "loops");
    size_t place = find_filter(filter);
    bool any_marked = false;
    size_t i = 0;
    const json_t *loop = NULL;
    if (json_array_size(loops) == 0) {
        screen_line(screen, SCREEN_PLAIN, 0, "%s", filters[place].empty);
        return;
    }
    json_array_foreach(loops, i, loop) any_marked = any_marked || is_marked(loop);
    print_table(screen, loops, any_marked);
    print_notices(screen, loops);
    print_closing(screen, answer, filters[place].adjective);
}

int
cmd_list(struct cli *cli)
{
    const struct {
        bool chosen;
        const char *filter;
    } flags[] = {
        {cli->options.needs_me, "needs-me"},
        {cli->options.closed, "closed"},
        {cli->options.all, "all"},
    };
    const char *filter = "open";
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        filter = flags[i].chosen ? flags[i].filter : filter;
    }
    json_auto_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s}", "command", "list", "show", filter);
    if (cli->options.limit > 0) {
        (void)json_object_set_new(request, "limit", json_integer(cli->options.limit));
    }
    int code = talk_ask(cli, request, TALK_PATIENCE_MS, &answer);
    if (code == CLI_EXIT_DONE && !cli->options.json) {
        cmd_print_list(&cli->screen, answer, filter);
    }
    return code;
}
