/* Decides how a loop is kept on disk and where it will stand once our queue has arrived. The state
 * of the loop itself is lib/loop/track's business. It refuses to know content, time and the
 * network. */
#include "agent/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

enum { MIRROR_VERSION = 1, MIRROR_BYTES_MAX = 1024 * 1024, AHEAD_BYTES = 6, AHEAD_AT_FIRST = 4 };

enum loop_role
mirror_other(enum loop_role role)
{
    return role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
}

void
mirror_init(struct mirror *mirror, const struct loop_id *loop, enum loop_role role,
            const char *self_org, const char *partner_org)
{
    *mirror = (struct mirror){.role = role, .priority = PRIORITY_ROUTINE};
    track_init(&mirror->track, loop, role == LOOP_SOURCE ? self_org : partner_org,
               role == LOOP_SOURCE ? partner_org : self_org);
}

void
mirror_done(struct mirror *mirror)
{
    track_done(&mirror->track);
    free(mirror->ahead);
    *mirror = (struct mirror){.role = LOOP_SOURCE};
}

const char *
mirror_partner(const struct mirror *mirror)
{
    return mirror->track.side[mirror_other(mirror->role)].org;
}

enum err
mirror_ahead_add(struct mirror *mirror, uint32_t number, enum loop_event event)
{
    if (mirror->n_ahead == mirror->ahead_capacity) {
        size_t capacity = mirror->ahead_capacity == 0 ? AHEAD_AT_FIRST : 2 * mirror->ahead_capacity;
        struct mirror_ahead *grown = realloc(mirror->ahead, capacity * sizeof(*grown));
        if (grown == NULL)
            return ERR_MEMORY;
        mirror->ahead = grown;
        mirror->ahead_capacity = capacity;
    }
    mirror->ahead[mirror->n_ahead++] = (struct mirror_ahead){.number = number, .event = event};
    return ERR_OK;
}

void
mirror_ahead_remove(struct mirror *mirror, uint32_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < mirror->n_ahead; i++) {
        if (mirror->ahead[i].number != number)
            mirror->ahead[kept++] = mirror->ahead[i];
    }
    mirror->n_ahead = kept;
}

void
mirror_ahead_supersede(struct mirror *mirror, uint32_t number)
{
    for (size_t i = 0; i < mirror->n_ahead; i++) {
        if (mirror->ahead[i].number == number)
            mirror->ahead[i].superseded = true;
    }
}

struct loop_position
mirror_position(const struct mirror *mirror)
{
    return mirror->dropped ? (struct loop_position){LOOP_VOID, LOOP_NONE} : mirror->track.position;
}

/* A step that no longer fits is left out: the broker will refuse it, and it changes nothing then.
 */
struct loop_position
mirror_queued_position(const struct mirror *mirror)
{
    struct loop_position position = mirror_position(mirror);

    for (size_t i = 0; i < mirror->n_ahead; i++) {
        const struct mirror_ahead *ahead = &mirror->ahead[i];
        if (!ahead->superseded)
            (void)lifecycle_step(position, ahead->event, mirror->role, &position);
    }
    return position;
}

bool
mirror_is_stillborn(const struct mirror *mirror)
{
    return mirror->track.n_marks == 0 && mirror->n_ahead == 0 && mirror->n_refused > 0 &&
           !mirror->dropped;
}

void
mirror_encode(const struct mirror *mirror, struct buffer *out)
{
    struct buffer track = BUFFER_INIT(MIRROR_BYTES_MAX);

    buffer_put_u8(out, MIRROR_VERSION);
    buffer_put_u8(out, (uint8_t)mirror->role);
    buffer_put_u8(out, (uint8_t)mirror->priority);
    buffer_put_i64(out, mirror->created_ms);
    buffer_put_i64(out, mirror->needed_by_ms);
    buffer_put_i64(out, mirror->due_ms);
    buffer_put_u32(out, mirror->n_steps);
    buffer_put_u32(out, mirror->n_waiting);
    buffer_put_u32(out, mirror->n_undelivered);
    buffer_put_u32(out, mirror->n_refused);
    buffer_put_u32(out, mirror->newest_own);
    buffer_put_u8(out, mirror->last_superseded);
    buffer_put_u8(out, mirror->dropped);
    buffer_put_u32(out, mirror->own_seq);
    buffer_put(out, mirror->own_id.bytes, DIGEST_BYTES);
    buffer_put_u32(out, (uint32_t)mirror->n_ahead);
    for (size_t i = 0; i < mirror->n_ahead; i++) {
        buffer_put_u32(out, mirror->ahead[i].number);
        buffer_put_u8(out, (uint8_t)mirror->ahead[i].event);
        buffer_put_u8(out, mirror->ahead[i].superseded);
    }
    track_encode(&mirror->track, &track);
    if (buffer_err(&track) != ERR_OK)
        out->failed = track.failed;
    buffer_put_blob(out, buffer_view(&track));
    buffer_done(&track);
}

static enum err
decode_ahead(struct reader *reader, struct mirror *mirror)
{
    uint32_t n = reader_u32(reader);

    if (n > reader->rest.len / AHEAD_BYTES)
        return ERR_CORRUPT;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = reader_u32(reader);
        enum err err = mirror_ahead_add(mirror, number, (enum loop_event)reader_u8(reader));
        if (err != ERR_OK)
            return err;
        mirror->ahead[i].superseded = reader_u8(reader) != 0;
        if (mirror->ahead[i].event >= EVENT_COUNT)
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum err
decode(struct reader *reader, struct mirror *mirror)
{
    if (reader_u8(reader) != MIRROR_VERSION)
        return ERR_CORRUPT;
    mirror->role = (enum loop_role)reader_u8(reader);
    mirror->priority = (enum statement_priority)reader_u8(reader);
    mirror->created_ms = reader_i64(reader);
    mirror->needed_by_ms = reader_i64(reader);
    mirror->due_ms = reader_i64(reader);
    mirror->n_steps = reader_u32(reader);
    mirror->n_waiting = reader_u32(reader);
    mirror->n_undelivered = reader_u32(reader);
    mirror->n_refused = reader_u32(reader);
    mirror->newest_own = reader_u32(reader);
    mirror->last_superseded = reader_u8(reader) != 0;
    mirror->dropped = reader_u8(reader) != 0;
    mirror->own_seq = reader_u32(reader);
    reader_copy(reader, mirror->own_id.bytes, DIGEST_BYTES);
    enum err err = decode_ahead(reader, mirror);
    struct bytes track = reader_blob(reader);
    if (err == ERR_OK)
        err = reader_err(reader);
    if (err == ERR_OK && mirror->role >= LOOP_ROLE_COUNT)
        err = ERR_CORRUPT;
    return err == ERR_OK ? track_decode(track, &mirror->track) : err;
}

enum err
mirror_decode(struct bytes record, struct mirror *mirror_out)
{
    struct reader reader = reader_of(record);
    struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = decode(&reader, &mirror);

    if (err != ERR_OK) {
        free(mirror.ahead);
        return err;
    }
    *mirror_out = mirror;
    return ERR_OK;
}

enum err
mirror_load(struct kv_txn *txn, const struct loop_id *loop, struct mirror *mirror_out)
{
    struct bytes record;
    enum err err = kv_get(txn, TABLE_LOOPS, table_loop_key(loop), &record);

    return err == ERR_OK ? mirror_decode(record, mirror_out) : err;
}

enum err
mirror_store(struct unit *unit, const struct mirror *mirror)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(MIRROR_BYTES_MAX);

    mirror_encode(mirror, &record);
    changes_add(&unit->agent->changes, &mirror->track.loop);
    return unit_put_record(unit, TABLE_LOOPS, table_loop_key(&mirror->track.loop), &record);
}
