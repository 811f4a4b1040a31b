/* The manners of a daemon: signals as a descriptor, readiness told to systemd, a private home. */
#ifndef REFLOOP_LIB_EDGE_DAEMON_H
#define REFLOOP_LIB_EDGE_DAEMON_H

#include "lib/base/file.h"

/* Where the programs look when neither --home nor REFLOOP_HOME says otherwise. "~" is $HOME. */
#define DAEMON_AGENT_HOME "~/.refloop"
#define DAEMON_BROKER_HOME "~/.refloop-broker"

enum daemon_signal {
    DAEMON_SIGNAL_NONE,
    DAEMON_SIGNAL_STOP,   /* SIGTERM, SIGINT */
    DAEMON_SIGNAL_RELOAD, /* SIGHUP */
};

/* Blocks SIGTERM, SIGINT and SIGHUP, ignores SIGPIPE and gives a descriptor to poll. Before any
 * thread is made, else that thread takes the signals the old way. ERR_IO. */
enum err daemon_signals_open(int *fd_out) MUST_CHECK;
/* What has arrived; a stop wins over a reload. Never blocks. */
enum daemon_signal daemon_signals_take(int fd);

/* sd_notify: "READY=1", "STOPPING=1", "STATUS=…". Does nothing when systemd did not ask. */
void daemon_notify(const char *state);

/* The home directory, absolute: `option` (may be NULL), else REFLOOP_HOME, else `fallback`. Neither
 * made nor looked at. ERR_INVALID when there is none or it is too long. */
enum err daemon_home_find(const char *option, const char *fallback, char home_out[FILE_PATH_MAX],
                          struct complaint *complaint) MUST_CHECK;
/* Makes it, private (0700). An empty directory of ours is made private; ERR_PERMISSION for one that
 * holds something and is open to others, or is not ours. */
enum err daemon_home_make(const char *home, struct complaint *complaint) MUST_CHECK;

#endif
