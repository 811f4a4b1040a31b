/* The status object: what the edge knows of the link, what the broker said, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/command/county.h"

static json_t *
status(struct county *county, unsigned who)
{
    return county_run(county, who, "{s:s}", "command", "status");
}

static void
test_online(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];
    char fingerprint[FINGERPRINT_TEXT];

    county_refer(county, "Ana Example", loop);
    json_t *answer = status(county, PANTRY);
    token_fingerprint(&county->network, fingerprint);
    const struct {
        const char *path, *text;
    } expected[] = {
        {"version", REFLOOP_VERSION},
        {"organization.org", "elm-pantry"},
        {"organization.name", "Elm Street Pantry"},
        {"network.name", "Elm County"},
        {"network.fingerprint", fingerprint},
        {"network.endpoint", "tcp://broker.example.org:7707"},
        {"link.state", "online"},
        {"link.since", COUNTY_NOW},
        {"link.last_heard", COUNTY_NOW_PUMPED},
        {"link.trouble", "none"},
        {"sentence", "Online. 1 referral needs you."},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(county_text(answer, expected[i].path), expected[i].text);
    assert_int_equal(county_number(answer, "schema"), 1);
    assert_true(json_is_false(county_at(answer, "problem")));
    assert_true(json_is_null(county_at(answer, "queue.oldest")));
    assert_int_equal(county_number(answer, "loops.total"), 1);
    assert_int_equal(county_number(answer, "loops.open"), 1);
    assert_int_equal(county_number(answer, "loops.needs_me"), 1);
    assert_true(county_number(answer, "log.head") > 0);
    assert_int_equal(county_number(answer, "log.read"), county_number(answer, "log.head"));
    json_decref(answer);
}

static void
test_offline(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_link(county, CLINIC, false);
    county_refer(county, "Ana Example", loop);
    county_refer(county, "Bo Example", loop);
    json_t *answer = status(county, CLINIC);
    assert_string_equal(county_text(answer, "link.state"), "offline");
    assert_string_equal(county_text(answer, "link.trouble"), "no-answer");
    assert_string_equal(county_text(answer, "link.since"), COUNTY_NOW_PUMPED);
    assert_int_equal(county_number(answer, "queue.waiting"), 2);
    assert_string_equal(county_text(answer, "queue.oldest"), COUNTY_NOW_PUMPED);
    assert_string_equal(county_text(answer, "sentence"),
                        "Offline since 09:30: nobody answers at the broker's address; 2 referrals "
                        "wait on this machine and go out by themselves.");
    assert_true(json_is_true(county_at(answer, "problem")));
    json_decref(answer);
    county_link(county, PANTRY, false);
    county_link(county, CLINIC, true);
    county_pump(county);
    answer = status(county, CLINIC);
    assert_int_equal(county_number(answer, "queue.waiting"), 0);
    assert_int_equal(county_number(answer, "loops.undelivered"), 2);
    json_decref(answer);
    county_link(county, PANTRY, true);
    county_pump(county);
    answer = status(county, CLINIC);
    assert_int_equal(county_number(answer, "loops.undelivered"), 0);
    json_decref(answer);
}

/* The broker's own word stands above what the edge makes of the broken link. */
static void
test_revoked(void **state)
{
    static const enum link_trouble seen[] = {TROUBLE_INTERRUPTED, TROUBLE_STARTING, TROUBLE_REFUSED,
                                             TROUBLE_NO_ANSWER};
    struct county *county = *state;

    county_revoke(county, "elm-pantry");
    county_link(county, PANTRY, false);
    county_link(county, PANTRY, true);
    county_pump(county);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        county->members[PANTRY].link.trouble = seen[i];
        json_t *answer = status(county, PANTRY);
        assert_string_equal(county_text(answer, "link.state"), "offline");
        assert_string_equal(county_text(answer, "link.trouble"), "revoked");
        assert_non_null(strstr(county_text(answer, "sentence"), "revoked this organization"));
        json_decref(answer);
    }
    json_t *answer = status(county, CLINIC);
    assert_string_equal(county_text(answer, "link.trouble"), "none");
    json_decref(answer);
}

static void
refuse(struct county *county, enum err code)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct message *message = calloc(1, sizeof(*message));

    assert_non_null(message);
    message->kind = MESSAGE_REFUSED;
    message->as.refused = (struct message_refused){.code = code, .retry_ms = 5000};
    assert_int_equal(message_encode(message, &frame), ERR_OK);
    free(message);
    assert_int_equal(agent_receive(county->members[PANTRY].agent, buffer_view(&frame), county->now),
                     ERR_OK);
}

static void
test_refused_session(void **state)
{
    static const struct {
        enum err code;
        enum link_trouble seen;
        const char *trouble;
    } cases[] = {
        {ERR_BUSY, TROUBLE_NONE, "broker-busy"},
        {ERR_QUOTA, TROUBLE_INTERRUPTED, "broker-busy"},
        {ERR_BUSY, TROUBLE_NO_ANSWER, "no-answer"},
        {ERR_BUSY, TROUBLE_WRONG_KEY, "wrong-key"},
        {ERR_VERSION, TROUBLE_INTERRUPTED, "refused"},
        {ERR_VERSION, TROUBLE_NOT_A_BROKER, "not-a-broker"},
    };
    struct county *county = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        refuse(county, cases[i].code);
        county->members[PANTRY].link.trouble = cases[i].seen;
        json_t *answer = status(county, PANTRY);
        assert_string_equal(county_text(answer, "link.trouble"), cases[i].trouble);
        assert_string_equal(county_text(answer, "link.state"), "offline");
        assert_true(json_is_true(county_at(answer, "problem")));
        json_decref(answer);
    }
}

/* On the way to a link: neither online nor a problem. */
static void
test_connecting(void **state)
{
    static const enum link_trouble seen[] = {TROUBLE_NONE, TROUBLE_STARTING, TROUBLE_SUSPENDED};
    struct county *county = *state;

    county_link(county, PANTRY, false);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        county->members[PANTRY].link.trouble = seen[i];
        json_t *answer = status(county, PANTRY);
        assert_string_equal(county_text(answer, "link.state"), "connecting");
        assert_string_equal(county_text(answer, "link.trouble"), supervisor_trouble_name(seen[i]));
        assert_true(json_is_false(county_at(answer, "problem")));
        json_decref(answer);
    }
}

static void
test_endpoint(void **state)
{
    struct county *county = *state;
    struct command_link *link = &county->members[PANTRY].link;

    memcpy(link->endpoint, "tcp://127.0.0.1:9", sizeof("tcp://127.0.0.1:9"));
    json_t *answer = status(county, PANTRY);
    assert_string_equal(county_text(answer, "network.endpoint"), "tcp://127.0.0.1:9");
    json_decref(answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_online, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_offline, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_revoked, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_refused_session, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_connecting, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_endpoint, county_setup, county_teardown),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
