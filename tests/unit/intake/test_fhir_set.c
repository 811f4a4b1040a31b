/* References among resources, in every spelling; which request is meant. */
#include "agent/intake/fhir_set.h"

#include "tests/unit/intake/rig.h"

static const char bundle[] =
    "{\"resourceType\": \"Bundle\", \"type\": \"collection\", \"entry\": ["
    "{\"resource\": {\"resourceType\": \"Patient\", \"id\": \"ana\", \"identifier\": [{\"system\": "
    "\"urn:x\", \"value\": \"17\"}]}},"
    "{\"fullUrl\": \"https://a.example.org/fhir/Patient/bo\", \"resource\": {\"resourceType\": "
    "\"Patient\", \"id\": \"bo\"}},"
    "{\"fullUrl\": \"urn:uuid:0f0e0d0c-0b0a-4908-8706-050403020100\", \"resource\": "
    "{\"resourceType\": \"Patient\", \"gender\": \"unknown\"}},"
    "{\"response\": {\"status\": \"201\"}},"
    "{\"resource\": {\"resourceType\": \"ServiceRequest\", \"id\": \"ana\", \"contained\": "
    "[{\"resourceType\": \"Patient\", \"id\": \"in\"}]}}"
    "]}";

struct sample {
    json_t *json;
    struct fhir_set set;
};

static void
sample_done(struct sample *sample)
{
    fhir_set_done(&sample->set);
    json_decref(sample->json);
}

static struct sample
make_sample(const char *text)
{
    struct sample sample = {.json = json_loads(text, 0, NULL)};

    assert_non_null(sample.json);
    assert_int_equal(fhir_set_add(&sample.set, sample.json, NULL), ERR_OK);
    return sample;
}

/* The item's place, -1 for none, 99 for a contained one. */
static int
resolve(const struct fhir_set *set, const char *reference)
{
    json_auto_t *json = json_loads(reference, 0, NULL);

    assert_non_null(json);
    json_t *found = fhir_set_resolve(set, set->items[3].json, json);
    struct fhir_resource *item = fhir_set_find(set, found);
    return found == NULL ? -1 : item == NULL ? 99 : (int)(item - set->items);
}

static void
every_spelling_of_a_reference(void **state)
{
    static const struct {
        const char *reference;
        int place;
    } rows[] = {
        {"{\"reference\": \"Patient/ana\"}", 0},
        {"{\"reference\": \"Patient/ana/_history/3\"}", 0},
        {"{\"reference\": \"https://any.example.org/r4/Patient/ana\"}", 0},
        {"{\"reference\": \"https://any.example.org/r4/Patient/ana/_history/2\"}", 0},
        {"{\"reference\": \"https://a.example.org/fhir/Patient/bo\"}", 1},
        {"{\"reference\": \"https://a.example.org/fhir/Patient/bo/_history/1\"}", 1},
        {"{\"reference\": \"Patient/bo\"}", 1},
        {"{\"reference\": \"https://b.example.org/fhir/Patient/bo\"}", -1},
        {"{\"reference\": \"urn:uuid:0f0e0d0c-0b0a-4908-8706-050403020100\"}", 2},
        {"{\"reference\": \"urn:uuid:ffffffff-0b0a-4908-8706-050403020100\"}", -1},
        {"{\"reference\": \"#in\"}", 99},
        {"{\"reference\": \"#out\"}", -1},
        {"{\"reference\": \"#\"}", -1},
        {"{\"reference\": \"ServiceRequest/ana\"}", 3},
        {"{\"reference\": \"Practitioner/ana\"}", -1},
        {"{\"reference\": \"ana\"}", -1},
        {"{\"reference\": \"/ana\"}", -1},
        {"{\"reference\": \"Patient/\"}", -1},
        {"{\"reference\": \"Patient\"}", -1},
        {"{\"reference\": \"\"}", -1},
        {"{\"reference\": 17}", -1},
        {"{\"identifier\": {\"system\": \"urn:x\", \"value\": \"17\"}}", 0},
        {"{\"identifier\": {\"system\": \"urn:x\", \"value\": \"17\"}, \"type\": \"Patient\"}", 0},
        {"{\"identifier\": {\"system\": \"urn:x\", \"value\": \"17\"}, \"type\": \"Group\"}", -1},
        {"{\"identifier\": {\"system\": \"urn:y\", \"value\": \"17\"}}", -1},
        {"{\"display\": \"Ana\"}", -1},
        {"[]", -1},
    };
    CLEANUP(sample_done) struct sample sample = make_sample(bundle);

    (void)state;
    assert_int_equal(sample.set.n, 4);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int place = resolve(&sample.set, rows[i].reference);
        if (place != rows[i].place)
            print_error("%s\n", rows[i].reference);
        assert_int_equal(place, rows[i].place);
    }
}

static void
labels_name_type_and_id(void **state)
{
    CLEANUP(sample_done) struct sample sample = make_sample(bundle);
    char label[FHIR_LABEL_BYTES];

    (void)state;
    assert_string_equal(fhir_set_label(&sample.set.items[0], label), "Patient/ana");
    assert_string_equal(fhir_set_label(&sample.set.items[2], label), "Patient (no id)");
}

static void
check_added(const char *text, enum err expected, size_t n, const char *field)
{
    json_auto_t *json = json_loads(text, 0, NULL);
    CLEANUP(fhir_set_done) struct fhir_set set = {.n = 0};
    struct content_fault fault = {"", ""};

    assert_non_null(json);
    assert_int_equal(fhir_set_add(&set, json, &fault), expected);
    assert_int_equal(set.n, n);
    if (expected != ERR_OK)
        assert_string_equal(fault.field, field);
}

static void
what_is_no_resource_is_refused(void **state)
{
    (void)state;
    check_added("{\"resourceType\": \"Patient\"}", ERR_OK, 1, "");
    check_added("[{\"resourceType\": \"Patient\"}, {\"resourceType\": \"Patient\"}]", ERR_OK, 2,
                "");
    check_added("[{\"resourceType\": \"Bundle\", \"entry\": [{\"resource\": {\"resourceType\": "
                "\"Task\"}}]}, {\"resourceType\": \"Patient\"}]",
                ERR_OK, 2, "");
    check_added("{\"resourceType\": \"Bundle\"}", ERR_OK, 0, "");
    check_added("{\"resourceType\": \"Bundle\", \"entry\": {}}", ERR_OK, 0, "");
    check_added("{\"resourceType\": 7}", ERR_INVALID, 0, "resourceType");
    check_added("{\"resourceType\": \"Pa tient\"}", ERR_INVALID, 0, "resourceType");
    check_added("[{\"resourceType\": \"Patient\"}, 7]", ERR_INVALID, 1, "resourceType");
    check_added("{\"resourceType\": \"Bundle\", \"entry\": [{\"resource\": []}]}", ERR_INVALID, 0,
                "resourceType");
}

static void
the_same_twice_is_once_but_not_with_two_contents(void **state)
{
    (void)state;
    check_added("[{\"resourceType\": \"Patient\", \"id\": \"a\"}, {\"id\": \"a\", "
                "\"resourceType\": \"Patient\"}]",
                ERR_OK, 1, "");
    check_added("[{\"resourceType\": \"Patient\", \"id\": \"a\"}, {\"resourceType\": \"Patient\", "
                "\"id\": \"a\", \"gender\": \"male\"}]",
                ERR_INVALID, 1, "Patient/a");
}

static void
a_thousand_resources_and_no_more(void **state)
{
    json_auto_t *list = json_array();
    CLEANUP(fhir_set_done) struct fhir_set set = {.n = 0};
    struct content_fault fault;

    (void)state;
    for (int i = 0; i <= FHIR_RESOURCES_MAX; i++)
        json_array_append_new(list, json_pack("{s:s, s:i}", "resourceType", "Basic", "n", i));
    assert_int_equal(fhir_set_add(&set, list, &fault), ERR_INVALID);
    assert_int_equal(set.n, FHIR_RESOURCES_MAX);
}

#define SR(id) "{\"resourceType\": \"ServiceRequest\", \"id\": \"" id "\"}"
#define TASK(id, focus) "{\"resourceType\": \"Task\", \"id\": \"" id "\"" focus "}"
#define FOCUS(reference) ", \"focus\": {\"reference\": \"" reference "\"}"

static void
check_picked(const char *text, const char *request, const char *task, const char *field)
{
    CLEANUP(sample_done) struct sample sample = make_sample(text);
    struct fhir_request picked = {NULL, NULL};
    struct content_fault fault = {"", ""};
    enum err err = fhir_set_pick(&sample.set, &picked, &fault);

    if (err != (field == NULL ? ERR_OK : ERR_INVALID))
        print_error("%s: %s %s\n", text, fault.field, fault.text);
    assert_int_equal(err, field == NULL ? ERR_OK : ERR_INVALID);
    assert_string_equal(fault.field, field == NULL ? "" : field);
    assert_string_equal(content_text(picked.service_request, "id"), request);
    assert_string_equal(content_text(picked.task, "id"), task);
}

static void
one_request_is_meant(void **state)
{
    (void)state;
    check_picked("[" SR("a") "]", "a", "", NULL);
    check_picked("[" SR("a") "," TASK("t", FOCUS("ServiceRequest/a")) "]", "a", "t", NULL);
    check_picked("[" SR("a") "," SR("b") "," TASK("t", FOCUS("ServiceRequest/b")) "]", "b", "t",
                 NULL);
    check_picked("[" SR("a") "," SR("b") "]", "", "", "ServiceRequest");
    check_picked("[" TASK("t", FOCUS("ServiceRequest/a")) "]", "", "", "ServiceRequest");
    check_picked("[" TASK("t", "") "]", "", "", "ServiceRequest");
    check_picked("[{\"resourceType\": \"Patient\"}]", "", "", "ServiceRequest");
    check_picked("[" SR("a") "," TASK("t", FOCUS("ServiceRequest/b")) "]", "", "", "Task.focus");
    check_picked("[" SR("a") "," TASK("t", FOCUS("urn:uuid:1")) "]", "", "", "Task.focus");
    check_picked("[" SR("a") "," TASK("t", FOCUS("ServiceRequest/a")) "," TASK(
                     "u", FOCUS("ServiceRequest/a")) "]",
                 "", "", "Task");
    /* Tasks about something else are not ours. */
    check_picked("[" SR("a") "," TASK("t", FOCUS("Questionnaire/q")) "," TASK("u", "") "]", "a", "",
                 NULL);
    check_picked("[{\"resourceType\": \"Task\", \"id\": \"t\", \"contained\": [" SR("in") "]" FOCUS(
                     "#in") "}]",
                 "in", "t", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_reference),
        cmocka_unit_test(labels_name_type_and_id),
        cmocka_unit_test(what_is_no_resource_is_refused),
        cmocka_unit_test(the_same_twice_is_once_but_not_with_two_contents),
        cmocka_unit_test(a_thousand_resources_and_no_more),
        cmocka_unit_test(one_request_is_meant),
    };

    return cmocka_run_group_tests_name("intake_fhir_set", tests, NULL, NULL);
}
