/* The rig on the fake broker. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_FAKE_RIG_H
#define REFLOOP_TESTS_UNIT_AGENT_FAKE_RIG_H

#include "tests/unit/agent/fake_broker.h"
#include "tests/unit/agent/rig.h"

struct fake_rig {
    struct rig rig;
    struct fake_broker broker;
};

struct fake_rig *fake_rig_new(size_t n_members);
void fake_rig_free(struct fake_rig *fake);

#endif
