/* refloop's own form: every field, every refusal by its name, and what the command line adds. */
#include "tests/unit/intake/rig.h"

static void
every_field_arrives(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    json_auto_t *form = rig_load("form/full.json");
    json_auto_t *facts =
        json_pack("{s:i, s:s, s:s, s:b, s:s, s:s}", "v", 1, "category", "food-insecurity",
                  "service", "weekly-box", "no_contact", 1, "basis", "consent", "replaces",
                  "3f2a91c077de0b14a2f56c8e01d2b3c4");
    json_auto_t *body = json_pack("{s:i}", "v", 1);

    (void)state;
    rig_add_fixture(&rig, "form/full.json");
    struct intake_referral *referral = rig_ready(&rig);
    assert_string_equal(referral->to, "elm-pantry");
    assert_int_equal(referral->priority, PRIORITY_URGENT);
    assert_int_equal(referral->needed_by_ms, INT64_C(1796169599000)); /* end of 2026-12-01 */
    assert_true(json_equal(referral->facts, facts));
    static const char *const same[] = {"person", "contact", "need", "consent", "note"};
    for (size_t i = 0; i < 5; i++)
        json_object_set(body, same[i], json_object_get(form, same[i]));
    assert_true(json_equal(referral->body, body));
}

static json_t *
make_least(void)
{
    return json_loads("{\"to\": \"elm-pantry\", \"category\": \"stress\", \"person\": {\"name\": "
                      "\"Ana Example\"}, \"consent\": {\"basis\": \"treatment\"}}",
                      0, NULL);
}

static void
the_least_is_enough(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    json_auto_t *form = make_least();

    (void)state;
    rig_add_json(&rig, form);
    struct intake_referral *referral = rig_ready(&rig);
    assert_int_equal(referral->priority, PRIORITY_ROUTINE);
    assert_int_equal(referral->needed_by_ms, 0);
    assert_null(json_object_get(referral->facts, "no_contact"));
    assert_null(json_object_get(referral->body, "contact"));
}

static void
null_is_as_good_as_absent(void **state)
{
    static const char *const paths[] = {
        "priority", "needed_by",         "service", "person.phone", "contact",
        "need",     "consent.signed_on", "note",    "replaces",     "person.identifiers"};
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    json_auto_t *form = make_least();

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        rig_set(form, paths[i], "null");
    rig_add_json(&rig, form);
    (void)rig_ready(&rig);
}

/* One change to the full form, and the field that is refused; NULL: fine. */
static const struct {
    const char *path, *value, *field;
} changes[] = {
    {"to", NULL, "to"},
    {"to", "\"\"", "to"},
    {"to", "\"Elm Pantry\"", "to"},
    {"to", "\"no-member\"", "to"},
    {"to", "7", "to"},
    {"priority", "\"asap\"", "priority"},
    {"priority", "true", "priority"},
    {"needed_by", "\"tomorrow\"", "needed_by"},
    {"needed_by", "\"2026-02-30\"", "needed_by"},
    {"needed_by", "\"2026-11-20\"", "needed_by"},
    {"needed_by", "\"2026-11-22\"", NULL},
    {"needed_by", "\"2026-12-01T09:00:00-05:00\"", NULL},
    {"category", NULL, "category"},
    {"category", "\"hunger\"", "category"},
    {"category", "\" \"", "category"},
    {"service", "\"a box, weekly\"", "service"},
    {"service", "[]", "service"},
    {"person", NULL, "person.name"},
    {"person", "null", "person.name"},
    {"person", "{}", "person.name"},
    {"person", "\"Ana\"", "person"},
    {"person", "[]", "person"},
    {"person.name", "\"  \"", "person.name"},
    {"person.name", "\"Ana\\u0007\"", "person.name"},
    {"person.nam", "\"Ana\"", "person.nam"},
    {"person.birth_date", "\"29.2.1980\"", "person.birth_date"},
    {"person.birth_date", "\"1981-02-29\"", "person.birth_date"},
    {"person.birth_date", "\"2027-01-01\"", "person.birth_date"},
    {"person.birth_date", "\"1980\"", NULL},
    {"person.birth_date", "\"1980-02\"", NULL},
    {"person.birth_date", "\"198\"", "person.birth_date"},
    {"person.phone", "5550100", "person.phone"},
    {"person.phone", "\"555-0100 555-0100 555-0100 555-0100 555-0100\"", "person.phone"},
    {"person.email", "\"a\\nb\"", "person.email"},
    {"person.address", "{}", "person.address"},
    {"person.language", "[\"es\"]", "person.language"},
    {"person.identifiers", "{}", "person.identifiers"},
    {"person.identifiers", "[7]", "person.identifiers"},
    {"person.identifiers", "[{\"system\": \"s\"}]", "person.identifiers"},
    {"person.identifiers", "[{\"value\": \"v\", \"use\": \"u\"}]", "person.identifiers"},
    {"person.identifiers", "[{\"value\": \"v\"}]", NULL},
    {"contact.prohibited", "\"yes\"", "contact.prohibited"},
    {"contact.prohibited", "1", "contact.prohibited"},
    {"contact.how", "1", "contact.how"},
    {"contact.when", "\"a\\tb\"", "contact.when"},
    {"contact.hou", "\"\"", "contact.hou"},
    {"need", "[\"food\"]", "need"},
    {"consent", NULL, "consent.basis"},
    {"consent", "{}", "consent.basis"},
    {"consent.basis", "\"because\"", "consent.basis"},
    {"consent.signed_on", NULL, "consent.signed_on"},
    {"consent.signed_on", "\"soon\"", "consent.signed_on"},
    {"consent.signed_on", "\"2026-11-25\"", "consent.signed_on"},
    {"consent.signed_on", "\"2026-11-23\"", NULL}, /* a day ahead in another time zone */
    {"consent.expires_on", "\"2026-11-19\"", "consent.expires_on"},
    {"consent.expires_on", "\"2026-11-20\"", "consent.expires_on"},
    {"consent.expires_on", "\"never\"", "consent.expires_on"},
    {"consent.covers", "1", "consent.covers"},
    {"consent.source", "{}", "consent.source"},
    {"note", "\"a\\u009bb\"", "note"},
    {"replaces", "\"3f2a\"", "replaces"},
    {"replaces", "\"3F2A91C077DE0B14A2F56C8E01D2B3C4\"", NULL},
    {"persn", "{}", "persn"},
    {"resourcetype", "\"Patient\"", "resourcetype"},
    {"a\xc3\xa9", "1", "a??"},
};

static void
each_refusal_names_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        CLEANUP(rig_done) struct rig rig = {.n = 0};
        json_auto_t *form = rig_load("form/full.json");
        rig_set(form, changes[i].path, changes[i].value);
        rig_add_json(&rig, form);
        if (changes[i].field == NULL)
            (void)rig_ready(&rig);
        else
            rig_refused(&rig, changes[i].field);
    }
}

static void
a_basis_other_than_consent_needs_no_signature_but_may_need_words(void **state)
{
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    CLEANUP(rig_done) struct rig explained = {.n = 0};
    json_auto_t *form = make_least();

    (void)state;
    rig_set(form, "consent.basis", "\"other\"");
    rig_add_json(&rig, form);
    rig_refused(&rig, "note");
    rig_set(form, "note", "\"court order 17\"");
    rig_add_json(&explained, form);
    (void)rig_ready(&explained);
}

static void
a_referral_with_every_text_full_still_fits(void **state)
{
    static const struct {
        const char *path;
        size_t len;
    } texts[] = {{"person.name", 200}, {"person.address", 500},  {"need", 4000},
                 {"note", 8000},       {"consent.covers", 1000}, {"consent.source", 1000},
                 {"contact.how", 200}, {"contact.when", 200},    {"service", 64}};
    CLEANUP(rig_done) struct rig rig = {.n = 0};
    json_auto_t *form = rig_load("form/full.json");
    static char value[8010];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        memset(value, 'x', texts[i].len + 2);
        value[0] = value[texts[i].len + 1] = '"';
        value[texts[i].len + 2] = '\0';
        rig_set(form, texts[i].path, value);
    }
    rig_add_json(&rig, form);
    (void)rig_ready(&rig);
}

static void
check_default(const struct intake_defaults *defaults, const char *path, const char *value,
              const char *refused)
{
    CLEANUP(rig_done) struct rig rig = {.defaults = *defaults};
    json_auto_t *form = make_least();

    rig_set(form, path, value);
    rig_add_json(&rig, form);
    if (refused != NULL) {
        rig_refused(&rig, refused);
        return;
    }
    struct intake_referral *referral = rig_ready(&rig);
    if (defaults->to != NULL)
        assert_string_equal(referral->to, defaults->to);
    if (defaults->priority != NULL)
        assert_int_equal(referral->priority, PRIORITY_URGENT);
    if (defaults->needed_by != NULL)
        assert_true(referral->needed_by_ms > 0);
}

static void
the_command_line_fills_but_may_not_contradict(void **state)
{
    const struct intake_defaults to = {.to = "elm-pantry"};
    const struct intake_defaults other = {.to = "north-shelter"};
    const struct intake_defaults nobody = {.to = "nobody-here"};
    const struct intake_defaults urgent = {.priority = "urgent"};
    const struct intake_defaults wrong = {.priority = "now"};
    const struct intake_defaults by = {.needed_by = "2026-12-01"};
    const struct intake_defaults empty = {.to = "", .priority = "", .needed_by = ""};

    (void)state;
    check_default(&to, "to", NULL, NULL);
    check_default(&to, "to", "\"elm-pantry\"", NULL);
    check_default(&other, "to", "\"elm-pantry\"", "to");
    check_default(&nobody, "to", NULL, "to");
    check_default(&urgent, "priority", NULL, NULL);
    check_default(&urgent, "priority", "\"routine\"", "priority");
    check_default(&wrong, "priority", NULL, "priority");
    check_default(&by, "needed_by", NULL, NULL);
    check_default(&by, "needed_by", "\"2026-12-02\"", "needed_by");
    check_default(&empty, "to", NULL, "to");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_arrives),
        cmocka_unit_test(the_least_is_enough),
        cmocka_unit_test(null_is_as_good_as_absent),
        cmocka_unit_test(each_refusal_names_its_field),
        cmocka_unit_test(a_basis_other_than_consent_needs_no_signature_but_may_need_words),
        cmocka_unit_test(a_referral_with_every_text_full_still_fits),
        cmocka_unit_test(the_command_line_fills_but_may_not_contradict),
    };

    return cmocka_run_group_tests_name("intake_form", tests, NULL, NULL);
}
