/* What lies on this agent's disk: keys that only their owner can read and that are checked when
 * they are loaded, a store that shows no word of any content, and a check that finds what was
 * changed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/tables.h"
#include "lib/base/file.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, FILE_BYTES_MAX = 64 << 20 };
static const char marker[] = "XyzzyMarkerPlover";

static struct buffer
read_whole(const struct rig *rig, const char *name)
{
    struct buffer content = BUFFER_INIT(FILE_BYTES_MAX);
    char path[256];

    fixture_path(&rig->fixture, name, path, sizeof(path));
    assert_int_equal(file_read(path, &content), ERR_OK);
    return content;
}

static void
assert_absent(const struct rig *rig, const char *name)
{
    struct buffer content = read_whole(rig, name);

    assert_true(content.len > 0);
    assert_null(memmem(content.data, content.len, marker, sizeof(marker) - 1));
    buffer_done(&content);
}

static void
no_word_of_content_is_on_disk(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    const struct agent_content content = {.facts = bytes_of_text(marker),
                                          .body = bytes_of_text(marker)};
    struct complaint complaint = {""};

    (void)state;
    rig_settle(rig);
    assert_int_equal(agent_start_loop(rig->peer[CLINIC].agent, "elm-pantry", PRIORITY_URGENT, 0,
                                      &content, rig->now, &loop, NULL),
                     ERR_OK);
    assert_absent(rig, "store0/data.mdb"); /* as a draft */
    rig_settle(rig);
    assert_int_equal(agent_say(rig->peer[CLINIC].agent, &loop, EVENT_ASK, 0, false, &content,
                               rig->now, &complaint),
                     ERR_WRONG_STATE);
    assert_null(strstr(complaint.text, marker));
    assert_absent(rig, "store0/data.mdb");
    assert_absent(rig, "store1/data.mdb");
    fake_rig_free(fake);
}

static void
keys_are_saved_and_loaded(void **state)
{
    struct fixture fixture;
    struct identity identity;
    struct complaint complaint = {""};
    struct stat status;
    char home[128], path[256];

    (void)state;
    fixture_init(&fixture, 1);
    struct identity *original = &fixture.member[0].identity;
    fixture_path(&fixture, "home", home, sizeof(home));
    assert_int_equal(identity_load(home, &identity, &complaint), ERR_NOT_FOUND);
    assert_non_null(strstr(complaint.text, "join"));
    original->joined = true;
    assert_int_equal(identity_save(original, home, &complaint), ERR_OK);
    assert_int_equal(identity_load(home, &identity, &complaint), ERR_OK);
    assert_string_equal(identity.org, original->org);
    assert_string_equal(identity.name, original->name);
    assert_true(identity.joined);
    assert_memory_equal(&identity.invite, &original->invite, sizeof(identity.invite));
    assert_memory_equal(&identity.keys, &original->keys, sizeof(identity.keys));
    assert_memory_equal(identity.secrets, original->secrets, sizeof(*identity.secrets));
    assert_memory_equal(&identity.genesis.broker_log, &original->genesis.broker_log,
                        sizeof(identity.genesis.broker_log));
    identity_done(&identity);

    fixture_path(&fixture, "home/keys/member.key", path, sizeof(path));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(identity_load(home, &identity, &complaint), ERR_PERMISSION);
    fixture_done(&fixture);
}

/* Every byte of both files matters: with one changed, they are refused (or mean the same). */
static void
damaged_keys_are_refused(void **state)
{
    static const char *const names[] = {"home/keys/member.key", "home/keys/network"};
    struct fixture fixture;
    char home[128], path[256];

    (void)state;
    fixture_init(&fixture, 1);
    fixture_path(&fixture, "home", home, sizeof(home));
    assert_int_equal(identity_save(&fixture.member[0].identity, home, NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buffer good = BUFFER_INIT(FILE_BYTES_MAX);
        struct identity identity;
        fixture_path(&fixture, names[i], path, sizeof(path));
        assert_int_equal(file_read(path, &good), ERR_OK);
        assert_int_equal(file_replace(path, bytes_of(good.data, good.len - 1), 0600), ERR_OK);
        assert_int_equal(identity_load(home, &identity, NULL), ERR_CORRUPT);
        uint8_t *genesis = memmem(good.data, good.len, "genesis ", 8);
        size_t at = genesis == NULL ? good.len - 40 : (size_t)(genesis - good.data) + 200;
        good.data[at] = good.data[at] == 'x' ? 'y' : 'x';
        assert_int_equal(file_replace(path, buffer_view(&good), 0600), ERR_OK);
        assert_int_equal(identity_load(home, &identity, NULL), ERR_CORRUPT);
        assert_int_equal(identity_save(&fixture.member[0].identity, home, NULL), ERR_OK);
        assert_int_equal(identity_load(home, &identity, NULL), ERR_OK);
        identity_done(&identity);
        buffer_done(&good);
    }
    fixture_done(&fixture);
}

static void
joining_twice_says_the_same(void **state)
{
    struct fixture fixture;
    struct buffer again = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);

    (void)state;
    fixture_init(&fixture, 1);
    const struct fixture_member *member = &fixture.member[0];
    assert_int_equal(identity_join_envelope(&member->identity, &member->token, &again), ERR_OK);
    assert_true(bytes_equal(buffer_view(&again), buffer_view(&member->join)));
    buffer_done(&again);
    fixture_done(&fixture);
}

static void
another_organizations_store_is_refused(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    char path[128];
    struct agent *agent = NULL;
    struct complaint complaint = {""};
    const struct agent_options options = {.store_dir = path,
                                          .map_bytes = 4 << 20,
                                          .map_max_bytes = 64 << 20,
                                          .identity = &rig->fixture.member[CLINIC].identity,
                                          .window = 1};

    (void)state;
    agent_free(rig->peer[PANTRY].agent);
    fixture_path(&rig->fixture, "store1", path, sizeof(path));
    assert_int_equal(agent_open(&options, &agent, &complaint), ERR_CONFIG);
    assert_non_null(strstr(complaint.text, "another organization"));
    rig->peer[PANTRY].agent = fixture_open_agent(&rig->fixture, PANTRY, "store1");
    fake_rig_free(fake);
}

/* Changes one record behind the agent's back, through the store itself, so that its digest is
 * right. */
static void
change_record(const struct rig *rig, const char *store, size_t table, size_t at)
{
    char path[128];
    const struct kv_options options = {.dir = path,
                                       .tables = table_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = 4 << 20,
                                       .map_max_bytes = 64 << 20};
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    struct bytes key, value;
    struct buffer copy = BUFFER_INIT(1 << 20), key_copy = BUFFER_INIT(KV_KEY_MAX);

    fixture_path(&rig->fixture, store, path, sizeof(path));
    assert_int_equal(kv_open(&options, &kv, NULL), ERR_OK);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_last(txn, table, &key, &value), ERR_OK);
    buffer_put(&copy, value.data, value.len);
    buffer_put(&key_copy, key.data, key.len);
    assert_true(at < copy.len);
    copy.data[at] ^= 1;
    assert_int_equal(kv_put(txn, table, buffer_view(&key_copy), buffer_view(&copy)), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
    buffer_done(&copy);
    buffer_done(&key_copy);
}

static void
the_check_finds_what_was_changed(void **state)
{
    /* Table, and a byte of its last record that only the check looks at. */
    static const struct {
        size_t table, at;
    } changes[] = {{TABLE_LOOPS, 30} /* a counter of the loop */,
                   {TABLE_STEPS, 57} /* the step's flags */,
                   {TABLE_CONTENT, 40} /* the content */,
                   {TABLE_LOG, 7} /* the log time of a copy */,
                   {TABLE_ORDER, 3} /* whose it is */,
                   {TABLE_PROOFS, 12} /* a hash */,
                   {TABLE_PROOFS, 7} /* the size it is for */,
                   {TABLE_NOTES, 90} /* a checkpoint */,
                   {TABLE_DIRECTORY, 7} /* the log time of a member's entry */};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct fake_rig *fake = fake_rig_new(2);
        struct rig *rig = &fake->rig;
        struct loop_id loop;
        struct complaint complaint = {""};
        rig_settle(rig);
        (void)rig_start(rig, CLINIC, PANTRY, &loop);
        rig_settle(rig);
        assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, &complaint), ERR_OK);
        rig_down(rig, CLINIC);
        agent_free(rig->peer[CLINIC].agent);
        change_record(rig, "store0", changes[i].table, changes[i].at);
        rig->peer[CLINIC].agent = fixture_open_agent(&rig->fixture, CLINIC, "store0");
        assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, &complaint), ERR_CORRUPT);
        assert_true(strlen(complaint.text) > 10);
        fake_rig_free(fake);
    }
}

/* Content that cannot be opened any more costs its own step and nothing else: the others are shown,
 * and go out. */
static void
one_damaged_content_stops_nothing_else(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop[8];
    static struct rig_steps steps;
    struct loop_view view;
    size_t n_refused = 0, n_unreadable = 0;

    (void)state;
    rig_settle(rig);
    rig_down(rig, CLINIC);
    for (size_t i = 0; i < ARRAY_LEN(loop); i++)
        (void)rig_start(rig, CLINIC, PANTRY, &loop[i]);
    agent_free(rig->peer[CLINIC].agent);
    change_record(rig, "store0", TABLE_CONTENT, 40);
    rig->peer[CLINIC].agent = fixture_open_agent(&rig->fixture, CLINIC, "store0");
    rig_settle(rig);
    for (size_t i = 0; i < ARRAY_LEN(loop); i++) {
        rig_read_steps(rig, CLINIC, &loop[i], &steps);
        n_unreadable += steps.view[0].unreadable;
        if (steps.view[0].stage != STAGE_REFUSED) {
            assert_int_equal(agent_get_loop(rig->peer[PANTRY].agent, &loop[i], &view), ERR_OK);
            continue;
        }
        n_refused++;
        assert_int_equal(steps.view[0].refusal, ERR_KEY);
        assert_true(steps.view[0].unreadable);
    }
    assert_int_equal(n_refused, 1);
    assert_int_equal(n_unreadable, 1);
    fake_rig_free(fake);
}

static struct agent_queue_status
queue_of(struct rig *rig, size_t peer)
{
    struct agent_queue_status status;

    agent_get_queue_status(rig->peer[peer].agent, &status);
    return status;
}

static void
open_with(struct rig *rig, size_t peer, int64_t map_max_bytes)
{
    rig->fixture.map_max_bytes = map_max_bytes;
    rig_restart(rig, peer);
}

/* A store at its limit stands for a full disk: the same error comes from the same call. */
static void
a_full_disk_refuses_and_heals(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct complaint complaint = {""};
    static struct loop_id loop[2048];
    size_t n = 0;

    (void)state;
    rig_settle(rig);
    open_with(rig, CLINIC, 768 << 10);
    while (n < ARRAY_LEN(loop) && rig_start(rig, CLINIC, PANTRY, &loop[n]) > 0)
        n++;
    assert_true(n > 10 && n < ARRAY_LEN(loop));
    assert_false(queue_of(rig, CLINIC).disk_full); /* what runs already goes on for a while */
    assert_int_equal(rig->last, ERR_DISK_FULL);
    assert_non_null(strstr(rig->complaint.text, "no new referrals"));
    for (size_t i = 0; i < 4000 && rig_say(rig, CLINIC, &loop[i % n], EVENT_NOTE) > 0;)
        i++;
    assert_int_equal(rig->last, ERR_DISK_FULL);
    assert_non_null(strstr(rig->complaint.text, "the disk is full"));
    assert_true(queue_of(rig, CLINIC).disk_full);
    assert_int_equal(queue_of(rig, CLINIC).disk_full_since_ms, rig->now.wall_ms);
    assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, &complaint), ERR_OK);
    rig_up(rig, CLINIC);
    for (unsigned i = 0; i < 20; i++)
        rig_move(rig, CLINIC); /* may say little, must not fail */
    open_with(rig, CLINIC, 64 << 20);
    assert_false(queue_of(rig, CLINIC).disk_full);
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
a_full_disk_takes_nothing_in_and_loses_nothing(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    open_with(rig, PANTRY, 384 << 10);
    for (unsigned i = 0; i < 300; i++)
        (void)rig_start(rig, CLINIC, PANTRY, &loop);
    for (unsigned i = 0; i < 60; i++) {
        if (!rig->peer[PANTRY].up)
            rig_up(rig, PANTRY);
        rig_move(rig, CLINIC);
        rig_move(rig, PANTRY);
        agent_tend(rig->peer[PANTRY].agent, rig->now);
    }
    assert_true(rig->n_full > 0);
    assert_int_equal(agent_check_store(rig->peer[PANTRY].agent, NULL), ERR_OK);
    open_with(rig, PANTRY, 64 << 20);
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_word_of_content_is_on_disk),
        cmocka_unit_test(keys_are_saved_and_loaded),
        cmocka_unit_test(damaged_keys_are_refused),
        cmocka_unit_test(joining_twice_says_the_same),
        cmocka_unit_test(another_organizations_store_is_refused),
        cmocka_unit_test(the_check_finds_what_was_changed),
        cmocka_unit_test(one_damaged_content_stops_nothing_else),
        cmocka_unit_test(a_full_disk_refuses_and_heals),
        cmocka_unit_test(a_full_disk_takes_nothing_in_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
