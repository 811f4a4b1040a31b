/* Evidence without memory: every allocation of reading, writing and drawing fails once. Nothing is
 * made by halves, and a machine without memory finds no fault with anybody's proof. */
#include "tests/unit/proof/scene.h"

#include <stdlib.h>
#include <time.h>

#include "tests/support/sweep.h"

static enum err
read_scene(void *context)
{
    struct scene *scene = context;
    struct evidence_reading reading = {.n_steps = 4711};
    struct complaint complaint = {""};
    enum err err = read_file(buffer_view(&scene->file), &reading, &complaint);
    if (err == ERR_OK) {
        evidence_reading_done(&reading);
    } else {
        assert_int_equal(reading.n_steps, 4711);
    }
    return err;
}

/* The parts of a file through the writer. */
static enum err
put_parts(const struct evidence_parts *parts, struct evidence_writer *writer)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < parts->n_checkpoints; i++) {
        size_t place = 0;
        err = evidence_add_checkpoint(writer, parts->checkpoints[i], &place);
        assert_int_equal(place, err == ERR_OK ? i : 0);
    }
    for (size_t i = 0; err == ERR_OK && i < parts->n_entries; i++) {
        const struct evidence_part *part = &parts->entries[i];
        struct evidence_entry entry = {.index = part->index,
                                       .log_time_ms = part->log_time_ms,
                                       .checkpoint = part->checkpoint,
                                       .shown = part->has_body_key || part->has_facts_key,
                                       .revealed = part->keys};
        err = proof_of_bytes(part->inclusion, &entry.inclusion);
        if (err == ERR_OK) {
            err = envelope_decode(part->envelope, &entry.envelope);
        }
        if (err == ERR_OK) {
            err = evidence_add_entry(writer, &entry);
        }
    }
    return err;
}

static enum err
write_scene(void *context)
{
    struct scene *scene = context;
    CLEANUP(evidence_writer_freep) struct evidence_writer *writer = NULL;
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(TRUE_FILE_ROOM);
    enum err err = evidence_writer_new(&scene->parts.network, &scene->parts.loop, &writer);
    assert_true((writer != NULL) == (err == ERR_OK));
    if (err == ERR_OK) {
        err = put_parts(&scene->parts, writer);
    }
    if (err == ERR_OK) {
        err = evidence_finish(writer, &file);
    }
    if (err == ERR_OK) {
        assert_true(bytes_equal(buffer_view(&file), buffer_view(&scene->file)));
    }
    return err;
}

static enum err
draw_scene(void *context)
{
    struct evidence_reading *reading = context;
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(1 << 20);
    return picture_draw(reading, &svg);
}

static void
evidence_is_whole_or_none(void **state)
{
    (void)state;
    for (unsigned show = 0; show < 2; show++) {
        CLEANUP(scene_done) struct scene scene = short_scene(show == 1);
        unsigned n_read = sweep_memory("read", read_scene, &scene, 1);
        unsigned n_written = sweep_memory("write", write_scene, &scene, 1);
        print_message("reading failed %u times, writing %u times\n", n_read, n_written);
        assert_true(n_read > 10 && n_written > 10);
    }
}

static void
a_long_story_is_whole_or_none(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(200, 3)};
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    true_log_found(scene.log, 2);
    true_log_whole_story(scene.log);
    set(&scene, false);
    assert_true(sweep_memory("read", read_scene, &scene, 1) > 20);
    assert_true(sweep_memory("write", write_scene, &scene, 1) > 20);
    expect_true(buffer_view(&scene.file), &reading);
    assert_true(sweep_memory("draw", draw_scene, &reading, 1) > 0);
    /* Names are drawn as names, whatever stands in them. */
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(1 << 20);
    memcpy(reading.name[LOOP_SOURCE], "<O'Brien & \"Co\">", sizeof("<O'Brien & \"Co\">"));
    assert_ok(picture_draw(&reading, &svg));
    buffer_put_u8(&svg, 0);
    assert_non_null(strstr((const char *)svg.data, "&lt;O&#39;Brien &amp; &quot;Co&quot;&gt;"));
    assert_null(strstr((const char *)svg.data, "<O'"));
}

static void
files_past_every_limit_are_told(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    static uint8_t room[EVIDENCE_BYTES_MAX + 1];
    struct evidence_reading reading = {.n_steps = 77};
    struct complaint complaint = {""};
    memcpy(room, scene.file.data, scene.file.len);
    assert_err(read_file(bytes_of(room, sizeof(room)), &reading, &complaint), ERR_TOO_LARGE);
    assert_non_null(strstr(complaint.text, "larger than evidence can be"));
    assert_int_equal(reading.n_steps, 77);
}

/* One checkpoint more than fits is refused, and so is an entry more. */
static void
the_writer_holds_to_its_limits(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(2 * EVIDENCE_CHECKPOINTS_MAX, 2)};
    CLEANUP(evidence_writer_freep) struct evidence_writer *writer = NULL;
    size_t place = 0;
    true_log_found(scene.log, 2);
    true_log_short_story(scene.log);
    set(&scene, false);
    assert_ok(evidence_writer_new(&scene.parts.network, &scene.parts.loop, &writer));
    for (unsigned i = 0; i <= EVIDENCE_CHECKPOINTS_MAX; i++) {
        CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
        bool fits = i < EVIDENCE_CHECKPOINTS_MAX;
        true_log_note(scene.log, scene.log->size - i, BROKER, NULL, 0, &note);
        assert_err(evidence_add_checkpoint(writer, buffer_view(&note), &place),
                   fits ? ERR_OK : ERR_TOO_LARGE);
        assert_int_equal(place, fits ? i : EVIDENCE_CHECKPOINTS_MAX - 1);
    }
    struct evidence_entry entry = {.checkpoint = 0};
    assert_ok(envelope_decode(scene.parts.entries[0].envelope, &entry.envelope));
    enum err err = ERR_OK;
    size_t n = 0;
    for (; err == ERR_OK && n <= EVIDENCE_ENTRIES_MAX; n++) {
        entry.index = n;
        err = evidence_add_entry(writer, &entry);
    }
    assert_err(err, ERR_TOO_LARGE);
    assert_int_equal(n, EVIDENCE_ENTRIES_MAX + 1);
}

static void
words_are_for_what_there_is(void **state)
{
    (void)state;
    char text[EVIDENCE_TIME_TEXT];
    assert_string_equal(evidence_words_event(EVENT_COUNT), "");
    assert_string_equal(evidence_words_state(LOOP_STATE_COUNT), "");
    assert_null(evidence_words_due(EVENT_COUNT));
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    evidence_words_date(INT64_C(1764547199000), text);
    assert_string_equal(text, "2025-11-30");
    evidence_words_date(INT64_C(1764547198000), text);
    assert_string_equal(text, "2025-11-30 23:59");
    evidence_words_date(-1000, text);
    assert_string_equal(text, "1969-12-31 23:59");
    evidence_words_time(INT64_MAX, text);
    assert_null(strchr(text, ':'));
    evidence_words_time(INT64_C(253402300799000), text); /* the last second of year 9999 */
    assert_true(strlen(text) < EVIDENCE_TIME_TEXT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_whole_or_none),
        cmocka_unit_test(a_long_story_is_whole_or_none),
        cmocka_unit_test(files_past_every_limit_are_told),
        cmocka_unit_test(the_writer_holds_to_its_limits),
        cmocka_unit_test(words_are_for_what_there_is),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
