/* A broker's core with a small network behind it, and everybody who may knock at its door. It is
 * made once; each input begins with the same store. */
#ifndef REFLOOP_TESTS_FUZZ_TOWN_H
#define REFLOOP_TESTS_FUZZ_TOWN_H

#include "tests/fuzz/stage.h"
#include "tests/unit/broker/rig.h"

enum town_who {
    TOWN_CLINIC,
    TOWN_PANTRY,
    TOWN_INVITED,  /* the shelter, by the one-time key of its invite */
    TOWN_SHELTER,  /* the shelter, by the keys it brings once it joins */
    TOWN_SPENT,    /* the pantry's one-time key */
    TOWN_REPLACED, /* the clinic's keys before it changed them */
    TOWN_REVOKED,
    TOWN_STRANGER,
    TOWN_WHO_COUNT
};
enum { TOWN_LOOPS = 6 };

struct town {
    struct rig *rig;
    struct rig_org gone, former; /* revoked; the clinic as it was */
    struct curve_public keys[TOWN_WHO_COUNT];
    const char *orgs[TOWN_WHO_COUNT]; /* "" for who is no organization of the network */
    struct rig_loop loops[TOWN_LOOPS];
    struct buffer store; /* as it is when an input begins */
    uint64_t entries;
    struct instant now;
};

/* The town of this process, its broker closed and its store as it was made. */
struct town *town_new(void);
/* Opens the broker on the store as it was made, resp. as it was left. */
void town_open(struct town *town);
void town_reopen(struct town *town);
void town_close(struct town *town);

#endif
