/* A small agent in a thread. */
#include "fake_agent.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/edge/control.h"

struct fake_agent {
    char home[FILE_PATH_MAX];
    struct control_server *server;
    json_t *answers, *changes, *requests;
    pthread_t thread;
    pthread_mutex_t mutex; /* of requests */
    int stop_fd;
    bool watched;
};

static json_t *
answer(void *context, json_t *request, bool *keep_open)
{
    struct fake_agent *agent = context;
    const char *command = json_string_value(json_object_get(request, "command"));
    assert_int_equal(pthread_mutex_lock(&agent->mutex), 0);
    (void)json_object_set(agent->requests, command, request);
    assert_int_equal(pthread_mutex_unlock(&agent->mutex), 0);
    if (strcmp(command, "watch") == 0) {
        *keep_open = true;
        agent->watched = true;
    }
    json_t *canned = json_object_get(agent->answers, command);
    return canned != NULL ? json_deep_copy(canned) : control_error(ERR_INVALID, "no such command");
}

static void
publish_and_leave(struct fake_agent *agent)
{
    size_t i = 0;
    json_t *change = NULL;
    json_array_foreach(agent->changes, i, change)
    {
        control_server_publish(agent->server, change);
    }
    control_server_close(agent->server);
    agent->server = NULL;
}

static void *
run(void *context)
{
    struct fake_agent *agent = context;
    for (;;) {
        struct pollfd fds[CONTROL_CONNECTIONS_MAX + 2];
        size_t n = 0;
        if (agent->server != NULL) {
            n = control_server_poll(agent->server, fds, CONTROL_CONNECTIONS_MAX + 1);
        }
        fds[n] = (struct pollfd){.fd = agent->stop_fd, .events = POLLIN};
        if (poll(fds, n + 1, -1) < 0) {
            continue;
        }
        if (fds[n].revents != 0) {
            return NULL;
        }
        control_server_turn(agent->server, fds, n, clock_now().boot_ms);
        if (agent->watched && agent->changes != NULL && agent->server != NULL) {
            publish_and_leave(agent);
        }
    }
}

struct fake_agent *
fake_agent_start(json_t *answers, json_t *changes)
{
    struct complaint complaint;
    struct fake_agent *agent = calloc(1, sizeof(*agent));
    assert_non_null(agent);
    (void)snprintf(agent->home, sizeof(agent->home), "/tmp/refloop-cli-XXXXXX");
    assert_non_null(mkdtemp(agent->home));
    agent->answers = json_incref(answers);
    agent->changes = json_incref(changes);
    agent->requests = json_object();
    agent->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(agent->stop_fd >= 0);
    assert_int_equal(pthread_mutex_init(&agent->mutex, NULL), 0);
    assert_int_equal(control_server_open(agent->home, answer, agent, &agent->server, &complaint),
                     ERR_OK);
    assert_int_equal(pthread_create(&agent->thread, NULL, run, agent), 0);
    return agent;
}

const char *
fake_agent_home(const struct fake_agent *agent)
{
    return agent->home;
}

const json_t *
fake_agent_request(struct fake_agent *agent, const char *command)
{
    assert_int_equal(pthread_mutex_lock(&agent->mutex), 0);
    const json_t *request = json_object_get(agent->requests, command);
    assert_int_equal(pthread_mutex_unlock(&agent->mutex), 0);
    return request;
}

void
fake_agent_stop(struct fake_agent *agent)
{
    char socket_path[FILE_PATH_MAX];
    assert_int_equal(eventfd_write(agent->stop_fd, 1), 0);
    assert_int_equal(pthread_join(agent->thread, NULL), 0);
    if (agent->server != NULL) {
        control_server_close(agent->server);
    }
    assert_int_equal(file_path(socket_path, agent->home, CONTROL_SOCKET_NAME), ERR_OK);
    (void)unlink(socket_path); /* the server may have removed it */
    assert_int_equal(rmdir(agent->home), 0);
    (void)close(agent->stop_fd); /* an event: nothing is lost */
    json_decref(agent->answers);
    json_decref(agent->changes);
    json_decref(agent->requests);
    assert_int_equal(pthread_mutex_destroy(&agent->mutex), 0);
    free(agent);
}
