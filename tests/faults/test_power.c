/* The power goes at any moment: at every write and every sync of a broker and of an agent an image
 * of what the disk may hold is made, and the real programs' cores open it. All that anybody was
 * told is in it. And the same for real: the power goes, the machine comes back, and people go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/faults/world.h"
#include "tests/support/fault_disk.h"

enum {
    IMAGES = 5200,
    IMAGES_LONG = 200000,
    CUTS = 150,
    CUTS_LONG = 5000,
    CUT_WITHIN = 40, /* operations */
    CHECK_EVERY = 16,
    DISKS = WORLD_MEMBERS + 1,
    BROKER = WORLD_MEMBERS, /* its place among the disks */
    LOOPS_PER_WORLD = 40,   /* a new network then, so that each image stays small */
    SEED = 20261122,
};

struct powered {
    struct fixture fixture;
    struct promises *promises;
    struct world world;
    struct fault_disk *disks[DISKS];
    char image[FILE_PATH_MAX], image_data[FILE_PATH_MAX];
    uint64_t random;
    unsigned n_images[DISKS];
    size_t watched; /* whose disk the image under check is of */
    bool quiet;     /* self-test: count what is bad, do not fail */
    unsigned n_bad;
};

static const char *
disk_dir(const struct powered *powered, size_t which)
{
    return which == BROKER ? powered->world.broker_store : powered->world.member[which].store;
}

static void
must(struct powered *powered, enum err err)
{
    if (err != ERR_OK) {
        fail_msg("seed %llu: %s: %s: %s", (unsigned long long)SEED, powered->world.doing,
                 err_name(err), powered->world.complaint.text);
    }
}

/* Two members that have joined, with everything on disks of the test. */
static struct powered *
powered_new(uint64_t seed)
{
    struct powered *powered = calloc(1, sizeof(*powered));
    char dir[FILE_PATH_MAX];
    assert_non_null(powered);
    powered->promises = calloc(1, sizeof(*powered->promises));
    assert_non_null(powered->promises);
    powered->random = seed;
    fixture_init(&powered->fixture, WORLD_MEMBERS);
    assert_int_equal(file_path(dir, powered->fixture.dir, "power"), ERR_OK);
    world_init(&powered->world, &powered->fixture, powered->promises, dir);
    assert_int_equal(file_path(powered->image, powered->fixture.dir, "image"), ERR_OK);
    assert_int_equal(file_make_dir(powered->image), ERR_OK);
    assert_int_equal(file_path(powered->image_data, powered->image, "data.mdb"), ERR_OK);
    for (size_t i = 0; i < DISKS; i++) {
        powered->disks[i] = fault_disk_new(disk_dir(powered, i));
    }
    must(powered, world_open_broker(&powered->world));
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        must(powered, world_invite(&powered->world, i));
        must(powered, world_join(&powered->world, i));
        must(powered, world_open_agent(&powered->world, i));
    }
    must(powered, world_settle(&powered->world));
    return powered;
}

static void
powered_free(struct powered *powered)
{
    for (size_t i = 0; i < DISKS; i++) {
        fault_disk_watch(powered->disks[i], NULL, NULL);
    }
    world_close(&powered->world);
    for (size_t i = 0; i < DISKS; i++) {
        fault_disk_free(powered->disks[i]);
    }
    fixture_done(&powered->fixture);
    free(powered->promises);
    free(powered);
}

static enum err
check_broker(const struct powered *powered, const char *store, bool whole,
             struct complaint *complaint)
{
    struct sign_public log_key;
    CLEANUP(broker_freep) struct broker *broker = NULL;
    const struct broker_options options = world_broker_options(&powered->world, store);
    sign_public_of(&powered->fixture.log_secret, &log_key);
    enum err err = promise_check_broker(powered->promises, store, &powered->fixture.network,
                                        &log_key, complaint);
    if (err == ERR_OK) {
        err = broker_open(&options, &broker, complaint);
    }
    return err == ERR_OK && whole ? broker_check_store(broker, complaint) : err;
}

static enum err
check_agent(const struct powered *powered, size_t who, const char *store, bool whole,
            struct complaint *complaint)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    const struct agent_options options = world_agent_options(&powered->world, who, store);
    enum err err = agent_open(&options, &agent, complaint);
    if (err == ERR_OK) {
        err = promise_check_agent(powered->promises, who, agent, complaint);
    }
    return err == ERR_OK && whole ? agent_check_store(agent, complaint) : err;
}

static enum err
check_store(const struct powered *powered, size_t which, const char *store, bool whole,
            struct complaint *complaint)
{
    return which == BROKER ? check_broker(powered, store, whole, complaint)
                           : check_agent(powered, which, store, whole, complaint);
}

static void
check_image(struct powered *powered)
{
    struct complaint complaint = {""};
    unsigned n = ++powered->n_images[powered->watched];
    enum err err =
        check_store(powered, powered->watched, powered->image, n % CHECK_EVERY == 0, &complaint);
    powered->n_bad += err != ERR_OK;
    if (err != ERR_OK && !powered->quiet) {
        fail_msg("seed %llu, image %u of disk %zu: %s: %s", (unsigned long long)SEED, n,
                 powered->watched, err_name(err), complaint.text);
    }
}

static void
on_operation(void *context, struct fault_disk *disk)
{
    struct powered *powered = context;
    powered->watched = 0;
    while (powered->disks[powered->watched] != disk) {
        powered->watched++;
    }
    fault_disk_image(disk, powered->image_data, &powered->random);
    check_image(powered);
}

static void
watch(struct powered *powered, size_t which, fault_disk_watcher watcher)
{
    fault_disk_watch(powered->disks[which], watcher, powered);
}

static unsigned
volume(unsigned usual, unsigned longer)
{
    return getenv("REFLOOP_LONG") != NULL ? longer : usual;
}

static void
test_images(void **state)
{
    unsigned wanted = volume(IMAGES, IMAGES_LONG);
    unsigned of_broker = 0;
    unsigned of_agents = 0;
    (void)state;
    for (uint64_t seed = SEED; of_broker + of_agents < wanted; seed++) {
        struct powered *powered = powered_new(seed);
        unsigned n = 0;
        for (size_t i = 0; i < DISKS; i++) {
            watch(powered, i, on_operation);
        }
        for (size_t i = 0; i < LOOPS_PER_WORLD && of_broker + of_agents + n < wanted; i++) {
            must(powered, world_finish_loop(&powered->world, i));
            n = powered->n_images[CLINIC] + powered->n_images[PANTRY] + powered->n_images[BROKER];
        }
        of_broker += powered->n_images[BROKER];
        of_agents += powered->n_images[CLINIC] + powered->n_images[PANTRY];
        assert_true(powered->promises->n_receipts > 5 && powered->promises->n_heads > 5);
        powered_free(powered);
    }
    print_message("%u images (%u of a broker's disk, %u of agents'), seeds from %d\n",
                  of_broker + of_agents, of_broker, of_agents, SEED);
}

/* --- power cuts --- */

static void
come_back(struct powered *powered, size_t which)
{
    struct world *world = &powered->world;
    struct complaint complaint = {""};
    fault_disk_restore(powered->disks[which], true, &powered->random);
    /* Agents' keys come from their home, so the check opens what the program would open. */
    if (which == BROKER) {
        if (check_broker(powered, world->broker_store, false, &complaint) != ERR_OK) {
            fail_msg("the broker after a power cut: %s", complaint.text);
        }
        must(powered, world_open_broker(world));
        return;
    }
    must(powered, world_open_agent(world, which));
    if (promise_check_agent(powered->promises, which, world->member[which].agent, &complaint) !=
        ERR_OK) {
        fail_msg("%s after a power cut: %s", fixture_orgs[which], complaint.text);
    }
}

static void
leave(struct powered *powered, size_t which)
{
    if (which == BROKER) {
        world_close_broker(&powered->world);
    } else {
        world_close_agent(&powered->world, which);
    }
}

static void
cut_once(struct powered *powered, size_t *at)
{
    size_t which = fault_random(&powered->random) % DISKS;
    fault_disk_cut(powered->disks[which], 1 + fault_random(&powered->random) % CUT_WITHIN);
    for (;;) {
        enum err err = world_finish_loop(&powered->world, *at);
        if (fault_disk_is_cut(powered->disks[which])) {
            break;
        }
        must(powered, err);
        (*at)++;
    }
    leave(powered, which);
    come_back(powered, which);
}

static void
test_cuts(void **state)
{
    unsigned wanted = volume(CUTS, CUTS_LONG);
    unsigned done = 0;
    (void)state;
    for (uint64_t seed = SEED; done < wanted; seed++) {
        struct powered *powered = powered_new(seed);
        struct complaint complaint = {""};
        size_t at = 0;
        for (; done < wanted && at < LOOPS_PER_WORLD; done++) {
            cut_once(powered, &at);
        }
        for (size_t i = 0; i <= at; i++) {
            must(powered, world_finish_loop(&powered->world, i));
        }
        world_close(&powered->world);
        for (size_t i = 0; i < DISKS; i++) {
            if (i != BROKER) {
                must(powered, world_open_agent(&powered->world, i));
                world_close(&powered->world); /* only its keys were wanted */
                must(powered, identity_load(powered->world.member[i].home,
                                            &powered->world.member[i].identity, &complaint));
                powered->world.member[i].has_identity = true;
            }
            if (check_store(powered, i, disk_dir(powered, i), true, &complaint) != ERR_OK) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, complaint.text);
            }
        }
        powered_free(powered);
    }
    print_message("%u power cuts, seeds from %d\n", done, SEED);
}

/* --- the checkers themselves --- */

static void
test_lying_disk_is_found(void **state)
{
    (void)state;
    for (size_t which = 0; which < DISKS; which++) {
        struct powered *powered = powered_new(SEED);
        powered->quiet = true;
        fault_disk_set_lying(powered->disks[which], true);
        watch(powered, which, on_operation);
        for (size_t i = 0; powered->n_bad == 0; i++) {
            assert_true(i < LOOPS_PER_WORLD);
            must(powered, world_finish_loop(&powered->world, i));
        }
        powered_free(powered);
    }
}

static void
keep_first_image(void *context, struct fault_disk *disk)
{
    struct powered *powered = context;
    if (powered->n_images[powered->watched]++ == 0) {
        fault_disk_image(disk, powered->image_data, &powered->random);
    }
}

/* Told before it was on disk: the image of the moment before a commit against what was told after
 * it, as it would be with a broker that sends its receipts, or an agent that answers people, too
 * early. */
static void
test_early_word_is_found(void **state)
{
    (void)state;
    for (size_t which = 0; which < DISKS; which++) {
        struct powered *powered = powered_new(SEED);
        struct complaint complaint = {""};
        powered->watched = which;
        watch(powered, which, keep_first_image);
        must(powered, world_finish_loop(&powered->world, 0));
        watch(powered, which, NULL);
        assert_int_equal(check_store(powered, which, powered->image, false, &complaint),
                         ERR_CORRUPT);
        assert_true(strlen(complaint.text) > 0);
        powered_free(powered);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lying_disk_is_found),
        cmocka_unit_test(test_early_word_is_found),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
