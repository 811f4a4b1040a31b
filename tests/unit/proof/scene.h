/* A file of evidence to be read as it is, or changed and read again. */
#ifndef REFLOOP_TESTS_UNIT_PROOF_SCENE_H
#define REFLOOP_TESTS_UNIT_PROOF_SCENE_H

#include "tests/unit/wire/case.h"

#include <string.h>

#include "lib/crypto/sha256.h"
#include "tests/unit/proof/true_log.h"

enum { SMALL = 40, MILLION = 1000000, FOUNDED = 5 /* entries before the loop */ };

/* A true log, the file about it, and its parts to be changed. */
struct scene {
    struct true_log *log;
    struct buffer file;
    struct evidence_parts parts;
    struct buffer changed;
};

static inline void
scene_done(struct scene *scene)
{
    evidence_parts_done(&scene->parts);
    buffer_done(&scene->changed);
    buffer_done(&scene->file);
    true_log_free(scene->log);
}

static inline void
set(struct scene *scene, bool show)
{
    true_log_evidence(scene->log, show, &scene->file);
    true_log_take_apart(buffer_view(&scene->file), &scene->parts);
}

static inline struct scene
short_scene(bool show)
{
    struct scene scene = {.log = true_log_new(SMALL, 2)};
    true_log_found(scene.log, 2);
    true_log_short_story(scene.log);
    set(&scene, show);
    return scene;
}

static inline enum err
read_file(struct bytes file, struct evidence_reading *reading, struct complaint *complaint)
{
    struct network_id root = fixture_network();
    return evidence_read(file, &root, reading, complaint);
}

static inline void
expect_true(struct bytes file, struct evidence_reading *reading)
{
    struct complaint complaint = {""};
    enum err err = read_file(file, reading, &complaint);
    assert_string_equal(complaint.text, "");
    assert_ok(err);
}

static inline void
expect_refusal(struct bytes file, enum err expected, const char *sentence)
{
    struct evidence_reading reading = {.n_steps = 77};
    struct complaint complaint = {""};
    enum err err = read_file(file, &reading, &complaint);
    assert_string_equal(complaint.text, sentence);
    assert_err(err, expected);
    assert_int_equal(reading.n_steps, 77);
}

/* The parts as they are now, in right form. */
static inline void
expect_lie(struct scene *scene, enum err expected, const char *sentence)
{
    buffer_done(&scene->changed);
    true_log_wrap(&scene->parts, &scene->changed);
    expect_refusal(buffer_view(&scene->changed), expected, sentence);
}

static inline void
drop(struct scene *scene, size_t i)
{
    struct evidence_part *part = &scene->parts.entries[i];
    memmove(part, part + 1, (--scene->parts.n_entries - i) * sizeof(*part));
}

#endif
