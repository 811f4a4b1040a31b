/* Telling the forms apart, by what is in the files; what cannot be read as a whole is rejected with
 * the file's name and place. */
#include "tests/unit/intake/rig.h"

static const char form[] =
    "{\"to\": \"elm-pantry\", \"category\": \"stress\", \"person\": {\"name\": \"Ana Example\"}, "
    "\"consent\": {\"basis\": \"treatment\"}}";

static void
a_form_is_known_by_its_brace(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    rig_add(&rig, " \r\n\t");
    rig_rejected(&rig, "input: the file is empty");
    rig.n = 0;
    free(rig.owned[0]);
    rig_add(&rig, form);
    assert_string_equal(rig_ready(&rig)->to, "elm-pantry");
    assert_int_equal(rig.result.referrals[0].row, 0);
    assert_int_equal(json_array_size(rig.result.notices), 0);
    assert_int_equal(json_array_size(rig.result.carried), 0);
}

static void
a_byte_order_mark_is_passed_over(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    char text[300];

    (void)state;
    (void)snprintf(text, sizeof(text), "\xef\xbb\xbf\n%s", form);
    rig_add(&rig, text);
    (void)rig_ready(&rig);
}

static void
several_forms_are_several_referrals(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    rig_add(&rig, form);
    rig_add(&rig, "{\"consent\": {\"basis\": \"treatment\"}}");
    rig_add(&rig, form);
    rig_read(&rig);
    assert_int_equal(rig.err, ERR_OK);
    assert_int_equal(rig.result.n, 3);
    assert_true(rig.result.referrals[0].ready);
    assert_false(rig.result.referrals[1].ready); /* a consent alone refers nobody */
    assert_string_equal(rig.result.referrals[1].fault.field, "category");
    assert_true(rig.result.referrals[2].ready);
}

static void
check_rejected(const char *first, const char *second, const char *words)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    rig_add(&rig, first);
    if (second != NULL)
        rig_add(&rig, second);
    rig_rejected(&rig, words);
}

static void
what_is_no_form_is_rejected(void **state)
{
    (void)state;
    check_rejected("", NULL, "empty");
    check_rejected("<Bundle/>", NULL, "JSON");
    check_rejected("[1, 2]", NULL, "FHIR resources");
    check_rejected("[]", NULL, "FHIR resources");
    check_rejected("\xff\xfe{\"", NULL, "UTF-16");
    check_rejected("{\"to\": ", NULL, "input: line 1, column");
    check_rejected("{\"to\": \"a\", \"to\": \"b\"}", NULL, "twice");
    check_rejected("{\"to\": \"a\\u0000b\"}", NULL, "NUL");
    check_rejected("{\"to\": \"\xff\"}", NULL, "UTF-8");
    check_rejected("{\"to\": 1e999}", NULL, "too large");
    check_rejected("hello", NULL, "\"hello\" is no column");
    check_rejected(form, "{\"resourceType\": \"Patient\", \"id\": \"ana\"}",
                   "cannot be sent together");
    check_rejected(form, "to,name\n", "alone");
}

static void
bounds_are_kept(void **state)
{
    static const char patient[] = "{\"resourceType\": \"Patient\"}";
    struct intake_file files[INTAKE_FILES_MAX + 1];
    struct intake_result result;
    struct content_fault fault;
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    for (size_t i = 0; i < INTAKE_FILES_MAX + 1; i++)
        files[i] = (struct intake_file){.name = "x", .text = bytes_of_text(patient)};
    assert_int_equal(
        intake_read(files, INTAKE_FILES_MAX + 1, NULL, NULL, NULL, RIG_NOW_MS, &result, &fault),
        ERR_INVALID);
    assert_int_equal(intake_read(files, 0, NULL, NULL, NULL, RIG_NOW_MS, &result, &fault),
                     ERR_INVALID);
    assert_int_equal(
        intake_read(files, INTAKE_FILES_MAX, NULL, NULL, NULL, RIG_NOW_MS, &result, &fault),
        ERR_OK);
    assert_false(result.referrals[0].ready);
    intake_done(&result);

    static char large[INTAKE_FILE_BYTES + 1];
    memset(large, ' ', sizeof(large));
    large[0] = '{';
    rig_add_bytes(&rig, large, sizeof(large));
    rig_rejected(&rig, "larger");
    static char deep[4000];
    memset(deep, '[', sizeof(deep));
    free(rig.owned[0]);
    rig.n = 0;
    rig_add_bytes(&rig, deep, sizeof(deep));
    rig_rejected(&rig, "deeper");
}

static void
names_of_files_are_made_printable(void **state)
{
    const struct intake_file file = {.name = "a\033[2J", .text = bytes_of_text("{")};
    struct intake_result result;
    struct content_fault fault;

    (void)state;
    assert_int_equal(intake_read(&file, 1, NULL, NULL, NULL, RIG_NOW_MS, &result, &fault),
                     ERR_INVALID);
    assert_non_null(strstr(fault.text, "a?[2J: line 1"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_known_by_its_brace),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(several_forms_are_several_referrals),
        cmocka_unit_test(what_is_no_form_is_rejected),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(names_of_files_are_made_printable),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
