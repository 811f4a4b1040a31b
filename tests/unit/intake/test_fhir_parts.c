/* FHIR in, by its parts: contact, codes, consents, names, and the bounds of size and depth. */
#include "tests/unit/intake/fixtures.h"

static void
a_ban_on_contact_is_in_facts_and_body(void **state)
{
    static const char *const systems[] = {
        "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
        "https://wrong.example.org"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        json_object_set_new(fixtures.json[REQUEST], "orderDetail",
                            json_pack("[{s:s}, {s:[{s:s, s:s}]}]", "text", "by phone", "coding",
                                      "system", systems[i], "code",
                                      "contacting-subject-prohibited"));
        fixtures_add(&rig, &fixtures);
        struct intake_referral *referral = rig_ready(&rig);
        assert_true(json_is_true(json_object_get(referral->facts, "no_contact")));
        assert_true(json_is_true(rig_at(referral->body, "contact.prohibited")));
    }
}

static void
codes_are_four_at_most_and_fit(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    json_t *codings = rig_at(fixtures.json[REQUEST], "code.coding");
    char system[200];

    (void)state;
    for (int i = 0; i < 5; i++)
        json_array_append_new(codings, json_pack("{s:s, s:s}", "system", "urn:x", "code", "1"));
    fixtures_add(&rig, &fixtures);
    assert_int_equal(json_array_size(rig_at(rig_ready(&rig)->facts, "codes")), 4);
    assert_true(rig_has_notice(&rig, "2 codes"));

    /* Four of the longest do not fit the facts' one size. */
    CLEANUP(rig_done) struct rig full = {.n = 0};
    memset(system, 'x', 120);
    system[120] = '\0';
    json_array_clear(codings);
    for (int i = 0; i < 4; i++)
        json_array_append_new(codings,
                              json_pack("{s:s, s:s%}", "system", system, "code", system, 60));
    rig_set(fixtures.json[REQUEST], "orderDetail",
            "[{\"coding\": [{\"code\": \"contacting-subject-prohibited\"}]}]");
    fixtures_add(&full, &fixtures);
    assert_int_equal(json_array_size(rig_at(rig_ready(&full)->facts, "codes")), 3);
    assert_true(rig_has_notice(&full, "1 codes"));

    /* One that is too long by itself is left out whole. */
    CLEANUP(rig_done) struct rig one = {.n = 0};
    system[120] = 'x';
    system[121] = '\0';
    json_array_clear(codings);
    json_array_append_new(codings, json_pack("{s:s, s:s}", "system", system, "code", "1"));
    fixtures_add(&one, &fixtures);
    assert_null(rig_at(rig_ready(&one)->facts, "codes"));
}

static void
without_a_consent_the_basis_may_come_in_a_form(void **state)
{
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    rig_add_fixture(&rig, "form/consent.json");
    fixtures_add(&rig, &fixtures);
    rig_refused(&rig, "Consent"); /* both */
    CLEANUP(rig_done) struct rig alone = {.n = 0};
    fixtures_drop(&fixtures, CONSENT);
    rig_add_fixture(&alone, "form/consent.json");
    fixtures_add(&alone, &fixtures);
    struct intake_referral *referral = rig_ready(&alone);
    assert_string_equal(content_text(referral->facts, "basis"), "treatment");
    assert_string_equal(content_text(json_object_get(referral->body, "consent"), "covers"),
                        "care coordination");
    fixtures_check(referral, &fixtures);
    CLEANUP(rig_done) struct rig wrong = {.n = 0};
    rig_add(&wrong, "{\"consent\": {\"basis\": \"consent\"}}");
    fixtures_add(&wrong, &fixtures);
    rig_refused(&wrong, "consent.signed_on");
    CLEANUP(rig_done) struct rig unknown = {.n = 0};
    rig_add(&unknown, "{\"consent\": {\"basis\": \"treatment\", \"singed_on\": \"2026-11-20\"}}");
    fixtures_add(&unknown, &fixtures);
    rig_refused(&unknown, "consent.singed_on");
}

static void
the_newest_consent_speaks(void **state)
{
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    json_auto_t *other = json_deep_copy(fixtures.json[CONSENT]);

    (void)state;
    rig_set(other, "id", "\"consent-2\"");
    rig_set(other, "status", "\"inactive\"");
    rig_set(other, "dateTime", "\"2026-11-21\"");
    CLEANUP(rig_done) struct rig taken_back = {.n = 0};
    rig_add_json(&taken_back, other);
    fixtures_add(&taken_back, &fixtures);
    rig_refused(&taken_back, "Consent.status");
    rig_set(other, "dateTime", "\"2025-11-21\"");
    CLEANUP(rig_done) struct rig renewed = {.n = 0};
    fixtures_add(&renewed, &fixtures);
    rig_add_json(&renewed, other);
    (void)rig_ready(&renewed);
    assert_true(rig_has_notice(&renewed, "2 Consents"));
}

/* The order of the files says nothing. */
static void
the_newest_consent_is_found_anywhere(void **state)
{
    (void)state;
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        json_auto_t *newest = json_deep_copy(fixtures.json[CONSENT]);
        rig_set(newest, "id", "\"consent-2\"");
        rig_set(newest, "dateTime", "\"2026-11-21\"");
        if (newest_first)
            rig_add_json(&rig, newest);
        fixtures_add(&rig, &fixtures);
        if (!newest_first)
            rig_add_json(&rig, newest);
        assert_string_equal(
            content_text(json_object_get(rig_ready(&rig)->body, "consent"), "source"),
            "Consent/consent-2");
    }
}

static void
somebody_else_among_the_resources_is_somebody_else(void **state)
{
    static const char bo[] =
        "{\"resourceType\": \"Patient\", \"id\": \"bo\", \"name\": [{\"text\": \"Bo Example\"}]}";
    static const struct {
        size_t fixture;
        const char *path, *field;
    } rows[] = {{CONSENT, "patient.reference", "Consent.patient"},
                {TASK, "for.reference", "Task.for"},
                {REQUEST, "subject.reference", "Task.for"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        rig_set(fixtures.json[rows[i].fixture], rows[i].path, "\"Patient/bo\"");
        rig_add(&rig, bo);
        fixtures_add(&rig, &fixtures);
        rig_refused(&rig, rows[i].field);
    }
}

static void
two_forms_of_consent_are_too_many(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    fixtures_drop(&fixtures, CONSENT);
    fixtures_add(&rig, &fixtures);
    rig_add_fixture(&rig, "form/consent.json");
    rig_add_fixture(&rig, "form/consent.json");
    rig_rejected(&rig, "one form");
}

static void
names_and_addresses_valid_today_count(void **state)
{
    static const struct {
        const char *names, *expected;
    } rows[] = {
        {"[{\"family\": \"Old\", \"period\": {\"end\": \"2020\"}}, {\"family\": \"New\", "
         "\"period\": "
         "{\"start\": \"2020\"}}]",
         "New"},
        {"[{\"use\": \"usual\", \"text\": \"Usual\"}, {\"use\": \"official\", \"text\": "
         "\"Official\"}]",
         "Official"},
        {"[{\"text\": \"First\"}, {\"text\": \"Second\"}]", "First"},
        {"[{\"text\": \"Plain\"}, {\"use\": \"usual\", \"text\": \"Usual\"}]", "Usual"},
        {"[{\"text\": \"First\", \"period\": {\"end\": \"2019\"}}, {\"text\": \"Last\", "
         "\"period\": "
         "{\"end\": \"2020\"}}]",
         "Last"},
        {"[{\"use\": \"official\", \"text\": \"Later\", \"period\": {\"start\": \"2027\"}}, "
         "{\"text\": \"Now\"}]",
         "Now"},
        {"[{\"text\": \"A\\u0007na\\nExample\"}]", "A na Example"},
        {"[{\"given\": [\"Ana\", 7, \"\"], \"family\": \"Example\", \"suffix\": [\"Jr.\"]}]",
         "Ana Example Jr."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        rig_set(fixtures.json[PATIENT], "name", rows[i].names);
        fixtures_add(&rig, &fixtures);
        struct intake_referral *referral = rig_ready(&rig);
        assert_string_equal(content_text(json_object_get(referral->body, "person"), "name"),
                            rows[i].expected);
        fixtures_check(referral, &fixtures);
    }
}

static void
long_texts_are_cut_but_travel_whole(void **state)
{
    static char text[9000];
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    memset(text, 'x', sizeof(text));
    text[0] = text[sizeof(text) - 2] = '"';
    text[sizeof(text) - 1] = '\0';
    rig_set(fixtures.json[REQUEST], "note.0.text", text);
    rig_set(fixtures.json[PATIENT], "name.2.family", text);
    fixtures_add(&rig, &fixtures);
    struct intake_referral *referral = rig_ready(&rig);
    assert_int_equal(strlen(content_text(referral->body, "need")), 4000);
    assert_true(rig_has_notice(&rig, "the need was cut"));
    assert_true(rig_has_notice(&rig, "name was cut"));
    fixtures_check(referral, &fixtures);
}

static void
what_is_too_large_is_named(void **state)
{
    static char text[200000];
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    memset(text, 'x', sizeof(text));
    text[0] = text[sizeof(text) - 2] = '"';
    text[sizeof(text) - 1] = '\0';
    rig_set(fixtures.json[CONSENT], "sourceAttachment.data", text);
    fixtures_add(&rig, &fixtures);
    rig_refused(&rig, "Consent/consent-1");
    assert_non_null(strstr(rig.result.referrals[0].fault.text, "at most 196604"));
}

/* What is nested as deep as may be read here would be too deep for the partner, inside the body. */
static void
what_the_partner_could_not_read_does_not_leave(void **state)
{
    char text[200] = "";
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    for (int depth = 58; depth <= 62; depth++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        rig_set(fixtures.json[OBSERVATION], "extension", text);
        fixtures_add(&rig, &fixtures);
        rig_read(&rig);
        assert_int_equal(rig.err, ERR_OK);
        assert_int_equal(rig.result.referrals[0].ready, depth + 5 <= 64);
    }
}

static void
a_resource_given_twice_is_said(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    fixtures_add(&rig, &fixtures);
    rig_add_json(&rig, fixtures.json[PATIENT]);
    struct intake_referral *referral = rig_ready(&rig);
    fixtures_check(referral, &fixtures);
    assert_true(rig_has_notice(&rig, "1 resources were given twice"));
    CLEANUP(rig_done) struct rig contradictory = {.n = 0};
    fixtures_add(&contradictory, &fixtures);
    rig_set(fixtures.json[PATIENT], "gender", "\"male\"");
    rig_add_json(&contradictory, fixtures.json[PATIENT]);
    rig_refused(&contradictory, "Patient/ana");
}

/* Every member of every resource with a value of every other type: refused or ready, never worse.
 */
static void
wrong_types_do_no_harm(void **state)
{
    static const char *const values[] = {"null", "true",   "7",    "\"x\"", "[]",
                                         "{}",   "[null]", "[[]]", "[{}]"};

    (void)state;
    for (size_t f = 0; f < FIXTURES; f++) {
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        json_auto_t *original = json_deep_copy(fixtures.json[f]);
        const char *name;
        json_t *value;
        json_object_foreach(original, name, value)
        {
            for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
                CLEANUP(rig_done) struct rig rig = {.n = 0};
                rig_set(fixtures.json[f], name, values[v]);
                fixtures_add(&rig, &fixtures);
                rig_read(&rig);
                assert_true(rig.err == ERR_OK || rig.err == ERR_INVALID);
            }
            json_object_set(fixtures.json[f], name, value);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ban_on_contact_is_in_facts_and_body),
        cmocka_unit_test(codes_are_four_at_most_and_fit),
        cmocka_unit_test(without_a_consent_the_basis_may_come_in_a_form),
        cmocka_unit_test(the_newest_consent_speaks),
        cmocka_unit_test(the_newest_consent_is_found_anywhere),
        cmocka_unit_test(somebody_else_among_the_resources_is_somebody_else),
        cmocka_unit_test(two_forms_of_consent_are_too_many),
        cmocka_unit_test(names_and_addresses_valid_today_count),
        cmocka_unit_test(long_texts_are_cut_but_travel_whole),
        cmocka_unit_test(what_is_too_large_is_named),
        cmocka_unit_test(what_the_partner_could_not_read_does_not_leave),
        cmocka_unit_test(a_resource_given_twice_is_said),
        cmocka_unit_test(wrong_types_do_no_harm),
    };

    return cmocka_run_group_tests_name("intake_fhir_parts", tests, NULL, NULL);
}
