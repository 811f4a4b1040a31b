/* Alarms on disk: each once as long as it stands, a bounded number of them, and a stop that no
 * number of them and no restart can hide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/state.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0 };

struct raising {
    enum alarm_kind kind;
    uint64_t index;
    const char *about;
    struct bytes proof;
};

static enum err
raise_one(struct unit *unit, void *context)
{
    const struct raising *raising = context;

    return alarm_raise(unit, raising->kind, raising->index, raising->proof, "%s", raising->about);
}

static void
raise_alarm(struct rig *rig, enum alarm_kind kind, uint64_t index, const char *about)
{
    struct raising raising = {kind, index, about, bytes_of_text("what was told")};

    assert_int_equal(unit_run(rig->peer[CLINIC].agent, rig->now, raise_one, &raising), ERR_OK);
}

struct seen {
    size_t n;
    uint32_t newest, oldest;
    struct alarm last;
    size_t proof_bytes;
};

static bool
see(void *context, const struct alarm *alarm)
{
    struct seen *seen = context;

    if (seen->n == 0)
        seen->newest = alarm->number;
    else
        assert_true(alarm->number < seen->oldest); /* newest first */
    seen->oldest = alarm->number;
    seen->last = *alarm;
    seen->proof_bytes = alarm->proof.len;
    seen->n++;
    return true;
}

static struct seen
look(struct rig *rig)
{
    struct seen seen = {.n = 0};

    assert_int_equal(agent_each_alarm(rig->peer[CLINIC].agent, see, &seen), ERR_OK);
    return seen;
}

static struct agent_proof_status
status_of(struct rig *rig)
{
    struct agent_proof_status status;

    agent_get_proof_status(rig->peer[CLINIC].agent, &status);
    return status;
}

static void
is_raised_once_while_it_stands(void **state)
{
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;

    (void)state;
    raise_alarm(rig, ALARM_CLOCK, UINT64_MAX, "");
    raise_alarm(rig, ALARM_CLOCK, UINT64_MAX, "");
    assert_int_equal(look(rig).n, 1);
    assert_false(status_of(rig).stopped);
    raise_alarm(rig, ALARM_REPLAYED, 7, "abcd");
    raise_alarm(rig, ALARM_REPLAYED, 8, "abcd");
    raise_alarm(rig, ALARM_REPLAYED, 8, "ef01");
    assert_int_equal(status_of(rig).n_alarms, 4);
    assert_true(status_of(rig).stopped);
    rig_restart(rig, CLINIC);
    assert_int_equal(status_of(rig).n_alarms, 4);
    assert_true(status_of(rig).stopped);
    rig->now.wall_ms += 5000;
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    rig_restart(rig, CLINIC);
    struct seen seen = look(rig);
    assert_int_equal(seen.n, 4);
    assert_int_equal(seen.last.kind, ALARM_CLOCK);
    assert_int_equal(seen.last.settled_ms, rig->now.wall_ms);
    assert_int_equal(seen.last.raised_ms, rig->now.wall_ms - 5000);
    assert_int_equal(seen.proof_bytes, strlen("what was told"));
    assert_int_equal(status_of(rig).n_alarms, 0);
    assert_false(status_of(rig).stopped);
    raise_alarm(rig, ALARM_REPLAYED, 8, "ef01");
    assert_true(status_of(rig).stopped);
    fake_rig_free(fake);
}

/* The other log grows on, and every hello is answered with another length of it. */
static void
another_log_is_told_once_while_it_stands(void **state)
{
    static const enum alarm_kind kinds[] = {ALARM_ROLLED_BACK, ALARM_REWRITTEN};
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        raise_alarm(rig, kinds[i], UINT64_MAX, "it shows one of 7");
        raise_alarm(rig, kinds[i], UINT64_MAX, "it shows one of 8");
        assert_int_equal(status_of(rig).n_alarms, 1);
        assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
        raise_alarm(rig, kinds[i], UINT64_MAX, "it shows one of 8");
        assert_int_equal(status_of(rig).n_alarms, 1);
        assert_true(status_of(rig).stopped);
        assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    }
    fake_rig_free(fake);
}

/* The loop stays broken, and everything said in it shows so again. */
static void
a_hole_is_told_once_for_ever(void **state)
{
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;

    (void)state;
    raise_alarm(rig, ALARM_WITHHELD, 7, "abcd");
    assert_true(status_of(rig).stopped);
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    raise_alarm(rig, ALARM_WITHHELD, 9, "abcd");
    assert_int_equal(status_of(rig).n_alarms, 0);
    assert_false(status_of(rig).stopped);
    raise_alarm(rig, ALARM_WITHHELD, 9, "ef01");
    assert_true(status_of(rig).stopped);
    fake_rig_free(fake);
}

/* A store put back from an older copy meets every statement that it has lost. Who changes our keys
 * twice has done two things. */
static void
what_is_not_ours_is_told_once_a_loop(void **state)
{
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;
    const char *self = rig->fixture.member[CLINIC].identity.org;

    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        raise_alarm(rig, ALARM_NOT_OURS, i, "abcd");
    raise_alarm(rig, ALARM_NOT_OURS, 6, "ef01");
    assert_int_equal(status_of(rig).n_alarms, 2);
    assert_false(status_of(rig).stopped);
    raise_alarm(rig, ALARM_NOT_OURS, 7, self);
    raise_alarm(rig, ALARM_NOT_OURS, 8, self);
    raise_alarm(rig, ALARM_NOT_OURS, 8, self);
    assert_int_equal(status_of(rig).n_alarms, 4);
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    raise_alarm(rig, ALARM_NOT_OURS, 9, "abcd");
    assert_int_equal(status_of(rig).n_alarms, 1);
    fake_rig_free(fake);
}

static void
there_is_room_for_so_many(void **state)
{
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;

    (void)state;
    for (uint64_t i = 0; i < ALARMS_KEPT + 20; i++)
        raise_alarm(rig, ALARM_MISDELIVERED, i, "");
    assert_int_equal(look(rig).n, ALARMS_KEPT);
    assert_false(status_of(rig).stopped);
    raise_alarm(rig, ALARM_SPLIT_VIEW, UINT64_MAX, "two logs");
    assert_int_equal(look(rig).n, ALARMS_KEPT);
    assert_true(status_of(rig).stopped); /* though there was no room for its record */
    rig_restart(rig, CLINIC);
    assert_true(status_of(rig).stopped);
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    assert_false(status_of(rig).stopped);
    /* What is settled makes room, the oldest first. */
    raise_alarm(rig, ALARM_SPLIT_VIEW, UINT64_MAX, "two logs");
    struct seen seen = look(rig);
    assert_int_equal(seen.n, ALARMS_KEPT);
    assert_int_equal(seen.newest, ALARMS_KEPT + 1);
    assert_int_equal(seen.oldest, 2);
    assert_int_equal(status_of(rig).n_alarms, 1);
    fake_rig_free(fake);
}

static void
long_proofs_and_words_are_cut(void **state)
{
    static uint8_t bytes[ALARM_PROOF_MAX + 100];
    struct fake_rig *fake = fake_rig_new(1);
    struct rig *rig = &fake->rig;
    char about[400];
    struct raising raising = {ALARM_NOT_OURS, 3, about, bytes_of(bytes, sizeof(bytes))};

    (void)state;
    memset(about, 'x', sizeof(about) - 1);
    about[sizeof(about) - 1] = '\0';
    assert_int_equal(unit_run(rig->peer[CLINIC].agent, rig->now, raise_one, &raising), ERR_OK);
    struct seen seen = look(rig);
    assert_int_equal(seen.proof_bytes, ALARM_PROOF_MAX);
    assert_int_equal(strlen(seen.last.about), sizeof(seen.last.about) - 1);
    fake_rig_free(fake);
}

static void
every_kind_has_words(void **state)
{
    static const enum alarm_kind kinds[] = {
#define KIND_ROW(symbol, number, stops, word, sentence) symbol,
        ALARM_TABLE(KIND_ROW)
#undef KIND_ROW
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_string_not_equal(alarm_word(kinds[i]), "unknown");
        size_t length = strlen(alarm_sentence(kinds[i]));
        assert_int_equal(alarm_sentence(kinds[i])[length - 1], '.');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(alarm_word(kinds[i]), alarm_word(kinds[k]));
    }
    assert_string_equal(alarm_word((enum alarm_kind)0), "unknown");
    assert_string_equal(alarm_word((enum alarm_kind)200), "unknown");
    assert_false(alarm_stops((enum alarm_kind)200));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_raised_once_while_it_stands),
        cmocka_unit_test(another_log_is_told_once_while_it_stands),
        cmocka_unit_test(a_hole_is_told_once_for_ever),
        cmocka_unit_test(what_is_not_ours_is_told_once_a_loop),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test(long_proofs_and_words_are_cut),
        cmocka_unit_test(every_kind_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
