/* Files: limits, atomic replacement, and secrets that others could have read are refused. */
#include "lib/base/file.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/refloop-file-XXXXXX";

/* The path of `name` in this test's directory; valid until the call after the next. */
static const char *
at(const char *name)
{
    static char paths[2][FILE_PATH_MAX];
    static unsigned turn;
    turn ^= 1U;
    assert_int_equal(file_path(paths[turn], home, name), ERR_OK);
    return paths[turn];
}

static void
assert_content(const char *path, const char *content)
{
    CLEANUP(buffer_done) struct buffer got = BUFFER_INIT(1000);
    assert_int_equal(file_read(path, &got), ERR_OK);
    assert_true(bytes_equal(buffer_view(&got), bytes_of_text(content)));
}

static size_t
count_entries(void)
{
    DIR *dir = opendir(home);
    assert_non_null(dir);
    size_t n = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        n += entry->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(dir);
    return n;
}

static void
paths_are_joined_or_refused(void **state)
{
    (void)state;
    char out[FILE_PATH_MAX] = "old";
    char name[FILE_PATH_MAX];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(file_path(out, "d", name), ERR_INVALID);
    assert_string_equal(out, "old");
    name[sizeof(name) - 3] = '\0'; /* "d/" and 1021 letters: exactly full */
    assert_int_equal(file_path(out, "d", name), ERR_OK);
    assert_int_equal(strlen(out), FILE_PATH_MAX - 1);
    assert_int_equal(file_path(out, "dir", "name"), ERR_OK);
    assert_string_equal(out, "dir/name");
}

static void
a_file_is_read_up_to_the_limit(void **state)
{
    (void)state;
    static char content[20001];
    memset(content, 'c', sizeof(content) - 1);
    assert_int_equal(file_replace(at("big"), bytes_of_text(content), 0644), ERR_OK);

    CLEANUP(buffer_done) struct buffer exact = BUFFER_INIT(20000);
    assert_int_equal(file_read(at("big"), &exact), ERR_OK);
    assert_true(bytes_equal(buffer_view(&exact), bytes_of_text(content)));

    CLEANUP(buffer_done) struct buffer small = BUFFER_INIT(19999);
    buffer_put(&small, "before", 6);
    assert_int_equal(file_read(at("big"), &small), ERR_TOO_LARGE);
    assert_true(bytes_equal(buffer_view(&small), bytes_of_text("before")));
    assert_int_equal(buffer_err(&small), ERR_OK);
}

static void
reading_appends(void **state)
{
    (void)state;
    assert_int_equal(file_replace(at("tail"), bytes_of_text("tail"), 0644), ERR_OK);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(100);
    buffer_put(&out, "head ", 5);
    assert_int_equal(file_read(at("tail"), &out), ERR_OK);
    assert_true(bytes_equal(buffer_view(&out), bytes_of_text("head tail")));
}

static void
what_is_not_there_or_not_a_file_is_said(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(100);
    assert_int_equal(file_read(at("absent"), &out), ERR_NOT_FOUND);
    assert_int_equal(file_read_secret(at("absent"), &out), ERR_NOT_FOUND);
    assert_int_equal(file_read(at("absent/below"), &out), ERR_NOT_FOUND);
    assert_int_equal(file_read(home, &out), ERR_IO);
    assert_int_equal(out.len, 0);
}

static void
dash_reads_standard_input(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "token", 5), 5);
    (void)close(ends[1]);
    int saved = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    (void)close(ends[0]);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(100);
    enum err err = file_read_secret("-", &out);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    (void)close(saved);
    assert_int_equal(err, ERR_OK);
    assert_true(bytes_equal(buffer_view(&out), bytes_of_text("token")));
}

static void
a_secret_must_be_closed_to_others(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        enum err err;
    } cases[] = {
        {0600, ERR_OK},         {0400, ERR_OK},         {0640, ERR_PERMISSION},
        {0604, ERR_PERMISSION}, {0620, ERR_PERMISSION}, {0601, ERR_PERMISSION},
        {0644, ERR_PERMISSION}, {0660, ERR_PERMISSION},
    };
    assert_int_equal(file_replace(at("key"), bytes_of_text("secret"), 0600), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(chmod(at("key"), cases[i].mode), 0);
        CLEANUP(buffer_wipe) struct buffer out = BUFFER_INIT(100);
        assert_int_equal(file_read_secret(at("key"), &out), cases[i].err);
        assert_int_equal(out.len, cases[i].err == ERR_OK ? 6 : 0);
    }
}

static void
a_secret_must_be_a_regular_file_of_ours(void **state)
{
    (void)state;
    CLEANUP(buffer_wipe) struct buffer out = BUFFER_INIT(100);
    assert_int_equal(file_replace(at("real"), bytes_of_text("secret"), 0600), ERR_OK);
    assert_int_equal(symlink(at("real"), at("link")), 0);
    assert_int_equal(file_read_secret(at("link"), &out), ERR_PERMISSION);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_int_equal(file_read_secret(at("pipe"), &out), ERR_PERMISSION);
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    assert_int_equal(file_read_secret(at("dir"), &out), ERR_PERMISSION);
    if (geteuid() == 0) {
        assert_int_equal(chown(at("real"), 12345, 12345), 0);
        assert_int_equal(file_read_secret(at("real"), &out), ERR_PERMISSION);
    }
    assert_int_equal(out.len, 0);
}

static void
replacing_sets_content_and_mode(void **state)
{
    (void)state;
    (void)umask(0077);
    assert_int_equal(file_replace(at("state"), bytes_of_text("one"), 0644), ERR_OK);
    struct stat status;
    assert_int_equal(stat(at("state"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    ino_t first = status.st_ino;
    size_t entries = count_entries();
    assert_int_equal(file_replace(at("state"), bytes_of_text("two"), 0600), ERR_OK);
    assert_content(at("state"), "two");
    assert_int_equal(stat(at("state"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(status.st_ino !=
                first); /* a new file took the name; the old one was not written to */
    assert_int_equal(count_entries(), entries);
    assert_int_equal(file_replace(at("state"), bytes_of(NULL, 0), 0600), ERR_OK);
    assert_content(at("state"), "");
}

static void
creating_never_replaces(void **state)
{
    (void)state;
    assert_int_equal(file_create(at("once"), bytes_of_text("first"), 0600), ERR_OK);
    size_t entries = count_entries();
    assert_int_equal(file_create(at("once"), bytes_of_text("second"), 0600), ERR_EXISTS);
    assert_content(at("once"), "first");
    assert_int_equal(count_entries(), entries);
    assert_int_equal(symlink("/nonexistent", at("dangling")), 0);
    assert_int_equal(file_create(at("dangling"), bytes_of_text("x"), 0600), ERR_EXISTS);
}

static void
a_failed_write_leaves_the_old_content(void **state)
{
    (void)state;
    assert_int_equal(file_replace(at("kept"), bytes_of_text("old"), 0600), ERR_OK);
    size_t entries = count_entries();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit tiny = {.rlim_cur = 4, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    enum err err = file_replace(at("kept"), bytes_of_text("much longer"), 0600);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, ERR_IO);
    assert_content(at("kept"), "old");
    assert_int_equal(count_entries(), entries);
    assert_int_equal(file_replace(at("absent/name"), bytes_of_text("x"), 0600), ERR_IO);
}

static void
a_bare_name_means_the_current_directory(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(10);
    assert_int_equal(chdir(home), 0);
    assert_int_equal(file_replace("bare", bytes_of_text("x"), 0600), ERR_OK);
    assert_int_equal(file_read("bare", &out), ERR_OK);
    assert_int_equal(file_make_dir("bare-dir"), ERR_OK);
    assert_true(file_exists("bare-dir"));
    assert_false(file_exists("bare-none"));
}

static void
directories_are_made_with_their_parents(void **state)
{
    (void)state;
    (void)umask(0);
    assert_int_equal(file_make_dir(at("a/b/c/")), ERR_OK);
    assert_int_equal(file_make_dir(at("a/b/c")), ERR_OK);
    struct stat status;
    assert_int_equal(stat(at("a/b"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(file_make_dir("/"), ERR_OK);
    assert_int_equal(file_make_dir(""), ERR_IO);
}

static void
directories_others_can_write_to_are_refused(void **state)
{
    (void)state;
    assert_int_equal(file_make_dir(at("open")), ERR_OK);
    assert_int_equal(chmod(at("open"), 0720), 0);
    assert_int_equal(file_make_dir(at("open")), ERR_PERMISSION);
    assert_int_equal(chmod(at("open"), 01777), 0);
    assert_int_equal(file_make_dir(at("open")), ERR_PERMISSION);
    assert_int_equal(chmod(at("open"), 0755), 0);
    assert_int_equal(file_make_dir(at("open")), ERR_OK);
    assert_int_equal(file_replace(at("plain"), bytes_of_text("x"), 0600), ERR_OK);
    assert_int_equal(file_make_dir(at("plain")), ERR_IO);
    assert_int_equal(file_make_dir(at("plain/below")), ERR_IO);
}

static int
make_home(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    return mkdtemp(home) != NULL ? 0 : -1;
}

static int
remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int
remove_home(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(home, remove_entry, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined_or_refused),
        cmocka_unit_test(a_file_is_read_up_to_the_limit),
        cmocka_unit_test(reading_appends),
        cmocka_unit_test(what_is_not_there_or_not_a_file_is_said),
        cmocka_unit_test(dash_reads_standard_input),
        cmocka_unit_test(a_secret_must_be_closed_to_others),
        cmocka_unit_test(a_secret_must_be_a_regular_file_of_ours),
        cmocka_unit_test(replacing_sets_content_and_mode),
        cmocka_unit_test(creating_never_replaces),
        cmocka_unit_test(a_failed_write_leaves_the_old_content),
        cmocka_unit_test(a_bare_name_means_the_current_directory),
        cmocka_unit_test(directories_are_made_with_their_parents),
        cmocka_unit_test(directories_others_can_write_to_are_refused),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
