/* The administrator sees which organization was refused what, how often and since when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

/* All zero when the organization was never refused for that reason. */
static struct broker_refused
find(const struct rig *rig, const char *org, enum err code)
{
    struct broker_refused refused;
    uint64_t cursor = 0;
    while (broker_next_refused(rig->broker, &cursor, &refused)) {
        if (strcmp(refused.org, org) == 0 && refused.code == code) {
            return refused;
        }
    }
    return (struct broker_refused){.org = NULL};
}

static uint64_t
sum(const struct rig *rig, enum err code)
{
    struct broker_refused refused;
    uint64_t cursor = 0;
    uint64_t n = 0;
    while (broker_next_refused(rig->broker, &cursor, &refused)) {
        n += refused.code == code ? refused.n : 0;
    }
    return n;
}

/* A request by `org` that names `author`. */
static void
say_as(struct rig *rig, struct rig_org *org, const struct rig_org *author)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(org, org == &rig->pantry ? &rig->clinic : &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    memcpy(statement.author, author->org, sizeof(statement.author));
    statement.author_key = author->key_id;
    memcpy(statement.as.loop.readers[0].org, rig->admin.org, ORG_ID_BYTES);
    statement.as.loop.readers[0].key = rig->admin.key_id;
    (void)rig_seal(rig, &statement, 10, org, &envelope);
    (void)rig_submit_as(rig, org, &envelope);
}

static void
test_by_organization(void **state)
{
    struct rig *rig = *state;
    int64_t first_ms = rig->now.wall_ms;
    say_as(rig, &rig->clinic, &rig->pantry);
    say_as(rig, &rig->clinic, &rig->pantry);
    rig->now.wall_ms += 5000;
    rig->now.boot_ms += 5000;
    say_as(rig, &rig->clinic, &rig->pantry);
    say_as(rig, &rig->pantry, &rig->clinic);
    struct broker_refused clinic = find(rig, rig->clinic.org, ERR_NOT_PERMITTED);
    assert_int_equal(clinic.n, 3);
    assert_true(clinic.first_ms >= first_ms && clinic.first_ms < first_ms + 5000);
    assert_true(clinic.last_ms >= first_ms + 5000);
    assert_int_equal(find(rig, rig->pantry.org, ERR_NOT_PERMITTED).n, 1);
    assert_int_equal(rig_status(rig).refused[ERR_NOT_PERMITTED], 4);
    assert_null(find(rig, rig->clinic.org, ERR_SIGNATURE).org);
}

/* What is refused before it is a statement counts for who sent it as well. */
static void
test_messages(void **state)
{
    struct rig *rig = *state;
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    for (int i = 0; i < 7; i++) {
        assert_int_equal(broker_receive(rig->broker, &rig->pantry.keys.curve, &rig->pantry.route,
                                        bytes_of(garbage, sizeof(garbage)), rig->now),
                         ERR_OK);
    }
    assert_int_equal(find(rig, rig->pantry.org, ERR_MALFORMED).n, 7);
    assert_null(find(rig, rig->clinic.org, ERR_MALFORMED).org);
}

/* Whichever of its keys it used: present, one-time, replaced, revoked. */
static void
test_every_key(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    static const uint8_t garbage[] = {0xff};
    struct bytes frame = bytes_of(garbage, sizeof(garbage));
    struct rig_org next = {.org = ""};
    const struct rig_org former = rig->clinic;
    say_as(rig, &rig->clinic, &rig->pantry);
    rig_org_new(&next, rig->clinic.org);
    rig_rotate_envelope(rig, &rig->clinic, &next, &envelope);
    assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
    struct curve_public keys[] = {former.keys.curve, next.keys.curve, former.once_curve};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_int_equal(
            broker_receive(rig->broker, &keys[i], &rig->shelter.route, frame, rig->now), ERR_OK);
    }
    assert_int_equal(find(rig, "oak-clinic", ERR_MALFORMED).n, ARRAY_LEN(keys));
    (void)rig_revoke(rig, "oak-clinic");
    assert_int_equal(broker_receive(rig->broker, &keys[1], &rig->shelter.route, frame, rig->now),
                     ERR_OK);
    assert_int_equal(find(rig, "oak-clinic", ERR_REVOKED).n, 1);
    assert_int_equal(find(rig, "oak-clinic", ERR_NOT_PERMITTED).n, 1);
}

/* A key that is nobody's is in the totals and under no name. */
static void
test_stranger(void **state)
{
    struct rig *rig = *state;
    static const uint8_t garbage[] = {0xff};
    assert_int_equal(broker_receive(rig->broker, &rig->shelter.keys.curve, &rig->shelter.route,
                                    bytes_of(garbage, sizeof(garbage)), rig->now),
                     ERR_OK);
    assert_int_equal(rig_status(rig).refused[ERR_UNKNOWN_MEMBER], 1);
    assert_int_equal(sum(rig, ERR_UNKNOWN_MEMBER), 0);
}

/* Many at once: each is counted by itself, and the totals are their sum. */
static void
test_many(void **state)
{
    enum { MANY = 100 };
    struct rig *rig = *state;
    static const uint8_t garbage[] = {0xff};
    for (int i = 0; i < MANY; i++) {
        struct rig_org org = {.org = ""};
        char name[ORG_ID_BYTES];
        (void)snprintf(name, sizeof(name), "ash-%d", i);
        rig_org_new(&org, name);
        (void)rig_invite(rig, &org, rig->now.wall_ms + 60000, false);
        for (int k = 0; k <= i % 3; k++) {
            assert_int_equal(broker_receive(rig->broker, &org.once_curve, &org.route,
                                            bytes_of(garbage, sizeof(garbage)), rig->now),
                             ERR_OK);
        }
    }
    for (int i = 0; i < MANY; i++) {
        char name[ORG_ID_BYTES];
        (void)snprintf(name, sizeof(name), "ash-%d", i);
        assert_int_equal(find(rig, name, ERR_MALFORMED).n, i % 3 + 1);
    }
    assert_int_equal(sum(rig, ERR_MALFORMED), rig_status(rig).refused[ERR_MALFORMED]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_organization, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_messages, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_every_key, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_stranger, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_many, rig_start, rig_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
