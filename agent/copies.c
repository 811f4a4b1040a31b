/* Decides what a broker that was restored from an old copy is given back: every entry we hold, in
 * order of the log, with the proof that it was in the broker's log once. What we cannot prove is
 * left out, as it would be refused. It refuses to know what the broker has already. */
#include "agent/copies.h"

#include "agent/state.h"

enum {
    FRAME_ROOM_BYTES = LIMIT_FRAME_BYTES - 1024,
    COPY_FRAMING_BYTES = 48, /* numbers, tags and lengths of one copy */
    TIME_BYTES = 8,
};

/* One of the two lists of what we hold, with its next entry. */
struct list {
    struct kv_cursor *cursor;
    bool ended;
    uint64_t index;
    struct bytes value; /* a view */
};

struct walk {
    struct kv_txn *txn;
    struct list loops, members; /* TABLE_ORDER, TABLE_DIRECTORY */
    size_t bytes;
    struct message_copies *copies;
};

static void
walk_done(struct walk *walk)
{
    kv_cursor_close(walk->loops.cursor);
    kv_cursor_close(walk->members.cursor);
    kv_abort(&walk->txn);
}

static enum err
advance(struct list *list)
{
    struct bytes key;
    enum err err = kv_cursor_next(list->cursor, &key, &list->value);

    list->ended = err == ERR_NOT_FOUND;
    if (err == ERR_OK)
        list->index = kv_u64_of_key(key);
    return list->ended ? ERR_OK : err;
}

static enum err
start(struct walk *walk, struct list *list, enum table table, uint64_t from)
{
    uint8_t key[8];
    enum err err = kv_cursor_open(walk->txn, table, kv_key_u64(from, key), &list->cursor);

    return err == ERR_OK ? advance(list) : err;
}

static enum err
find_record(struct walk *walk, const struct list *list, struct bytes *record_out)
{
    uint8_t key[LOG_KEY_BYTES];
    struct loop_id loop;
    struct reader reader = reader_of(list->value);

    if (list == &walk->members) {
        *record_out = list->value;
        return ERR_OK;
    }
    reader_copy(&reader, loop.bytes, LOOP_ID_BYTES);
    if (reader_err(&reader) != ERR_OK)
        return ERR_CORRUPT;
    return kv_get(walk->txn, TABLE_LOG, table_log_key(&loop, list->index, key), record_out);
}

/* *full_out: there is no room for this one. */
static enum err
add(struct walk *walk, const struct list *list, bool *full_out)
{
    struct message_copy copy = {.index = list->index};
    struct message_copies *copies = walk->copies;
    struct bytes record = bytes_of(NULL, 0);
    uint64_t size = 0;
    enum err err = proof_find(walk->txn, list->index, &size, &copy.inclusion, &copy.checkpoint);

    *full_out = false;
    if (err == ERR_OK)
        err = find_record(walk, list, &record);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (record.len < TIME_BYTES)
        return ERR_CORRUPT;
    struct reader reader = reader_of(record);
    copy.log_time_ms = reader_i64(&reader);
    copy.envelope = reader.rest;
    size_t bytes =
        copy.envelope.len + copy.checkpoint.len + copy.inclusion.len + COPY_FRAMING_BYTES;
    *full_out = copies->n == LIMIT_COPIES_PER_FRAME || walk->bytes + bytes > FRAME_ROOM_BYTES;
    if (*full_out)
        return ERR_OK;
    walk->bytes += bytes;
    copies->copies[copies->n++] = copy;
    return ERR_OK;
}

static enum err
gather(struct walk *walk, uint64_t from)
{
    struct list *loops = &walk->loops, *members = &walk->members;
    enum err err = start(walk, loops, TABLE_ORDER, from);

    if (err == ERR_OK)
        err = start(walk, members, TABLE_DIRECTORY, from);
    while (err == ERR_OK && !(loops->ended && members->ended)) {
        bool from_loops = members->ended || (!loops->ended && loops->index < members->index);
        struct list *next = from_loops ? loops : members;
        err = add(walk, next, &walk->copies->more);
        if (err != ERR_OK || walk->copies->more)
            break;
        err = advance(next);
    }
    return err;
}

void
copies_on_asked(struct agent *agent, uint64_t from)
{
    agent->copies.asked = true;
    agent->copies.from = from;
}

enum err
copies_on_recall(struct agent *agent, const struct message *message, struct instant now)
{
    (void)now; /* the answer goes out as soon as there is room */
    if (agent->session.ready)
        copies_on_asked(agent, message->as.recall.from);
    return ERR_OK;
}

/* The views in the message are valid as long as the transaction, so it is encoded inside. */
enum err
copies_next_frame(struct agent *agent, struct buffer *frame_out, bool *none_out)
{
    CLEANUP(walk_done) struct walk walk = {.copies = &agent->out.as.copies};

    if (!agent->copies.asked || !agent->session.ready) {
        *none_out = true;
        return ERR_OK;
    }
    agent->out.kind = MESSAGE_COPIES;
    walk.copies->n = 0;
    walk.copies->more = false;
    enum err err = kv_begin_read(agent->kv, &walk.txn);
    if (err == ERR_OK)
        err = gather(&walk, agent->copies.from);
    if (err == ERR_OK)
        err = message_encode(&agent->out, frame_out);
    if (err != ERR_OK)
        return err;
    agent->copies.asked = false;
    *none_out = false;
    return ERR_OK;
}
