/* Decides which loops a list shows and in which order: what needs somebody here first, and within
 * that what has waited longest. Content is opened only for the loops that are shown. */
#include <stdlib.h>
#include <string.h>

#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/roll.h"
#include "agent/command/view.h"

/* Enough for everything that can be open at a small organization; more must be asked for. */
enum { LIMIT_DEFAULT = 1000 };

static bool
is_needed(const struct roll_entry *entry)
{
    return entry->needs_me;
}

static bool
is_open(const struct roll_entry *entry)
{
    return entry->open;
}

static bool
is_closed(const struct roll_entry *entry)
{
    return !entry->open;
}

static bool
is_any(const struct roll_entry *entry)
{
    (void)entry; /* all of them */
    return true;
}

static const struct filter {
    const char *name;
    bool (*matches)(const struct roll_entry *entry);
} filters[] = {
    {"open", is_open}, /* the first is the default */
    {"needs-me", is_needed},
    {"closed", is_closed},
    {"all", is_any},
};

static const struct filter *
find_filter(const json_t *name)
{
    if (!json_is_string(name))
        return &filters[0];
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        if (strcmp(filters[i].name, json_string_value(name)) == 0)
            return &filters[i];
    }
    return NULL;
}

static int
compare(const void *a, const void *b)
{
    const struct roll_entry *one = a;
    const struct roll_entry *other = b;

    if (one->needs_me != other->needs_me)
        return one->needs_me ? -1 : 1;
    if (one->since_ms != other->since_ms)
        return one->since_ms < other->since_ms ? -1 : 1;
    return memcmp(one->loop.bytes, other->loop.bytes, LOOP_ID_BYTES); /* public bytes */
}

/* Moves what matches to the front; returns how many. */
static size_t
keep_matching(struct roll *roll, const struct filter *filter)
{
    size_t n = 0;

    for (size_t i = 0; i < roll->n; i++) {
        if (filter->matches(&roll->entries[i]))
            roll->entries[n++] = roll->entries[i];
    }
    if (n > 0)
        qsort(roll->entries, n, sizeof(*roll->entries), compare);
    return n;
}

static enum err
add_views(struct command_context *context, const struct roll *roll, size_t n, json_t *loops)
{
    for (size_t i = 0; i < n; i++) {
        json_t *view = NULL;
        enum err err = view_make_by_id(context, &roll->entries[i].loop, &view);
        if (err == ERR_OK && json_array_append_new(loops, view) != 0)
            err = ERR_MEMORY;
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

json_t *
cmd_list_run(struct command_context *context, json_t *request)
{
    CLEANUP(roll_done) struct roll roll = {.n = 0};
    json_auto_t *loops = json_array();
    const struct filter *filter = find_filter(json_object_get(request, "show"));
    const json_t *given = json_object_get(request, "limit");
    size_t limit = json_is_integer(given) ? (size_t)json_integer_value(given) : LIMIT_DEFAULT;

    if (filter == NULL)
        return error_answer(ERR_INVALID, "show", "show must be needs-me, open, closed or all");
    enum err err = roll_load(context, &roll);
    size_t n_matched = err == ERR_OK ? keep_matching(&roll, filter) : 0;
    if (err == ERR_OK)
        err = add_views(context, &roll, n_matched < limit ? n_matched : limit, loops);
    if (err != ERR_OK)
        return error_answer(err, NULL, NULL);
    return json_pack("{s:b, s:O, s:I, s:I}", "ok", 1, "loops", loops, "total", (json_int_t)roll.n,
                     "matched", (json_int_t)n_matched);
}
