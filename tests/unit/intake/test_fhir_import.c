/* FHIR in: what a referral is made of, and every refusal and notice by its field. */
#include "tests/unit/intake/fixtures.h"

static void
a_whole_referral(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    json_auto_t *facts =
        json_loads("{\"v\": 1, \"category\": \"food-insecurity\", \"codes\": [{\"system\": "
                   "\"http://snomed.info/sct\", \"code\": \"710925007\"}], \"basis\": \"consent\"}",
                   0, NULL);
    json_auto_t *person = json_loads(
        "{\"name\": \"Ms. Ana B. Example\", \"birth_date\": \"1980-02-29\", \"phone\": "
        "\"555-0100\", \"email\": \"ana@example.org\", \"address\": \"17 Sample Street, Flat 3, "
        "Elmville, OK, 00000\", \"language\": \"es\", \"identifiers\": [{\"system\": "
        "\"https://oak-clinic.example.org/mrn\", \"value\": \"000-17\"}]}",
        0, NULL);
    json_auto_t *consent = json_loads(
        "{\"basis\": \"consent\", \"signed_on\": \"2026-11-20\", \"expires_on\": \"2027-11-20\", "
        "\"covers\": \"information disclosure\", \"source\": \"Consent/consent-1\"}",
        0, NULL);

    (void)state;
    fixtures_add(&rig, &fixtures);
    struct intake_referral *referral = rig_ready(&rig);
    assert_string_equal(referral->to, "elm-pantry");
    assert_int_equal(referral->priority, PRIORITY_ROUTINE);
    assert_int_equal(referral->needed_by_ms, INT64_C(1797811199000)); /* end of 2026-12-20 */
    assert_true(json_equal(referral->facts, facts));
    assert_true(json_equal(json_object_get(referral->body, "person"), person));
    assert_true(json_equal(json_object_get(referral->body, "consent"), consent));
    assert_string_equal(content_text(referral->body, "need"),
                        "Weekly food box\nReason: Food insecurity\nNo kitchen at home.");
    assert_null(json_object_get(referral->body, "contact"));
    fixtures_check(referral, &fixtures);
    json_auto_t *carried = json_pack("[s, s]", "Condition/cond-1", "Observation/obs-1");
    assert_true(json_equal(rig.result.carried, carried));
    assert_int_equal(json_array_size(rig.result.notices), 0);
}

/* One Bundle, one array, or several files: the same referral. */
static void
packing_makes_no_difference(void **state)
{
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    CLEANUP(rig_done) struct rig files = {.n = 0};
    CLEANUP(rig_done) struct rig list = {.n = 0};
    CLEANUP(rig_done) struct rig bundle = {.n = 0};
    json_auto_t *array = json_array();
    json_auto_t *entries = json_array();

    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        json_array_append(array, fixtures.json[i]);
        json_array_append_new(entries, json_pack("{s:O, s:{s:s}}", "resource", fixtures.json[i],
                                                 "request", "method", "PUT"));
    }
    json_auto_t *transaction = json_pack("{s:s, s:s, s:O}", "resourceType", "Bundle", "type",
                                         "transaction", "entry", entries);
    fixtures_add(&files, &fixtures);
    rig_add_json(&list, array);
    rig_add_json(&bundle, transaction);
    struct intake_referral *expected = rig_ready(&files);
    assert_true(json_equal(rig_ready(&list)->body, expected->body));
    assert_true(json_equal(rig_ready(&bundle)->body, expected->body));
    assert_true(json_equal(bundle.result.referrals[0].facts, expected->facts));
}

static void
references_by_full_url_stay_resolvable(void **state)
{
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    json_auto_t *entries = json_array();

    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char url[64];
        (void)snprintf(url, sizeof(url), "urn:uuid:00000000-0000-4000-8000-00000000000%zu", i);
        rig_set(fixtures.json[i], "id", NULL);
        json_array_append_new(
            entries, json_pack("{s:s, s:O}", "fullUrl", url, "resource", fixtures.json[i]));
    }
    rig_set(fixtures.json[TASK], "focus.reference",
            "\"urn:uuid:00000000-0000-4000-8000-000000000000\"");
    rig_set(fixtures.json[TASK], "for.reference",
            "\"urn:uuid:00000000-0000-4000-8000-000000000002\"");
    rig_set(fixtures.json[REQUEST], "subject.reference",
            "\"urn:uuid:00000000-0000-4000-8000-000000000002\"");
    rig_set(fixtures.json[CONSENT], "patient.reference",
            "\"urn:uuid:00000000-0000-4000-8000-000000000002\"");
    json_auto_t *bundle =
        json_pack("{s:s, s:s, s:O}", "resourceType", "Bundle", "type", "message", "entry", entries);
    rig_add_json(&rig, bundle);
    struct intake_referral *referral = rig_ready(&rig);
    assert_true(json_equal(rig_at(referral->body, "fhir.entry"), json_object_get(bundle, "entry")));
    assert_string_equal(json_string_value(json_array_get(rig.result.carried, 0)),
                        "Condition (no id)");
}

/* One change, and the field that is refused. */
static const struct {
    size_t fixture;
    const char *path, *value, *field;
} refusals[] = {
    {REQUEST, "subject", NULL, "ServiceRequest.subject"},
    {REQUEST, "subject.reference", "\"Patient/bo\"", "ServiceRequest.subject"},
    {REQUEST, "subject.reference", "\"Condition/cond-1\"", "ServiceRequest.subject"},
    {REQUEST, "status", "\"revoked\"", "ServiceRequest.status"},
    {REQUEST, "status", "\"completed\"", "ServiceRequest.status"},
    {REQUEST, "status", "\"on-hold\"", "ServiceRequest.status"},
    {REQUEST, "status", "\"entered-in-error\"", "ServiceRequest.status"},
    {REQUEST, "status", "\"unknown\"", "ServiceRequest.status"},
    {REQUEST, "status", "7", "ServiceRequest.status"},
    {REQUEST, "status", NULL, "ServiceRequest.status"},
    {REQUEST, "intent", NULL, "ServiceRequest.intent"},
    {REQUEST, "intent", "\"wish\"", "ServiceRequest.intent"},
    {REQUEST, "priority", "\"soon\"", "ServiceRequest.priority"},
    {REQUEST, "doNotPerform", "true", "ServiceRequest.doNotPerform"},
    {REQUEST, "modifierExtension", "[{\"url\": \"https://example.org/not\"}]",
     "ServiceRequest.modifierExtension"},
    {REQUEST, "occurrencePeriod.end", "\"soon\"", "ServiceRequest.occurrencePeriod.end"},
    {REQUEST, "occurrenceDateTime", "\"soon\"", "ServiceRequest.occurrenceDateTime"},
    {TASK, "for", NULL, "Task.for"},
    {TASK, "for.reference", "\"Patient/bo\"", "Task.for"},
    {TASK, "for.reference", "\"Condition/cond-1\"", "Task.for"},
    {TASK, "focus.reference", "\"ServiceRequest/sr-2\"", "Task.focus"},
    {TASK, "status", "\"completed\"", "Task.status"},
    {TASK, "status", "\"rejected\"", "Task.status"},
    {TASK, "status", "\"cancelled\"", "Task.status"},
    {TASK, "status", "\"failed\"", "Task.status"},
    {TASK, "status", "\"entered-in-error\"", "Task.status"},
    {TASK, "status", "\"done\\u001b\"", "Task.status"},
    {TASK, "priority", "\"soon\"", "Task.priority"},
    {TASK, "restriction", "{\"period\": {\"end\": \"soon\"}}", "Task.restriction.period.end"},
    {TASK, "owner", NULL, "Task.owner"},
    {TASK, "owner", "{\"reference\": \"Organization/elm\"}", "Task.owner"},
    {TASK, "owner.identifier.value", "\"nobody-here\"", "Task.owner"},
    {TASK, "modifierExtension", "[]", "Task.modifierExtension"},
    {PATIENT, "name", NULL, "Patient.name"},
    {PATIENT, "name", "[]", "Patient.name"},
    {PATIENT, "name", "[{\"use\": \"official\"}]", "Patient.name"},
    {PATIENT, "birthDate", "\"long ago\"", "Patient.birthDate"},
    {PATIENT, "modifierExtension", "[]", "Patient.modifierExtension"},
    {CONSENT, "status", "\"inactive\"", "Consent.status"},
    {CONSENT, "status", "\"rejected\"", "Consent.status"},
    {CONSENT, "status", "\"draft\"", "Consent.status"},
    {CONSENT, "status", NULL, "Consent.status"},
    {CONSENT, "patient.reference", "\"Patient/bo\"", "Consent.patient"},
    {CONSENT, "patient", NULL, "Consent.patient"},
    {CONSENT, "dateTime", NULL, "Consent.dateTime"},
    {CONSENT, "dateTime", "\"soon\"", "Consent.dateTime"},
    {CONSENT, "dateTime", "\"2026-12-24\"", "Consent.dateTime"},
    {CONSENT, "provision.type", "\"deny\"", "Consent.provision.type"},
    {CONSENT, "provision.period.end", "\"2026-11-20\"", "Consent.provision.period"},
    {CONSENT, "provision.period.end", "\"2020\"", "Consent.provision.period"},
    {CONSENT, "provision.period.start", "\"2027-01-01\"", "Consent.provision.period"},
    {CONSENT, "modifierExtension", "[]", "Consent.modifierExtension"},
};

static void
each_refusal_names_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        rig_set(fixtures.json[refusals[i].fixture], refusals[i].path, refusals[i].value);
        fixtures_add(&rig, &fixtures);
        rig_refused(&rig, refusals[i].field);
    }
}

static void
a_missing_resource_is_named(void **state)
{
    static const struct {
        size_t fixture;
        const char *field;
    } rows[] = {{REQUEST, "ServiceRequest"},
                {PATIENT, "ServiceRequest.subject"},
                {CONSENT, "Consent"},
                {TASK, "Task.owner"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        fixtures_drop(&fixtures, rows[i].fixture);
        fixtures_add(&rig, &fixtures);
        rig_refused(&rig, rows[i].field);
    }
}

/* One change, and the words of the notice; NULL: none. */
static const struct {
    size_t fixture;
    const char *path, *value, *words;
} remarks[] = {
    {REQUEST, "status", "\"draft\"", NULL},
    {REQUEST, "intent", "\"plan\"", "ServiceRequest.intent is plan"},
    {REQUEST, "intent", "\"filler-order\"", NULL},
    {REQUEST, "category", NULL, "sent as sdoh-category-unspecified"},
    {REQUEST, "category.1.coding.0.code", "\"gold-shortage\"", "\"gold-shortage\" is not known"},
    {REQUEST, "category.2",
     "{\"coding\": [{\"system\": "
     "\"http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes\", "
     "\"code\": \"stress\"}]}",
     "several categories"},
    {REQUEST, "category.1.coding.0.system",
     "\"http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/sdohcc-temporary-codes\"", NULL},
    {REQUEST, "priority", "\"urgent\"", "differ in priority"},
    {REQUEST, "priority", "\"asap\"", "ServiceRequest.priority is asap: sent as urgent"},
    {REQUEST, "occurrencePeriod.end", "\"2026-11\"", NULL},
    {REQUEST, "occurrencePeriod.end", "\"2020-01-01\"",
     "ServiceRequest.occurrencePeriod.end is in the past"},
    {REQUEST, "occurrenceDateTime", "\"2026-12-05\"", "the soonest counts"},
    {TASK, "status", NULL, NULL},
    {TASK, "status", "\"received\"", NULL},
    {TASK, "status", "\"ready\"", NULL},
    {TASK, "status", "\"accepted\"", "Task.status is accepted: a new referral starts at requested"},
    {TASK, "status", "\"in-progress\"", "Task.status is in-progress"},
    {TASK, "status", "\"on-hold\"", "Task.status is on-hold"},
    {TASK, "priority", "\"stat\"", "Task.priority is stat"},
    {TASK, "restriction", "{\"period\": {\"end\": \"2026-12-01\"}}", "the soonest counts"},
    {CONSENT, "provision", NULL, NULL},
    {CONSENT, "dateTime", "\"2026\"", NULL},
};

static void
each_notice_says_what_was_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        rig_set(fixtures.json[remarks[i].fixture], remarks[i].path, remarks[i].value);
        fixtures_add(&rig, &fixtures);
        struct intake_referral *referral = rig_ready(&rig);
        fixtures_check(referral, &fixtures);
        if (remarks[i].words == NULL) {
            assert_int_equal(json_array_size(rig.result.notices), 0);
            continue;
        }
        if (!rig_has_notice(&rig, remarks[i].words))
            print_error("no notice: %s\n", remarks[i].words);
        assert_true(rig_has_notice(&rig, remarks[i].words));
    }
}

static void
the_more_urgent_and_the_sooner_count(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    rig_set(fixtures.json[TASK], "priority", "\"urgent\"");
    rig_set(fixtures.json[TASK], "restriction", "{\"period\": {\"end\": \"2026-12-01\"}}");
    fixtures_add(&rig, &fixtures);
    struct intake_referral *referral = rig_ready(&rig);
    assert_int_equal(referral->priority, PRIORITY_URGENT);
    assert_int_equal(referral->needed_by_ms, INT64_C(1796169599000));
}

static void
the_command_line_wins_with_a_notice(void **state)
{
    CLEANUP(rig_done)
    struct rig rig = {
        .defaults = {.to = "north-shelter", .priority = "urgent", .needed_by = "2026-11-30"}};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    fixtures_add(&rig, &fixtures);
    struct intake_referral *referral = rig_ready(&rig);
    assert_string_equal(referral->to, "north-shelter");
    assert_int_equal(referral->priority, PRIORITY_URGENT);
    assert_int_equal(referral->needed_by_ms, INT64_C(1796083199000));
    assert_true(
        rig_has_notice(&rig, "Task.owner names another organization: sent to north-shelter"));
    assert_true(rig_has_notice(&rig, "another priority"));
    rig.defaults = (struct intake_defaults){.to = "elm-pantry"};
    (void)rig_ready(&rig);
    assert_int_equal(json_array_size(rig.result.notices), 0);
    rig.defaults.to = "nobody-here";
    rig_refused(&rig, "to");
    rig.defaults = (struct intake_defaults){.priority = "now"};
    rig_refused(&rig, "priority");
    rig.defaults = (struct intake_defaults){.needed_by = "2020-01-01"};
    rig_refused(&rig, "needed_by");
}

static void
owners_are_found_by_identifier_and_id(void **state)
{
    static const char *const owners[] = {
        "{\"identifier\": {\"value\": \"elm-pantry\"}}",
        "{\"reference\": \"Organization/elm-pantry\"}",
        "{\"reference\": \"https://x.example.org/Organization/elm-pantry\"}",
        "{\"reference\": \"Organization/given\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
        rig_set(fixtures.json[TASK], "owner", owners[i]);
        fixtures_add(&rig, &fixtures);
        rig_add(&rig, "{\"resourceType\": \"Organization\", \"id\": \"given\", \"identifier\": "
                      "[{\"value\": \"7\"}, {\"value\": \"elm-pantry\"}]}");
        assert_string_equal(rig_ready(&rig)->to, "elm-pantry");
    }
}

static void
a_task_may_be_for_a_related_person(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();

    (void)state;
    rig_set(fixtures.json[TASK], "for.reference", "\"RelatedPerson/mother\"");
    fixtures_add(&rig, &fixtures);
    rig_add(&rig, "{\"resourceType\": \"RelatedPerson\", \"id\": \"mother\", \"patient\": "
                  "{\"reference\": \"Patient/ana\"}}");
    (void)rig_ready(&rig);
}

static void
decimals_in_other_digits_are_told(void **state)
{
    CLEANUP(fixtures_done) struct fixtures fixtures = fixtures_load();
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    fixtures_add(&rig, &fixtures);
    rig_add(&rig, "{\"resourceType\": \"Observation\", \"id\": \"weight\", \"valueQuantity\": "
                  "{\"value\": 61.50, \"unit\": \"kg 1.50\"}}");
    (void)rig_ready(&rig);
    assert_true(rig_has_notice(&rig, "1 decimal number is carried with other digits than given"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_referral),
        cmocka_unit_test(packing_makes_no_difference),
        cmocka_unit_test(references_by_full_url_stay_resolvable),
        cmocka_unit_test(each_refusal_names_its_field),
        cmocka_unit_test(a_missing_resource_is_named),
        cmocka_unit_test(each_notice_says_what_was_understood),
        cmocka_unit_test(the_more_urgent_and_the_sooner_count),
        cmocka_unit_test(the_command_line_wins_with_a_notice),
        cmocka_unit_test(owners_are_found_by_identifier_and_id),
        cmocka_unit_test(a_task_may_be_for_a_related_person),
        cmocka_unit_test(decimals_in_other_digits_are_told),
    };

    return cmocka_run_group_tests_name("intake_fhir_import", tests, NULL, NULL);
}
