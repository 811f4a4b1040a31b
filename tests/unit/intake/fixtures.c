#include "tests/unit/intake/fixtures.h"

static const char *const fixture_names[] = {"servicerequest", "task",      "patient",
                                            "consent",        "condition", "observation"};

void
fixtures_done(struct fixtures *fixtures)
{
    for (size_t i = 0; i < FIXTURES; i++)
        json_decref(fixtures->json[i]);
}

struct fixtures
fixtures_load(void)
{
    struct fixtures fixtures;
    char name[64];

    for (size_t i = 0; i < FIXTURES; i++) {
        (void)snprintf(name, sizeof(name), "fhir/%s.json", fixture_names[i]);
        fixtures.json[i] = rig_load(name);
    }
    return fixtures;
}

void
fixtures_drop(struct fixtures *fixtures, size_t i)
{
    json_decref(fixtures->json[i]);
    fixtures->json[i] = NULL;
}

void
fixtures_add(struct rig *rig, const struct fixtures *fixtures)
{
    for (size_t i = 0; i < FIXTURES; i++) {
        if (fixtures->json[i] != NULL)
            rig_add_json(rig, fixtures->json[i]);
    }
}

void
fixtures_check(const struct intake_referral *referral, const struct fixtures *fixtures)
{
    json_t *bundle = json_object_get(referral->body, "fhir");
    size_t at = 0;

    assert_string_equal(content_text(bundle, "resourceType"), "Bundle");
    assert_string_equal(content_text(bundle, "type"), "collection");
    for (size_t i = 0; i < FIXTURES; i++) {
        if (fixtures->json[i] == NULL)
            continue;
        json_t *entry = json_array_get(json_object_get(bundle, "entry"), at++);
        assert_true(json_equal(json_object_get(entry, "resource"), fixtures->json[i]));
    }
    assert_int_equal(json_array_size(json_object_get(bundle, "entry")), at);
}
