/* Decides the stored form of a track and what a sound track is. The record holds the position
 * although the marks give it: a record whose two accounts differ was damaged or written by a
 * mistaken program, and is refused as a whole rather than repaired by guessing.
 *
 * Version 1, big-endian: version, loop id, state, state under it; per side its organization, last
 * seq and last id; the number of marks; per mark id, index, log time, role, event, superseded. It
 * refuses to know where records are kept. */
#include <stdlib.h>

#include "lib/base/attr.h"
#include "lib/loop/track.h"

enum {
    RECORD_VERSION = 1,
    MARK_BYTES = DIGEST_BYTES + 8 + 8 + 3,
};

static void
encode_mark(const struct track_mark *mark, struct buffer *out)
{
    buffer_put(out, mark->id.bytes, DIGEST_BYTES);
    buffer_put_u64(out, mark->index);
    buffer_put_i64(out, mark->log_time_ms);
    buffer_put_u8(out, (uint8_t)mark->role);
    buffer_put_u8(out, (uint8_t)mark->event);
    buffer_put_u8(out, mark->superseded ? 1 : 0);
}

void
track_encode(const struct track *track, struct buffer *out)
{
    buffer_put_u8(out, RECORD_VERSION);
    buffer_put(out, track->loop.bytes, LOOP_ID_BYTES);
    buffer_put_u8(out, (uint8_t)track->position.state);
    buffer_put_u8(out, (uint8_t)track->position.under);
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        buffer_put_text(out, track->side[i].org);
        buffer_put_u32(out, track->side[i].last_seq);
        buffer_put(out, track->side[i].last_id.bytes, DIGEST_BYTES);
    }
    buffer_put_u32(out, (uint32_t)track->n_marks);
    for (size_t i = 0; i < track->n_marks; i++)
        encode_mark(&track->marks[i], out);
}

/* Roles and events may come out of range here; track_check looks at them. */
static bool
decode_mark(struct reader *reader, struct track_mark *mark)
{
    reader_copy(reader, mark->id.bytes, DIGEST_BYTES);
    mark->index = reader_u64(reader);
    mark->log_time_ms = reader_i64(reader);
    mark->role = (enum loop_role)reader_u8(reader);
    mark->event = (enum loop_event)reader_u8(reader);
    uint8_t superseded = reader_u8(reader);
    mark->superseded = superseded == 1;
    return superseded <= 1;
}

static enum err
decode_marks(struct reader *reader, struct track *track)
{
    uint32_t n = reader_u32(reader);

    /* Before the allocation: a damaged count must not ask for memory. */
    if (reader->bad || n > TRACK_MARKS_MAX || reader->rest.len != (size_t)n * MARK_BYTES)
        return ERR_CORRUPT;
    if (n == 0)
        return ERR_OK;
    track->marks = calloc(n, sizeof(*track->marks));
    if (track->marks == NULL)
        return ERR_MEMORY;
    track->marks_capacity = n;
    for (; track->n_marks < n; track->n_marks++) {
        if (!decode_mark(reader, &track->marks[track->n_marks]))
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

enum err
track_decode(struct bytes bytes, struct track *track_out)
{
    CLEANUP(track_done) struct track track = {.n_marks = 0};
    struct reader reader = reader_of(bytes);

    if (reader_u8(&reader) != RECORD_VERSION)
        return ERR_CORRUPT;
    reader_copy(&reader, track.loop.bytes, LOOP_ID_BYTES);
    track.position.state = (enum loop_state)reader_u8(&reader);
    track.position.under = (enum loop_state)reader_u8(&reader);
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        reader_text(&reader, track.side[i].org, sizeof(track.side[i].org));
        track.side[i].last_seq = reader_u32(&reader);
        reader_copy(&reader, track.side[i].last_id.bytes, DIGEST_BYTES);
    }
    enum err err = decode_marks(&reader, &track);
    if (err == ERR_OK)
        err = reader_err(&reader);
    if (err == ERR_OK)
        err = track_check(&track);
    if (err != ERR_OK)
        return err;
    *track_out = track;
    track.marks = NULL;
    return ERR_OK;
}

/* Replays the marks: each applied one must have been possible, each superseded one not (but an
 * acknowledgement of an outcome unheard), and nothing
 * can cross before the request. */
static bool
marks_are_sound(const struct track *track)
{
    struct loop_position position = {LOOP_NONE, LOOP_NONE};

    for (size_t i = 0; i < track->n_marks; i++) {
        const struct track_mark *mark = &track->marks[i];
        if (mark->role >= LOOP_ROLE_COUNT || mark->event >= EVENT_COUNT ||
            mark->event == EVENT_DELIVERED || (mark->superseded && i == 0))
            return false;
        if (i > 0 && mark->index <= track->marks[i - 1].index)
            return false;
        struct loop_position next;
        bool possible = lifecycle_step(position, mark->event, mark->role, &next);
        if (mark->superseded ? possible && mark->event != EVENT_ACKNOWLEDGE : !possible)
            return false;
        if (!mark->superseded)
            position = next;
    }
    return position.state == track->position.state && position.under == track->position.under;
}

/* Receipts have a seq but no mark, so a side may have said more than its marks show, never less.
 * Without receipts its last statement is its last mark. */
static bool
side_is_sound(const struct track *track, enum loop_role role)
{
    const struct track_side *side = &track->side[role];
    size_t n_said = 0;

    for (size_t i = 0; i < track->n_marks; i++)
        n_said += track->marks[i].role == role ? 1 : 0;
    if (!ident_is_org(side->org) || side->last_seq < n_said)
        return false;
    if (digest_is_zero(&side->last_id) != (side->last_seq == 0))
        return false;
    if (side->last_seq > n_said)
        return track->n_marks > 0;
    struct digest last = track_last_mark(track, role);
    return digest_equal(&last, &side->last_id);
}

enum err
track_check(const struct track *track)
{
    struct bytes source = bytes_of_text(track->side[LOOP_SOURCE].org);
    struct bytes target = bytes_of_text(track->side[LOOP_TARGET].org);

    if (track->n_marks > TRACK_MARKS_MAX || !marks_are_sound(track))
        return ERR_CORRUPT;
    if (!side_is_sound(track, LOOP_SOURCE) || !side_is_sound(track, LOOP_TARGET))
        return ERR_CORRUPT;
    return bytes_equal(source, target) ? ERR_CORRUPT : ERR_OK;
}
