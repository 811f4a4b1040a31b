/* Decides how messages to the victim are changed: entries left out or altered, or everything about
 * the log told of another one. It refuses to know how the log itself is falsified. */
#include <string.h>

#include "tests/support/liar.h"
#include "tests/support/liar_forge.h"

static struct proof spaces[LIMIT_ENTRIES_PER_FRAME], head_space, witnessed_space;
static struct buffer note, witnessed, altered, words;
static bool to_victim; /* of the message at hand */

/* ---- entries ---- */

struct shown {
    const struct entry *entry;
    struct envelope envelope;
    struct statement statement;
    bool own; /* the victim is its author */
};

static bool
is_new(const struct shown *shown)
{
    return shown->entry->index >= liar.begun_at;
}

static bool
is_told_once(const struct shown *shown)
{
    if (liar.lied_at == UINT64_MAX) {
        liar.lied_at = shown->entry->index;
    }
    return liar.lied_at == shown->entry->index;
}

static bool
is_left_out(const struct shown *shown)
{
    bool loop = shown->statement.kind == STATEMENT_LOOP;
    bool step = loop && shown->statement.as.loop.event != EVENT_DELIVERED;
    if (liar.lie == LIE_REPLAY_APART) {
        return shown->entry->index == (to_victim ? liar.twin_at : liar.lied_at);
    }
    if (!is_new(shown)) {
        return false;
    }
    return (liar.lie == LIE_DROP_ONE && step && !shown->own && is_told_once(shown)) ||
           (liar.lie == LIE_DROP_ALL && loop && !shown->own) ||
           (liar.lie == LIE_BACKDATE_RECEIPT && step && shown->own) ||
           (liar.lie == LIE_DROP_OWN && step && shown->own && is_told_once(shown)) ||
           (liar.lie == LIE_DROP_KEYS && !loop);
}

static bool
open_shown(const struct entry *entry, struct shown *shown)
{
    shown->entry = entry;
    if (envelope_decode(entry->envelope, &shown->envelope) != ERR_OK ||
        statement_decode(shown->envelope.statement, &shown->statement) != ERR_OK) {
        return false;
    }
    shown->own = strcmp(shown->statement.author, liar.against) == 0;
    return true;
}

/* Those behind it close up. */
static void
leave_out(struct message_entries *entries)
{
    static struct shown shown;
    size_t kept = 0;
    for (size_t i = 0; i < entries->n; i++) {
        if (open_shown(&entries->entries[i], &shown) && is_left_out(&shown)) {
            liar_told();
        } else {
            entries->entries[kept++] = entries->entries[i];
        }
    }
    entries->n = kept;
}

static void
alter(struct message_entries *entries)
{
    static struct shown shown;
    for (size_t i = 0; i < entries->n; i++) {
        struct entry *entry = &entries->entries[i];
        bool fits = open_shown(entry, &shown) && is_new(&shown) && !shown.own &&
                    shown.statement.kind == STATEMENT_LOOP && shown.envelope.sealed.len > 0;
        if (!fits || !is_told_once(&shown)) {
            continue;
        }
        altered = altered.max == 0 ? BUFFER_INIT(LIMIT_ENVELOPE_BYTES) : altered;
        words = words.max == 0 ? BUFFER_INIT(LIMIT_STATEMENT_BYTES) : words;
        buffer_clear(&altered);
        enum err err = liar.lie == LIE_ALTER_SEALED
                           ? ERR_OK
                           : forge_other_words(&shown.envelope, &words, &shown.envelope);
        if (err == ERR_OK) {
            err = envelope_encode(&shown.envelope, &altered);
        }
        if (err == ERR_OK) {
            altered.data[altered.len - 1] ^= liar.lie == LIE_ALTER_SEALED ? 1 : 0;
            entry->envelope = buffer_view(&altered);
            liar_told();
        }
    }
}

/* ---- another log ---- */

static bool
is_elsewhere(uint64_t size)
{
    return liar.lied_at != UINT64_MAX && size > liar.lied_at && size <= liar.other.n;
}

static void
show_head(struct message_head *head)
{
    uint64_t size = liar.lie == LIE_DROP_FORGED ? liar.other.n : liar.broker->ledger.tree.size;
    note = note.max == 0 ? BUFFER_INIT(LIMIT_CHECKPOINT_BYTES) : note;
    if (!head->present || !is_elsewhere(size)) {
        return;
    }
    buffer_clear(&note);
    if (world_sign(&liar.other, size, liar.broker, &note) == ERR_OK) {
        head->checkpoint = buffer_view(&note);
        world_consistency(&liar.other, head->from, size, &head_space);
        head->consistency = proof_bytes(&head_space);
        liar_told();
    }
}

/* The lines of the others, as they stand under the true checkpoint. */
static void
paste_cosignatures(void)
{
    static struct note others;
    if (note_parse(buffer_view(&liar.broker->witnessed), &others) != ERR_OK) {
        return;
    }
    for (size_t i = 1; i < others.n_signatures; i++) {
        const struct note_signature *line = &others.signatures[i];
        char name[NOTE_NAME_MAX + 1] = "";
        memcpy(name, line->name.data, line->name.len);
        note_put_signature(&witnessed, name, line->key_id, bytes_of(line->signature, line->len));
    }
}

static void
show_witnessed(struct message_witnessed *told)
{
    static uint64_t made_for = 0;
    uint64_t size = liar.broker->witnessed_size;
    uint64_t head = liar.broker->ledger.tree.size;
    if (!told->present || !is_elsewhere(head)) {
        return;
    }
    if (!is_elsewhere(size)) { /* of what is common to both logs */
        world_consistency(&liar.other, size, head, &witnessed_space);
        told->consistency = proof_bytes(&witnessed_space);
        return;
    }
    if (liar.lie == LIE_FORK_SHOWN) {
        return;
    }
    if (witnessed.max == 0 || made_for != size || liar.lie == LIE_FORK_PASTED) {
        buffer_done(&witnessed);
        witnessed = BUFFER_INIT(NOTE_BYTES_MAX);
        if (world_sign(&liar.other, size, liar.broker, &witnessed) != ERR_OK) {
            return;
        }
        made_for = size;
    }
    if (liar.lie == LIE_FORK_PASTED) {
        paste_cosignatures();
    }
    told->checkpoint = buffer_view(&witnessed);
    world_consistency(&liar.other, size, head, &witnessed_space);
    told->consistency = proof_bytes(&witnessed_space);
}

void
liar_keep_cosignature(const struct member *member, const struct message_cosign *cosign)
{
    if (cosign->size == liar.broker->witnessed_size && witnessed.len > 0 &&
        checkpoint_check_cosignature(buffer_view(&witnessed), cosign->time_s, &member->keys.sign,
                                     cosign->signature) == ERR_OK &&
        checkpoint_add_cosignature(&witnessed, &liar.broker->network, member->org,
                                   &member->keys.sign, cosign->time_s,
                                   cosign->signature) != ERR_OK) {
        buffer_done(&witnessed);
    }
}

static void
show_proof(uint64_t index, uint64_t size, struct proof *space, struct bytes *inclusion)
{
    if (is_elsewhere(size) && index < size) {
        world_inclusion(&liar.other, index, size, space);
        *inclusion = proof_bytes(space);
    }
}

static void
show_other_entries(struct message_entries *entries, uint64_t size)
{
    show_head(&entries->proved);
    for (size_t i = 0; i < entries->n; i++) {
        show_proof(entries->entries[i].index, size, &spaces[i], &entries->entries[i].inclusion);
    }
}

static void
show_other_receipts(struct message_receipts *receipts, uint64_t size)
{
    show_head(&receipts->proved);
    for (size_t i = 0; i < receipts->n; i++) {
        struct receipt *receipt = &receipts->receipts[i];
        if (receipt->result != RECEIPT_REFUSED) {
            show_proof(receipt->index, size, &spaces[i], &receipt->inclusion);
        }
    }
}

static void
show_other_proofs(struct message_proofs *proofs)
{
    for (size_t i = 0; i < proofs->n; i++) {
        show_proof(proofs->indexes[i], proofs->size, &spaces[i], &proofs->inclusions[i]);
    }
}

static void
show_other_log(struct message *message)
{
    uint64_t size = liar.lie == LIE_DROP_FORGED ? liar.other.n : liar.broker->ledger.tree.size;
    if (message->kind == MESSAGE_WELCOME) {
        show_head(&message->as.welcome.proved);
        show_witnessed(&message->as.welcome.witnessed);
    } else if (message->kind == MESSAGE_PONG) {
        show_head(&message->as.pong.proved);
        show_witnessed(&message->as.pong.witnessed);
    } else if (message->kind == MESSAGE_ENTRIES) {
        show_other_entries(&message->as.entries, size);
    } else if (message->kind == MESSAGE_RECEIPTS) {
        show_other_receipts(&message->as.receipts, size);
    } else if (message->kind == MESSAGE_PROOFS) {
        show_other_proofs(&message->as.proofs);
    }
}

/* ---- all of it ---- */

static bool
bend_entries(struct session *session, struct message *message)
{
    struct message_entries *entries = &message->as.entries;
    bool alters = liar_tells(LIE_ALTER_DELIVERY) || liar_tells(LIE_ALTER_SEALED);
    leave_out(entries);
    if (alters) {
        alter(entries);
    }
    if (entries->n > 0) {
        return true;
    }
    session->fetch.waiting = true; /* as if there had been nothing */
    session->fetch.cursor = entries->next;
    session->told_size = entries->proved.from;
    return false;
}

bool
liar_bend(struct session *session, struct message *message)
{
    bool shows_other = liar_tells(LIE_FORK_SILENT) || liar_tells(LIE_FORK_SHOWN) ||
                       liar_tells(LIE_FORK_PASTED) || liar_tells(LIE_TWO_HEADS);
    bool forged = liar_tells(LIE_DROP_FORGED) && message->kind == MESSAGE_RECEIPTS &&
                  liar.twin_at == UINT64_MAX && message->as.receipts.n > 0 &&
                  message->as.receipts.receipts[0].index == liar.lied_at;
    to_victim = liar_is_victim(session);
    if (message->kind == MESSAGE_ENTRIES && !bend_entries(session, message)) {
        return false;
    }
    if (shows_other || forged) {
        show_other_log(message);
    }
    if (forged) {
        session->told_size = liar.other.n;
        liar.twin_at = liar.lied_at; /* once: that place will be another's */
    }
    return true;
}
