/* Files in, referrals out: what goes, what is refused by row and field, and that a check sends
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/command/county.h"

#define CONSENT "\"consent\": {\"basis\": \"consent\", \"signed_on\": \"2026-11-20\"}"

static const char csv[] = "to,category,name,need,basis,signed_on\r\n"
                          "elm-pantry,food-insecurity,Ana Example,food,consent,2026-11-20\r\n"
                          "elm-pantry,food-insecurity,,ZZMARKERZZ,consent,2026-11-20\r\n"
                          "nobody-here,food-insecurity,Bo Example,ZZMARKERZZ,consent,2026-11-20\r\n"
                          "oak-clinic,food-insecurity,Cy Example,ZZMARKERZZ,consent,2026-11-20\r\n"
                          "elm-pantry,food-insecurity,Di Example,food,consent,2026-11-20\r\n";

static const char bundle[] =
    "{\"resourceType\": \"Bundle\", \"type\": \"collection\", \"entry\": ["
    "{\"fullUrl\": \"urn:uuid:11111111-1111-4111-8111-111111111111\", \"resource\":"
    " {\"resourceType\": \"Patient\", \"id\": \"p1\", \"name\": [{\"text\": \"Ana Example\"}]}},"
    "{\"resource\": {\"resourceType\": \"ServiceRequest\", \"id\": \"s1\", \"status\": \"active\","
    " \"intent\": \"order\", \"subject\": {\"reference\": \"Patient/p1\"},"
    " \"category\": [{\"coding\": [{\"system\":"
    " \"http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes\","
    " \"code\": \"food-insecurity\"}]}]}},"
    "{\"resource\": {\"resourceType\": \"Observation\", \"id\": \"o1\", \"status\": \"final\","
    " \"code\": {\"text\": \"screening\"}}}]}";

static json_t *
send_text(struct county *county, const char *command, const char *text, const char *to)
{
    return county_run(county, CLINIC, "{s:s, s:[{s:s, s:s}], s:s*}", "command", command, "files",
                      "name", "input", "text", text, "to", to);
}

static json_int_t
count_loops(struct county *county, unsigned who)
{
    county_pump(county);
    json_t *answer = county_do(county, who, "{s:s, s:s}", "command", "list", "show", "all");
    json_int_t n = county_number(answer, "total");

    json_decref(answer);
    return n;
}

static void
check_csv(struct county *county, const char *command, bool sent)
{
    json_t *answer = send_text(county, command, csv, NULL);
    char *text = json_dumps(answer, 0);

    assert_true(json_is_true(county_at(answer, "ok")));
    assert_int_equal(json_array_size(county_at(answer, "sent")), 2);
    assert_int_equal(json_array_size(county_at(answer, "refused")), 3);
    assert_int_equal(county_number(answer, "sent.0.row"), 2);
    assert_int_equal(county_number(answer, "sent.1.row"), 6);
    assert_string_equal(county_text(answer, "sent.0.to"), "elm-pantry");
    assert_int_equal(strlen(county_text(answer, "sent.0.loop")), sent ? 32 : 0);
    static const struct {
        json_int_t row;
        const char *field;
    } refused[] = {{3, "name"}, {4, "to"}, {5, "to"}};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        json_t *row = json_array_get(county_at(answer, "refused"), i);
        assert_int_equal(county_number(row, "row"), refused[i].row);
        assert_string_equal(county_text(row, "field"), refused[i].field);
        assert_true(strlen(county_text(row, "text")) > 10);
    }
    assert_null(strstr(text, "ZZMARKERZZ"));
    assert_null(strstr(text, "Example"));
    assert_null(county_at(answer, "error"));
    free(text);
    json_decref(answer);
}

static void
test_csv(void **state)
{
    struct county *county = *state;

    check_csv(county, "check", false);
    assert_int_equal(count_loops(county, CLINIC), 0);
    check_csv(county, "send", true);
    assert_int_equal(count_loops(county, CLINIC), 2);
    assert_int_equal(count_loops(county, PANTRY), 2);
}

/* Partners nobody can refer to: told by a check as by a send. */
static void
test_partners(void **state)
{
    static const struct {
        const char *to, *code;
    } cases[] = {
        {"oak-clinic", "self-addressed"},
        {COUNTY_INVITED, "unknown-member"},
        {"river-shelter", "revoked"},
        {COUNTY_STRANGER, "invalid"},
    };
    static const char form[] = "{\"category\": \"food-insecurity\", "
                               "\"person\": {\"name\": \"Ana Example\"}, " CONSENT "}";
    static const char *const commands[] = {"check", "send"};
    struct county *county = *state;

    county_revoke(county, "river-shelter");
    county_pump(county);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < ARRAY_LEN(commands); k++) {
            json_t *answer = send_text(county, commands[k], form, cases[i].to);
            assert_true(json_is_false(county_at(answer, "ok")));
            assert_string_equal(county_text(answer, "error.code"), cases[i].code);
            assert_non_null(strstr(county_text(answer, "error.field"), "to"));
            assert_true(strlen(county_text(answer, "refused.0.text")) > 10);
            assert_true(json_is_null(county_at(answer, "refused.0.row")));
            assert_int_equal(json_array_size(county_at(answer, "sent")), 0);
            json_decref(answer);
        }
    }
    assert_int_equal(count_loops(county, CLINIC), 0);
}

/* Priority and date from the command; FHIR resources and their consent in two files; what is not
 * understood travels along. */
static void
test_fhir(void **state)
{
    struct county *county = *state;
    json_t *answer = county_do(county, CLINIC, "{s:s, s:[{s:s, s:s}, {s:s, s:s}], s:s, s:s, s:s}",
                               "command", "send", "files", "name", "bundle.json", "text", bundle,
                               "name", "consent.json", "text", "{" CONSENT "}", "to", "elm-pantry",
                               "priority", "urgent", "needed_by", "2026-11-25");

    assert_int_equal(json_array_size(county_at(answer, "sent")), 1);
    assert_int_equal(json_array_size(county_at(answer, "carried")), 1);
    json_t *shown = county_do(county, PANTRY, "{s:s, s:s}", "command", "show", "loop",
                              county_text(answer, "sent.0.loop"));
    assert_string_equal(county_text(shown, "loop.person"), "Ana Example");
    assert_string_equal(county_text(shown, "loop.priority"), "urgent");
    assert_string_equal(county_text(shown, "loop.needed_by"), "2026-11-25T23:59:59Z");
    assert_true(json_is_object(county_at(shown, "request.fhir")));
    json_decref(shown);
    json_decref(answer);
}

/* A person who must not be contacted: the flag reaches the partner, whatever else the loop says. */
static void
test_no_contact(void **state)
{
    static const char form[] =
        "{\"to\": \"elm-pantry\", \"category\": \"intimate-partner-violence\", "
        "\"person\": {\"name\": \"Eve Example\"}, \"contact\": {\"prohibited\": true}, " CONSENT
        "}";
    struct county *county = *state;
    json_t *answer = send_text(county, "send", form, NULL);

    assert_true(json_is_true(county_at(answer, "ok")));
    assert_true(json_is_array(county_at(answer, "notices")));
    json_decref(answer);
    county_pump(county);
    for (unsigned who = CLINIC; who <= PANTRY; who++) {
        answer = county_do(county, who, "{s:s}", "command", "list");
        assert_true(json_is_true(county_at(answer, "loops.0.no_contact")));
        assert_string_equal(county_text(answer, "loops.0.notice"),
                            "This person must not be contacted.");
        json_decref(answer);
    }
}

static void
test_field_names(void **state)
{
    static const struct {
        const char *form, *field;
    } cases[] = {
        {"{\"category\": \"hunger\", \"person\": {\"name\": \"ZZMARKERZZ\"}, " CONSENT "}",
         "category"},
        {"{\"category\": \"food-insecurity\", \"person\": {}, \"need\": \"ZZMARKERZZ\", " CONSENT
         "}",
         "person.name"},
        {"{\"category\": \"food-insecurity\", \"persn\": {\"name\": \"ZZMARKERZZ\"}, " CONSENT "}",
         "persn"},
        {"{\"category\": \"food-insecurity\", \"person\": {\"name\": \"ZZMARKERZZ\"}}",
         "consent.basis"},
    };
    struct county *county = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *answer = send_text(county, "send", cases[i].form, "elm-pantry");
        char *text = json_dumps(answer, 0);
        assert_true(json_is_false(county_at(answer, "ok")));
        assert_string_equal(county_text(answer, "refused.0.field"), cases[i].field);
        assert_string_equal(county_text(answer, "error.field"), cases[i].field);
        assert_string_equal(county_text(answer, "error.text"),
                            county_text(answer, "refused.0.text"));
        assert_null(strstr(text, "ZZMARKERZZ"));
        free(text);
        json_decref(answer);
    }
    assert_int_equal(count_loops(county, CLINIC), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_csv, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_partners, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_fhir, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_no_contact, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_field_names, county_setup, county_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
