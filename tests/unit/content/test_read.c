/* What came from a partner is taken leniently, and can be shown on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/content/content.h"

struct both {
    json_t *facts, *body;
    bool sound;
};

static void
both_done(struct both *both)
{
    json_decref(both->facts);
    json_decref(both->body);
}

static struct both
read_texts(const char *facts, const char *body)
{
    struct both both = {NULL, NULL, false};

    assert_int_equal(content_read(bytes_of_text(facts), bytes_of_text(body), &both.facts,
                                  &both.body, &both.sound),
                     ERR_OK);
    assert_true(json_is_object(both.facts));
    assert_true(json_is_object(both.body));
    return both;
}

static void
sound_content_stays_as_it_is(void **state)
{
    static const char facts[] =
        "{\"v\":1,\"category\":\"food-insecurity\",\"codes\":[{\"system\":\"http://snomed.info/"
        "sct\",\"code\":\"710925007\"}],\"basis\":\"consent\",\"no_contact\":false}";
    static const char body[] =
        "{\"v\":1,\"person\":{\"name\":\"Ana Example\",\"identifiers\":[{\"system\":\"s\","
        "\"value\":\"v\"}],\"future\":[1]},\"need\":\"a\\nb\",\"later\":{\"x\":1},\"fhir\":{"
        "\"resourceType\":"
        "\"Bundle\"}}";
    CLEANUP(both_done) struct both both = read_texts(facts, body);
    json_auto_t *facts_expected = json_loads(facts, 0, NULL);
    json_auto_t *body_expected = json_loads(body, 0, NULL);

    (void)state;
    assert_true(both.sound);
    assert_true(json_equal(both.facts, facts_expected));
    assert_true(json_equal(both.body, body_expected));
}

static void
what_is_no_object_is_empty(void **state)
{
    static const char *const texts[] = {"",     "[]",     "17", "{",         "{\"a\":1,\"a\":2}",
                                        "null", "\xff{}", "x",  "{\"a\":1}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CLEANUP(both_done) struct both facts = read_texts(texts[i], "{\"need\":\"food\"}");
        assert_false(facts.sound);
        assert_int_equal(json_object_size(facts.facts), 0);
        assert_string_equal(content_text(facts.body, "need"), "food");
        CLEANUP(both_done) struct both body = read_texts("{\"reason\":\"moved\"}", texts[i]);
        assert_false(body.sound);
        assert_int_equal(json_object_size(body.body), 0);
        assert_string_equal(content_text(body.facts, "reason"), "moved");
    }
}

static void
wrong_types_are_dropped(void **state)
{
    CLEANUP(both_done)
    struct both both = read_texts(
        "{\"v\":\"1\",\"category\":7,\"reason\":[\"moved\"],\"codes\":[1,{\"code\":\"a\"},{"
        "\"code\":2}],"
        "\"next\":null}",
        "{\"person\":\"Ana\",\"contact\":{\"how\":{}},\"need\":[],\"note\":\"kept\",\"fhir\":[],"
        "\"consent\":{\"basis\":\"consent\",\"covers\":1}}");

    (void)state;
    assert_true(both.sound);
    assert_int_equal(json_object_size(both.facts), 1);
    assert_int_equal(json_array_size(json_object_get(both.facts, "codes")), 1);
    assert_null(json_object_get(both.body, "person"));
    assert_null(json_object_get(both.body, "need"));
    assert_null(json_object_get(both.body, "fhir"));
    assert_string_equal(content_text(both.body, "note"), "kept");
    assert_int_equal(json_object_size(json_object_get(both.body, "contact")), 0);
    assert_int_equal(json_object_size(json_object_get(both.body, "consent")), 1);
}

static void
an_unclear_ban_on_contact_counts_as_one(void **state)
{
    (void)state;
    CLEANUP(both_done)
    struct both unclear =
        read_texts("{\"no_contact\":\"yes\"}", "{\"contact\":{\"prohibited\":1}}");
    assert_true(json_is_true(json_object_get(unclear.facts, "no_contact")));
    assert_true(
        json_is_true(json_object_get(json_object_get(unclear.body, "contact"), "prohibited")));
    CLEANUP(both_done)
    struct both clear = read_texts("{\"no_contact\":false}", "{\"contact\":{\"prohibited\":null}}");
    assert_true(json_is_false(json_object_get(clear.facts, "no_contact")));
    assert_true(
        json_is_false(json_object_get(json_object_get(clear.body, "contact"), "prohibited")));
}

static void
control_characters_become_blanks(void **state)
{
    CLEANUP(both_done)
    struct both both = read_texts(
        "{\"service\":\"a\\u001b[2Jb\",\"codes\":[{\"system\":\"s\\u0007\",\"code\":\"c\"}]}",
        "{\"person\":{\"name\":\"Ana\\nExample\\u009b\"},\"need\":\"a\\nb\\u001b\",\"note\":\"\"}");

    (void)state;
    assert_string_equal(content_text(both.facts, "service"), "a [2Jb");
    assert_string_equal(
        content_text(json_array_get(json_object_get(both.facts, "codes"), 0), "system"), "s ");
    assert_string_equal(content_text(json_object_get(both.body, "person"), "name"), "Ana Example ");
    assert_string_equal(content_text(both.body, "need"), "a\nb ");
    assert_string_equal(content_text(both.body, "note"), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_content_stays_as_it_is),
        cmocka_unit_test(what_is_no_object_is_empty),
        cmocka_unit_test(wrong_types_are_dropped),
        cmocka_unit_test(an_unclear_ban_on_contact_counts_as_one),
        cmocka_unit_test(control_characters_become_blanks),
    };

    return cmocka_run_group_tests_name("content_read", tests, NULL, NULL);
}
