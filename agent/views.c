/* Decides what people see of the records: loops newest first, steps in the order of the log.
 * Everything is read out before a callback runs, so that a callback may ask again and no read
 * transaction stays open. It refuses to know how it is shown. */
#include <stdlib.h>
#include <string.h>

#include "agent/mirror.h"
#include "agent/state.h"
#include "agent/steps.h"
#include "lib/base/text.h"

static const char empty_content[] = "{}";
enum { SHORT_DIGITS = 10, EXAMPLES_MAX = 3, EXAMPLES_BYTES = 64 };

struct loop_list {
    struct loop_view *views;
    size_t n, capacity;
};

static void
loop_list_done(struct loop_list *list)
{
    free(list->views);
}

/* The directory's strings outlive the call; the record's do not. */
static void
name_partner(const struct agent *agent, const struct mirror *mirror, struct loop_view *view)
{
    const struct member *member = directory_find(agent->directory, mirror_partner(mirror));

    view->partner_org = member == NULL ? "unknown" : member->org;
    view->partner_name = member == NULL ? "" : member->name;
    view->partner_revoked = member != NULL && member->state == MEMBER_REVOKED;
}

static void
fill_view(const struct agent *agent, const struct mirror *mirror, struct loop_view *view)
{
    *view = (struct loop_view){
        .loop = mirror->track.loop,
        .role = mirror->role,
        .position = mirror_position(mirror),
        .queued_position = mirror_queued_position(mirror),
        .since_ms = track_since_ms(&mirror->track),
        .created_ms = mirror->created_ms,
        .priority = mirror->priority,
        .needed_by_ms = mirror->needed_by_ms,
        .due_ms = mirror->due_ms,
        .n_steps = mirror->n_steps,
        .n_waiting = mirror->n_waiting,
        .n_undelivered = mirror->n_undelivered,
        .n_refused = mirror->n_refused,
        .last_superseded = mirror->last_superseded,
        .dropped = mirror->dropped,
    };
    if (view->since_ms == 0)
        view->since_ms = mirror->created_ms;
    name_partner(agent, mirror, view);
}

static enum err
add_view(const struct agent *agent, struct bytes record, struct loop_list *list)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = mirror_decode(record, &mirror);

    if (err != ERR_OK)
        return err;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        struct loop_view *grown = realloc(list->views, capacity * sizeof(*grown));
        if (grown == NULL)
            return ERR_MEMORY;
        list->views = grown;
        list->capacity = capacity;
    }
    fill_view(agent, &mirror, &list->views[list->n++]);
    return ERR_OK;
}

static enum err
read_loops(struct agent *agent, struct loop_list *list)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    const struct loop_id first = {{0}};
    struct bytes key, record;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = kv_cursor_open(txn, TABLE_LOOPS, table_loop_key(&first), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = add_view(agent, record, list);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int
newest_first(const void *a, const void *b)
{
    const struct loop_view *left = a;
    const struct loop_view *right = b;

    if (left->created_ms != right->created_ms)
        return left->created_ms > right->created_ms ? -1 : 1;
    return memcmp(left->loop.bytes, right->loop.bytes, LOOP_ID_BYTES);
}

enum err
agent_each_loop(struct agent *agent, agent_loop_callback callback, void *context)
{
    CLEANUP(loop_list_done) struct loop_list list = {.views = NULL};
    enum err err = read_loops(agent, &list);

    if (err != ERR_OK)
        return err;
    if (list.n > 0)
        qsort(list.views, list.n, sizeof(list.views[0]), newest_first);
    for (size_t i = 0; i < list.n; i++) {
        if (!callback(context, &list.views[i]))
            break;
    }
    return ERR_OK;
}

enum err
agent_get_loop(struct agent *agent, const struct loop_id *loop, struct loop_view *view_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = mirror_load(txn, loop, &mirror);
    if (err == ERR_OK)
        fill_view(agent, &mirror, view_out);
    return err == ERR_NOT_FOUND ? ERR_UNKNOWN_LOOP : err;
}

/* The ids that start with the short form: how many, the first of them, and some as text. */
static enum err
match(struct agent *agent, const struct loop_id *first, const struct loop_id *last,
      struct loop_id *found, size_t *n, char examples[EXAMPLES_BYTES])
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    char text[LOOP_ID_TEXT];
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = kv_cursor_open(txn, TABLE_LOOPS, table_loop_key(first), &cursor);
    while (err == ERR_OK && *n < EXAMPLES_MAX) {
        struct loop_id id;
        err = kv_cursor_next(cursor, &key, &record);
        if (err != ERR_OK || key.len != LOOP_ID_BYTES)
            break;
        memcpy(id.bytes, key.data, LOOP_ID_BYTES);
        if (memcmp(id.bytes, last->bytes, LOOP_ID_BYTES) > 0)
            break;
        if (*n == 0)
            *found = id;
        ident_format(&id, text);
        size_t used = strlen(examples);
        (void)text_format(examples + used, EXAMPLES_BYTES - used, "%s%.*s", *n == 0 ? "" : ", ",
                          SHORT_DIGITS, text); /* three of them fit */
        (*n)++;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
agent_find_loop(struct agent *agent, const char *short_form, struct loop_id *loop_out,
                struct complaint *complaint)
{
    struct loop_id first, last, found;
    char examples[EXAMPLES_BYTES] = "";
    size_t n = 0;

    if (!ident_prefix_range(short_form, &first, &last))
        return complain(complaint, ERR_INVALID,
                        "a referral is named by the first %d or more digits of its id (0-9, a-f)",
                        LOOP_ID_SHORT_MIN);
    enum err err = match(agent, &first, &last, &found, &n, examples);
    if (err != ERR_OK)
        return complain(complaint, err, "the store cannot be read: %s", err_text(err));
    if (n == 0)
        return complain(complaint, ERR_UNKNOWN_LOOP, "no referral here starts with %s", short_form);
    if (n > 1)
        return complain(complaint, ERR_AMBIGUOUS, "%s fits more than one referral: %s ...",
                        short_form, examples);
    *loop_out = found;
    return ERR_OK;
}

static int
by_log(const void *a, const void *b)
{
    const struct step *left = a;
    const struct step *right = b;
    uint64_t left_index = left->accepted_ms == 0 ? UINT64_MAX : left->index;
    uint64_t right_index = right->accepted_ms == 0 ? UINT64_MAX : right->index;

    if (left_index != right_index)
        return left_index < right_index ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static enum err
read_steps(struct agent *agent, const struct loop_id *loop, struct step **steps_out, size_t *n_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = mirror_load(txn, loop, &mirror);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_UNKNOWN_LOOP : err;
    struct step *steps = calloc(mirror.n_steps + 1U, sizeof(*steps));
    if (steps == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; err == ERR_OK && i < mirror.n_steps; i++)
        err = step_load(txn, loop, i + 1, &steps[i]);
    if (err != ERR_OK) {
        free(steps);
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    *steps_out = steps;
    *n_out = mirror.n_steps;
    return ERR_OK;
}

static bool
has_proof(struct kv_txn *txn, const struct step *step)
{
    uint8_t key[8];
    bool placed = step->logged || step->stage == STAGE_ACCEPTED || step->stage == STAGE_DELIVERED;

    return placed && kv_has(txn, TABLE_PROOFS, kv_key_u64(step->index, key));
}

static enum err
show_step(struct agent *agent, const struct loop_id *loop, const struct step *step,
          agent_step_callback callback, void *context, bool *more)
{
    CLEANUP(buffer_wipe) struct buffer plain = BUFFER_INIT(STEP_CONTENT_MAX);
    struct kv_txn *txn = NULL;
    struct step_view view = {
        .number = step->number,
        .role = step->role,
        .event = step->event,
        .stage = step->stage,
        .refusal = step->refusal,
        .authored_ms = step->authored_ms,
        .accepted_ms = step->accepted_ms,
        .index = step->index,
        .delivered_ms = step->delivered_ms,
        .due_ms = step->due_ms,
        .superseded = step->superseded,
        .automatic = step->automatic,
        .unreadable = step->unreadable,
        .state_after = step->state_after,
        .id = step->id,
        .unproved = step->stage == STAGE_SENT ? proof_reason_words(step->unproved) : NULL,
    };
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        view.proved = has_proof(txn, step);
    if (err == ERR_OK)
        err = step_open_content(agent, txn, loop, step->number, &plain, &view.facts, &view.body);
    kv_abort(&txn);
    /* One damaged record must not hide all the others: it is shown as what it is. */
    if (err == ERR_CORRUPT || err == ERR_KEY) {
        view.unreadable = true;
        view.facts = view.body = bytes_of_text(empty_content);
        err = ERR_OK;
    }
    if (err == ERR_OK)
        *more = callback(context, &view);
    return err;
}

enum err
agent_each_step(struct agent *agent, const struct loop_id *loop, agent_step_callback callback,
                void *context)
{
    struct step *steps = NULL;
    size_t n = 0;
    bool more = true;
    enum err err = read_steps(agent, loop, &steps, &n);

    if (err == ERR_OK && n > 0)
        qsort(steps, n, sizeof(steps[0]), by_log);
    for (size_t i = 0; err == ERR_OK && more && i < n; i++)
        err = show_step(agent, loop, &steps[i], callback, context, &more);
    free(steps);
    return err;
}
