/* The list of loops: what is chosen, in which order, and how it is printed. */
#include "broker/admin/loops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "tests/support/make_log.h"
#include "tests/unit/admin/scratch.h"

enum { ENTRIES = 900, MEMBERS = 4 };

static void
free_text(char **text)
{
    free(*text);
}

/* ---- rows by hand ---- */

static void
set_row(struct loops_row *row, struct loops *loops, uint8_t first, enum verdict verdict,
        enum loop_state state)
{
    *row = (struct loops_row){
        .loop = {.loop = {{first, 0xab, 0xcd, 0xef}},
                 .position = {state, LOOP_NONE},
                 .verdict = verdict,
                 .requested_ms = INT64_C(1795000000000),
                 .since_ms = INT64_C(1795000000000),
                 .priority = PRIORITY_ROUTINE,
                 .n_statements = 3},
        .source = "oak-clinic",
        .target = "elm-pantry",
    };
    enum loop_role owing = LOOP_SOURCE;
    row->loop.owes = lifecycle_next_actor(state, &owing);
    row->loop.waits_on_source = row->loop.owes && owing == LOOP_SOURCE;
    row->loop.source = row->source;
    row->loop.target = row->target;
    loops->count[verdict]++;
    loops->matched++;
    loops->total++;
}

struct sheet {
    struct loops loops;
    struct loops_row row[3];
    struct loops_row *rows[3];
};

static void
set_sheet(struct sheet *sheet)
{
    *sheet = (struct sheet){.loops = {.n_rows = 3}};
    set_row(&sheet->row[0], &sheet->loops, 1, VERDICT_HALF_CLOSED, LOOP_COMPLETED);
    set_row(&sheet->row[1], &sheet->loops, 2, VERDICT_BROKEN, LOOP_REQUESTED);
    set_row(&sheet->row[2], &sheet->loops, 3, VERDICT_CLOSED_MET, LOOP_CLOSED);
    sheet->row[1].loop.n_undelivered = 1;
    sheet->row[1].loop.due_ms = sheet->row[1].loop.since_ms;
    for (size_t i = 0; i < 3; i++) {
        sheet->rows[i] = &sheet->row[i];
    }
    sheet->loops.rows = sheet->rows;
}

static char *
page(const struct loops *loops, size_t width)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(loops_print(loops, INT64_C(1795000000000) + 3 * 86400000, width, false, out),
                     ERR_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static char *
csv(const struct loops *loops)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    loops_print_csv(loops, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
test_page(void **state)
{
    (void)state;
    static const char *const said[] = {
        "01abcdef  half-closed  oak-clinic  elm-pantry  completed  3 days",
        "oak-clinic: acknowledge",
        "elm-pantry: accept, decline or ask (1 not delivered)",
        "3 loops: 1 half-closed, 1 broken, 1 closed-met.",
        "half-closed: answered by the target, but the source has not signed for it.",
        "broken: something said has not reached the other side",
    };
    struct sheet sheet;
    set_sheet(&sheet);
    CLEANUP(free_text) char *text = page(&sheet.loops, 0);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        if (strstr(text, said[i]) == NULL) {
            print_message("%s\n%s", said[i], text);
        }
        assert_non_null(strstr(text, said[i]));
    }
    assert_null(strstr(text, "FACTS"));
    sheet.loops.matched = 7;
    CLEANUP(free_text) char *cut = page(&sheet.loops, 0);
    assert_non_null(strstr(cut, "The first 3 are shown; --limit was given."));
}

static void
test_page_fits(void **state)
{
    (void)state;
    struct sheet sheet;
    set_sheet(&sheet);
    CLEANUP(free_text) char *text = page(&sheet.loops, 80);
    const char *line = text;
    for (size_t i = 0; i < 4; i++) { /* titles and rows; sentences are not cut */
        size_t ellipses = 0;
        size_t len = strcspn(line, "\n");
        for (size_t k = 0; k < len; k++) {
            ellipses += (unsigned char)line[k] == 0xe2 ? 1 : 0;
        }
        assert_true(len - 2 * ellipses <= 80);
        line += len + 1;
    }
}

static void
test_nothing(void **state)
{
    (void)state;
    struct loops loops = {.total = 0};
    CLEANUP(free_text) char *none = page(&loops, 0);
    assert_string_equal(none, "There is no loop yet.\n");
    loops.total = 5;
    CLEANUP(free_text) char *other = page(&loops, 0);
    assert_non_null(strstr(other, "No loop is like that"));
}

static void
test_csv(void **state)
{
    (void)state;
    struct sheet sheet;
    set_sheet(&sheet);
    CLEANUP(free_text) char *text = csv(&sheet.loops);
    assert_string_equal(
        text,
        "loop,verdict,source,target,state,priority,requested,since,due,waits_on,step,statements,"
        "undelivered\r\n"
        "01abcdef000000000000000000000000,half-closed,oak-clinic,elm-pantry,completed,routine,"
        "2026-11-18T11:06:40Z,2026-11-18T11:06:40Z,,oak-clinic,acknowledge,3,0\r\n"
        "02abcdef000000000000000000000000,broken,oak-clinic,elm-pantry,requested,routine,"
        "2026-11-18T11:06:40Z,2026-11-18T11:06:40Z,2026-11-18T11:06:40Z,elm-pantry,"
        "\"accept, decline or ask\",3,1\r\n"
        "03abcdef000000000000000000000000,closed-met,oak-clinic,elm-pantry,closed,routine,"
        "2026-11-18T11:06:40Z,2026-11-18T11:06:40Z,,,,3,0\r\n");
}

/* Codes are text from members. */
static void
test_csv_is_safe(void **state)
{
    (void)state;
    static const struct {
        const char *code, *cell;
    } cases[] = {
        {"=1+1", ",\"'=1+1\","}, {"+1", ",\"'+1\","},
        {"-1", ",\"'-1\","},     {"@SUM(A1)", ",\"'@SUM(A1)\","},
        {"\tx", ",\"'\tx\","},   {"a\"b", ",\"a\"\"b\","},
        {"a,b", ",\"a,b\","},    {"a\r\nb", ",\"a\r\nb\","},
        {"a-b=c", ",a-b=c,"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sheet sheet;
        struct loops_facts facts = {.opened = true};
        set_sheet(&sheet);
        sheet.loops.with_facts = true;
        sheet.row[0].facts = &facts;
        (void)text_format(facts.category, sizeof(facts.category), "%s", cases[i].code);
        sheet.loops.n_rows = 1;
        CLEANUP(free_text) char *text = csv(&sheet.loops);
        assert_non_null(strstr(text, ",category,reason,outcome\r\n"));
        assert_non_null(strstr(text, cases[i].cell));
    }
}

static void
test_facts(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *newest, *category, *reason, *outcome, *words;
    } cases[] = {
        {"{\"category\":\"food-insecurity\"}", "{\"outcome\":\"service-provided\"}",
         "food-insecurity", "", "service-provided", "; "},
        {"{\"category\":\"food-insecurity\"}", "{\"reason\":\"no-capacity\"}", "food-insecurity",
         "no-capacity", "", "no room at the moment"},
        {"{}", "{\"reason\":\"deceased\"}", "", "sensitive", "", "a sensitive reason"},
        {"{}", "{\"reason\":\"made-up\"}", "", "made-up", "", "made-up"},
        {"{}", "{\"kind\":\"outreach\"}", "", "outreach", "", ""},
        {"{", "[1]", "", "", "", ""},
        {"{\"category\":7}", "{\"reason\":null}", "", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct audit_loop loop = {.asked = bytes_of_text(cases[i].asked),
                                        .facts = bytes_of_text(cases[i].newest)};
        struct loops_facts facts;
        loops_read_facts(&loop, &facts);
        assert_true(facts.opened);
        assert_string_equal(facts.category, cases[i].category);
        assert_string_equal(facts.reason, cases[i].reason);
        assert_string_equal(facts.outcome, cases[i].outcome);
        assert_non_null(strstr(facts.words, cases[i].words));
        assert_null(strstr(facts.words, "has died"));
    }
    const struct audit_loop sealed = {.n_statements = 1};
    struct loops_facts facts;
    loops_read_facts(&sealed, &facts);
    assert_false(facts.opened);
}

static void
test_json(void **state)
{
    (void)state;
    struct sheet sheet;
    set_sheet(&sheet);
    json_auto_t *value = loops_json(&sheet.loops);
    const json_t *list = json_object_get(value, "loops");
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(json_integer_value(json_object_get(value, "matched")), 3);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(value, "counts"), "broken")), 1);
    const json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "waits_on")), "oak-clinic");
    assert_true(json_is_null(json_object_get(first, "due")));
    assert_null(json_object_get(first, "facts"));
    assert_true(json_is_null(json_object_get(json_array_get(list, 2), "waits_on")));
}

/* By the lifecycle table: after an accept the source cannot withdraw, and a target cannot end. */
static void
test_ending(void **state)
{
    (void)state;
    struct sheet sheet;
    char *text = NULL;
    size_t len = 0;
    set_sheet(&sheet);
    set_row(&sheet.row[2], &sheet.loops, 3, VERDICT_OPEN, LOOP_ACCEPTED);
    sheet.loops.matched = 3;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    loops_print_ending(&sheet.loops, "elm-pantry", out);
    loops_print_ending(&sheet.loops, "oak-clinic", out);
    loops_print_ending(&(struct loops){.n_rows = 0}, "oak-clinic", out);
    assert_int_equal(fclose(out), 0);
    CLEANUP(free_text) char *told = text;
    static const char *const said[] = {
        "3 referrals with it are open and wait for the other side:",
        "  01abcdef  completed: oak-clinic can sign for the outcome\n",
        "  02abcdef  requested: oak-clinic can withdraw it\n",
        "  03abcdef  accepted: oak-clinic can only void it\n",
        "  01abcdef  completed: elm-pantry cannot end it: nobody is left to sign for it\n",
        "refloop-admin loops --open --org oak-clinic\n",
        "No referral is open with it.\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        if (strstr(told, said[i]) == NULL) {
            print_message("%s", told);
        }
        assert_non_null(strstr(told, said[i]));
    }
    json_auto_t *list = loops_ending_json(&sheet.loops, "elm-pantry");
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "other")),
                        "oak-clinic");
}

static void
test_age(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t hours;
    } good[] = {{"36h", 36}, {"5d", 120}, {"2w", 336}, {"100000h", 100000}};
    static const char *const bad[] = {"",   "5",  "d",   "-5d", "5 d",     "5days",
                                      "0d", "5D", " 5d", "+5d", "100001h", "99999999999999999999d"};
    int64_t ms = 7;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(loops_parse_age(good[i].text, &ms), ERR_OK);
        assert_int_equal(ms, good[i].hours * 3600000);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ms = 7;
        assert_int_equal(loops_parse_age(bad[i], &ms), ERR_INVALID);
        assert_int_equal(ms, 7);
    }
}

/* ---- from a store ---- */

struct made {
    struct scratch scratch;
    char home[FILE_PATH_MAX];
    struct audit *audit;
};

static int
start(void **state)
{
    struct made *made = calloc(1, sizeof(*made));
    assert_non_null(made);
    made->scratch = scratch_make();
    scratch_path(&made->scratch, "home", made->home);
    struct make_log *log = make_log_new(
        &(struct make_log_options){.home = made->home, .n_members = MEMBERS, .sealed_bytes = 100});
    make_log_fill(log, ENTRIES);
    make_log_free(log);
    assert_int_equal(audit_open(made->home, NULL, &made->audit, NULL), ERR_OK);
    *state = made;
    return 0;
}

static int
stop(void **state)
{
    struct made *made = *state;
    audit_close(made->audit);
    scratch_done(&made->scratch);
    free(made);
    return 0;
}

static struct loops
gather(struct made *made, const struct loops_choice *choice)
{
    const struct audit_loops_options options = {.now_ms = INT64_C(1795000000000) + 86400000};
    struct loops loops = {.n_rows = 0};
    assert_int_equal(loops_gather(made->audit, &options, choice, &loops), ERR_OK);
    return loops;
}

static void
test_order(void **state)
{
    CLEANUP(loops_done) struct loops loops = gather(*state, &(struct loops_choice){.org = NULL});
    assert_true(loops.n_rows > 100);
    assert_int_equal(loops.n_rows, loops.total);
    assert_int_equal(loops.matched, loops.total);
    for (size_t i = 1; i < loops.n_rows; i++) {
        const struct audit_loop *a = &loops.rows[i - 1]->loop;
        const struct audit_loop *b = &loops.rows[i]->loop;
        assert_true(a->verdict < b->verdict ||
                    (a->verdict == b->verdict && a->since_ms <= b->since_ms));
    }
    assert_true(loops.count[VERDICT_HALF_CLOSED] > 0);
    assert_int_equal(loops.rows[0]->loop.verdict, VERDICT_HALF_CLOSED);
}

static void
test_choices(void **state)
{
    CLEANUP(loops_done) struct loops all = gather(*state, &(struct loops_choice){.org = NULL});
    CLEANUP(loops_done)
    struct loops org = gather(*state, &(struct loops_choice){.org = "example-1"});
    CLEANUP(loops_done)
    struct loops accepted =
        gather(*state, &(struct loops_choice){.has_state = true, .state = LOOP_ACCEPTED});
    CLEANUP(loops_done)
    struct loops half =
        gather(*state, &(struct loops_choice){.has_verdict = true, .verdict = VERDICT_HALF_CLOSED});
    CLEANUP(loops_done)
    struct loops open = gather(*state, &(struct loops_choice){.only_open = true});
    CLEANUP(loops_done) struct loops few = gather(*state, &(struct loops_choice){.limit = 3});
    CLEANUP(loops_done)
    struct loops old = gather(*state, &(struct loops_choice){.older_than_ms = 86400000 - 300000});
    assert_in_range(org.matched, 1, all.matched - 1);
    assert_in_range(accepted.matched, 1, all.matched - 1);
    assert_int_equal(half.matched, all.count[VERDICT_HALF_CLOSED]);
    assert_in_range(open.matched, half.matched, all.matched);
    assert_in_range(old.matched, 1, all.matched - 1);
    assert_int_equal(few.n_rows, 3);
    assert_int_equal(few.matched, all.matched);
    for (size_t i = 0; i < org.n_rows; i++) {
        assert_true(strcmp(org.rows[i]->source, "example-1") == 0 ||
                    strcmp(org.rows[i]->target, "example-1") == 0);
    }
    for (size_t i = 0; i < accepted.n_rows; i++) {
        assert_int_equal(accepted.rows[i]->loop.position.state, LOOP_ACCEPTED);
    }
    for (size_t i = 0; i < open.n_rows; i++) {
        assert_true(lifecycle_is_open(open.rows[i]->loop.position.state));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),        cmocka_unit_test(test_page_fits),
        cmocka_unit_test(test_nothing),     cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_is_safe), cmocka_unit_test(test_facts),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_age),
        cmocka_unit_test(test_ending),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_choices),
    };
    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, start, stop);
}
