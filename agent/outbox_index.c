/* Decides how rows are found: by order, by loop, by statement id; and keeps what is true of the
 * present connection only. It refuses to know the disk: outbox.c changes both together. */
#include "agent/outbox_index.h"

#include <stdlib.h>
#include <string.h>

static void
forget_all(struct outbox *outbox)
{
    const void *key;
    void *lane;
    size_t at = 0;

    for (struct row *row = outbox->first; row != NULL;) {
        struct row *next = row->next;
        free(row);
        row = next;
    }
    while (outbox->lanes != NULL && map_next(outbox->lanes, &at, &key, &lane))
        free(lane);
    map_freep(&outbox->lanes);
    map_freep(&outbox->by_id);
}

void
outbox_done(struct outbox *outbox)
{
    forget_all(outbox);
    *outbox = (struct outbox){.first = NULL};
}

struct lane *
outbox_lane(const struct outbox *outbox, const struct loop_id *loop)
{
    return map_find(outbox->lanes, loop->bytes);
}

struct row *
outbox_find_made(const struct outbox *outbox, const struct digest *id)
{
    return map_find(outbox->by_id, id->bytes);
}

struct row *
outbox_find_step(const struct lane *lane, uint32_t number)
{
    struct row *row = lane == NULL ? NULL : lane->first;

    while (row != NULL && (row->kind != ROW_STEP || row->number != number))
        row = row->next_in_lane;
    return row;
}

struct row *
outbox_find_delivered(const struct lane *lane, const struct digest *delivered)
{
    struct row *row = lane == NULL ? NULL : lane->first;

    while (row != NULL && (row->kind != ROW_DELIVERED || !digest_equal(&row->delivered, delivered)))
        row = row->next_in_lane;
    return row;
}

int64_t
outbox_oldest_ms(const struct outbox *outbox)
{
    const struct row *row = outbox->first;

    while (row != NULL && row->kind != ROW_STEP)
        row = row->next;
    return row == NULL ? 0 : row->queued_ms;
}

static struct lane *
get_lane(struct outbox *outbox, const struct loop_id *loop)
{
    struct lane *lane = outbox_lane(outbox, loop);

    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL)
        return NULL;
    lane->loop = *loop;
    if (map_put(outbox->lanes, loop->bytes, lane) != ERR_OK) {
        free(lane);
        return NULL;
    }
    return lane;
}

enum err
outbox_index_link(struct outbox *outbox, const struct loop_id *loop, struct row *row)
{
    struct lane *lane = get_lane(outbox, loop);

    if (lane == NULL || (row->made && map_put(outbox->by_id, row->id.bytes, row) != ERR_OK)) {
        free(row);
        return ERR_MEMORY;
    }
    row->lane = lane;
    row->next = row->next_in_lane = NULL;
    row->previous = outbox->last;
    row->previous_in_lane = lane->last;
    *(outbox->last == NULL ? &outbox->first : &outbox->last->next) = row;
    *(lane->last == NULL ? &lane->first : &lane->last->next_in_lane) = row;
    outbox->last = lane->last = row;
    outbox->n_steps += row->kind == ROW_STEP;
    outbox->next_order = row->order + 1;
    outbox->retry_ms = 0;
    return ERR_OK;
}

void
outbox_index_forget_id(struct outbox *outbox, struct row *row)
{
    if (row->made)
        (void)map_remove(outbox->by_id, row->id.bytes); /* the row itself stays */
}

static void
release_if_waiting(struct outbox *outbox, struct lane *lane)
{
    if (lane->waits_for_log)
        outbox->n_waiting_lanes--;
    lane->waits_for_log = false;
}

void
outbox_index_unlink(struct outbox *outbox, struct row *row)
{
    struct lane *lane = row->lane;

    outbox_mark_unsent(outbox, row);
    outbox_index_forget_id(outbox, row);
    *(row->previous == NULL ? &outbox->first : &row->previous->next) = row->next;
    *(row->next == NULL ? &outbox->last : &row->next->previous) = row->previous;
    *(row->previous_in_lane == NULL ? &lane->first : &row->previous_in_lane->next_in_lane) =
        row->next_in_lane;
    *(row->next_in_lane == NULL ? &lane->last : &row->next_in_lane->previous_in_lane) =
        row->previous_in_lane;
    outbox->n_steps -= row->kind == ROW_STEP;
    if (lane->first == NULL) {
        release_if_waiting(outbox, lane);
        (void)map_remove(outbox->lanes, lane->loop.bytes); /* freed here */
        free(lane);
    }
    free(row);
}

void
outbox_mark_sent(struct outbox *outbox, struct row *row, int64_t boot_ms)
{
    if (!row->sent) {
        outbox->n_in_flight++;
        outbox->in_flight_bytes += row->envelope_bytes;
    }
    row->sent = true;
    row->sent_ms = boot_ms;
}

void
outbox_mark_unsent(struct outbox *outbox, struct row *row)
{
    if (row->sent) {
        outbox->n_in_flight--;
        outbox->in_flight_bytes -= row->envelope_bytes;
    }
    row->sent = false;
    outbox->retry_ms = 0;
}

void
outbox_mark_all_unsent(struct outbox *outbox)
{
    for (struct row *row = outbox->first; row != NULL; row = row->next)
        outbox_mark_unsent(outbox, row);
}

const struct row *
outbox_oldest_sent(const struct outbox *outbox)
{
    const struct row *oldest = NULL;
    size_t seen = 0;

    for (const struct row *row = outbox->first; row != NULL && seen < outbox->n_in_flight;
         row = row->next) {
        if (!row->sent)
            continue;
        seen++;
        if (oldest == NULL || row->sent_ms < oldest->sent_ms)
            oldest = row;
    }
    return oldest;
}

void
outbox_wait_for_log(struct outbox *outbox, struct lane *lane)
{
    if (!lane->waits_for_log)
        outbox->n_waiting_lanes++;
    lane->waits_for_log = true;
}

void
outbox_log_is_read(struct outbox *outbox)
{
    const void *key;
    void *value;
    size_t at = 0;

    while (outbox->n_waiting_lanes > 0 && map_next(outbox->lanes, &at, &key, &value))
        release_if_waiting(outbox, value);
    outbox->retry_ms = 0;
}

void
outbox_hold_lane(struct outbox *outbox, struct lane *lane, int64_t until_boot_ms)
{
    if (until_boot_ms > lane->held_until_ms)
        lane->held_until_ms = until_boot_ms;
    outbox->retry_ms = 0;
}
