/* FHIR out: the mapping of every state, what the Bundle is made of, and everything given unharmed
 * in it. */
#include "agent/intake/fhir_export.h"

#include "agent/intake/fhir_status.h"
#include "tests/unit/intake/rig.h"

/* --- the mapping, written a second time, from the states' side --- */

static const struct {
    enum loop_state state;
    const char *code;
    bool re_referred;
    const char *task, *business, *request;
} mapping[] = {
    {LOOP_REQUESTED, "", false, "requested", "2.0", "active"},
    {LOOP_INFO_REQUESTED, "", false, "requested", NULL, "active"},
    {LOOP_ACCEPTED, "", false, "accepted", "3.0", "active"},
    {LOOP_DECLINED, "no-capacity", false, "rejected", "4.0", "revoked"},
    {LOOP_DECLINED, "no-capacity", true, "rejected", "4.0", "active"},
    {LOOP_DECLINED, "out-of-scope", true, "rejected", "4.0", "active"},
    {LOOP_DECLINED, "out-of-area", false, "rejected", "4.0", "revoked"},
    {LOOP_DECLINED, "not-eligible", true, "rejected", "4.0", "revoked"},
    {LOOP_DECLINED, "not-authorized", true, "rejected", "4.0", "revoked"},
    {LOOP_IN_PROGRESS, "outreach", false, "in-progress", NULL, "active"},
    {LOOP_IN_PROGRESS, "scheduled", false, "in-progress", "5.1.1", "active"},
    {LOOP_IN_PROGRESS, "no-show", false, "in-progress", "5.1.2", "active"},
    {LOOP_IN_PROGRESS, "appointment-cancelled", false, "in-progress", "5.1.3", "active"},
    {LOOP_IN_PROGRESS, "service-delivered", false, "in-progress", "5.1.4", "active"},
    {LOOP_IN_PROGRESS, "interim-note", false, "in-progress", "5.1.4", "active"},
    {LOOP_IN_PROGRESS, "", false, "in-progress", NULL, "active"},
    {LOOP_ON_HOLD, "waitlist", false, "on-hold", NULL, "active"},
    {LOOP_ON_HOLD, "funding", false, "on-hold", NULL, "active"},
    {LOOP_COMPLETED, "service-provided", false, "completed", "7.0", "completed"},
    {LOOP_NOT_COMPLETED, "unable-to-reach", false, "failed", "6.0", "revoked"},
    {LOOP_NOT_COMPLETED, "unable-to-reach", true, "failed", "6.0", "active"},
    {LOOP_NOT_COMPLETED, "no-longer-eligible", true, "failed", "6.0", "revoked"},
    {LOOP_NOT_COMPLETED, "service-discontinued", false, "failed", "6.0", "revoked"},
    {LOOP_WITHDRAWN, "client-declined", false, "cancelled", "6.0", "revoked"},
    {LOOP_WITHDRAWN, "declined-after-accept", false, "cancelled", "4.0", "revoked"},
    {LOOP_WITHDRAWN, "declined-after-accept", true, "cancelled", "4.0", "active"},
    {LOOP_WITHDRAWN, "source-cancelled", false, "cancelled", "6.0", "revoked"},
    {LOOP_WITHDRAWN, "consent-revoked", false, "cancelled", "6.0", "revoked"},
    {LOOP_VOID, "wrong-person", false, "entered-in-error", NULL, "entered-in-error"},
    {LOOP_NONE, "", false, "draft", NULL, "draft"},
};

static void
every_state_has_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mapping) / sizeof(mapping[0]); i++) {
        const struct fhir_standing standing = {
            .position = {mapping[i].state, LOOP_NONE},
            .code = mapping[i].code,
            .re_referred = mapping[i].re_referred,
        };
        struct fhir_status status = fhir_status_of(&standing);
        assert_string_equal(status.task, mapping[i].task);
        assert_string_equal(status.request, mapping[i].request);
        assert_string_equal(status.business_code != NULL ? status.business_code : "",
                            mapping[i].business != NULL ? mapping[i].business : "");
    }
}

static void
a_pending_cancel_keeps_the_state_under_it(void **state)
{
    static const struct {
        enum loop_state under;
        const char *task;
    } rows[] = {
        {LOOP_ACCEPTED, "accepted"}, {LOOP_IN_PROGRESS, "in-progress"}, {LOOP_ON_HOLD, "on-hold"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct fhir_standing standing = {.position = {LOOP_CANCEL_REQUESTED, rows[i].under},
                                               .code = ""};
        struct fhir_status status = fhir_status_of(&standing);
        assert_string_equal(status.task, rows[i].task);
        assert_string_equal(status.business_code, "5.2");
        assert_string_equal(status.request, "active");
    }
}

/* --- whole loops --- */

enum { STEPS = 12 };

struct sample {
    struct rig rig;
    struct export_loop loop;
    struct export_step steps[STEPS];
    json_t *owned[2 * STEPS];
    size_t n_owned;
    json_t *bundle;
};

static void
sample_done(struct sample *sample)
{
    json_decref(sample->bundle);
    for (size_t i = 0; i < sample->n_owned; i++)
        json_decref(sample->owned[i]);
    rig_done(&sample->rig);
}

static void
start(struct sample *sample, bool with_fhir)
{
    static const char *const names[] = {"servicerequest", "task",      "patient",
                                        "consent",        "condition", "observation"};
    char name[64];

    for (size_t i = 0; i < 6 && with_fhir; i++) {
        (void)snprintf(name, sizeof(name), "fhir/%s.json", names[i]);
        rig_add_fixture(&sample->rig, name);
    }
    if (!with_fhir)
        rig_add_fixture(&sample->rig, "form/full.json");
    struct intake_referral *referral = rig_ready(&sample->rig);
    for (size_t i = 0; i < LOOP_ID_BYTES; i++)
        sample->loop.loop.bytes[i] = (uint8_t)(i * 17);
    sample->loop.source_org = "oak-clinic";
    sample->loop.source_name = "Oak Clinic";
    sample->loop.target_org = "elm-pantry";
    sample->loop.target_name = "Elm Street Pantry";
    sample->loop.created_ms = RIG_NOW_MS;
    sample->loop.changed_ms = RIG_NOW_MS;
    sample->loop.steps = sample->steps;
    sample->loop.n_steps = 1;
    sample->loop.position = (struct loop_position){LOOP_REQUESTED, LOOP_NONE};
    sample->steps[0] = (struct export_step){.event = EVENT_REQUEST,
                                            .role = LOOP_SOURCE,
                                            .time_ms = RIG_NOW_MS,
                                            .facts = referral->facts,
                                            .body = referral->body};
}

static void
say(struct sample *sample, enum loop_role role, enum loop_event event, const char *fields)
{
    json_auto_t *step = json_loads(fields, 0, NULL);
    struct content_fault fault;
    json_t *facts = NULL;
    json_t *body = NULL;

    assert_non_null(step);
    if (content_from_step(event, step, &facts, &body, &fault) != ERR_OK)
        fail_msg("%s: %s", fault.field, fault.text);
    assert_true(lifecycle_step(sample->loop.position, event, role, &sample->loop.position));
    sample->owned[sample->n_owned++] = facts;
    sample->owned[sample->n_owned++] = body;
    sample->loop.changed_ms += 3600000;
    sample->steps[sample->loop.n_steps++] = (struct export_step){.event = event,
                                                                 .role = role,
                                                                 .time_ms = sample->loop.changed_ms,
                                                                 .facts = facts,
                                                                 .body = body};
}

static json_t *
export_task(struct sample *sample)
{
    json_decref(sample->bundle);
    sample->bundle = NULL;
    assert_int_equal(fhir_export(&sample->loop, &sample->bundle), ERR_OK);
    json_t *task = rig_at(sample->bundle, "entry.0.resource");
    assert_string_equal(content_text(task, "resourceType"), "Task");
    return task;
}

static const char *
text_at(json_t *json, const char *path)
{
    const char *text = json_string_value(rig_at(json, path));
    return text != NULL ? text : "";
}

static void
a_task_in_the_shape_of_the_profile(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.loop = {.urgent = true}};

    (void)state;
    start(&sample, true);
    sample.loop.needed_by_ms = RIG_NOW_MS + 86400000;
    json_t *task = export_task(&sample);
    assert_string_equal(content_text(sample.bundle, "type"), "collection");
    assert_string_equal(content_text(sample.bundle, "timestamp"), "2026-11-22T12:00:00Z");
    assert_string_equal(text_at(sample.bundle, "entry.0.fullUrl"),
                        "urn:uuid:00112233-4455-6677-8899-aabbccddeeff");
    assert_string_equal(content_text(task, "id"), "00112233-4455-6677-8899-aabbccddeeff");
    assert_non_null(strstr(text_at(task, "meta.profile.0"), "SDOHCC-TaskForReferralManagement"));
    assert_string_equal(content_text(task, "status"), "requested");
    assert_string_equal(content_text(task, "intent"), "order");
    assert_string_equal(content_text(task, "priority"), "urgent");
    assert_string_equal(text_at(task, "code.coding.0.code"), "fulfill");
    assert_string_equal(text_at(task, "businessStatus.coding.0.code"), "2.0");
    assert_string_equal(text_at(task, "focus.reference"), "ServiceRequest/sr-1");
    assert_string_equal(text_at(task, "for.reference"), "Patient/ana");
    assert_string_equal(text_at(task, "partOf.0.reference"), "Task/task-1");
    assert_string_equal(text_at(task, "requester.reference"), "Organization/refloop-oak-clinic");
    assert_string_equal(text_at(task, "owner.reference"), "Organization/refloop-elm-pantry");
    assert_string_equal(content_text(task, "authoredOn"), "2026-11-22T12:00:00Z");
    assert_string_equal(text_at(task, "restriction.period.end"), "2026-11-23T12:00:00Z");
    assert_null(json_object_get(task, "statusReason"));
    assert_null(json_object_get(task, "output"));
    json_t *pantry = rig_resource(sample.bundle, "Organization", "refloop-elm-pantry");
    assert_string_equal(text_at(pantry, "identifier.0.value"), "elm-pantry");
    assert_string_equal(content_text(pantry, "name"), "Elm Street Pantry");
    assert_non_null(rig_resource(sample.bundle, "Organization", "refloop-oak-clinic"));
}

static void
check_given(struct sample *sample, const char *request_status)
{
    json_t *given = rig_at(sample->rig.result.referrals[0].body, "fhir.entry");
    json_t *entry;
    size_t i;

    json_array_foreach(given, i, entry)
    {
        json_t *resource = json_object_get(entry, "resource");
        json_t *out = json_object_get(
            json_array_get(json_object_get(sample->bundle, "entry"), i + 1), "resource");
        if (strcmp(content_text(resource, "resourceType"), "ServiceRequest") != 0) {
            assert_true(json_equal(resource, out));
            continue;
        }
        assert_string_equal(content_text(out, "status"), request_status);
        json_auto_t *restored = json_copy(out);
        json_object_set(restored, "status", json_object_get(resource, "status"));
        assert_true(json_equal(resource, restored));
    }
}

static void
what_was_given_goes_out_unharmed(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    (void)export_task(&sample);
    check_given(&sample, "active");
    say(&sample, LOOP_TARGET, EVENT_ACCEPT, "{}");
    say(&sample, LOOP_TARGET, EVENT_COMPLETE, "{\"outcome\": \"service-provided\"}");
    (void)export_task(&sample);
    check_given(&sample, "completed");
    /* The request itself was not touched. */
    assert_string_equal(
        text_at(sample.rig.result.referrals[0].body, "fhir.entry.0.resource.status"), "active");
}

static void
entries_have_names_that_stay_and_differ(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};
    json_t *entry;
    size_t i;

    (void)state;
    start(&sample, true);
    (void)export_task(&sample);
    json_auto_t *names = json_object();
    json_array_foreach(json_object_get(sample.bundle, "entry"), i, entry)
    {
        const char *url = content_text(entry, "fullUrl");
        assert_int_equal(strlen(url), strlen("urn:uuid:00112233-4455-6677-8899-aabbccddeeff"));
        json_object_set_new(names, url, json_true());
    }
    assert_int_equal(json_object_size(names),
                     json_array_size(json_object_get(sample.bundle, "entry")));
    json_auto_t *first = json_incref(sample.bundle);
    (void)export_task(&sample);
    assert_true(json_equal(first, sample.bundle));
}

static void
a_referral_without_fhir_gets_its_resources(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, false);
    json_t *task = export_task(&sample);
    json_t *request = rig_resource(sample.bundle, "ServiceRequest", NULL);
    json_t *patient = rig_resource(sample.bundle, "Patient", NULL);
    char reference[100];
    (void)snprintf(reference, sizeof(reference), "ServiceRequest/%s", content_text(request, "id"));
    assert_string_equal(text_at(task, "focus.reference"), reference);
    (void)snprintf(reference, sizeof(reference), "Patient/%s", content_text(patient, "id"));
    assert_string_equal(text_at(task, "for.reference"), reference);
    assert_string_equal(text_at(request, "subject.reference"), reference);
    assert_string_equal(content_text(request, "status"), "active");
    assert_string_equal(text_at(request, "category.0.coding.0.code"), "food-insecurity");
    assert_string_equal(text_at(request, "orderDetail.0.coding.0.code"),
                        "contacting-subject-prohibited");
    assert_string_equal(text_at(request, "note.0.text"), "groceries for three, no kitchen");
    assert_string_equal(text_at(patient, "name.0.text"), "Ana Example");
    assert_string_equal(text_at(patient, "telecom.0.value"), "555-0100");
    assert_string_equal(text_at(patient, "telecom.1.system"), "email");
    assert_string_equal(content_text(patient, "birthDate"), "1980-02-29");
    assert_string_equal(text_at(patient, "communication.0.language.coding.0.code"), "es");
    assert_string_equal(text_at(patient, "identifier.0.value"), "000-17");
    assert_null(json_object_get(task, "partOf"));
    assert_string_equal(text_at(task, "note.0.text"), "She knows the way.");
}

static void
reasons_and_outcomes_are_told(void **state)
{
    CLEANUP(sample_done) struct sample declined = {.n_owned = 0};
    CLEANUP(sample_done) struct sample completed = {.n_owned = 0};
    CLEANUP(sample_done) struct sample waiting = {.n_owned = 0};

    (void)state;
    start(&declined, true);
    say(&declined, LOOP_TARGET, EVENT_DECLINE,
        "{\"reason\": \"no-capacity\", \"text\": \"try again in May\"}");
    assert_string_equal(text_at(export_task(&declined), "statusReason.text"),
                        "no room at the moment: try again in May");
    say(&declined, LOOP_SOURCE, EVENT_ACKNOWLEDGE, "{\"next\": \"re-referred\"}");
    json_t *task = export_task(&declined);
    assert_string_equal(content_text(task, "status"), "rejected");
    assert_string_equal(text_at(task, "statusReason.text"),
                        "no room at the moment: try again in May");
    check_given(&declined, "active");

    start(&completed, true);
    say(&completed, LOOP_TARGET, EVENT_ACCEPT, "{}");
    say(&completed, LOOP_TARGET, EVENT_COMPLETE, "{\"outcome\": \"service-provided\"}");
    task = export_task(&completed);
    json_t *procedure = rig_resource(completed.bundle, "Procedure", NULL);
    assert_string_equal(text_at(task, "output.0.type.coding.0.code"), "resulting-activity");
    assert_non_null(
        strstr(text_at(task, "output.0.valueReference.reference"), content_text(procedure, "id")));
    assert_string_equal(text_at(procedure, "code.coding.0.code"), "710925007");
    assert_string_equal(text_at(procedure, "basedOn.0.reference"), "ServiceRequest/sr-1");
    assert_string_equal(content_text(procedure, "performedDateTime"), "2026-11-22T14:00:00Z");
    say(&completed, LOOP_SOURCE, EVENT_ACKNOWLEDGE, "{\"next\": \"none\"}");
    assert_string_equal(content_text(export_task(&completed), "status"), "completed");
    check_given(&completed, "completed");

    start(&waiting, true);
    say(&waiting, LOOP_TARGET, EVENT_ACCEPT, "{}");
    say(&waiting, LOOP_TARGET, EVENT_COMPLETE, "{\"outcome\": \"not-enrolled-on-waitlist\"}");
    task = export_task(&waiting);
    assert_string_equal(text_at(task, "output.0.valueCodeableConcept.text"),
                        "not signed up yet, on the waiting list");
    assert_null(rig_resource(waiting.bundle, "Procedure", NULL));
}

static void
what_was_said_becomes_notes_in_order(void **state)
{
    static const char *const expected[] = {
        "Question: Which day suits?",
        "Answer: Tuesday after five.",
        "Accepted: contact Bo Example, 555-0123",
        "appointment made: 2026-12-01T14:30:00Z",
        "On hold: on the waiting list: until May",
        "Cancellation requested: no longer needed",
        "Cancellation taken back",
        "a plain note (it crossed with a step of the other side and changed nothing)",
    };
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    say(&sample, LOOP_TARGET, EVENT_ASK, "{\"text\": \"Which day suits?\"}");
    say(&sample, LOOP_SOURCE, EVENT_ANSWER, "{\"text\": \"Tuesday after five.\"}");
    say(&sample, LOOP_TARGET, EVENT_ACCEPT,
        "{\"contact_name\": \"Bo Example\", \"contact_phone\": \"555-0123\"}");
    say(&sample, LOOP_TARGET, EVENT_PROGRESS,
        "{\"kind\": \"scheduled\", \"appointment\": \"2026-12-01T14:30:00Z\"}");
    say(&sample, LOOP_TARGET, EVENT_HOLD, "{\"reason\": \"waitlist\", \"text\": \"until May\"}");
    say(&sample, LOOP_SOURCE, EVENT_CANCEL, "{\"reason\": \"no-longer-needed\"}");
    json_t *task = export_task(&sample);
    assert_string_equal(content_text(task, "status"), "on-hold");
    assert_string_equal(text_at(task, "businessStatus.coding.0.code"), "5.2");
    say(&sample, LOOP_SOURCE, EVENT_RETRACT, "{}");
    say(&sample, LOOP_SOURCE, EVENT_NOTE, "{\"text\": \"a plain note\"}");
    sample.steps[sample.loop.n_steps - 1].superseded = true;
    task = export_task(&sample);
    assert_string_equal(content_text(task, "status"), "on-hold");
    assert_string_equal(text_at(task, "businessStatus.text"), "on the waiting list");
    assert_int_equal(json_array_size(json_object_get(task, "note")), 8);
    for (size_t i = 0; i < 8; i++) {
        json_t *note = json_array_get(json_object_get(task, "note"), i);
        assert_string_equal(content_text(note, "text"), expected[i]);
        assert_string_equal(text_at(note, "authorReference.reference"),
                            sample.steps[i + 1].role == LOOP_SOURCE
                                ? "Organization/refloop-oak-clinic"
                                : "Organization/refloop-elm-pantry");
        assert_true(content_text(note, "time")[0] != '\0');
    }
}

static void
a_superseded_step_tells_no_status(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    say(&sample, LOOP_SOURCE, EVENT_WITHDRAW, "{\"reason\": \"served-elsewhere\"}");
    struct loop_position position = sample.loop.position;
    sample.loop.position = (struct loop_position){LOOP_REQUESTED, LOOP_NONE};
    say(&sample, LOOP_TARGET, EVENT_DECLINE, "{\"reason\": \"no-capacity\"}");
    sample.steps[sample.loop.n_steps - 1].superseded = true;
    sample.loop.position = position;
    json_t *task = export_task(&sample);
    assert_string_equal(content_text(task, "status"), "cancelled");
    assert_string_equal(text_at(task, "statusReason.text"), "getting help somewhere else");
}

/* Nor does one that would have made the state the loop is in. */
static void
a_superseded_step_of_the_same_state_tells_none_either(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    say(&sample, LOOP_TARGET, EVENT_ACCEPT, "{}");
    say(&sample, LOOP_TARGET, EVENT_PROGRESS, "{\"kind\": \"scheduled\"}");
    say(&sample, LOOP_TARGET, EVENT_PROGRESS, "{\"kind\": \"no-show\"}");
    assert_string_equal(text_at(export_task(&sample), "businessStatus.coding.0.code"), "5.1.2");
    sample.steps[sample.loop.n_steps - 1].superseded = true;
    assert_string_equal(text_at(export_task(&sample), "businessStatus.coding.0.code"), "5.1.1");
}

static void
words_that_came_with_a_revoked_consent_stay_out(void **state)
{
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    say(&sample, LOOP_SOURCE, EVENT_WITHDRAW,
        "{\"reason\": \"consent-revoked\", \"text\": \"told us in private\"}");
    json_t *task = export_task(&sample);
    assert_string_equal(text_at(task, "statusReason.text"), "the person took back their consent");
    char *printed = json_dumps(sample.bundle, 0);
    assert_null(strstr(printed, "in private"));
    free(printed);
}

/* A partner's content is whatever it is; an unreadable request has none. */
static void
unsound_content_is_exported_as_far_as_it_goes(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"fhir\": 7}",
        "{\"fhir\": {\"resourceType\": \"Bundle\", \"entry\": 7}}",
        "{\"fhir\": {\"resourceType\": \"Bundle\", \"entry\": [7, {\"resource\": 7}]}}",
        "{\"fhir\": {\"resourceType\": \"ServiceRequest\"}}",
        "{\"fhir\": {\"resourceType\": \"Bundle\", \"entry\": [{\"resource\": {\"resourceType\": "
        "\"ServiceRequest\", \"code\": 7, \"subject\": \"x\"}}]}}",
        "{\"person\": {\"name\": \"\", \"birth_date\": \"soon\", \"language\": \"-\", "
        "\"identifiers\": [{\"system\": \"a b\", \"value\": \"7\"}, {}]}}",
    };
    CLEANUP(sample_done) struct sample sample = {.n_owned = 0};

    (void)state;
    start(&sample, true);
    sample.loop.created_ms = 0;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        json_auto_t *body = json_loads(bodies[i], 0, NULL);
        assert_non_null(body);
        sample.steps[0].body = body;
        sample.steps[0].facts = NULL;
        json_t *task = export_task(&sample);
        assert_string_equal(content_text(task, "status"), "requested");
        assert_null(json_object_get(task, "authoredOn"));
        assert_non_null(rig_resource(sample.bundle, "ServiceRequest", NULL));
        assert_non_null(rig_resource(sample.bundle, "Patient", NULL));
        assert_true(text_at(task, "for.reference")[0] != '\0');
    }
    sample.loop.n_steps = 0;
    sample.loop.position.state = LOOP_CLOSED;
    assert_string_equal(content_text(export_task(&sample), "status"), "completed");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_its_status),
        cmocka_unit_test(a_pending_cancel_keeps_the_state_under_it),
        cmocka_unit_test(a_task_in_the_shape_of_the_profile),
        cmocka_unit_test(what_was_given_goes_out_unharmed),
        cmocka_unit_test(entries_have_names_that_stay_and_differ),
        cmocka_unit_test(a_referral_without_fhir_gets_its_resources),
        cmocka_unit_test(reasons_and_outcomes_are_told),
        cmocka_unit_test(what_was_said_becomes_notes_in_order),
        cmocka_unit_test(a_superseded_step_tells_no_status),
        cmocka_unit_test(a_superseded_step_of_the_same_state_tells_none_either),
        cmocka_unit_test(words_that_came_with_a_revoked_consent_stay_out),
        cmocka_unit_test(unsound_content_is_exported_as_far_as_it_goes),
    };

    return cmocka_run_group_tests_name("intake_fhir_export", tests, NULL, NULL);
}
