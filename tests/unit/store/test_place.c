/* A store's directory: local, and one holder at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/store/place.h"
#include "tests/unit/store/scratch.h"

static void
network_file_systems_are_known(void **state)
{
    (void)state;
    assert_string_equal(place_find_remote(0x6969), "nfs");
    assert_string_equal(place_find_remote(0xff534d42), "cifs");
    assert_string_equal(place_find_remote(0xfe534d42), "smb2");
    assert_string_equal(place_find_remote(0x65735546), "fuse");
    assert_null(place_find_remote(0xef53));     /* ext4 */
    assert_null(place_find_remote(0x9123683e)); /* btrfs */
    assert_null(place_find_remote(0x01021994)); /* tmpfs */
    assert_null(place_find_remote(0x794c7630)); /* overlay */
}

static void
a_place_is_taken_once(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct complaint complaint = {""};
    struct stat status;
    int first = -1;
    int second = -1;
    scratch_init(&s);
    assert_int_equal(place_take(s.dir, &first, &complaint), ERR_OK);
    assert_int_equal(stat(s.dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(place_take(s.dir, &second, &complaint), ERR_LOCKED);
    assert_int_equal(second, -1);
    assert_non_null(strstr(complaint.text, s.dir));
    close(first);
    assert_int_equal(place_take(s.dir, &second, NULL), ERR_OK);
    close(second);
}

/* However a holder ends, the lock goes with it. */
static void
a_dead_holder_holds_nothing(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    int fd = -1;
    int status;
    scratch_init(&s);
    pid_t child = fork();
    if (child == 0) {
        _exit(place_take(s.dir, &fd, NULL) == ERR_OK ? 7 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(place_take(s.dir, &fd, NULL), ERR_OK);
    close(fd);
}

static void
a_lock_that_is_a_link_is_refused(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct complaint complaint = {""};
    char lock[SCRATCH_PATH_MAX + 8];
    int fd = -1;
    scratch_init(&s);
    assert_int_equal(mkdir(s.dir, 0700), 0);
    (void)snprintf(lock, sizeof(lock), "%s/lock", s.dir);
    assert_int_equal(symlink("/dev/null", lock), 0);
    assert_int_equal(place_take(s.dir, &fd, &complaint), ERR_IO);
    assert_non_null(strstr(complaint.text, lock));
}

static void
only_an_empty_directory_is_empty(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_init(&s);
    assert_int_equal(place_make_empty(s.dir), ERR_OK);
    assert_int_equal(place_make_empty(s.dir), ERR_OK);
    int fd = open(s.data, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(place_make_empty(s.dir), ERR_EXISTS);
    assert_int_equal(place_sync(s.dir), ERR_OK);
    assert_int_equal(place_sync(s.data), ERR_IO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_file_systems_are_known),
        cmocka_unit_test(a_place_is_taken_once),
        cmocka_unit_test(a_dead_holder_holds_nothing),
        cmocka_unit_test(a_lock_that_is_a_link_is_refused),
        cmocka_unit_test(only_an_empty_directory_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
