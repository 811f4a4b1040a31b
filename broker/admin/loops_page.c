/* How loops are shown: to people as a table, to a spreadsheet, to a script. Decides which words say
 * what is missing, and that no text from a member can be a formula or steer a terminal. */
#include "broker/admin/loops.h"

#include <stdlib.h>
#include <string.h>

#include "broker/admin/grid.h"
#include "broker/admin/inspect.h"
#include "broker/admin/say.h"
#include "lib/base/text.h"
#include "lib/edge/fields.h"

#include "lib/loop/reason.h"

enum { SHORT_DIGITS = 8, DATE_CHARACTERS = 10, MISSING_BYTES = 192, LINE_BYTES = 512 };

#define SENSITIVE "sensitive"

/* ---- facts ---- */

static const struct reason *
find_code(const char *code, enum reason_list only)
{
    static const enum reason_list lists[] = {REASON_DECLINE,  REASON_HOLD, REASON_NOT_COMPLETED,
                                             REASON_WITHDRAW, REASON_VOID, REASON_PROGRESS};
    if (only < REASON_LIST_COUNT) {
        return reason_find(only, code);
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct reason *found = reason_find(lists[i], code);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* A code that no list has was sent by another version, or by somebody who makes codes up: it is
 * shown as it is. */
static void
take_code(const json_t *object, const char *name, enum reason_list list,
          char code_out[LOOPS_CODE_BYTES], struct loops_facts *facts)
{
    const char *code = fields_text(object, name);
    if (code[0] == '\0' || code_out[0] != '\0') {
        return;
    }
    const struct reason *reason = find_code(code, list);
    bool hidden = reason != NULL && reason->sensitive;
    const char *words = hidden ? "a sensitive reason" : reason == NULL ? code : reason->words;
    size_t len = strlen(facts->words);
    (void)text_format(code_out, LOOPS_CODE_BYTES, "%s", hidden ? SENSITIVE : code);
    (void)text_format(facts->words + len, sizeof(facts->words) - len, "%s%s", len == 0 ? "" : "; ",
                      words);
}

static json_t *
parse(struct bytes text)
{
    return text.len == 0
               ? NULL
               : json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
}

void
loops_read_facts(const struct audit_loop *loop, struct loops_facts *facts_out)
{
    json_auto_t *asked = parse(loop->asked);
    json_auto_t *newest = parse(loop->facts);
    struct loops_facts facts = {.opened = loop->asked.len > 0 || loop->facts.len > 0};
    take_code(asked, "category", REASON_CATEGORY, facts.category, &facts);
    take_code(newest, "reason", REASON_LIST_COUNT, facts.reason, &facts);
    take_code(newest, "kind", REASON_PROGRESS, facts.reason, &facts);
    take_code(newest, "outcome", REASON_OUTCOME, facts.outcome, &facts);
    *facts_out = facts;
}

/* ---- the table ---- */

static const char *
owing_org(const struct audit_loop *loop)
{
    return !loop->owes ? "" : loop->waits_on_source ? loop->source : loop->target;
}

static void
describe_missing(const struct audit_loop *loop, char out[MISSING_BYTES])
{
    char undelivered[LINE_BYTES] = "";
    if (loop->n_undelivered > 0) {
        (void)text_format(undelivered, sizeof(undelivered), " (%u not delivered)",
                          loop->n_undelivered);
    }
    out[0] = '\0';
    if (loop->owes) {
        (void)text_format(out, MISSING_BYTES, "%s: %s%s", owing_org(loop),
                          lifecycle_next_step(loop->position.state), undelivered);
    }
}

static void
describe_times(const struct audit_loop *loop, int64_t now_ms, char age[CLOCK_TEXT_BYTES],
               char due[CLOCK_TEXT_BYTES])
{
    clock_format_span(now_ms - loop->since_ms, age);
    due[0] = '\0';
    if (loop->due_ms != 0) {
        say_time(loop->due_ms, due);
        due[DATE_CHARACTERS] = '\0';
    }
}

static enum err
add_row(struct grid *grid, const struct loops_row *row, int64_t now_ms)
{
    const struct audit_loop *loop = &row->loop;
    char id[LOOP_ID_TEXT];
    char age[CLOCK_TEXT_BYTES];
    char due[CLOCK_TEXT_BYTES];
    char missing[MISSING_BYTES];
    ident_format(&loop->loop, id);
    id[SHORT_DIGITS] = '\0';
    describe_times(loop, now_ms, age, due);
    describe_missing(loop, missing);
    const char *state = lifecycle_state_name(loop->position.state);
    const char *const cells[] = {
        id,
        verdict_name(loop->verdict),
        loop->source,
        loop->target,
        state != NULL ? state : "",
        age,
        due,
        missing,
        row->facts != NULL ? row->facts->words : "",
    };
    return grid_add(grid, cells);
}

static void
print_counts(const struct loops *loops, FILE *out)
{
    char line[LINE_BYTES];
    char count[SAY_COUNT_BYTES];
    (void)text_format(line, sizeof(line), "%s loop%s", say_count(loops->matched, count),
                      say_plural(loops->matched));
    size_t n_said = 0;
    for (enum verdict verdict = VERDICT_HALF_CLOSED; verdict < VERDICT_COUNT; verdict++) {
        size_t len = strlen(line);
        if (loops->count[verdict] > 0) {
            (void)text_format(line + len, sizeof(line) - len, "%s %s %s", n_said++ == 0 ? ":" : ",",
                              say_count(loops->count[verdict], count), verdict_name(verdict));
        }
    }
    say_line(out, "%s.", line);
    if (loops->n_rows < loops->matched) {
        say_line(out, "The first %zu are shown; --limit was given.", loops->n_rows);
    }
    for (enum verdict verdict = VERDICT_HALF_CLOSED; verdict < VERDICT_OPEN; verdict++) {
        if (loops->count[verdict] > 0) {
            say_line(out, "%s: %s.", verdict_name(verdict), verdict_words(verdict));
        }
    }
}

enum err
loops_print(const struct loops *loops, int64_t now_ms, size_t width, bool emphasis, FILE *out)
{
    static const char *const titles[] = {"LOOP", "VERDICT", "FROM",    "TO",   "STATE",
                                         "FOR",  "DUE",     "MISSING", "FACTS"};
    size_t n_columns = ARRAY_LEN(titles) - (loops->with_facts ? 0 : 1);
    if (loops->matched == 0) {
        say_line(out, loops->total == 0 ? "There is no loop yet."
                                        : "No loop is like that; without options all are listed.");
        return ERR_OK;
    }
    CLEANUP(grid_freep) struct grid *grid = grid_new(titles, n_columns);
    enum err err = grid == NULL ? ERR_MEMORY : ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < loops->n_rows; i++) {
        err = add_row(grid, loops->rows[i], now_ms);
    }
    if (err == ERR_OK) {
        err = grid_print(grid, width, emphasis, out);
    }
    if (err == ERR_OK) {
        print_counts(loops, out);
    }
    return err;
}

/* ---- CSV ---- */

/* A cell that begins like a formula gets an apostrophe in front, which spreadsheets hide. */
static void
put_cell(FILE *out, const char *text, bool is_last)
{
    bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    bool quoted = formula || text[strcspn(text, "\",\r\n")] != '\0';
    (void)fputs(quoted ? "\"" : "", out);
    (void)fputs(formula ? "'" : "", out);
    for (const char *at = text; *at != '\0'; at++) {
        (void)fputs(*at == '"' ? "\"" : "", out);
        (void)fputc(*at, out);
    }
    (void)fputs(quoted ? "\"" : "", out);
    (void)fputs(is_last ? "\r\n" : ",", out);
}

static void
put_row(FILE *out, const char *const *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_cell(out, cells[i], i + 1 == n);
    }
}

static void
format_time(int64_t ms, char out[CLOCK_TEXT_BYTES])
{
    out[0] = '\0';
    if (ms != 0) {
        clock_format_utc(ms, out);
    }
}

static const char *
priority_name(const struct audit_loop *loop)
{
    return loop->priority == PRIORITY_URGENT ? "urgent" : "routine";
}

static void
put_loop(FILE *out, const struct loops_row *row)
{
    const struct audit_loop *loop = &row->loop;
    const struct loops_facts none = {.opened = false};
    const struct loops_facts *facts = row->facts != NULL ? row->facts : &none;
    char id[LOOP_ID_TEXT];
    char requested[CLOCK_TEXT_BYTES];
    char since[CLOCK_TEXT_BYTES];
    char due[CLOCK_TEXT_BYTES];
    char statements[SAY_COUNT_BYTES];
    char undelivered[SAY_COUNT_BYTES];
    ident_format(&loop->loop, id);
    format_time(loop->requested_ms, requested);
    format_time(loop->since_ms, since);
    format_time(loop->due_ms, due);
    (void)text_format(statements, sizeof(statements), "%u", loop->n_statements);
    (void)text_format(undelivered, sizeof(undelivered), "%u", loop->n_undelivered);
    const char *state = lifecycle_state_name(loop->position.state);
    const char *const cells[] = {
        id,
        verdict_name(loop->verdict),
        loop->source,
        loop->target,
        state != NULL ? state : "",
        priority_name(loop),
        requested,
        since,
        due,
        owing_org(loop),
        lifecycle_next_step(loop->position.state),
        statements,
        undelivered,
        facts->category,
        facts->reason,
        facts->outcome,
    };
    put_row(out, cells, ARRAY_LEN(cells) - (row->facts != NULL ? 0 : 3));
}

void
loops_print_csv(const struct loops *loops, FILE *out)
{
    static const char *const names[] = {
        "loop",        "verdict",  "source", "target",   "state", "priority",
        "requested",   "since",    "due",    "waits_on", "step",  "statements",
        "undelivered", "category", "reason", "outcome",
    };
    put_row(out, names, ARRAY_LEN(names) - (loops->with_facts ? 0 : 3));
    for (size_t i = 0; i < loops->n_rows; i++) {
        put_loop(out, loops->rows[i]);
    }
}

/* ---- JSON ---- */

static json_t *
facts_json(const struct loops_facts *facts)
{
    return facts->opened
               ? json_pack("{s:s, s:s, s:s, s:s}", "category", facts->category, "reason",
                           facts->reason, "outcome", facts->outcome, "words", facts->words)
               : json_null();
}

static json_t *
loop_json(const struct loops_row *row)
{
    const struct audit_loop *loop = &row->loop;
    char id[LOOP_ID_TEXT];
    ident_format(&loop->loop, id);
    json_t *value = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:s?, s:s, s:I, s:I}", "loop", id,
        "verdict", verdict_name(loop->verdict), "source", loop->source, "target", loop->target,
        "state", lifecycle_state_name(loop->position.state), "open",
        lifecycle_is_open(loop->position.state), "priority", priority_name(loop), "requested",
        inspect_time_json(loop->requested_ms), "since", inspect_time_json(loop->since_ms), "due",
        inspect_time_json(loop->due_ms), "waits_on", loop->owes ? owing_org(loop) : NULL, "step",
        lifecycle_next_step(loop->position.state), "statements", (json_int_t)loop->n_statements,
        "undelivered", (json_int_t)loop->n_undelivered);
    if (row->facts != NULL && json_object_set_new(value, "facts", facts_json(row->facts)) != 0) {
        json_decref(value);
        return NULL;
    }
    return value;
}

json_t *
loops_json(const struct loops *loops)
{
    json_auto_t *list = json_array();
    json_auto_t *counts = json_object();
    for (size_t i = 0; i < loops->n_rows; i++) {
        if (json_array_append_new(list, loop_json(loops->rows[i])) != 0) {
            return NULL;
        }
    }
    for (enum verdict verdict = VERDICT_HALF_CLOSED; verdict < VERDICT_COUNT; verdict++) {
        if (json_object_set_new(counts, verdict_name(verdict),
                                json_integer((json_int_t)loops->count[verdict])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:b, s:O, s:I, s:I, s:O}", "ok", 1, "loops", list, "total",
                     (json_int_t)loops->total, "matched", (json_int_t)loops->matched, "counts",
                     counts);
}
