/* A daemon's manners: signals become data, systemd is told, home is private or refused. */
#include "lib/edge/daemon.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/text.h"

static char root[] = "/tmp/refloop-daemon-XXXXXX";

static const char *
at(const char *name)
{
    static char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, root, name), ERR_OK);
    return path;
}

static void
test_signals(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(daemon_signals_open(&fd), ERR_OK);
    assert_int_equal(daemon_signals_take(fd), DAEMON_SIGNAL_NONE);
    assert_int_equal(raise(SIGHUP), 0);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&entry, 1, 0), 1);
    assert_int_equal(daemon_signals_take(fd), DAEMON_SIGNAL_RELOAD);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(daemon_signals_take(fd), DAEMON_SIGNAL_STOP);
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(daemon_signals_take(fd), DAEMON_SIGNAL_STOP);
    assert_int_equal(raise(SIGPIPE), 0); /* does not end us */
    close(fd);
}

static void
assert_notified(const char *name, size_t name_len, const char *variable)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, name_len);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_len);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", variable, 1), 0);
    daemon_notify("READY=1");
    char got[32] = {0};
    assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    close(fd);
}

static void
test_notify(void **state)
{
    (void)state;
    assert_notified(at("notify"), strlen(at("notify")), at("notify"));
    char name[64];
    char variable[64];
    assert_true(text_format(name, sizeof(name), "#refloop-test-%d", (int)getpid()));
    assert_true(text_format(variable, sizeof(variable), "@refloop-test-%d", (int)getpid()));
    name[0] = '\0';
    assert_notified(name, strlen(variable), variable);
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    daemon_notify("READY=1"); /* nothing to be seen: it must not fail */
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    daemon_notify("READY=1");
    assert_int_equal(unlink(at("notify")), 0);
}

static void
test_find_home(void **state)
{
    (void)state;
    char home[FILE_PATH_MAX] = "untouched";
    assert_int_equal(setenv("HOME", "/home/ana", 1), 0);
    assert_int_equal(unsetenv("REFLOOP_HOME"), 0);
    assert_int_equal(daemon_home_find(NULL, DAEMON_AGENT_HOME, home, NULL), ERR_OK);
    assert_string_equal(home, "/home/ana/.refloop");
    assert_int_equal(setenv("REFLOOP_HOME", "/srv/oak", 1), 0);
    assert_int_equal(daemon_home_find(NULL, DAEMON_AGENT_HOME, home, NULL), ERR_OK);
    assert_string_equal(home, "/srv/oak");
    assert_int_equal(daemon_home_find("/srv/elm", DAEMON_AGENT_HOME, home, NULL), ERR_OK);
    assert_string_equal(home, "/srv/elm");
    assert_int_equal(chdir(root), 0);
    assert_int_equal(daemon_home_find("here", DAEMON_AGENT_HOME, home, NULL), ERR_OK);
    assert_string_equal(home, at("here"));
    char path[FILE_PATH_MAX + 1];
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[FILE_PATH_MAX] = '\0';
    assert_int_equal(daemon_home_find(path, DAEMON_AGENT_HOME, home, NULL), ERR_INVALID);
    assert_int_equal(unsetenv("REFLOOP_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(daemon_home_find(NULL, DAEMON_AGENT_HOME, home, NULL), ERR_INVALID);
    assert_string_equal(home, at("here"));
    assert_int_equal(chdir("/"), 0);
}

static mode_t
mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void
test_make_home(void **state)
{
    (void)state;
    struct complaint complaint;
    assert_int_equal(daemon_home_make(at("new"), &complaint), ERR_OK);
    assert_int_equal(mode_of(at("new")), 0700);
    assert_int_equal(daemon_home_make(at("new"), &complaint), ERR_OK);

    assert_int_equal(chmod(at("new"), 0755), 0); /* as mkdir makes it: empty, so ours to tighten */
    assert_int_equal(daemon_home_make(at("new"), &complaint), ERR_OK);
    assert_int_equal(mode_of(at("new")), 0700);

    assert_int_equal(mkdir(at("shared"), 0755), 0);
    assert_int_equal(mkdir(at("shared/something"), 0755), 0);
    assert_int_equal(daemon_home_make(at("shared"), &complaint), ERR_PERMISSION);
    assert_non_null(strstr(complaint.text, "chmod 700"));
    assert_int_equal(mode_of(at("shared")), 0755);

    assert_int_equal(file_create(at("file"), bytes_of_text("x"), 0600), ERR_OK);
    assert_int_equal(daemon_home_make(at("file"), &complaint), ERR_IO);
    if (geteuid() == 0) {
        assert_int_equal(mkdir(at("theirs"), 0700), 0);
        assert_int_equal(chown(at("theirs"), 65534, 65534), 0);
        assert_int_equal(daemon_home_make(at("theirs"), &complaint), ERR_PERMISSION);
        assert_int_equal(rmdir(at("theirs")), 0);
    }
    assert_int_equal(unlink(at("file")), 0);
    assert_int_equal(rmdir(at("shared/something")), 0);
    assert_int_equal(rmdir(at("shared")), 0);
    assert_int_equal(rmdir(at("new")), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_find_home),
        cmocka_unit_test(test_make_home),
    };
    if (mkdtemp(root) == NULL) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(root) == 0 ? failed : 1;
}
