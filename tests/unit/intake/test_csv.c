/* CSV: the reader by itself, the columns, and rows judged one by one. */
#include "agent/intake/csv.h"
#include "tests/unit/intake/rig.h"

/* Fields separated by | and records by /, a complaint as !. */
static void
check_records(const char *text, const char *expected)
{
    char out[400] = "";
    struct csv_reader reader = csv_open(bytes_of_text(text));
    CLEANUP(csv_done) struct csv_record record = {.n_fields = 0};
    enum err err = ERR_OK;

    while (csv_next(&reader, &record, &err)) {
        for (size_t i = 0; i < record.n_fields; i++) {
            struct bytes field = csv_field(&record, i);
            (void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s%.*s",
                           i > 0 ? "|" : "",
                           record.complaint != NULL && record.bad_field == i ? "!" : "",
                           (int)field.len, field.len > 0 ? (const char *)field.data : "");
        }
        strcat(out, "/");
    }
    assert_int_equal(err, ERR_OK);
    assert_string_equal(out, expected);
}

static void
records_and_fields(void **state)
{
    (void)state;
    check_records("", "");
    check_records("a", "a/");
    check_records("a,b\nc,d\n", "a|b/c|d/");
    check_records("a,b\r\nc,d", "a|b/c|d/");
    check_records("a,\n,b\n", "a|/|b/");
    check_records("a,", "a|/");
    check_records("\n\na\n", "//a/");
    check_records("\xef\xbb\xbf"
                  "a\n",
                  "a/");
    check_records("\"a\"\n", "a/");
    check_records("\"a,b\",c\n", "a,b|c/");
    check_records("\"a \"\"b\"\" c\"\n", "a \"b\" c/");
    check_records("\"a\nb\",c\n", "a\nb|c/");
    check_records("\"a\r\nb\",c\r\n", "a\nb|c/");
    check_records("\"\",\"\"\n", "|/");
    check_records(" a , b \n", " a | b /");
    check_records("\"\"\"\"\n", "\"/");
    check_records("a\rb\n", "a\rb/");
}

static void
bad_quoting_is_marked_and_the_next_record_stands(void **state)
{
    (void)state;
    check_records("a\"b,c\nd\n", "!a\"b|c/d/");
    check_records("a,\"b\"x,c\nd\n", "a|!bx|c/d/");
    check_records("a,\"b\" ,c\nd\n", "a|!b |c/d/");
    check_records("a,\"b\nc\n", "a|!b\nc\n/");
    check_records("a,\"b\"\"", "a|!b\"/");
    check_records("\"", "!/");
}

static void
fields_past_the_last_are_counted(void **state)
{
    struct csv_reader reader;
    CLEANUP(csv_done) struct csv_record record = {.n_fields = 0};
    enum err err = ERR_OK;
    char text[201];

    (void)state;
    memset(text, ',', 200);
    text[200] = '\0';
    reader = csv_open(bytes_of_text(text));
    assert_true(csv_next(&reader, &record, &err));
    assert_int_equal(record.n_fields, 201);
    assert_int_equal(csv_field(&record, 300).len, 0);
}

static void
every_column_arrives(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(rig_done) struct rig as_form = {.n = 0};
    json_auto_t *form = rig_load("form/full.json");

    (void)state;
    rig_add_fixture(&rig, "csv/full.csv");
    rig_read(&rig);
    assert_int_equal(rig.err, ERR_OK);
    assert_int_equal(rig.result.n, 2);
    for (size_t i = 0; i < 2; i++) {
        if (!rig.result.referrals[i].ready)
            print_error("%s: %s\n", rig.result.referrals[i].fault.field,
                        rig.result.referrals[i].fault.text);
        assert_true(rig.result.referrals[i].ready);
        assert_int_equal(rig.result.referrals[i].row, 2 + i);
    }
    /* The same as the form that says the same. */
    rig_set(form, "person.identifiers", NULL);
    rig_set(form, "person.address", "\"17 Sample Street, Flat 3\"");
    rig_set(form, "consent.covers", NULL);
    rig_set(form, "consent.source", NULL);
    rig_set(form, "replaces", NULL);
    rig_set(form, "need", "\"groceries for three, \\\"no kitchen\\\"\"");
    rig_add_json(&as_form, form);
    struct intake_referral *expected = rig_ready(&as_form);
    const struct intake_referral *first = &rig.result.referrals[0];
    assert_true(json_equal(first->facts, expected->facts));
    assert_true(json_equal(first->body, expected->body));
    assert_int_equal(first->priority, expected->priority);
    assert_int_equal(first->needed_by_ms, expected->needed_by_ms);
    assert_string_equal(content_text(rig.result.referrals[1].body, "need"), "a room\nfor two");
}

static void
a_file_of_a_windows_program_is_read(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.defaults = {.to = "elm-pantry"}};

    (void)state;
    rig_add_fixture(&rig, "csv/windows.csv");
    rig_read(&rig);
    assert_int_equal(rig.err, ERR_OK);
    assert_int_equal(rig.result.n, 2);
    assert_true(rig.result.referrals[0].ready);
    assert_true(rig.result.referrals[1].ready);
    /* Blank rows are no referrals, but they count as rows. */
    assert_int_equal(rig.result.referrals[0].row, 2);
    assert_int_equal(rig.result.referrals[1].row, 5);
    assert_string_equal(content_text(rig.result.referrals[0].body, "need"),
                        "first line\nsecond line");
    assert_string_equal(
        content_text(json_object_get(rig.result.referrals[1].body, "person"), "name"),
        "Bo \"Bobby\" Example");
}

static void
a_bad_row_holds_up_no_other(void **state)
{
    static const struct {
        unsigned row;
        const char *field; /* NULL: ready */
    } expected[] = {{2, NULL},     {3, "name"}, {4, "category"}, {5, ""},
                    {6, "name"},   {7, "name"}, {8, "to"},       {9, "signed_on"},
                    {10, "phone"}, {11, NULL},  {12, "name"}};
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    rig_add_fixture(&rig, "csv/bad-rows.csv");
    rig_read(&rig);
    assert_int_equal(rig.err, ERR_OK);
    assert_int_equal(rig.result.n, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < rig.result.n; i++) {
        const struct intake_referral *referral = &rig.result.referrals[i];
        assert_int_equal(referral->row, expected[i].row);
        assert_int_equal(referral->ready, expected[i].field == NULL);
        if (expected[i].field != NULL)
            assert_string_equal(referral->fault.field, expected[i].field);
    }
    assert_non_null(strstr(rig.result.referrals[10].fault.text, "never closed"));
}

#define HEADER "to,category,name,basis\n"

static void
check_row(const char *header, const char *row, const char *field)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    char text[400];

    (void)snprintf(text, sizeof(text), "%s%s", header, row);
    rig_add(&rig, text);
    if (field != NULL)
        rig_refused(&rig, field);
    else
        (void)rig_ready(&rig);
}

static void
cells_are_judged_as_the_form_is(void **state)
{
    (void)state;
    check_row("to,category,name,basis,no_contact\n",
              "elm-pantry,stress,Ana Example,treatment,YES\n", NULL);
    check_row("to,category,name,basis,no_contact\n",
              "elm-pantry,stress,Ana Example,treatment,maybe\n", "no_contact");
    check_row("to,category,name,basis,needed_by\n",
              "elm-pantry,stress,Ana Example,treatment,1/12/26\n", "needed_by");
    check_row("to,category,name,basis,birth_date\n",
              "elm-pantry,stress,Ana Example,treatment,1980-2-9\n", "birth_date");
    check_row("to,category,name,basis,expires_on\n",
              "elm-pantry,stress,Ana Example,treatment,2020-01-01\n", "expires_on");
    check_row(HEADER, "elm-pantry,stress,Ana \xff Example,treatment\n", "name");
    check_row(HEADER, "elm-pantry,stress,\"Ana\nExample\",treatment\n", "name");
    check_row(HEADER, "elm-pantry,stress,Ana Example,treatment,more\n", "");
    check_row(" Basis ,NAME, category,to\n", "treatment,Ana Example,stress,elm-pantry\n", NULL);
}

static void
a_nul_is_refused_in_its_cell(void **state)
{
    static const char text[] = HEADER "elm-pantry,stress,Ana\0Example,treatment\n";
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    rig_add_bytes(&rig, text, sizeof(text) - 1);
    rig_refused(&rig, "name");
}

static void
check_header(const char *text, const char *field, const char *words)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    rig_add(&rig, text);
    rig_rejected(&rig, words);
    assert_string_equal(rig.fault.field, field);
}

static void
headers_are_checked_before_any_row(void **state)
{
    (void)state;
    check_header("to,category,name,basis,shoe size\nx,x,x,x,x\n", "shoe size", "no column");
    check_header("to,category,name,basis,name\nx,x,x,x,x\n", "name", "twice");
    check_header("to,category,basis\nx,x,x\n", "name", "missing");
    check_header("to,name,basis\nx,x,x\n", "category", "missing");
    check_header("to,category,name\nx,x,x\n", "basis", "missing");
    check_header("to;category;name;basis\nx;x;x;x\n", "", "semicolons");
    check_header("to,category,name,basis\n", "", "no row");
    check_header("to,category,\"name\nbasis\n", "", "never closed");
    check_header("to,,name\n", "", "no column");
}

static void
ten_thousand_rows_and_no_more(void **state)
{
    static const char row[] = "elm-pantry,stress,Ana Example,treatment\n";
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(INTAKE_FILE_BYTES);

    (void)state;
    buffer_put(&text, HEADER, strlen(HEADER));
    for (size_t i = 0; i < INTAKE_ROWS_MAX; i++)
        buffer_put(&text, row, strlen(row));
    assert_int_equal(buffer_err(&text), ERR_OK);
    rig_add_bytes(&rig, text.data, text.len);
    rig_read(&rig);
    assert_int_equal(rig.err, ERR_OK);
    assert_int_equal(rig.result.n, INTAKE_ROWS_MAX);
    assert_true(rig.result.referrals[INTAKE_ROWS_MAX - 1].ready);
    assert_int_equal(rig.result.referrals[INTAKE_ROWS_MAX - 1].row, INTAKE_ROWS_MAX + 1);
    free(rig.owned[0]);
    rig.n = 0;
    buffer_put(&text, row, strlen(row));
    rig_add_bytes(&rig, text.data, text.len);
    rig_rejected(&rig, "at most 10000");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_fields),
        cmocka_unit_test(bad_quoting_is_marked_and_the_next_record_stands),
        cmocka_unit_test(fields_past_the_last_are_counted),
        cmocka_unit_test(every_column_arrives),
        cmocka_unit_test(a_file_of_a_windows_program_is_read),
        cmocka_unit_test(a_bad_row_holds_up_no_other),
        cmocka_unit_test(cells_are_judged_as_the_form_is),
        cmocka_unit_test(a_nul_is_refused_in_its_cell),
        cmocka_unit_test(headers_are_checked_before_any_row),
        cmocka_unit_test(ten_thousand_rows_and_no_more),
    };

    return cmocka_run_group_tests_name("intake_csv", tests, NULL, NULL);
}
