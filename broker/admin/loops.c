/* Decides which loops were asked for and in which order they are looked through: what needs
 * somebody first. The verdicts are broker/audit's. */
#include "broker/admin/loops.h"

#include <stdlib.h>
#include <string.h>

#define MS_PER_HOUR INT64_C(3600000)

enum { ROWS_AT_FIRST = 256, AGE_MAX = 100000 };

struct gathering {
    const struct audit_loops_options *options;
    const struct loops_choice *choice;
    struct loops *loops;
    enum err err;
};

static void
row_free(struct loops_row *row)
{
    if (row != NULL) {
        free(row->facts);
        free(row);
    }
}

void
loops_done(struct loops *loops)
{
    for (size_t i = 0; i < loops->n_rows; i++) {
        row_free(loops->rows[i]);
    }
    free(loops->rows);
    *loops = (struct loops){.n_rows = 0};
}

static bool
is_wanted(const struct gathering *gathering, const struct audit_loop *loop)
{
    const struct loops_choice *choice = gathering->choice;
    int64_t age_ms = gathering->options->now_ms - loop->since_ms;
    return (choice->org == NULL || strcmp(choice->org, loop->source) == 0 ||
            strcmp(choice->org, loop->target) == 0) &&
           (!choice->has_state || choice->state == loop->position.state) &&
           (!choice->has_verdict || choice->verdict == loop->verdict) &&
           (!choice->only_open || lifecycle_is_open(loop->position.state)) &&
           (choice->older_than_ms == 0 || age_ms > choice->older_than_ms);
}

static enum err
reserve(struct loops *loops)
{
    if (loops->n_rows < loops->capacity) {
        return ERR_OK;
    }
    size_t capacity = loops->capacity == 0 ? ROWS_AT_FIRST : 2 * loops->capacity;
    struct loops_row **grown = realloc(loops->rows, capacity * sizeof(struct loops_row *));
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    loops->rows = grown;
    loops->capacity = capacity;
    return ERR_OK;
}

static enum err
add(struct gathering *gathering, const struct audit_loop *loop)
{
    struct loops *loops = gathering->loops;
    enum err err = reserve(loops);
    struct loops_row *row = err == ERR_OK ? calloc(1, sizeof(*row)) : NULL;
    if (row == NULL) {
        return ERR_MEMORY;
    }
    loops->rows[loops->n_rows++] = row;
    row->loop = *loop;
    memcpy(row->source, loop->source, sizeof(row->source));
    memcpy(row->target, loop->target, sizeof(row->target));
    row->loop.source = row->source;
    row->loop.target = row->target;
    row->loop.facts = row->loop.asked = bytes_of(NULL, 0);
    if (loops->with_facts) {
        row->facts = calloc(1, sizeof(*row->facts));
        if (row->facts == NULL) {
            return ERR_MEMORY;
        }
        loops_read_facts(loop, row->facts);
    }
    return ERR_OK;
}

static bool
take(void *context, const struct audit_loop *loop)
{
    struct gathering *gathering = context;
    gathering->loops->total++;
    if (is_wanted(gathering, loop)) {
        gathering->loops->matched++;
        gathering->loops->count[loop->verdict]++;
        gathering->err = add(gathering, loop);
    }
    return gathering->err == ERR_OK;
}

static int
compare_rows(const void *a, const void *b)
{
    const struct audit_loop *left = &(*(struct loops_row *const *)a)->loop;
    const struct audit_loop *right = &(*(struct loops_row *const *)b)->loop;
    if (left->verdict != right->verdict) {
        return left->verdict < right->verdict ? -1 : 1;
    }
    if (left->since_ms != right->since_ms) {
        return left->since_ms < right->since_ms ? -1 : 1;
    }
    return memcmp(&left->loop, &right->loop, sizeof(left->loop));
}

enum err
loops_gather(struct audit *audit, const struct audit_loops_options *options,
             const struct loops_choice *choice, struct loops *loops_out)
{
    CLEANUP(loops_done) struct loops loops = {.with_facts = options->key != NULL};
    struct gathering gathering = {.options = options, .choice = choice, .loops = &loops};
    enum err err = audit_each_loop(audit, options, take, &gathering);
    err = err == ERR_OK ? gathering.err : err;
    if (err != ERR_OK) {
        return err;
    }
    if (loops.n_rows > 1) {
        qsort(loops.rows, loops.n_rows, sizeof(struct loops_row *), compare_rows);
    }
    while (choice->limit > 0 && loops.n_rows > choice->limit) {
        row_free(loops.rows[--loops.n_rows]);
    }
    *loops_out = loops;
    loops = (struct loops){.n_rows = 0};
    return ERR_OK;
}

enum err
loops_parse_age(const char *text, int64_t *ms_out)
{
    static const struct {
        const char *unit;
        int64_t hours;
    } units[] = {{"h", 1}, {"d", 24}, {"w", 7 * 24}};
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return ERR_INVALID;
    }
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && n > 0 && n <= AGE_MAX) {
            *ms_out = n * units[i].hours * MS_PER_HOUR;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}
