/* Decides which entries of the log are believed, and what becomes of those that are not. Before
 * anything of a frame is taken, its head and every single entry must be proved; else all of it is
 * left, and asked for again. What is in the log and still does not fit (a signature, a time, a
 * place in its loop) is passed over: it will not get better, and reading goes on. Where it shows
 * that the broker lies, it is an alarm; else it is counted. One transaction per frame: records,
 * confirmations, proofs, alarms and cursor move together or not at all. It refuses to know what an
 * entry changes in its loop (arrival.c). */
#include "agent/inbox.h"

#include <string.h>

#include "agent/accuse.h"
#include "agent/arrival.h"
#include "agent/holding.h"
#include "agent/receipts.h"
#include "agent/session.h"
#include "agent/steps.h"

enum { DIRECTORY_RECORD_MAX = LIMIT_ENVELOPE_BYTES + 8, FETCH_PAUSE_MS = 1000 };

/* One frame on its way. What is counted is written in the end only, as the transaction may run
 * twice. */
struct intake {
    const struct message_entries *entries;
    uint64_t n_bad;
    const char *why; /* nothing of it was taken */
};

/* One entry on its way. */
struct taking {
    const struct entry *entry;
    struct opened_envelope opened;
    enum accuse_place place; /* where it stands now */
    bool accused;            /* it is `alarm`, whatever the error says */
    enum alarm_kind alarm;
    const struct loop_id *loop; /* of a statement in a loop, once opened */
};

/* ---- what must be proved before anything is taken ---- */

/* The sealed part is not in the tree; its digest is, in the statement. */
static bool
is_sealed_as_signed(const struct envelope *envelope)
{
    struct statement statement;

    if (envelope->sealed.len == 0 || statement_decode(envelope->statement, &statement) != ERR_OK)
        return true; /* absent, or it will be looked at when it is opened */
    if (statement.kind != STATEMENT_LOOP || !statement.as.loop.has_sealed)
        return false;
    struct digest digest = sealed_digest(envelope->sealed);
    return digest_equal(&digest, &statement.as.loop.sealed_digest);
}

static enum err
prove_entry(struct unit *unit, const struct entry *entry, struct intake *intake)
{
    struct envelope envelope;
    enum err err = envelope_decode(entry->envelope, &envelope);

    if (err_is_peer(err))
        err = ERR_SIGNATURE; /* no bytes that any log could hold */
    else if (err == ERR_OK)
        err = proof_judge_entry(unit->agent, entry->index, entry->log_time_ms, &envelope,
                                entry->inclusion);
    if (err == ERR_OK && !is_sealed_as_signed(&envelope))
        err = ERR_SIGNATURE;
    if (!err_is_peer(err))
        return err;
    intake->n_bad++;
    bool lie = err == ERR_SIGNATURE;
    intake->why = proof_reason_words(lie ? PROOF_NOT_IN_LOG : PROOF_NO_ENTRY);
    return lie ? accuse_entry(unit, ALARM_FORGED_ENTRY, entry) : ERR_OK;
}

static enum err
prove_all(struct unit *unit, struct intake *intake)
{
    const struct message_entries *entries = intake->entries;
    bool believed = true;
    enum err err = ERR_OK;

    if (entries->n > 0)
        err = proof_take_head(unit, &entries->proved, false, &believed, &intake->why);
    if (err == ERR_OK && believed)
        intake->why = NULL;
    for (size_t i = 0; err == ERR_OK && intake->why == NULL && i < entries->n; i++) {
        if (entries->entries[i].index >= unit->agent->cursor)
            err = prove_entry(unit, &entries->entries[i], intake);
    }
    return err;
}

/* ---- the members ---- */

static bool
is_about_us(const struct agent *agent, const char *org)
{
    return strcmp(agent->identity->org, org) == 0;
}

/* Keys in our name that no one here has made; and a new invite in our name, as whoever holds it can
 * take our place. A revocation is no secret: people see it at once. */
static bool
is_foreign_change(const struct agent *agent, const struct statement *statement)
{
    const struct key_set *keys = NULL;

    if (statement->kind == STATEMENT_INVITE)
        return statement->as.invite.replaces && is_about_us(agent, statement->as.invite.org);
    if (statement->kind == STATEMENT_JOIN && is_about_us(agent, statement->as.join.org))
        keys = &statement->as.join.keys;
    if (statement->kind == STATEMENT_ROTATE && is_about_us(agent, statement->author))
        keys = &statement->as.rotate.keys;
    if (keys == NULL)
        return false;
    struct key_id key = key_set_id(keys);
    return !identity_is_own_key(agent->identity, &key);
}

/* The broker answers the hello of keys that no longer are a member's with the one entry that took
 * their place. Nothing else is told, so this is no reading: the cursor stays. */
static bool
is_replacement(const struct agent *agent, const struct message_entries *entries,
               struct statement *statement_out)
{
    struct envelope envelope;

    if (entries->n != 1 || envelope_decode(entries->entries[0].envelope, &envelope) != ERR_OK ||
        statement_decode(envelope.statement, statement_out) != ERR_OK)
        return false;
    return (statement_out->kind == STATEMENT_JOIN &&
            is_about_us(agent, statement_out->as.join.org)) ||
           (statement_out->kind == STATEMENT_ROTATE && is_about_us(agent, statement_out->author));
}

static enum err
prove_replacement(struct unit *unit, void *context)
{
    struct intake *intake = context;
    const struct message_entries *entries = intake->entries;
    struct statement statement;
    bool believed = false;

    intake->n_bad = 0;
    enum err err = proof_take_head(unit, &entries->proved, true, &believed, &intake->why);
    if (err != ERR_OK || !believed)
        return err;
    intake->why = NULL;
    err = prove_entry(unit, &entries->entries[0], intake);
    if (err != ERR_OK || intake->why != NULL)
        return err;
    bool foreign = is_replacement(unit->agent, entries, &statement) &&
                   is_foreign_change(unit->agent, &statement);
    return foreign ? accuse_entry(unit, ALARM_NOT_OURS, &entries->entries[0]) : ERR_OK;
}

static enum err
take_replacement(struct agent *agent, struct intake *intake, struct instant now)
{
    enum err err = unit_run(agent, now, prove_replacement, intake);

    if (err != ERR_OK)
        return err;
    agent->session.status.bad_entries += intake->n_bad;
    if (intake->why != NULL)
        session_doubt(agent, intake->why, now);
    else
        session_turn_away(agent, ERR_UNKNOWN_MEMBER, agent->options.ping_ms, now);
    return ERR_OK;
}

static enum err
put_directory_entry(struct unit *unit, const struct taking *taking)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(DIRECTORY_RECORD_MAX);
    struct envelope bare = taking->opened.envelope;
    uint8_t key[8];

    bare.sealed = bytes_of(NULL, 0);
    buffer_put_i64(&record, taking->entry->log_time_ms);
    enum err err = envelope_encode(&bare, &record);
    return err == ERR_OK ? unit_put_record(unit, TABLE_DIRECTORY,
                                           kv_key_u64(taking->entry->index, key), &record)
                         : err;
}

/* The rules take a revocation as often as it comes, since nothing in it is used up by it; one that
 * came before would undo what the root has said since. */
static enum err
judge_key_twin(struct unit *unit, struct taking *taking)
{
    bool found = false;
    enum err err = holding_find_key_event(unit->txn, &taking->opened.id, &found);

    if (err != ERR_OK || !found)
        return err;
    taking->accused = true;
    taking->alarm = ALARM_REPLAYED;
    return ERR_NOT_PERMITTED;
}

static enum err
explain_key_event(struct unit *unit, struct taking *taking, enum err trouble)
{
    enum err err = judge_key_twin(unit, taking);

    return err == ERR_OK || err_is_peer(err) ? trouble : err;
}

static enum err
take_directory_entry(struct unit *unit, struct taking *taking)
{
    const struct agent *agent = unit->agent;
    const struct statement *statement = &taking->opened.statement;
    const struct entry *entry = taking->entry;

    unit->touched = true;
    taking->place = ACCUSE_DIRECTORY;
    enum err err = statement->kind == STATEMENT_REVOKE ? judge_key_twin(unit, taking) : ERR_OK;
    if (err == ERR_OK)
        err = directory_apply(agent->directory, statement, entry->index, entry->log_time_ms);
    if (err != ERR_OK && err_is_peer(err))
        return taking->accused ? err : explain_key_event(unit, taking, err);
    if (err == ERR_OK)
        err = put_directory_entry(unit, taking);
    if (err == ERR_OK && entry->index >= agent->born_at && is_foreign_change(agent, statement))
        err = accuse_entry(unit, ALARM_NOT_OURS, entry);
    return err;
}

/* ---- the loops ---- */

/* A step of ours or theirs that stands at another place in the log already. */
static enum err
judge_twin(struct unit *unit, struct taking *taking)
{
    struct step step;
    uint32_t number = 0;
    enum err err = step_find(unit->txn, &taking->opened.id, taking->loop, &number);

    if (err == ERR_OK)
        err = step_load(unit->txn, taking->loop, number, &step);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    bool placed = step.logged || step.stage == STAGE_ACCEPTED || step.stage == STAGE_DELIVERED;
    if (!placed || step.index == taking->entry->index ||
        !digest_equal(&step.id, &taking->opened.id))
        return ERR_OK;
    taking->accused = true;
    taking->alarm = ALARM_REPLAYED;
    return ERR_LOOP_EXISTS;
}

/* A place that is taken: by this very statement, or by another one of the same author. */
static enum err
explain_place(struct unit *unit, struct taking *taking, enum err trouble)
{
    bool twin = false;

    if (trouble != ERR_EQUIVOCATION && trouble != ERR_LOOP_EXISTS)
        return trouble;
    enum err err =
        holding_find_twin(unit->txn, taking->loop, &taking->opened.id, taking->entry->index, &twin);
    if (err != ERR_OK)
        return err;
    if (twin) {
        taking->accused = true;
        taking->alarm = ALARM_REPLAYED;
    }
    return trouble;
}

static bool
is_addressed_to(const struct statement_loop *loop, const char *org)
{
    for (size_t i = 0; i < loop->n_readers; i++) {
        if (strcmp(loop->readers[i].org, org) == 0)
            return true;
    }
    return false;
}

/* Our own statements come back without their sealed part: a receipt has kept it, or the outbox
 * still does. */
static enum err
find_own_bytes(struct unit *unit, const struct taking *taking, struct buffer *out)
{
    const struct row *row = outbox_find_made(&unit->agent->outbox, &taking->opened.id);
    struct envelope envelope = taking->opened.envelope;
    struct envelope made;
    struct bytes stored;

    if (row == NULL || envelope.sealed.len > 0)
        return envelope_encode(&envelope, out);
    enum err err = outbox_envelope(unit->txn, row, &stored);
    if (err == ERR_OK)
        err = envelope_decode(stored, &made);
    if (err != ERR_OK)
        return err_is_peer(err) ? ERR_CORRUPT : err;
    envelope.sealed = made.sealed;
    return envelope_encode(&envelope, out);
}

static enum err
take_arrival(struct unit *unit, struct taking *taking, struct arrival *arrival)
{
    CLEANUP(buffer_done) struct buffer copy = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    const struct entry *entry = taking->entry;
    enum err err = judge_twin(unit, taking);

    if (err == ERR_OK && !arrival->receipted)
        err = find_own_bytes(unit, taking, &copy);
    if (err == ERR_OK) {
        taking->place = ACCUSE_LOOP;
        err = arrival_take(unit, arrival);
    }
    if (err != ERR_OK)
        return explain_place(unit, taking, err);
    if (!arrival->receipted)
        err = holding_put(unit, taking->loop, entry->index, entry->log_time_ms, buffer_view(&copy));
    if (err == ERR_OK && arrival->unknown && entry->index >= unit->agent->born_at)
        err = accuse_entry(unit, ALARM_NOT_OURS, entry);
    return err;
}

/* Our own may come back before its receipt, which then is not looked at. */
static enum err
look_at_clock(struct unit *unit, const struct taking *taking)
{
    const struct row *row = outbox_find_made(&unit->agent->outbox, &taking->opened.id);

    return receipts_is_far_off(unit, row, taking->entry->log_time_ms)
               ? accuse_entry(unit, ALARM_CLOCK, taking->entry)
               : ERR_OK;
}

static enum err
take_loop_entry(struct unit *unit, struct taking *taking)
{
    const struct statement_loop *loop = &taking->opened.statement.as.loop;
    const char *self = unit->agent->identity->org;
    struct arrival arrival = {
        .index = taking->entry->index,
        .log_time_ms = taking->entry->log_time_ms,
        .opened = &taking->opened,
        .loop = loop,
        .own = strcmp(taking->opened.statement.author, self) == 0,
        .receipted = holding_has(unit->txn, taking->entry->index),
        .sealed_missing = loop->has_sealed && taking->opened.envelope.sealed.len == 0,
    };

    taking->loop = &loop->loop;
    enum err err = look_at_clock(unit, taking);
    if (err != ERR_OK)
        return err;
    if (!arrival.own && strcmp(loop->readers[0].org, self) != 0) {
        taking->accused = !is_addressed_to(loop, self);
        taking->alarm = ALARM_MISDELIVERED;
        return ERR_NOT_PERMITTED;
    }
    return take_arrival(unit, taking, &arrival);
}

/* ---- one entry ---- */

static enum err
open_entry(struct agent *agent, struct taking *taking)
{
    struct envelope envelope;
    struct statement claimed;
    struct sign_public signer;
    enum err err = envelope_decode(taking->entry->envelope, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &claimed);
    if (err != ERR_OK)
        return err;
    taking->opened.statement.kind = claimed.kind;
    err = directory_signer(agent->directory, &claimed, &signer);
    if (err != ERR_OK)
        return err;
    return envelope_open(taking->entry->envelope, &agent->identity->network, &signer, true,
                         &agent->entries_root, &taking->opened);
}

/* The log's time rises from entry to entry; of what lies ahead we have what was receipted. */
static enum err
look_at_time(struct unit *unit, const struct entry *entry)
{
    struct latest_entry *latest = &unit->agent->latest;
    struct loop_id loop;
    uint64_t index = 0;
    int64_t next_ms = 0;
    bool backdated =
        latest->known && entry->index > latest->index && entry->log_time_ms <= latest->log_time_ms;
    enum err err = holding_next(unit->txn, entry->index + 1, &index, &loop, &next_ms);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    backdated |= err == ERR_OK && entry->log_time_ms >= next_ms;
    unit->touched = true;
    *latest = (struct latest_entry){
        .known = true, .index = entry->index, .log_time_ms = entry->log_time_ms};
    return backdated ? accuse_entry(unit, ALARM_BACKDATED, entry) : ERR_OK;
}

static enum err
keep_proof(struct unit *unit, const struct taking *taking)
{
    const struct entry *entry = taking->entry;
    bool proved = false;

    return proof_take_entry(unit, entry->index, entry->log_time_ms, &taking->opened.envelope,
                            entry->inclusion, &proved); /* it was, in the same transaction */
}

static enum err
accuse(struct unit *unit, const struct taking *taking, enum err trouble)
{
    enum alarm_kind alarm = taking->alarm;

    if (!taking->accused &&
        !accuse_of(taking->place, trouble, taking->opened.statement.kind, &alarm))
        return ERR_OK;
    return alarm == ALARM_WITHHELD && taking->loop != NULL
               ? accuse_withheld(unit, taking->loop, taking->entry->index)
               : accuse_entry(unit, alarm, taking->entry);
}

/* Whatever says no before anything was staged is the broker's fault; what the store says is ours.
 */
static enum err
take_entry(struct unit *unit, const struct entry *entry, uint64_t *n_bad)
{
    struct taking taking = {.entry = entry, .place = ACCUSE_OPENING};
    enum err err = open_entry(unit->agent, &taking);

    if (err == ERR_OK)
        err = directory_concerns(taking.opened.statement.kind) ? take_directory_entry(unit, &taking)
                                                               : take_loop_entry(unit, &taking);
    if (err == ERR_OK)
        err = keep_proof(unit, &taking);
    if (err == ERR_OK && taking.opened.statement.kind == STATEMENT_LOOP &&
        taking.opened.statement.as.loop.has_sealed && taking.opened.envelope.sealed.len == 0 &&
        strcmp(taking.opened.statement.author, unit->agent->identity->org) != 0)
        (*n_bad)++; /* taken, but it came without what only its author may leave out */
    if (!err_is_peer(err) || unit->failed != ERR_OK)
        return err;
    (*n_bad)++;
    return accuse(unit, &taking, err);
}

/* ---- one frame ---- */

/* What was receipted between the cursor and where it goes must be among what is delivered. */
static enum err
look_for_holes(struct unit *unit, const struct message_entries *entries)
{
    uint64_t from = unit->agent->cursor;
    size_t at = 0;

    for (;;) {
        struct loop_id loop;
        uint64_t index = 0;
        int64_t log_time_ms = 0;
        enum err err = holding_next(unit->txn, from, &index, &loop, &log_time_ms);
        if (err == ERR_NOT_FOUND || (err == ERR_OK && index >= entries->next))
            return ERR_OK;
        while (at < entries->n && entries->entries[at].index < index)
            at++;
        if (err == ERR_OK && (at == entries->n || entries->entries[at].index != index))
            err = accuse_withheld(unit, &loop, index);
        if (err != ERR_OK)
            return err;
        from = index + 1;
    }
}

static enum err
take_all(struct unit *unit, void *context)
{
    struct intake *intake = context;
    const struct message_entries *entries = intake->entries;

    intake->n_bad = 0;
    intake->why = NULL;
    enum err err = prove_all(unit, intake);
    if (err != ERR_OK || intake->why != NULL || entries->next <= unit->agent->cursor)
        return err;
    err = look_for_holes(unit, entries);
    for (size_t i = 0; err == ERR_OK && i < entries->n; i++) {
        if (entries->entries[i].index < unit->agent->cursor)
            continue;
        err = look_at_time(unit, &entries->entries[i]);
        if (err == ERR_OK)
            err = take_entry(unit, &entries->entries[i], &intake->n_bad);
    }
    if (err == ERR_OK)
        err = state_put_latest(unit);
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

/* Even a frame with nothing new tells a head, from which the next one goes on. One that came late
 * tells an old head, which is nothing to doubt. */
static enum err
take_frame(struct agent *agent, struct intake *intake, struct instant now)
{
    struct session *session = &agent->session;
    uint64_t next = intake->entries->next;
    bool news = next > agent->cursor;
    enum err err = unit_run(agent, now, take_all, intake);

    if (err != ERR_OK)
        return err;
    session->status.bad_entries += intake->n_bad;
    if (intake->why != NULL && news) {
        session_doubt(agent, intake->why, now);
        return ERR_OK;
    }
    if (intake->entries->n > 0 && news)
        session_trust(agent);
    if (news)
        agent->cursor = next;
    session->fetch_ms = now.boot_ms + (news ? 0 : FETCH_PAUSE_MS); /* no reason to hurry */
    session->fetch_waiting = false;
    session->status.head = intake->entries->head;
    if (next == intake->entries->head)
        session_caught_up(agent, next);
    return ERR_OK;
}

enum err
inbox_take(struct agent *agent, const struct message *message, struct instant now)
{
    struct intake intake = {.entries = &message->as.entries};
    struct session *session = &agent->session;
    struct statement statement;

    if (session->hello_waiting && is_replacement(agent, intake.entries, &statement))
        return take_replacement(agent, &intake, now);
    if (!session_takes_statements(agent))
        return ERR_OK;
    if (!is_sound(intake.entries)) {
        session->status.bad_frames++;
        session->fetch_waiting = false;
        session->fetch_ms = now.boot_ms + FETCH_PAUSE_MS;
        return ERR_OK;
    }
    return take_frame(agent, &intake, now);
}
