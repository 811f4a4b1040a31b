/* A control server in a directory of its own, for the tests of both its ends. */
#ifndef REFLOOP_TESTS_UNIT_EDGE_CONTROL_RIG_H
#define REFLOOP_TESTS_UNIT_EDGE_CONTROL_RIG_H

#include "lib/base/file.h"
#include "lib/edge/control.h"

enum { DEADLINE_MS = 10000, NOBODY = 65534 };

struct control_rig {
    char home[FILE_PATH_MAX];
    struct control_server *server;
    int64_t boot_ms; /* what the server is told */
    unsigned asked;
};

/* Says "echo" with the request's text; "watch" subscribes. */
json_t *control_rig_handle(void *context, json_t *request, bool *keep_open);
/* cmocka's setup and teardown: the rig is *state. */
int control_rig_set_up(void **state);
int control_rig_tear_down(void **state);

#endif
