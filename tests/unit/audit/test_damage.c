/* A store that was changed by somebody who can write to it, in one place: the verification names
 * the entry and says what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/witness.h"
#include "tests/unit/audit/rig.h"

enum { ROW_MAX = LIMIT_FRAME_BYTES, SOME_ENTRY = 1234 };

/* Offset of the signature in a row of the log. */
static size_t
signature_offset(const struct buffer *row)
{
    enum { BEFORE_STATEMENT = 8 + 1 + 4 };
    struct reader reader = reader_of(bytes_of(row->data + 9, 4));
    return BEFORE_STATEMENT + reader_u32(&reader);
}

static struct bytes
id_key(const struct digest *id)
{
    return bytes_of(id->bytes, DIGEST_BYTES);
}

/* Changes one byte of a row, counted from its end when negative. */
static void
flip(struct rig *rig, enum table table, struct bytes key, long place)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    rig_read(rig, table, key, &row);
    size_t at = place < 0 ? row.len - (size_t)-place : (size_t)place;
    assert_true(at < row.len);
    row.data[at] ^= 1;
    rig_write(rig, table, key, buffer_view(&row));
}

/* ---- the log ---- */

static void
test_signature(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    rig_begin(rig);
    rig_read_log(rig, SOME_ENTRY, &row);
    row.data[signature_offset(&row) + 5] ^= 1;
    rig_write_log(rig, SOME_ENTRY, buffer_view(&row));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "its signature is not by the key that example-");
}

static void
test_every_statement_byte(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    size_t end = 0;
    for (size_t at = 13; end == 0 || at < end; at += 61) {
        rig_begin(rig);
        rig_read_log(rig, SOME_ENTRY, &row);
        end = signature_offset(&row);
        row.data[at] ^= 4;
        rig_write_log(rig, SOME_ENTRY, buffer_view(&row));
        rig_commit(rig);
        rig_expect_bad(rig, SOME_ENTRY, "entry 1234: ");
        rig_begin(rig);
        row.data[at] ^= 4;
        rig_write_log(rig, SOME_ENTRY, buffer_view(&row));
        rig_commit(rig);
    }
    rig_expect_true(rig);
}

static void
test_time(void **state)
{
    struct rig *rig = *state;
    const uint64_t places[] = {SOME_ENTRY, 1023, 1024, 2047, RIG_ENTRIES - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        uint8_t key[8];
        rig_begin(rig);
        flip(rig, TABLE_LOG, kv_key_u64(places[i], key), 7);
        rig_commit(rig);
        rig_expect_bad(rig, places[i], "not what the tree has at its place");
        rig_begin(rig);
        flip(rig, TABLE_LOG, kv_key_u64(places[i], key), 7);
        rig_commit(rig);
    }
}

static void
test_backdated(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    rig_begin(rig);
    rig_read_log(rig, SOME_ENTRY, &row);
    row.data[4] ^= 0x80; /* 25 days */
    rig_write_log(rig, SOME_ENTRY, buffer_view(&row));
    rig_commit(rig);
    enum err err = rig_verify_at(rig, rig->home, bytes_of(NULL, 0));
    assert_int_equal(err, ERR_CORRUPT);
    assert_int_equal(rig->report.bad_index, SOME_ENTRY);
}

static void
test_swapped(void **state)
{
    CLEANUP(buffer_done) struct buffer one = BUFFER_INIT(ROW_MAX);
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    rig_begin(rig);
    rig_read_log(rig, SOME_ENTRY, &one);
    rig_read_log(rig, SOME_ENTRY + 1, &other);
    rig_write_log(rig, SOME_ENTRY, buffer_view(&other));
    rig_write_log(rig, SOME_ENTRY + 1, buffer_view(&one));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "");
}

static void
test_removed(void **state)
{
    struct rig *rig = *state;
    uint8_t key[8];
    rig_begin(rig);
    rig_delete(rig, TABLE_LOG, kv_key_u64(SOME_ENTRY, key));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "it is missing");
}

static void
test_cut_off(void **state)
{
    struct rig *rig = *state;
    uint8_t key[8];
    rig_begin(rig);
    rig_delete(rig, TABLE_LOG, kv_key_u64(RIG_ENTRIES - 1, key));
    rig_delete(rig, TABLE_LOG, kv_key_u64(RIG_ENTRIES - 2, key));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_ENTRIES - 2, "the broker has signed a log of 2600 entries");
}

static void
test_added(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    rig_begin(rig);
    rig_read_log(rig, RIG_ENTRIES - 1, &row);
    rig_write_log(rig, RIG_ENTRIES, buffer_view(&row));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_ENTRIES, "signed no checkpoint that covers it");
}

static void
test_lowest(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    struct digest id;
    rig_begin(rig);
    rig_read_log(rig, 2222, &row);
    row.data[signature_offset(&row)] ^= 1;
    rig_write_log(rig, 2222, buffer_view(&row));
    (void)rig_statement(rig, 777, &id);
    flip(rig, TABLE_IDS, id_key(&id), 9);
    rig_commit(rig);
    rig_expect_bad(rig, 777, "the receipt stored for it");
}

/* Bytes that changed on the disk, not by the way of the store. */
static void
test_disk(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(64 << 20);
    struct rig *rig = *state;
    char path[FILE_PATH_MAX];
    rig_begin(rig);
    rig_read_log(rig, SOME_ENTRY, &row);
    kv_abort(&rig->txn);
    kv_closep(&rig->kv);
    assert_int_equal(file_path(path, rig->home, "store/data.mdb"), ERR_OK);
    assert_int_equal(file_read(path, &file), ERR_OK);
    uint8_t *found = memmem(file.data, file.len, row.data, row.len);
    while (found != NULL) { /* also where an older page still has it */
        found[20] ^= 1;
        found = memmem(file.data, file.len, row.data, row.len);
    }
    assert_int_equal(file_replace(path, buffer_view(&file), 0600), ERR_OK);
    rig_expect_bad(rig, SOME_ENTRY, "its record is damaged");
}

/* ---- the projections ---- */

static void
test_mailbox(void **state)
{
    struct rig *rig = *state;
    struct digest id;
    uint8_t key[MAILBOX_KEY_BYTES];
    const uint8_t part = JOURNAL_READER;
    rig_begin(rig);
    struct statement statement = rig_statement(rig, SOME_ENTRY, &id);
    const struct make_log_member *reader = NULL;
    const struct make_log_member *stranger = NULL;
    for (size_t i = 0; i < RIG_MEMBERS; i++) {
        const struct make_log_member *member = &rig->members[i];
        if (strcmp(member->org, statement.as.loop.readers[0].org) == 0) {
            reader = member;
        } else if (strcmp(member->org, statement.author) != 0) {
            stranger = member;
        }
    }
    rig_delete(rig, TABLE_MAILBOX, tables_mailbox_key(reader->handle, SOME_ENTRY, key));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "its row in the mailbox of example-");
    rig_begin(rig);
    rig_write(rig, TABLE_MAILBOX, tables_mailbox_key(stranger->handle, SOME_ENTRY, key),
              bytes_of(&part, 1));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "its row in the mailbox of example-"); /* the missing one */
    rig_begin(rig);
    rig_write(rig, TABLE_MAILBOX, tables_mailbox_key(reader->handle, SOME_ENTRY, key),
              bytes_of(&part, 1));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "whom it does not concern");
}

static void
test_receipt(void **state)
{
    struct rig *rig = *state;
    struct digest id;
    uint8_t none[DIGEST_BYTES] = {1};
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    rig_begin(rig);
    (void)rig_statement(rig, SOME_ENTRY, &id);
    rig_read(rig, TABLE_IDS, id_key(&id), &row);
    flip(rig, TABLE_IDS, id_key(&id), 9);
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "the receipt stored for it is not what the log says");
    rig_begin(rig);
    rig_delete(rig, TABLE_IDS, id_key(&id));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "the receipt stored for it is missing");
    rig_begin(rig);
    rig_write(rig, TABLE_IDS, id_key(&id), buffer_view(&row));
    rig_write(rig, TABLE_IDS, bytes_of(none, sizeof(none)), buffer_view(&row));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "a receipt is stored for a statement that is not");
}

static void
test_track(void **state)
{
    struct rig *rig = *state;
    struct digest id;
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    rig_begin(rig);
    struct statement statement = rig_statement(rig, SOME_ENTRY, &id);
    struct bytes key = bytes_of(statement.as.loop.loop.bytes, LOOP_ID_BYTES);
    rig_read(rig, TABLE_LOOPS, key, &row);
    flip(rig, TABLE_LOOPS, key, 17); /* the state */
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "what is stored of it is not what its statements say");
    rig_begin(rig);
    rig_delete(rig, TABLE_LOOPS, key);
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "its row is missing");
    rig_begin(rig);
    rig_write(rig, TABLE_LOOPS, key, buffer_view(&row));
    statement.as.loop.loop.bytes[0] ^= 1;
    rig_write(rig, TABLE_LOOPS, key, buffer_view(&row));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "a loop is stored that nobody has requested");
}

static void
test_directory(void **state)
{
    struct rig *rig = *state;
    uint8_t key[8];
    rig_begin(rig);
    rig_delete(rig, TABLE_DIRECTORY, kv_key_u64(rig->rotate_index, key));
    rig_commit(rig);
    rig_expect_bad(rig, rig->rotate_index, "its row in the list of what concerns everybody");
    rig_begin(rig);
    rig_write(rig, TABLE_DIRECTORY, kv_key_u64(rig->rotate_index, key), bytes_of(NULL, 0));
    rig_delete(rig, TABLE_DIRECTORY, kv_key_u64(rig->revoke_index, key));
    rig_commit(rig);
    rig_expect_bad(rig, rig->revoke_index, "its row in the list of what concerns everybody");
    rig_begin(rig);
    rig_write(rig, TABLE_DIRECTORY, kv_key_u64(rig->revoke_index, key), bytes_of(NULL, 0));
    rig_write(rig, TABLE_DIRECTORY, kv_key_u64(SOME_ENTRY, key), bytes_of(NULL, 0));
    rig_commit(rig);
    rig_expect_bad(rig, SOME_ENTRY, "it is listed as one that concerns everybody, and does not");
}

/* The directory is folded when the store is opened: that already says what is wrong. */
static void
test_directory_entry(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_MAX);
    struct rig *rig = *state;
    rig_begin(rig);
    rig_read_log(rig, rig->rotate_index, &row);
    row.data[signature_offset(&row)] ^= 1;
    rig_write_log(rig, rig->rotate_index, buffer_view(&row));
    rig_commit(rig);
    assert_int_equal(rig_verify_at(rig, rig->home, bytes_of(NULL, 0)), ERR_CORRUPT);
    assert_non_null(strstr(rig->complaint.text, "signature"));
}

static void
test_sealed(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(ROW_MAX);
    uint8_t key[8];
    uint8_t other[8];
    rig_begin(rig);
    uint64_t index = rig_find(rig, SOME_ENTRY, EVENT_REQUEST);
    uint64_t bare = rig_find(rig, SOME_ENTRY, EVENT_DELIVERED);
    rig_read(rig, TABLE_SEALED, kv_key_u64(index, key), &sealed);
    flip(rig, TABLE_SEALED, kv_key_u64(index, key), 100);
    rig_commit(rig);
    rig_expect_bad(rig, index, "its sealed part is not the one that was signed");
    rig_begin(rig);
    rig_delete(rig, TABLE_SEALED, kv_key_u64(index, key));
    rig_commit(rig);
    rig_expect_true(rig); /* erased: nothing that was signed is wrong */
    rig_begin(rig);
    rig_write(rig, TABLE_SEALED, kv_key_u64(bare, other), buffer_view(&sealed));
    rig_commit(rig);
    rig_expect_bad(rig, bare, "it has a sealed part that nobody has signed");
    rig_begin(rig);
    rig_delete(rig, TABLE_SEALED, kv_key_u64(bare, other));
    rig_write(rig, TABLE_SEALED, kv_key_u64(RIG_ENTRIES + 7, other), buffer_view(&sealed));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "for an entry that is not in the log");
}

/* ---- the tree ---- */

static void
test_tiles(void **state)
{
    struct rig *rig = *state;
    /* A full tile, the last one of its row (which is not), and the rows above. */
    const struct {
        unsigned row;
        uint64_t column;
        const char *words;
    } tiles[] = {
        {0, 40, "row 0, tile 40 is not that of entry"},
        {0, RIG_ENTRIES / 32, "row 0, tile 81 is not that of entry"},
        {1, 1, "the stored tree: row"},
        {1, RIG_ENTRIES / 1024, "the stored tree: row 1, tile 2 does not stand for"},
        {2, 0, "the stored tree: row 2, tile 0 does not stand for"},
    };
    for (size_t i = 0; i < ARRAY_LEN(tiles); i++) {
        CLEANUP(buffer_done) struct buffer tile = BUFFER_INIT(ROW_MAX);
        uint8_t key[TREE_KEY_BYTES];
        struct bytes at = tables_tree_key(tiles[i].row, tiles[i].column, key);
        rig_begin(rig);
        rig_read(rig, TABLE_TREE, at, &tile);
        flip(rig, TABLE_TREE, at, 5);
        rig_commit(rig);
        rig_expect_bad(rig, RIG_NO_ENTRY, tiles[i].words);
        rig_begin(rig);
        rig_write(rig, TABLE_TREE, at, bytes_of(tile.data, tile.len - 32));
        rig_commit(rig);
        rig_expect_bad(rig, RIG_NO_ENTRY, "the stored tree: row");
        rig_begin(rig);
        rig_delete(rig, TABLE_TREE, at);
        rig_commit(rig);
        rig_expect_bad(rig, RIG_NO_ENTRY, "missing");
        rig_begin(rig);
        rig_write(rig, TABLE_TREE, at, buffer_view(&tile));
        rig_commit(rig);
    }
    rig_expect_true(rig);
}

static void
test_odd_tile(void **state)
{
    struct rig *rig = *state;
    uint8_t key[TREE_KEY_BYTES];
    const uint8_t hash[MERKLE_HASH_BYTES] = {0};
    rig_begin(rig);
    rig_write(rig, TABLE_TREE, tables_tree_key(3, 0, key), bytes_of(hash, sizeof(hash)));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "table tree: ");
}

static void
test_checkpoint(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    const struct merkle_hash root = {.bytes = {1}};
    struct bytes key = bytes_of_text(META_CHECKPOINT);
    rig_begin(rig);
    rig_read(rig, TABLE_META, key, &note);
    note.data[note.len - 12] ^= 1;
    rig_write(rig, TABLE_META, key, buffer_view(&note));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "the broker has signed no checkpoint of this log");
    buffer_clear(&note);
    assert_int_equal(checkpoint_sign(&rig->network, RIG_ENTRIES, &root, &rig->log, &note), ERR_OK);
    rig_begin(rig);
    rig_write(rig, TABLE_META, key, buffer_view(&note));
    rig_commit(rig);
    rig_expect_bad(rig, RIG_NO_ENTRY, "does not have the root that the broker has signed");
}

/* ---- cosignatures ---- */

static void
put_witnessed(struct rig *rig, const struct buffer *note)
{
    rig_begin(rig);
    rig_write(rig, TABLE_META, bytes_of_text(META_WITNESSED), buffer_view(note));
    rig_commit(rig);
}

static void
cosign(struct rig *rig, struct buffer *note, const struct make_log_member *member, bool right)
{
    uint8_t signature[SIGN_BYTES];
    enum { TIME_S = 1795001000 };
    assert_int_equal(checkpoint_cosign(buffer_view(note), TIME_S, &member->sign, signature),
                     ERR_OK);
    signature[3] ^= right ? 0 : 1;
    assert_int_equal(checkpoint_add_cosignature(note, &rig->network, member->org,
                                                &member->keys.sign, TIME_S, signature),
                     ERR_OK);
}

static void
test_witnessed(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    const struct merkle_hash root = {.bytes = {1}};
    rig_note_at(rig, 2001, &note);
    cosign(rig, &note, &rig->members[1], true);
    cosign(rig, &note, &rig->members[2], true);
    put_witnessed(rig, &note);
    rig_expect_true(rig);
    cosign(rig, &note, &rig->members[4], false);
    put_witnessed(rig, &note);
    rig_expect_bad(rig, RIG_NO_ENTRY, "the cosignature of example-4 does not fit");
    buffer_clear(&note);
    assert_int_equal(checkpoint_sign(&rig->network, 2001, &root, &rig->log, &note), ERR_OK);
    cosign(rig, &note, &rig->members[1], true);
    put_witnessed(rig, &note);
    rig_expect_bad(rig, RIG_NO_ENTRY,
                   "members have cosigned a checkpoint of 2001 entries that is not of this log");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signature, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_every_statement_byte, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_time, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_backdated, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_swapped, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_removed, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_cut_off, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_added, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_lowest, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_disk, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_mailbox, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_receipt, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_track, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_directory, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_directory_entry, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_sealed, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_tiles, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_odd_tile, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_checkpoint, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_witnessed, rig_start, rig_stop),
    };
    return cmocka_run_group_tests(tests, rig_group_start, rig_group_stop);
}
