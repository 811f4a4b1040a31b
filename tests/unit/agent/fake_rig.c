#include "tests/unit/agent/fake_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
receive(void *broker, size_t peer, struct bytes frame, struct instant now)
{
    fake_receive(broker, peer, frame, now);
}

static bool
take(void *broker, size_t peer, struct buffer *frame_out)
{
    return fake_take(broker, peer, frame_out);
}

static void
on_connect(void *broker, size_t peer)
{
    fake_drop(broker, peer);
}

struct fake_rig *
fake_rig_new(size_t n_members)
{
    struct fake_rig *fake = calloc(1, sizeof(*fake));

    assert_non_null(fake);
    rig_init(&fake->rig, n_members);
    fake_init(&fake->broker, &fake->rig.fixture);
    fake->rig.broker = (struct rig_broker){
        .broker = &fake->broker, .receive = receive, .take = take, .connect = on_connect};
    return fake;
}

void
fake_rig_free(struct fake_rig *fake)
{
    rig_done(&fake->rig);
    fake_done(&fake->broker);
    free(fake);
}
