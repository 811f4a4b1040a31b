/* Evidence from a broker's log: every loop of it is proved to somebody who knows the root alone, in
 * the checkpoint that members have cosigned where that covers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/witness.h"
#include "lib/proof/evidence.h"
#include "tests/unit/audit/rig.h"

enum { WITNESSED = 1200, LOOPS_MAX = 1000, TIME_S = 1800000000 };

struct listing {
    size_t n;
    struct audit_loop loops[LOOPS_MAX]; /* their texts are not kept */
};

static bool
take(void *context, const struct audit_loop *loop)
{
    struct listing *listing = context;
    assert_true(listing->n < LOOPS_MAX);
    listing->loops[listing->n++] = *loop;
    return true;
}

static struct audit *
open_home(struct rig *rig)
{
    struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    enum err err = audit_open(rig->home, &rig->network, &audit, &complaint);
    assert_string_equal(complaint.text, "");
    assert_int_equal(err, ERR_OK);
    return audit;
}

static void
list(struct audit *audit, struct listing *listing)
{
    const struct audit_loops_options options = {.now_ms = 1};
    listing->n = 0;
    assert_int_equal(audit_each_loop(audit, &options, take, listing), ERR_OK);
    assert_true(listing->n > 100);
}

/* A note of the log at WITNESSED, cosigned by two; one of them has new keys since then. */
static void
witness(struct rig *rig)
{
    static const size_t cosigners[] = {1, 2};
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    rig_note_at(rig, WITNESSED, &note);
    for (size_t i = 0; i < ARRAY_LEN(cosigners); i++) {
        const struct make_log_member *member = &rig->members[cosigners[i]];
        uint8_t signature[SIGN_BYTES];
        assert_int_equal(checkpoint_cosign(buffer_view(&note), TIME_S, &member->sign, signature),
                         ERR_OK);
        assert_int_equal(checkpoint_add_cosignature(&note, &rig->network, member->org,
                                                    &member->keys.sign, TIME_S, signature),
                         ERR_OK);
    }
    rig_begin(rig);
    rig_write(rig, TABLE_META, bytes_of_text(META_WITNESSED), buffer_view(&note));
    rig_commit(rig);
}

static void
prove(struct audit *audit, const struct rig *rig, const struct audit_loop *loop,
      struct evidence_reading *reading)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {.text = ""};
    enum err err = audit_evidence(audit, &loop->loop, &file, &complaint);
    assert_string_equal(complaint.text, "");
    assert_int_equal(err, ERR_OK);
    err = evidence_read(buffer_view(&file), &rig->network, reading, &complaint);
    assert_string_equal(complaint.text, "");
    assert_int_equal(err, ERR_OK);
    assert_true(file.len < 64 * 1024);
    assert_memory_equal(&reading->loop, &loop->loop, sizeof(loop->loop));
    assert_int_equal(reading->state, loop->position.state);
    assert_int_equal(reading->n_steps, loop->n_statements);
}

/* Among them loops of the member that rotated and of the one that was revoked. */
static void
test_every_loop(void **state)
{
    struct rig *rig = *state;
    static struct listing listing;
    size_t n_old = 0;
    witness(rig);
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    list(audit, &listing);
    for (size_t i = 0; i < listing.n; i++) {
        struct evidence_reading reading = {.n_steps = 0};
        prove(audit, rig, &listing.loops[i], &reading);
        bool covered = reading.steps[reading.n_steps - 1].index < WITNESSED;
        assert_int_equal(reading.size, covered ? WITNESSED : RIG_ENTRIES);
        assert_int_equal(reading.n_cosigners, covered ? 2 : 0);
        n_old += covered ? 1 : 0;
        evidence_reading_done(&reading);
    }
    assert_in_range(n_old, 10, listing.n - 10);
}

static void
test_unwitnessed(void **state)
{
    struct rig *rig = *state;
    static struct listing listing;
    struct evidence_reading reading = {.n_steps = 0};
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    list(audit, &listing);
    prove(audit, rig, &listing.loops[0], &reading);
    assert_int_equal(reading.size, RIG_ENTRIES);
    evidence_reading_done(&reading);
}

static void
expect_no_evidence(struct audit *audit, const struct loop_id *loop, enum err expected,
                   const char *words)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {.text = ""};
    assert_int_equal(audit_evidence(audit, loop, &file, &complaint), expected);
    assert_non_null(strstr(complaint.text, words));
    assert_int_equal(file.len, 0);
}

static void
test_refused(void **state)
{
    struct rig *rig = *state;
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    const struct loop_id unknown = {{1, 2, 3}};
    expect_no_evidence(audit, &unknown, ERR_UNKNOWN_LOOP, "no such loop");
}

static struct loop_id
first_loop(struct rig *rig)
{
    static struct listing listing;
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    list(audit, &listing);
    return listing.loops[0].loop;
}

/* A statement in the middle that cannot be found any more. */
static void
test_torn(void **state)
{
    struct rig *rig = *state;
    struct loop_id loop = first_loop(rig);
    struct track track;
    rig_begin(rig);
    assert_int_equal(journal_load_track(rig->txn, &loop, &track), ERR_OK);
    rig_delete(rig, TABLE_IDS, bytes_of(track.marks[0].id.bytes, DIGEST_BYTES));
    rig_commit(rig);
    track_done(&track);
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    expect_no_evidence(audit, &loop, ERR_CORRUPT, "do not hang together");
}

/* The tiles are those of another log than the one that was signed. */
static void
test_other_tree(void **state)
{
    struct rig *rig = *state;
    struct loop_id loop = first_loop(rig);
    CLEANUP(buffer_done) struct buffer tile = BUFFER_INIT(4096);
    uint8_t key[TREE_KEY_BYTES];
    rig_begin(rig);
    rig_read(rig, TABLE_TREE, tables_tree_key(2, 0, key), &tile);
    tile.data[tile.len - 1] ^= 1;
    rig_write(rig, TABLE_TREE, tables_tree_key(2, 0, key), buffer_view(&tile));
    rig_commit(rig);
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    expect_no_evidence(audit, &loop, ERR_CORRUPT, "is not of this log");
}

static void
test_unsigned(void **state)
{
    struct rig *rig = *state;
    struct loop_id loop = first_loop(rig);
    rig_begin(rig);
    rig_delete(rig, TABLE_META, bytes_of_text(META_CHECKPOINT));
    rig_commit(rig);
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    expect_no_evidence(audit, &loop, ERR_NOT_FOUND, "has not signed");
}

static void
expect_find(struct audit *audit, const char *form, enum err expected, const char *words)
{
    struct complaint complaint = {.text = ""};
    struct loop_id found;
    assert_int_equal(audit_find_loop(audit, form, &found, &complaint), expected);
    assert_non_null(strstr(complaint.text, words));
}

/* Four digits that fit more than one of the loops there are. */
static bool
find_twins(const struct listing *listing, char out[5])
{
    char text[LOOP_ID_TEXT];
    for (size_t i = 1; i < listing->n; i++) {
        if (memcmp(listing->loops[i - 1].loop.bytes, listing->loops[i].loop.bytes, 2) == 0) {
            ident_format(&listing->loops[i].loop, text);
            memcpy(out, text, 4);
            out[4] = '\0';
            return true;
        }
    }
    return false;
}

static void
test_find(void **state)
{
    struct rig *rig = *state;
    static struct listing listing;
    char text[LOOP_ID_TEXT];
    struct loop_id found;
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    list(audit, &listing);
    for (size_t i = 0; i < listing.n; i++) {
        ident_format(&listing.loops[i].loop, text);
        assert_int_equal(audit_find_loop(audit, text, &found, NULL), ERR_OK);
        assert_memory_equal(&found, &listing.loops[i].loop, sizeof(found));
        text[12] = '\0';
        assert_int_equal(audit_find_loop(audit, text, &found, NULL), ERR_OK);
        assert_memory_equal(&found, &listing.loops[i].loop, sizeof(found));
    }
    text[10] = text[10] == '0' ? '1' : '0';
    expect_find(audit, text, ERR_UNKNOWN_LOOP, "no loop begins with");
    expect_find(audit, "abc", ERR_INVALID, "first 4 or more");
    expect_find(audit, "elm-pantry", ERR_INVALID, "is no loop");
}

static void
test_ambiguous(void **state)
{
    struct rig *rig = *state;
    struct loop_id twin = first_loop(rig);
    struct track track;
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    char form[5] = "";
    static struct listing listing;
    rig_begin(rig);
    assert_int_equal(journal_load_track(rig->txn, &twin, &track), ERR_OK);
    track.loop.bytes[LOOP_ID_BYTES - 1] ^= 1;
    track_encode(&track, &record);
    rig_write(rig, TABLE_LOOPS, tables_loop_key(&track.loop), buffer_view(&record));
    rig_commit(rig);
    track_done(&track);
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    list(audit, &listing);
    assert_true(find_twins(&listing, form));
    expect_find(audit, form, ERR_AMBIGUOUS, "more than one");
}

/* ---- key events ---- */

struct events {
    size_t n, n_again, n_revoked, n_rotated;
    uint64_t last;
};

static void
count_event(void *context, const struct audit_key_event *event)
{
    struct events *events = context;
    assert_true(events->n == 0 || event->index > events->last);
    assert_true(strlen(event->org) > 0 && strlen(event->name) > 0);
    events->last = event->index;
    events->n++;
    events->n_again += event->kind == STATEMENT_JOIN && event->again ? 1 : 0;
    events->n_rotated += event->kind == STATEMENT_ROTATE ? 1 : 0;
    if (event->kind == STATEMENT_REVOKE) {
        events->n_revoked++;
        assert_string_equal(event->reason, "left");
    }
}

static void
test_key_events(void **state)
{
    struct rig *rig = *state;
    struct events events = {.n = 0};
    CLEANUP(audit_closep) struct audit *audit = open_home(rig);
    assert_int_equal(audit_each_key_event(audit, count_event, &events), ERR_OK);
    assert_int_equal(events.n, 1 + 2 * RIG_MEMBERS + 2);
    assert_int_equal(events.n_rotated, 1);
    assert_int_equal(events.n_revoked, 1);
    assert_int_equal(events.n_again, 0);
    assert_int_equal(events.last, rig->revoke_index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_loop), TEST(test_unwitnessed), TEST(test_refused),
        TEST(test_torn),       TEST(test_other_tree),  TEST(test_unsigned),
        TEST(test_find),       TEST(test_ambiguous),   TEST(test_key_events),
    };
    return cmocka_run_group_tests(tests, rig_group_start, rig_group_stop);
}
