/* The control socket: how a person's program talks to the daemon on the same machine. A Unix socket
 * HOME/control.sock, mode 0600; the peer's user must be ours or root. One request is a 4-byte
 * big-endian length and a JSON object {"command": "...", ...}; the answer is the same: {"ok": true,
 * ...} or {"ok": false, "error": {"code", "text"}} (docs/json.md). A command that keeps answering
 * (watch) marks its answers {"more": true}. Bounded: connections, request size, idle time. */
#ifndef REFLOOP_LIB_EDGE_CONTROL_H
#define REFLOOP_LIB_EDGE_CONTROL_H

#include <jansson.h>
#include <poll.h>

#include "lib/base/bytes.h"

enum {
    CONTROL_CONNECTIONS_MAX = 32,
    CONTROL_IDLE_MS = 60000,
    CONTROL_REQUEST_BYTES = 4 * 1024 * 1024,
    CONTROL_ANSWER_BYTES = 64 * 1024 * 1024
};
#define CONTROL_SOCKET_NAME "control.sock"

/* --- server (inside the daemon's loop; never blocks) --- */
struct control_server;

/* Answers one request. Returns a new reference. When *keep_open is set by the handler the
 * connection stays subscribed and gets what control_server_publish gives. */
typedef json_t *(*control_handler)(void *context, json_t *request, bool *keep_open);

/* Removes a stale socket file first (one that nobody listens on); ERR_LOCKED when another daemon
 * answers on it. */
enum err control_server_open(const char *home, control_handler handler, void *context,
                             struct control_server **server_out,
                             struct complaint *complaint) MUST_CHECK;
void control_server_close(struct control_server *server);
/* Fills up to `max` poll entries; returns how many. */
size_t control_server_poll(struct control_server *server, struct pollfd *fds, size_t max);
/* Handles what poll found (fds as filled by control_server_poll). boot_ms is for idle limits. */
void control_server_turn(struct control_server *server, const struct pollfd *fds, size_t n,
                         int64_t boot_ms);
/* Sends a message to every subscribed connection; drops those that do not read. Does not take the
 * reference. */
void control_server_publish(struct control_server *server, json_t *message);
size_t control_server_subscribers(const struct control_server *server);

json_t *control_ok(void);                                  /* {"ok": true} */
json_t *control_error(enum err err, const char *sentence); /* {"ok": false, "error": {...}} */

/* --- client (blocking, with a time limit) --- */
struct control_client;
/* ERR_UNREACHABLE with a sentence that says how to start the daemon (`daemon` is its name),
 * ERR_PERMISSION. */
enum err control_client_open(const char *home, const char *daemon,
                             struct control_client **client_out,
                             struct complaint *complaint) MUST_CHECK;
void control_client_close(struct control_client *client);
void control_client_closep(struct control_client **client);
/* Sends a request (reference not taken) and waits for one answer. ERR_BUSY when none came in time,
 * ERR_UNREACHABLE when the daemon has gone; after any error the connection is of no more use. */
enum err control_client_call(struct control_client *client, json_t *request, int timeout_ms,
                             json_t **answer_out, struct complaint *complaint) MUST_CHECK;
/* The next answer of a subscription; timeout -1 waits for ever. ERR_BUSY when none came in time:
 * asking again is fine. */
enum err control_client_next(struct control_client *client, int timeout_ms, json_t **answer_out,
                             struct complaint *complaint) MUST_CHECK;

#endif
