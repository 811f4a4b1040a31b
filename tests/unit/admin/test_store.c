/* The auditor's commands on a real store, from the options to what is printed and the exit code. */
#include "broker/admin/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/keys.h"
#include "broker/witness.h"
#include "lib/base/text.h"
#include "lib/proof/evidence.h"
#include "tests/support/make_log.h"
#include "tests/unit/admin/scratch.h"

enum { ENTRIES = 900, MEMBERS = 4, PRINTED_MAX = 4 << 20 };

static struct made {
    struct scratch scratch;
    char home[FILE_PATH_MAX];
    struct network_id network;
    struct make_log_member member;
    char out[FILE_PATH_MAX], err[FILE_PATH_MAX];
    struct buffer printed, told;
} made;

static const struct args_program program = {.name = "refloop-admin"};

/* ---- running a command ---- */

static int
divert(FILE *stream, const char *path)
{
    (void)fflush(stream);
    int saved = dup(fileno(stream));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(saved >= 0 && dup2(fileno(file), fileno(stream)) >= 0);
    assert_int_equal(fclose(file), 0);
    return saved;
}

static void
restore(FILE *stream, int saved, const char *path, struct buffer *out)
{
    (void)fflush(stream);
    assert_true(dup2(saved, fileno(stream)) >= 0);
    (void)close(saved);
    buffer_clear(out);
    assert_int_equal(file_read(path, out), ERR_OK);
    buffer_put_u8(out, '\0');
    assert_int_equal(buffer_err(out), ERR_OK);
}

static int
run(int (*command)(struct admin *admin), const struct admin_options *options, const char *word)
{
    char *words[] = {(char *)(uintptr_t)word};
    struct admin admin = {.program = &program, .options = *options, .memory_locked = true};
    admin.words = words;
    admin.n_words = word != NULL ? 1 : 0;
    memcpy(admin.home, made.home, sizeof(admin.home));
    int out = divert(stdout, made.out);
    int err = divert(stderr, made.err);
    int code = command(&admin);
    restore(stderr, err, made.err, &made.told);
    restore(stdout, out, made.out, &made.printed);
    return code;
}

static const char *
printed(void)
{
    return (const char *)made.printed.data;
}

static const char *
told(void)
{
    return (const char *)made.told.data;
}

static void
expect(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        print_message("expected: %s\nfound: %s\n", words, text);
    }
    assert_non_null(strstr(text, words));
}

static json_t *
answer(void)
{
    json_t *value = json_loads(printed(), 0, NULL);
    assert_non_null(value);
    return value;
}

static bool
ok(const json_t *value)
{
    return json_is_true(json_object_get(value, "ok"));
}

static void
in_scratch(const char *name, char out[FILE_PATH_MAX])
{
    scratch_path(&made.scratch, name, out);
}

/* ---- the store ---- */

static int
start(void **state)
{
    (void)state;
    made.scratch = scratch_make();
    made.printed = BUFFER_INIT(PRINTED_MAX);
    made.told = BUFFER_INIT(PRINTED_MAX);
    in_scratch("home", made.home);
    in_scratch("out", made.out);
    in_scratch("err", made.err);
    struct make_log *log = make_log_new(
        &(struct make_log_options){.home = made.home, .n_members = MEMBERS, .sealed_bytes = 100});
    make_log_fill(log, ENTRIES);
    (void)make_log_rotate(log, 3);
    made.network = log->network;
    made.member = log->members[1];
    make_log_free(log);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    buffer_done(&made.printed);
    buffer_done(&made.told);
    scratch_done(&made.scratch);
    return 0;
}

static void
put_meta(const char *word, struct bytes value)
{
    struct kv *kv = make_log_open_store(made.home);
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_put(txn, TABLE_META, bytes_of_text(word), value), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

static void
change_log(uint64_t index, bool damage)
{
    static uint8_t kept[LIMIT_FRAME_BYTES];
    static size_t kept_len;
    struct kv *kv = make_log_open_store(made.home);
    struct kv_txn *txn = NULL;
    uint8_t key[8];
    struct bytes row;
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_get(txn, TABLE_LOG, kv_key_u64(index, key), &row), ERR_OK);
    if (damage) {
        memcpy(kept, row.data, row.len);
        kept_len = row.len;
        kept[7] ^= 1; /* its time */
    } else {
        kept[7] ^= 1;
    }
    assert_int_equal(kv_put(txn, TABLE_LOG, bytes_of(key, 8), bytes_of(kept, kept_len)), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

/* ---- verify and checkpoint ---- */

static void
test_verify(void **state)
{
    (void)state;
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_DONE);
    expect(printed(), "The log is whole and true: 901 entries, ");
    expect(printed(), "Checkpoint: 901 entries, root ");
    expect(printed(), "No present member has cosigned it");
    expect(printed(), "Network: Example County, fingerprint ");
    assert_string_equal(told(), "");
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = true}, NULL), ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    assert_true(ok(value));
    assert_int_equal(json_integer_value(json_object_get(value, "to")), ENTRIES + 1);
    assert_true(json_is_null(json_object_get(value, "witnessed")));
}

static void
test_checkpoint(void **state)
{
    (void)state;
    char path[FILE_PATH_MAX];
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    uint8_t signature[SIGN_BYTES];
    assert_int_equal(run(cmd_checkpoint, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_DONE);
    buffer_put(&note, made.printed.data, made.printed.len - 1);
    in_scratch("since", path);
    assert_int_equal(file_create(path, buffer_view(&note), 0644), ERR_OK);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.since = path}, NULL),
                     ADMIN_EXIT_DONE);
    expect(printed(), "goes on truly from the checkpoint of 901 entries: 0 entries after it");
    /* Cosigned: then that one is printed, and counted. */
    assert_int_equal(checkpoint_cosign(buffer_view(&note), 1, &made.member.sign, signature),
                     ERR_OK);
    assert_int_equal(checkpoint_add_cosignature(&note, &made.network, made.member.org,
                                                &made.member.keys.sign, 1, signature),
                     ERR_OK);
    put_meta(META_WITNESSED, buffer_view(&note));
    assert_int_equal(run(cmd_checkpoint, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_DONE);
    buffer_put_u8(&note, '\0');
    assert_string_equal(printed(), (const char *)note.data);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_DONE);
    expect(printed(), "Cosigned by 1 member up to 901 entries: example-1.");
    assert_int_equal(run(cmd_checkpoint, &(struct admin_options){.json = true}, NULL),
                     ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    const json_t *cosigners = json_object_get(json_object_get(value, "checkpoint"), "cosigners");
    assert_int_equal(json_array_size(cosigners), 1);
}

static void
test_bad_since(void **state)
{
    (void)state;
    char path[FILE_PATH_MAX];
    in_scratch("nothing", path);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.since = path}, NULL),
                     ADMIN_EXIT_FAILED);
    expect(told(), "the checkpoint to begin from, ");
    assert_int_equal(file_create(path, bytes_of_text("not a note\n"), 0644), ERR_OK);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.since = path}, NULL),
                     ADMIN_EXIT_FAILED);
    expect(told(), "none of this network's broker");
    assert_null(strstr(told(), "NO:"));
}

static void
test_no(void **state)
{
    (void)state;
    change_log(700, true);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_FAILED);
    expect(told(), "refloop-admin: NO: entry 700");
    expect(told(), "refloop-admin verify --copy DIR");
    assert_string_equal(printed(), "");
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = true}, NULL),
                     ADMIN_EXIT_FAILED);
    json_auto_t *value = answer();
    assert_false(ok(value));
    assert_int_equal(json_integer_value(json_object_get(value, "bad_index")), 700);
    assert_string_equal(json_string_value(json_object_get(json_object_get(value, "error"), "code")),
                        "corrupt");
    change_log(700, false);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.json = false}, NULL),
                     ADMIN_EXIT_DONE);
}

static void
test_nowhere(void **state)
{
    (void)state;
    const struct admin_options options = {.copy = "/nonexistent"};
    static int (*const commands[])(struct admin * admin) = {cmd_verify, cmd_checkpoint, cmd_loops,
                                                            cmd_evidence};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        assert_int_equal(run(commands[i], &options, "abcd"), ADMIN_EXIT_FAILED);
        expect(told(), "/nonexistent");
    }
}

/* ---- copies ---- */

static void
expect_true_copy(const char *dir)
{
    assert_int_equal(run(cmd_verify, &(struct admin_options){.copy = dir}, NULL), ADMIN_EXIT_DONE);
    expect(printed(), "whole and true: 901 entries");
    assert_int_equal(run(cmd_loops, &(struct admin_options){.copy = dir}, NULL), ADMIN_EXIT_DONE);
    expect(printed(), " half-closed");
}

static void
test_backup(void **state)
{
    (void)state;
    char dir[FILE_PATH_MAX];
    in_scratch("backup", dir);
    assert_int_equal(run(cmd_backup, &(struct admin_options){.json = false}, dir), ADMIN_EXIT_DONE);
    expect(printed(), "Backed up to ");
    expect(printed(), ": 901 entries, ");
    expect(printed(), "/keys/broker.key");
    expect(printed(), "To restore: stop the broker");
    assert_int_equal(run(cmd_backup, &(struct admin_options){.json = false}, dir),
                     ADMIN_EXIT_FAILED);
    expect(told(), "is there already, and not empty");
    expect_true_copy(dir);
    assert_int_equal(run(cmd_verify, &(struct admin_options){.copy = dir}, NULL), ADMIN_EXIT_DONE);
    expect(printed(), "It is a backup");
    char again[FILE_PATH_MAX];
    in_scratch("backup-2", again);
    assert_int_equal(run(cmd_backup, &(struct admin_options){.json = true}, again),
                     ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    assert_true(ok(value));
    assert_true(json_is_true(json_object_get(value, "backup")));
    assert_int_equal(json_integer_value(json_object_get(value, "entries")), ENTRIES + 1);
    assert_true(json_integer_value(json_object_get(value, "bytes")) > 0);
}

static void
test_export(void **state)
{
    (void)state;
    char dir[FILE_PATH_MAX];
    char bare[FILE_PATH_MAX];
    in_scratch("export", dir);
    in_scratch("bare", bare);
    assert_int_equal(run(cmd_export, &(struct admin_options){.json = false}, dir), ADMIN_EXIT_DONE);
    expect(printed(), "Exported to ");
    expect(printed(), "--without-sealed leaves it out");
    expect_true_copy(dir);
    assert_int_equal(
        run(cmd_export, &(struct admin_options){.json = true, .without_sealed = true}, bare),
        ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    assert_true(json_is_false(json_object_get(value, "sealed")));
    assert_true(json_is_false(json_object_get(value, "backup")));
    expect_true_copy(bare);
}

/* ---- loops, evidence, events ---- */

static void
first_loop(char out[LOOP_ID_TEXT])
{
    assert_int_equal(run(cmd_loops, &(struct admin_options){.json = true}, NULL), ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    const json_t *first = json_array_get(json_object_get(value, "loops"), 0);
    (void)text_format(out, LOOP_ID_TEXT, "%s", json_string_value(json_object_get(first, "loop")));
}

static void
test_loops(void **state)
{
    (void)state;
    static const struct {
        struct admin_options options;
        int code;
        const char *said;
    } cases[] = {
        {{.state = "asked"}, ADMIN_EXIT_USAGE, "'asked' is no state"},
        {{.verdict = "late"}, ADMIN_EXIT_USAGE, "'late' is no verdict"},
        {{.older_than = "soon"}, ADMIN_EXIT_USAGE, "'soon' is no age"},
        {{.csv = true, .json = true}, ADMIN_EXIT_USAGE, "choose one"},
        {{.org = "nobody-here"}, ADMIN_EXIT_FAILED, "there is no organization 'nobody-here'"},
        {{.facts = true}, ADMIN_EXIT_FAILED, "there is no auditor's key at "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(run(cmd_loops, &cases[i].options, NULL), cases[i].code);
        expect(told(), cases[i].said);
        assert_string_equal(printed(), "");
    }
    assert_int_equal(run(cmd_loops, &(struct admin_options){.csv = true}, NULL), ADMIN_EXIT_DONE);
    expect(printed(), "loop,verdict,source,target,");
    assert_int_equal(
        run(cmd_loops, &(struct admin_options){.org = "example-1", .open = true, .limit = 2}, NULL),
        ADMIN_EXIT_DONE);
    expect(printed(), "The first 2 are shown");
}

static void
test_evidence(void **state)
{
    (void)state;
    char id[LOOP_ID_TEXT];
    char path[FILE_PATH_MAX];
    char svg[FILE_PATH_MAX];
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct evidence_reading reading = {.n_steps = 0};
    first_loop(id);
    in_scratch("one.evidence", path);
    in_scratch("one.svg", svg);
    id[12] = '\0';
    const struct admin_options options = {.out = path, .svg = svg};
    assert_int_equal(run(cmd_evidence, &options, id), ADMIN_EXIT_DONE);
    expect(printed(), " proves loop ");
    expect(printed(), "refloop-verify ");
    assert_int_equal(file_read(path, &file), ERR_OK);
    assert_int_equal(evidence_read(buffer_view(&file), &made.network, &reading, NULL), ERR_OK);
    evidence_reading_done(&reading);
    assert_true(file_exists(svg));
    assert_int_equal(run(cmd_evidence, &options, id), ADMIN_EXIT_FAILED);
    expect(told(), "one.evidence exists and is not written over");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(run(cmd_evidence, &options, id), ADMIN_EXIT_FAILED);
    expect(told(), "one.svg exists and is not written over");
    assert_false(file_exists(path));
    assert_int_equal(run(cmd_evidence, &(struct admin_options){.out = path, .json = true}, id),
                     ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    assert_true(ok(value));
    assert_true(json_is_null(json_object_get(value, "svg")));
    assert_int_equal(run(cmd_evidence, &options, "zz"), ADMIN_EXIT_FAILED);
    expect(told(), "'zz' is no loop");
}

static void
test_default_file(void **state)
{
    (void)state;
    char id[LOOP_ID_TEXT];
    char name[64];
    char here[FILE_PATH_MAX];
    assert_non_null(getcwd(here, sizeof(here)));
    first_loop(id);
    assert_int_equal(chdir(made.scratch.dir), 0);
    int code = run(cmd_evidence, &(struct admin_options){.json = false}, id);
    (void)text_format(name, sizeof(name), "loop-%.8s.evidence", id);
    bool there = file_exists(name);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(code, ADMIN_EXIT_DONE);
    assert_true(there);
}

/* What would prove nothing is not handed out. */
static void
test_no_false_evidence(void **state)
{
    (void)state;
    char id[LOOP_ID_TEXT];
    char path[FILE_PATH_MAX];
    first_loop(id);
    in_scratch("false.evidence", path);
    change_log(1, true); /* an invite */
    int code = run(cmd_evidence, &(struct admin_options){.out = path}, id);
    change_log(1, false);
    assert_int_equal(code, ADMIN_EXIT_FAILED);
    assert_false(file_exists(path));
}

/* A copy that was not copied whole: no check of ours can come before the library's own reading. */
static void
test_cut_short(void **state)
{
    (void)state;
    char copy[FILE_PATH_MAX];
    char data[FILE_PATH_MAX];
    struct stat status;
    int how = 0;
    assert_true(text_format(copy, sizeof(copy), "%s/cut", made.scratch.dir));
    assert_int_equal(run(cmd_export, &(struct admin_options){.copy = NULL}, copy), ADMIN_EXIT_DONE);
    assert_true(text_format(data, sizeof(data), "%s/store/data.mdb", copy));
    assert_int_equal(stat(data, &status), 0);
    assert_int_equal(truncate(data, status.st_size / 8192 * 4096), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(run(cmd_verify, &(struct admin_options){.copy = copy}, NULL));
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), ADMIN_EXIT_FAILED);
    buffer_clear(&made.told);
    assert_int_equal(file_read(made.err, &made.told), ERR_OK);
    buffer_put_u8(&made.told, '\0');
    expect(told(), "cut short");
}

static void
test_events(void **state)
{
    (void)state;
    assert_int_equal(run(cmd_members, &(struct admin_options){.events = true}, NULL),
                     ADMIN_EXIT_DONE);
    expect(printed(), "county (Example County) founded the network\n");
    expect(printed(), "example-2 (example-2) was invited, until ");
    expect(printed(), "example-2 (example-2) joined\n");
    expect(printed(), "example-3 (example-3) changed its keys\n");
    assert_int_equal(run(cmd_members, &(struct admin_options){.events = true, .json = true}, NULL),
                     ADMIN_EXIT_DONE);
    json_auto_t *value = answer();
    assert_int_equal(json_array_size(json_object_get(value, "events")), 1 + 2 * MEMBERS + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_bad_since),
        cmocka_unit_test(test_no),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_default_file),
        cmocka_unit_test(test_no_false_evidence),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_events),
    };
    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, start, stop);
}
