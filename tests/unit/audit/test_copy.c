/* A copy is complete and says so, or is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/witness.h"
#include "tests/unit/audit/rig.h"

enum { FILE_MAX = 64 << 20 };

static enum err
copy(struct rig *rig, const char *name, struct audit_copy_options options, char dir[FILE_PATH_MAX])
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    assert_int_equal(file_path(dir, rig->home, name), ERR_OK);
    rig->complaint = (struct complaint){.text = ""};
    assert_int_equal(audit_open(rig->home, NULL, &audit, &rig->complaint), ERR_OK);
    return audit_copy(audit, dir, &options, &rig->complaint);
}

static bool
exists(const char *dir, const char *name)
{
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, dir, name), ERR_OK);
    return file_exists(path);
}

static void
expect_nothing_left(const struct rig *rig, const char *name, const char *partial)
{
    assert_false(exists(rig->home, name));
    assert_false(exists(rig->home, partial));
}

static void
read_into(const char *dir, const char *name, struct buffer *out)
{
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, dir, name), ERR_OK);
    assert_int_equal(file_read(path, out), ERR_OK);
}

static void
test_backup(void **state)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    struct rig *rig = *state;
    char dir[FILE_PATH_MAX];
    struct audit_summary summary;
    const struct audit_copy_options options = {.mark_as_backup = true};
    enum err err = copy(rig, "backup", options, dir);
    if (err != ERR_OK) {
        fail_msg("%s", rig->complaint.text);
    }
    assert_false(exists(rig->home, "backup.partial"));
    assert_false(exists(dir, "store/lock"));
    assert_int_equal(rig_verify_at(rig, dir, bytes_of(NULL, 0)), ERR_OK);
    assert_int_equal(rig->report.to, RIG_ENTRIES);
    assert_int_equal(audit_open(dir, &rig->network, &audit, NULL), ERR_OK);
    assert_int_equal(audit_get_summary(audit, &summary), ERR_OK);
    assert_true(summary.is_copy);
    read_into(dir, "checkpoint", &note);
    assert_true(bytes_equal(summary.checkpoint_note, buffer_view(&note)));
    /* The original is as it was. */
    audit_closep(&audit);
    assert_int_equal(audit_open(rig->home, &rig->network, &audit, NULL), ERR_OK);
    assert_int_equal(audit_get_summary(audit, &summary), ERR_OK);
    assert_false(summary.is_copy);
}

static size_t
count_sealed(const char *dir)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_MAX);
    size_t n = 0;
    read_into(dir, "store/data.mdb", &file);
    const uint8_t *at = file.data;
    size_t len = sizeof(MAKE_LOG_SEALED) - 1;
    while ((at = memmem(at, file.len - (size_t)(at - file.data), MAKE_LOG_SEALED, len)) != NULL) {
        at += len;
        n++;
    }
    return n;
}

/* Not even in a page that is free. */
static void
test_without_sealed(void **state)
{
    struct rig *rig = *state;
    char dir[FILE_PATH_MAX];
    assert_int_equal(copy(rig, "with", (struct audit_copy_options){0}, dir), ERR_OK);
    assert_true(count_sealed(dir) > 1000);
    const struct audit_copy_options options = {.without_sealed = true};
    assert_int_equal(copy(rig, "without", options, dir), ERR_OK);
    assert_int_equal(count_sealed(dir), 0);
    assert_false(exists(dir, "store.full"));
    assert_int_equal(rig_verify_at(rig, dir, bytes_of(NULL, 0)), ERR_OK);
    assert_int_equal(rig->report.signatures, RIG_ENTRIES);
}

static void
test_cosigned(void **state)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer written = BUFFER_INIT(NOTE_BYTES_MAX);
    struct rig *rig = *state;
    uint8_t signature[SIGN_BYTES];
    char dir[FILE_PATH_MAX];
    rig_note_at(rig, RIG_ENTRIES, &note);
    const struct make_log_member *member = &rig->members[1];
    assert_int_equal(checkpoint_cosign(buffer_view(&note), 1795001000, &member->sign, signature),
                     ERR_OK);
    assert_int_equal(checkpoint_add_cosignature(&note, &rig->network, member->org,
                                                &member->keys.sign, 1795001000, signature),
                     ERR_OK);
    rig_begin(rig);
    rig_write(rig, TABLE_META, bytes_of_text(META_WITNESSED), buffer_view(&note));
    rig_commit(rig);
    assert_int_equal(copy(rig, "cosigned", (struct audit_copy_options){0}, dir), ERR_OK);
    read_into(dir, "checkpoint", &written);
    assert_true(bytes_equal(buffer_view(&note), buffer_view(&written)));
}

static void
test_place_taken(void **state)
{
    struct rig *rig = *state;
    char dir[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(dir, rig->home, "taken"), ERR_OK);
    assert_int_equal(file_make_dir(dir), ERR_OK);
    /* Empty: that is as good as not there. */
    assert_int_equal(copy(rig, "taken", (struct audit_copy_options){0}, dir), ERR_OK);
    assert_int_equal(copy(rig, "taken", (struct audit_copy_options){0}, dir), ERR_EXISTS);
    assert_non_null(strstr(rig->complaint.text, "not empty"));
    assert_false(exists(rig->home, "taken.partial"));
    assert_int_equal(file_path(path, rig->home, "file"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("mine"), 0600), ERR_OK);
    assert_int_equal(copy(rig, "file", (struct audit_copy_options){0}, dir), ERR_EXISTS);
}

/* What a copy that was broken off has left is cleared away; what somebody else put there is not. */
static void
test_left_over(void **state)
{
    struct rig *rig = *state;
    char dir[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, rig->home, "again.partial/store"), ERR_OK);
    assert_int_equal(file_make_dir(path), ERR_OK);
    assert_int_equal(file_path(path, rig->home, "again.partial/store/data.mdb"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("half"), 0600), ERR_OK);
    assert_int_equal(copy(rig, "again", (struct audit_copy_options){0}, dir), ERR_OK);
    assert_int_equal(file_path(path, rig->home, "other.partial"), ERR_OK);
    assert_int_equal(file_make_dir(path), ERR_OK);
    assert_int_equal(file_path(path, rig->home, "other.partial/letter"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("mine"), 0600), ERR_OK);
    assert_int_equal(copy(rig, "other", (struct audit_copy_options){0}, dir), ERR_EXISTS);
    assert_true(exists(rig->home, "other.partial/letter"));
}

static void
test_disk_full(void **state)
{
    struct rig *rig = *state;
    char dir[FILE_PATH_MAX];
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 600 * 1024, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct audit_copy_options options = {.mark_as_backup = true};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err err = copy(rig, "full", options, dir);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, ERR_DISK_FULL);
    expect_nothing_left(rig, "full", "full.partial");
}

static void
test_damaged(void **state)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_MAX);
    struct rig *rig = *state;
    char path[FILE_PATH_MAX];
    char dir[FILE_PATH_MAX];
    rig_begin(rig);
    rig_read_log(rig, 1234, &row);
    kv_abort(&rig->txn);
    kv_closep(&rig->kv);
    read_into(rig->home, "store/data.mdb", &file);
    uint8_t *found = memmem(file.data, file.len, row.data, row.len);
    while (found != NULL) {
        found[20] ^= 1;
        found = memmem(file.data, file.len, row.data, row.len);
    }
    assert_int_equal(file_path(path, rig->home, "store/data.mdb"), ERR_OK);
    assert_int_equal(file_replace(path, buffer_view(&file), 0600), ERR_OK);
    assert_int_equal(copy(rig, "bad", (struct audit_copy_options){0}, dir), ERR_CORRUPT);
    expect_nothing_left(rig, "bad", "bad.partial");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backup, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_without_sealed, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_cosigned, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_place_taken, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_left_over, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_disk_full, rig_start, rig_stop),
        cmocka_unit_test_setup_teardown(test_damaged, rig_start, rig_stop),
    };
    return cmocka_run_group_tests(tests, rig_group_start, rig_group_stop);
}
