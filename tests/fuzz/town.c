/* Makes the town through the same joins and turns that people use (tests/unit/broker/rig.h), once,
 * on disk, and keeps the store's bytes. Decides who there is; refuses to know what they will say.
 */
#include "tests/fuzz/town.h"

#include <string.h>

#include "lib/base/logging.h"
#include "tests/fuzz/fixed_random.h"

enum { SEED = 7707 };

static const enum loop_event stories[TOWN_LOOPS][6] = {
    {EVENT_REQUEST},
    {EVENT_REQUEST, EVENT_ASK},
    {EVENT_REQUEST, EVENT_DELIVERED, EVENT_ACCEPT},
    {EVENT_REQUEST, EVENT_ACCEPT, EVENT_PROGRESS, EVENT_CANCEL},
    {EVENT_REQUEST, EVENT_ACCEPT, EVENT_COMPLETE},
    {EVENT_REQUEST, EVENT_DECLINE, EVENT_ACKNOWLEDGE},
};

static enum loop_role
role_of(enum loop_event event)
{
    bool by_source = event == EVENT_REQUEST || event == EVENT_CANCEL || event == EVENT_ACKNOWLEDGE;
    return by_source ? LOOP_SOURCE : LOOP_TARGET;
}

static void
tell(struct town *town, size_t which)
{
    struct rig_loop *loop = &town->loops[which];
    *loop = rig_loop_new(&town->rig->clinic, &town->rig->pantry);
    for (size_t i = 0; i < ARRAY_LEN(stories[which]); i++) {
        enum loop_event event = stories[which][i];
        if (i > 0 && event == EVENT_REQUEST) {
            return;
        }
        FUZZ_HOLDS(rig_step(town->rig, loop, role_of(event), event).result == RECEIPT_ACCEPTED);
    }
}

/* The clinic changes its keys; as it was it lives on in town->former. */
static void
change_keys(struct town *town)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org *clinic = &town->rig->clinic;
    struct rig_org next;
    town->former = *clinic;
    rig_org_new(&next, clinic->org);
    rig_rotate_envelope(town->rig, clinic, &next, &envelope);
    FUZZ_HOLDS(rig_submit_as(town->rig, clinic, &envelope).result == RECEIPT_ACCEPTED);
    next.once_curve = clinic->once_curve;
    *clinic = next;
}

static void
move_in(struct town *town)
{
    struct rig *rig = town->rig;
    char store[FILE_PATH_MAX];
    rig_org_new(&town->gone, "birch-legal");
    rig_add(rig, &town->gone);
    FUZZ_HOLDS(rig_revoke(rig, town->gone.org).result == RECEIPT_ACCEPTED);
    change_keys(town);
    for (size_t i = 0; i < TOWN_LOOPS; i++) {
        tell(town, i);
    }
    FUZZ_HOLDS(rig_invite(rig, &rig->shelter, rig->now.wall_ms + 3600000, false).result ==
               RECEIPT_ACCEPTED);
    town->entries = rig_status(rig).entries;
    town->now = rig->now;
    rig_close(rig);
    stage_keep_store(rig->dir, &town->store);
    stage_remove(rig->dir);
    stage_path("home/store", store);
    FUZZ_HOLDS(strlen(store) < sizeof(rig->dir));
    memcpy(rig->dir, store, strlen(store) + 1);
}

static void
name_everybody(struct town *town)
{
    const struct rig *rig = town->rig;
    const struct {
        const struct curve_public *key;
        const char *org;
    } people[TOWN_WHO_COUNT] = {
        [TOWN_CLINIC] = {&rig->clinic.keys.curve, rig->clinic.org},
        [TOWN_PANTRY] = {&rig->pantry.keys.curve, rig->pantry.org},
        [TOWN_INVITED] = {&rig->shelter.once_curve, ""},
        [TOWN_SHELTER] = {&rig->shelter.keys.curve, rig->shelter.org},
        [TOWN_SPENT] = {&rig->pantry.once_curve, ""},
        [TOWN_REPLACED] = {&town->former.keys.curve, ""},
        [TOWN_REVOKED] = {&town->gone.keys.curve, ""},
        [TOWN_STRANGER] = {NULL, ""},
    };
    for (size_t i = 0; i < TOWN_WHO_COUNT; i++) {
        town->orgs[i] = people[i].org;
        if (people[i].key != NULL) {
            town->keys[i] = *people[i].key;
        }
    }
    memset(town->keys[TOWN_STRANGER].bytes, 0x5a, sizeof(town->keys[TOWN_STRANGER].bytes));
}

struct town *
town_new(void)
{
    struct town *town = calloc(1, sizeof(*town));
    void *rig = NULL;
    FUZZ_HOLDS(town != NULL && setenv("CMOCKA_TEST_ABORT", "1", 1) == 0);
    fixed_random_start(SEED);
    fuzz_start();
    logging_set_level(LOGGING_ERROR);
    FUZZ_HOLDS(rig_start(&rig) == 0);
    town->rig = rig;
    move_in(town);
    name_everybody(town);
    return town;
}

void
town_reopen(struct town *town)
{
    struct complaint complaint = {.text = ""};
    enum err err = broker_open(&town->rig->options, &town->rig->broker, &complaint);
    if (err != ERR_OK) {
        fprintf(stderr, "the broker does not open: %s (%s)\n", complaint.text, err_name(err));
    }
    FUZZ_HOLDS(err == ERR_OK);
}

void
town_open(struct town *town)
{
    fixed_random_start(SEED + 1);
    town->rig->now = town->now;
    stage_put_store(town->rig->dir, buffer_view(&town->store));
    town_reopen(town);
}

void
town_close(struct town *town)
{
    broker_freep(&town->rig->broker);
}
