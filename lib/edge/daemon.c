/* The manners of a daemon. Decides where home is and when it is private enough to hold keys. Knows
 * neither broker nor agent. systemd is spoken to by hand: one datagram does not need a library. */
#include "lib/edge/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/text.h"

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a datagram socket: nothing is lost */
    }
}

static void
close_dir(DIR **dir)
{
    if (*dir != NULL) {
        (void)closedir(*dir); /* read only */
    }
}

enum err
daemon_signals_open(int *fd_out)
{
    sigset_t set;
    if (sigemptyset(&set) != 0 || sigaddset(&set, SIGTERM) != 0 || sigaddset(&set, SIGINT) != 0 ||
        sigaddset(&set, SIGHUP) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return ERR_IO;
    }
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return ERR_IO;
    }
    *fd_out = fd;
    return ERR_OK;
}

enum daemon_signal
daemon_signals_take(int fd)
{
    enum daemon_signal taken = DAEMON_SIGNAL_NONE;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP) {
            taken = DAEMON_SIGNAL_STOP;
        } else if (taken == DAEMON_SIGNAL_NONE) {
            taken = DAEMON_SIGNAL_RELOAD;
        }
    }
    return taken;
}

void
daemon_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path != NULL ? strlen(path) : 0;
    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* an abstract name */
    }
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0) {
        /* When it fails systemd's own time limit says so; there is nobody else to tell. */
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                      address_len);
    }
}

enum err
daemon_home_find(const char *option, const char *fallback, char home_out[FILE_PATH_MAX],
                 struct complaint *complaint)
{
    const char *given = option != NULL ? option : getenv("REFLOOP_HOME");
    given = given != NULL && given[0] != '\0' ? given : fallback;
    char path[FILE_PATH_MAX];
    bool fits = true;
    if (strncmp(given, "~/", 2) == 0) {
        const char *user = getenv("HOME");
        if (user == NULL || user[0] != '/') {
            return complain(complaint, ERR_INVALID,
                            "no home directory is known; give one with --home");
        }
        fits = text_format(path, sizeof(path), "%s/%s", user, given + 2);
    } else if (given[0] == '/') {
        fits = text_format(path, sizeof(path), "%s", given);
    } else {
        /* Absolute, because complaints and the next commands repeat it. */
        char here[FILE_PATH_MAX];
        fits = getcwd(here, sizeof(here)) != NULL &&
               text_format(path, sizeof(path), "%s/%s", here, given);
    }
    if (!fits) {
        return complain(complaint, ERR_INVALID, "the path of the home directory is too long");
    }
    memcpy(home_out, path, strlen(path) + 1);
    return ERR_OK;
}

static bool
is_empty(const char *path)
{
    CLEANUP(close_dir) DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return false;
        }
    }
    return dir != NULL;
}

enum err
daemon_home_make(const char *home, struct complaint *complaint)
{
    enum err err = file_make_dir(home);
    struct stat status;
    if (err == ERR_DISK_FULL) {
        return complain(complaint, err, "%s cannot be made: %s", home, err_text(err));
    }
    if (stat(home, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return complain(complaint, ERR_IO, "%s cannot be used as a directory", home);
    }
    if (status.st_uid != geteuid()) {
        return complain(complaint, ERR_PERMISSION, "%s belongs to another user", home);
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
        return err == ERR_OK ? ERR_OK : complain(complaint, err, "%s cannot be used", home);
    }
    /* Only an empty one is tightened: --home could name a directory that others rightly share. */
    if (is_empty(home) && chmod(home, S_IRWXU) == 0) {
        return ERR_OK;
    }
    return complain(complaint, ERR_PERMISSION,
                    "%s is open to other users and not empty; make it private first: chmod 700 %s",
                    home, home);
}
