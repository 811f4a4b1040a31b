/* Reading a store that gives way, and without memory: every question an auditor may ask, with a
 * fault at each place in turn. The answer is an error of our own: a fault of this machine is never
 * found as a fault of the log, and never passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/sweep.h"
#include "tests/unit/audit/rig.h"

enum { FEW = 70 };

struct scene {
    struct rig *rig; /* its home holds a small log */
    struct audit *audit;
    struct loop_id loop;
    char copy[FILE_PATH_MAX];
    struct buffer since;
    unsigned n_seen;
    struct audit_copy_options copying;
};

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static bool
keep_first(void *context, const struct audit_loop *loop)
{
    struct scene *scene = context;
    if (scene->n_seen++ == 0) {
        scene->loop = loop->loop;
    }
    return true;
}

static int
start(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->rig = rig_new();
    struct make_log *log = rig_make(scene->rig->home);
    make_log_fill(log, FEW / 2);
    (void)make_log_rotate(log, RIG_ROTATED);
    make_log_fill(log, FEW);
    (void)make_log_revoke(log, RIG_REVOKED);
    scene->rig->network = log->network;
    scene->rig->log = log->log;
    make_log_free(log);
    (void)snprintf(scene->copy, sizeof(scene->copy), "%.200s/copy", scene->rig->root);
    assert_int_equal(audit_open(scene->rig->home, NULL, &scene->audit, NULL), ERR_OK);
    const struct audit_loops_options options = {.now_ms = 1};
    assert_int_equal(audit_each_loop(scene->audit, &options, keep_first, scene), ERR_OK);
    assert_true(scene->n_seen > 3);
    *state = scene;
    return 0;
}

static int
stop(void **state)
{
    struct scene *scene = *state;
    audit_close(scene->audit);
    buffer_done(&scene->since);
    rig_free(scene->rig);
    free(scene);
    return 0;
}

static enum err
open_close(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    CLEANUP(audit_closep) struct audit *audit = NULL;
    enum err err = audit_open(scene->rig->home, &scene->rig->network, &audit, &complaint);
    assert_true((audit != NULL) == (err == ERR_OK));
    return err;
}

static enum err
verify(void *context)
{
    struct scene *scene = context;
    struct audit_report report = {.bad_index = RIG_NO_ENTRY};
    struct complaint complaint = {""};
    const struct audit_verify_options options = {.n_threads = 1};
    return audit_verify(scene->audit, &options, &report, &complaint);
}

static enum err
list_loops(void *context)
{
    struct scene *scene = context;
    const struct audit_loops_options options = {.now_ms = 1};
    return audit_each_loop(scene->audit, &options, keep_first, context);
}

static void
see_event(void *context, const struct audit_key_event *event)
{
    struct scene *scene = context;
    assert_true(event->org[0] != '\0');
    scene->n_seen++;
}

static enum err
list_events(void *context)
{
    return audit_each_key_event(((struct scene *)context)->audit, see_event, context);
}

static enum err
summarize(void *context)
{
    struct audit_summary summary;
    return audit_get_summary(((struct scene *)context)->audit, &summary);
}

static enum err
evidence(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(1 << 20);
    enum err err = audit_evidence(scene->audit, &scene->loop, &file, &complaint);
    assert_true((file.len > 0) == (err == ERR_OK));
    return err;
}

static enum err
find_loop(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    struct loop_id found = {{0x5a}};
    char text[LOOP_ID_TEXT];
    ident_format(&scene->loop, text);
    enum err err = audit_find_loop(scene->audit, text, &found, &complaint);
    assert_true((memcmp(&found, &scene->loop, sizeof(found)) == 0) == (err == ERR_OK));
    return err;
}

/* A copy that failed is nothing that could be taken for one. */
static enum err
copy(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    enum err err = audit_copy(scene->audit, scene->copy, &scene->copying, &complaint);
    (void)nftw(scene->copy, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return err;
}

struct question {
    const char *words;
    sweep_try ask;
    unsigned faults; /* at least */
    unsigned step;
};

static const struct question questions[] = {
    {"open", open_close, 40, 1},     {"verify", verify, 40, 1},    {"loops", list_loops, 20, 1},
    {"events", list_events, 5, 1},   {"summary", summarize, 1, 1}, {"evidence", evidence, 20, 1},
    {"short form", find_loop, 1, 1}, {"copy", copy, 10, 11},
};

static void
test_every_question(void **state)
{
    struct scene *scene = *state;
    unsigned n = 0;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        const struct question *question = &questions[i];
        unsigned memory = sweep_memory(question->words, question->ask, scene, question->step);
        unsigned failed =
            sweep_store(question->words, question->ask, scene, ERR_IO, question->step);
        print_message("%s: %u without memory, %u without store\n", question->words, memory, failed);
        assert_int_equal(question->ask(scene), ERR_OK);
        n += memory + failed;
    }
    print_message("%u questions failed\n", n);
    assert_true(n > 200);
}

static void
test_copy_without_sealed(void **state)
{
    struct scene *scene = *state;
    scene->copying = (struct audit_copy_options){.mark_as_backup = true, .without_sealed = true};
    unsigned n = sweep_store("copy without sealed", copy, scene, ERR_IO, 7);
    assert_true(n > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_question, start, stop),
        cmocka_unit_test_setup_teardown(test_copy_without_sealed, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
