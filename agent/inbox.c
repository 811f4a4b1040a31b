/* Decides which entries of the log are believed: signed by the key the directory gives for their
 * author at that point of the log, fitting the fold, and after the cursor. Anything else a broker
 * sends is counted and passed over. One transaction per frame: records, confirmations and cursor
 * move together or not at all. It refuses to know what an entry changes in its loop (arrival.c). */
#include "agent/inbox.h"

#include <string.h>

#include "agent/arrival.h"
#include "agent/session.h"

enum { DIRECTORY_RECORD_MAX = LIMIT_ENVELOPE_BYTES + 8, FETCH_PAUSE_MS = 1000 };

/* Bad entries are counted in the end only, as the transaction may run twice. */
struct intake {
    const struct message_entries *entries;
    uint64_t n_bad;
};

static enum err
put_evidence(struct unit *unit, enum table table, struct bytes key, const struct entry *entry,
             const struct envelope *envelope, bool with_sealed)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(DIRECTORY_RECORD_MAX);
    struct envelope bare = *envelope;

    if (!with_sealed)
        bare.sealed = bytes_of(NULL, 0);
    buffer_put_i64(&record, entry->log_time_ms);
    enum err err = envelope_encode(&bare, &record);
    return err == ERR_OK ? unit_put_record(unit, table, key, &record) : err;
}

static enum err
take_directory_entry(struct unit *unit, const struct entry *entry,
                     const struct opened_envelope *opened)
{
    uint8_t key[8];

    unit->touched = true;
    enum err err = directory_apply(unit->agent->directory, &opened->statement, entry->index,
                                   entry->log_time_ms);
    if (err != ERR_OK)
        return err;
    return put_evidence(unit, TABLE_DIRECTORY, kv_key_u64(entry->index, key), entry,
                        &opened->envelope, false);
}

static enum err
take_loop_entry(struct unit *unit, const struct entry *entry, const struct opened_envelope *opened)
{
    const struct statement_loop *loop = &opened->statement.as.loop;
    const char *self = unit->agent->identity->org;
    uint8_t key[LOG_KEY_BYTES];
    struct arrival arrival = {
        .index = entry->index,
        .log_time_ms = entry->log_time_ms,
        .opened = opened,
        .loop = loop,
        .own = strcmp(opened->statement.author, self) == 0,
    };

    if (!arrival.own && strcmp(loop->readers[0].org, self) != 0)
        return ERR_NOT_PERMITTED; /* not for us: a broken broker shows us other people's */
    arrival.sealed_missing = loop->has_sealed && opened->envelope.sealed.len == 0;
    enum err err = arrival_take(unit, &arrival);
    if (err != ERR_OK)
        return err;
    /* Content that opened is in the content table; what did not must not be lost. */
    return put_evidence(unit, TABLE_LOG, table_log_key(&loop->loop, entry->index, key), entry,
                        &opened->envelope, arrival.unreadable);
}

static enum err
open_entry(struct agent *agent, const struct entry *entry, struct opened_envelope *opened)
{
    struct envelope envelope;
    struct statement claimed;
    struct sign_public signer;
    enum err err = envelope_decode(entry->envelope, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &claimed);
    if (err == ERR_OK)
        err = directory_signer(agent->directory, &claimed, &signer);
    if (err != ERR_OK)
        return err;
    return envelope_open(entry->envelope, &agent->identity->network, &signer, true,
                         &agent->entries_root, opened);
}

/* Whatever says no before anything was staged is the broker's fault; what the store says is ours.
 */
static enum err
take_entry(struct unit *unit, const struct entry *entry, uint64_t *n_bad)
{
    struct opened_envelope opened;
    enum err err = open_entry(unit->agent, entry, &opened);

    if (err == ERR_OK)
        err = directory_concerns(opened.statement.kind) ? take_directory_entry(unit, entry, &opened)
                                                        : take_loop_entry(unit, entry, &opened);
    if (err == ERR_OK && opened.statement.kind == STATEMENT_LOOP &&
        opened.statement.as.loop.has_sealed && opened.envelope.sealed.len == 0 &&
        strcmp(opened.statement.author, unit->agent->identity->org) != 0)
        (*n_bad)++; /* taken, but it came without what only its author may leave out */
    if (!err_is_peer(err) || unit->failed != ERR_OK)
        return err;
    (*n_bad)++;
    return ERR_OK;
}

static enum err
take_all(struct unit *unit, void *context)
{
    struct intake *intake = context;
    const struct message_entries *entries = intake->entries;
    enum err err = ERR_OK;

    intake->n_bad = 0;
    for (size_t i = 0; err == ERR_OK && i < entries->n; i++) {
        if (entries->entries[i].index >= unit->agent->cursor)
            err = take_entry(unit, &entries->entries[i], &intake->n_bad);
    }
    return err == ERR_OK ? state_put_cursor(unit, entries->next) : err;
}

static bool
is_sound(const struct message_entries *entries)
{
    if (entries->next > entries->head)
        return false;
    for (size_t i = 0; i < entries->n; i++) {
        uint64_t index = entries->entries[i].index;
        if (index >= entries->next || (i > 0 && index <= entries->entries[i - 1].index))
            return false;
    }
    return true;
}

enum err
inbox_take(struct agent *agent, const struct message *message, struct instant now)
{
    struct intake intake = {.entries = &message->as.entries};
    struct session *session = &agent->session;
    uint64_t next = intake.entries->next;

    if (!session->ready)
        return ERR_OK;
    if (!is_sound(intake.entries)) {
        session->status.bad_frames++;
        session->fetch_waiting = false;
        session->fetch_ms = now.boot_ms + FETCH_PAUSE_MS;
        return ERR_OK;
    }
    if (next > agent->cursor) {
        enum err err = unit_run(agent, now, take_all, &intake);
        if (err != ERR_OK)
            return err;
        agent->cursor = next;
        session->status.bad_entries += intake.n_bad;
        session->fetch_ms = now.boot_ms;
    } else {
        session->fetch_ms = now.boot_ms + FETCH_PAUSE_MS; /* nothing new: no reason to hurry */
    }
    session->fetch_waiting = false;
    session->status.head = intake.entries->head;
    if (next == intake.entries->head)
        session_caught_up(agent, next);
    return ERR_OK;
}
