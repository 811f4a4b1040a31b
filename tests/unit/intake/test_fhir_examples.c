/* The example resources published with HL7 SDOH Clinical Care, unchanged: they go in and come out.
 * REFLOOP_EXAMPLES names the directory that holds them; they are no part of refloop, and without
 * them these tests are skipped. */
#include "agent/intake/fhir_export.h"

#include "tests/unit/intake/rig.h"

static const char *const names[] = {
    "ServiceRequest-SDOHCC-ServiceRequestActiveFoodPantryApplicationAssistExample.json",
    "Task-SDOHCC-TaskReferralManagementOrderFulfillmentAcceptedExample.json",
    "Patient-pat-53234.json",
    "Consent-SDOHCC-ConsentInformationDisclosureExample.json",
    "Condition-SDOHCC-ConditionFoodInsecurityExample.json",
    "Organization-SDOHCC-OrganizationCoordinationPlatformExample.json",
};
enum { EXAMPLES = sizeof(names) / sizeof(names[0]), CONSENT = 3 };

static void
add_examples(struct rig *rig, size_t n)
{
    const char *dir = getenv("REFLOOP_EXAMPLES");
    char path[1024];
    size_t len;

    if (dir == NULL || dir[0] == '\0') {
        print_message("skipped: REFLOOP_EXAMPLES names no directory\n");
        skip();
        return;
    }
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        char *text = rig_load_text(path, &len);
        rig_add_bytes(rig, text, len);
        free(text);
    }
}

static void
check_unharmed(const struct rig *rig, json_t *entries, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_auto_t *given =
            json_loadb((const char *)rig->texts[i].data, rig->texts[i].len, 0, NULL);
        assert_non_null(given);
        assert_true(
            json_equal(json_object_get(json_array_get(entries, first + i), "resource"), given));
    }
}

static void
the_published_referral_goes_in(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.defaults = {.to = "elm-pantry"}};

    (void)state;
    add_examples(&rig, 4);
    struct intake_referral *referral = rig_ready(&rig);
    json_t *person = json_object_get(referral->body, "person");
    assert_string_equal(content_text(referral->facts, "category"), "food-insecurity");
    assert_string_equal(content_text(referral->facts, "basis"), "consent");
    assert_string_equal(content_text(rig_at(referral->facts, "codes.0"), "code"),
                        "467771000124109");
    assert_string_equal(content_text(person, "name"), "COLIN V. BAXTER PharmD");
    assert_string_equal(content_text(person, "birth_date"), "1987-02-20");
    assert_string_equal(content_text(person, "phone"), "555-555-5555");
    assert_string_equal(content_text(person, "address"),
                        "183 Mountain View St, Mounds, OK, 74048, US");
    assert_string_equal(content_text(referral->body, "need"),
                        "Assistance with application for food pantry program");
    assert_true(rig_has_notice(&rig, "Task.status is accepted"));
    assert_true(rig_has_notice(&rig, "sent to elm-pantry"));
    check_unharmed(&rig, rig_at(referral->body, "fhir.entry"), 0, 4);
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
    assert_int_equal(content_print(referral->body, &body), ERR_OK);
}

static void
without_a_partner_it_is_refused(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};

    (void)state;
    add_examples(&rig, 4);
    rig_refused(&rig, "Task.owner");
}

static void
it_comes_out_again_after_the_wire(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.defaults = {.to = "elm-pantry"}};
    CLEANUP(buffer_done) struct buffer facts_text = BUFFER_INIT(LIMIT_FACTS_BYTES);
    CLEANUP(buffer_done) struct buffer body_text = BUFFER_INIT(LIMIT_BODY_BYTES);
    json_t *facts = NULL;
    json_t *body = NULL;
    json_t *bundle = NULL;
    bool sound = false;

    (void)state;
    add_examples(&rig, EXAMPLES);
    struct intake_referral *referral = rig_ready(&rig);
    assert_int_equal(json_array_size(rig.result.carried), 2);
    assert_int_equal(content_print(referral->facts, &facts_text), ERR_OK);
    assert_int_equal(content_print(referral->body, &body_text), ERR_OK);
    assert_int_equal(
        content_read(buffer_view(&facts_text), buffer_view(&body_text), &facts, &body, &sound),
        ERR_OK);
    assert_true(sound);
    assert_true(json_equal(body, referral->body));
    const struct export_step step = {
        .event = EVENT_REQUEST, .time_ms = RIG_NOW_MS, .facts = facts, .body = body};
    const struct export_loop loop = {
        .position = {LOOP_REQUESTED, LOOP_NONE},
        .source_org = "oak-clinic",
        .source_name = "Oak Clinic",
        .target_org = "elm-pantry",
        .target_name = "Elm Street Pantry",
        .created_ms = RIG_NOW_MS,
        .changed_ms = RIG_NOW_MS,
        .steps = &step,
        .n_steps = 1,
    };
    assert_int_equal(fhir_export(&loop, &bundle), ERR_OK);
    /* The ServiceRequest was active and is active, so even that is as it was. */
    check_unharmed(&rig, json_object_get(bundle, "entry"), 1, EXAMPLES);
    json_decref(bundle);
    json_decref(facts);
    json_decref(body);
}

static void
twice_the_consent_does_not_fit_and_is_named(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.defaults = {.to = "elm-pantry"}};

    (void)state;
    add_examples(&rig, 4);
    json_auto_t *other =
        json_loadb((const char *)rig.texts[CONSENT].data, rig.texts[CONSENT].len, 0, NULL);
    rig_set(other, "id", "\"again\"");
    rig_add_json(&rig, other);
    rig_refused(&rig, "Consent/SDOHCC-ConsentInformationDisclosureExample");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_referral_goes_in),
        cmocka_unit_test(without_a_partner_it_is_refused),
        cmocka_unit_test(it_comes_out_again_after_the_wire),
        cmocka_unit_test(twice_the_consent_does_not_fit_and_is_named),
    };

    return cmocka_run_group_tests_name("intake_fhir_examples", tests, NULL, NULL);
}
