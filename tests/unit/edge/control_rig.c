#include "tests/unit/edge/control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

json_t *
control_rig_handle(void *context, json_t *request, bool *keep_open)
{
    struct control_rig *rig = context;
    rig->asked++;
    const char *command = json_string_value(json_object_get(request, "command"));
    *keep_open = command != NULL && strcmp(command, "watch") == 0;
    json_t *answer = control_ok();
    json_object_set(answer, "echo", json_object_get(request, "text"));
    return answer;
}

int
control_rig_set_up(void **state)
{
    struct control_rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    strcpy(rig->home, "/tmp/refloop-control-XXXXXX");
    assert_non_null(mkdtemp(rig->home));
    struct complaint complaint;
    (void)umask(0022);
    assert_int_equal(
        control_server_open(rig->home, control_rig_handle, rig, &rig->server, &complaint), ERR_OK);
    *state = rig;
    return 0;
}

int
control_rig_tear_down(void **state)
{
    struct control_rig *rig = *state;
    control_server_close(rig->server);
    assert_int_equal(rmdir(rig->home), 0); /* also says that the socket is gone */
    free(rig);
    return 0;
}
