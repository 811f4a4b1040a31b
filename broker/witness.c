/* Decides which checkpoint the members are asked to cosign, whose word for it is taken, and what of
 * it is kept. Every head that is signed could be cosigned; one in an interval is enough, since it
 * vouches for all before it. It refuses to know how many cosignatures are enough: that is each
 * member's own policy. */
#include "broker/witness.h"

enum {
    GROW_ATTEMPTS = 24,
    LINES_BURST = 10,
    LINES_WINDOW_MS = 60 * 1000,
};

static enum err
set_note(struct broker *broker, struct bytes note)
{
    struct buffer fresh = BUFFER_INIT(NOTE_BYTES_MAX);
    buffer_put(&fresh, note.data, note.len);
    enum err err = buffer_err(&fresh);
    if (err != ERR_OK) {
        buffer_done(&fresh);
        return err;
    }
    buffer_done(&broker->witnessed);
    broker->witnessed = fresh;
    return ERR_OK;
}

enum err
witness_open(struct broker *broker, struct kv_txn *txn)
{
    struct bytes value;
    struct note note;
    struct checkpoint checkpoint;
    struct sign_public key;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(META_WITNESSED), &value);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    sign_public_of(broker->log_secret, &key);
    err = checkpoint_open(value, &broker->network, &key, &checkpoint);
    if (err == ERR_OK) {
        err = note_parse(value, &note);
    }
    if (err == ERR_OK) {
        err = set_note(broker, value);
    }
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_CORRUPT : err;
    }
    broker->witnessed_size = checkpoint.size;
    broker->n_cosignatures = note.n_signatures - 1;
    broker->n_cosignatures_kept = broker->n_cosignatures;
    return ERR_OK;
}

/* --- gathering --- */

static bool
has_cosigned(const struct broker *broker, const struct member *member)
{
    struct note note;
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[NOTE_KEY_ID_BYTES];
    const struct sign_public *key = &member->keys.sign;
    if (note_parse(buffer_view(&broker->witnessed), &note) != ERR_OK) {
        return false;
    }
    checkpoint_member_name(&broker->network, member->org, name);
    note_key_id(name, NOTE_TYPE_COSIGNATURE, bytes_of(key->bytes, sizeof(key->bytes)), id);
    for (size_t i = 0; i < note.n_signatures; i++) {
        const struct note_signature *line = &note.signatures[i];
        if (bytes_equal(line->name, bytes_of_text(name)) &&
            memcmp(line->key_id, id, sizeof(id)) == 0) {
            return true;
        }
    }
    return false;
}

static enum err
refuse(struct dispatch_call *call, enum err code)
{
    struct broker *broker = call->broker;
    unsigned dropped = 0;
    refusals_count(broker, call->session, code);
    if (logging_allowed(&broker->witness_lines, call->now.boot_ms, LINES_BURST, LINES_WINDOW_MS,
                        &dropped)) {
        logging_line(LOGGING_WARNING, "witness.does-not-fit", "member=%s size=%llu",
                     call->member->org, (unsigned long long)call->message->as.cosign.size);
    }
    session_refuse(&broker->sessions, call->session, code, 0);
    return ERR_OK;
}

/* Past the lines that a note may have, more witnesses say nothing that anybody could be shown. */
static enum err
add(struct broker *broker, const struct member *member, const struct message_cosign *cosign)
{
    enum err err =
        checkpoint_add_cosignature(&broker->witnessed, &broker->network, member->org,
                                   &member->keys.sign, cosign->time_s, cosign->signature);
    if (err == ERR_OK) {
        broker->n_cosignatures++;
        broker->has_unkept = true;
    }
    return err == ERR_TOO_LARGE ? ERR_OK : err;
}

enum err
handle_cosign(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    const struct message_cosign *cosign = &call->message->as.cosign;
    if (broker->recover.active || broker->witnessed_size == 0 ||
        cosign->size != broker->witnessed_size || has_cosigned(broker, call->member)) {
        return ERR_OK;
    }
    enum err err = checkpoint_check_cosignature(buffer_view(&broker->witnessed), cosign->time_s,
                                                &call->member->keys.sign, cosign->signature);
    if (err_is_peer(err)) {
        return refuse(call, err);
    }
    return err == ERR_OK ? add(broker, call->member, cosign) : err;
}

/* --- keeping --- */

static bool
is_worth_keeping(const struct broker *broker, bool had_its_time)
{
    return broker->has_unkept && broker->n_cosignatures > 0 && !broker->read_only &&
           (had_its_time || broker->n_cosignatures >= broker->n_cosignatures_kept);
}

static enum err
keep(struct broker *broker)
{
    enum err err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        CLEANUP(kv_abort) struct kv_txn *txn = NULL;
        err = kv_begin(broker->kv, &txn);
        if (err != ERR_OK) {
            return err;
        }
        enum err put =
            kv_put(txn, TABLE_META, bytes_of_text(META_WITNESSED), buffer_view(&broker->witnessed));
        err = kv_commit(&txn);
        err = err == ERR_OK ? put : err;
    }
    if (err == ERR_DISK_FULL) {
        broker->read_only = true; /* kept when it takes writes again */
        return ERR_OK;
    }
    if (err == ERR_OK) {
        broker->has_unkept = false;
        broker->n_cosignatures_kept = broker->n_cosignatures;
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}

static enum err
begin(struct broker *broker, struct instant now)
{
    const struct ledger *ledger = &broker->ledger;
    enum err err = set_note(broker, bytes_of(ledger->checkpoint, ledger->checkpoint_len));
    if (err == ERR_OK) {
        broker->witnessed_size = ledger->tree.size;
        broker->witness_round_ms = now.boot_ms;
        broker->n_cosignatures = 0;
        broker->has_unkept = false;
    }
    return err;
}

enum err
witness_tend(struct broker *broker, struct instant now)
{
    if (broker->recover.active || broker->ledger.checkpoint_len == 0) {
        return ERR_OK;
    }
    bool had_its_time = broker->witnessed_size == 0 || broker->witness_round_ms == 0 ||
                        now.boot_ms - broker->witness_round_ms >= broker->witness_ms;
    enum err err = is_worth_keeping(broker, had_its_time) ? keep(broker) : ERR_OK;
    bool is_new = broker->ledger.tree.size != broker->witnessed_size;
    return err == ERR_OK && had_its_time && is_new ? begin(broker, now) : err;
}

/* --- telling --- */

enum err
witness_tell(struct broker *broker, struct kv_txn *txn, uint64_t head_size,
             struct message_witnessed *witnessed_out)
{
    struct state_consistency *last = &broker->witness_consistency;
    uint64_t from = broker->witnessed_size;
    *witnessed_out = (struct message_witnessed){.present = false};
    if (from == 0 || from > head_size || broker->recover.active) {
        return ERR_OK;
    }
    if (last->from != from || last->size != head_size) {
        struct tree_reader reader = ledger_reader(txn, broker->ledger.cache);
        last->size = 0;
        enum err err = tree_consistency(&reader, from, head_size, &last->proof);
        if (err != ERR_OK) {
            return err == ERR_NOT_FOUND || err_is_peer(err) ? ERR_CORRUPT : err;
        }
        last->from = from;
        last->size = head_size;
    }
    *witnessed_out = (struct message_witnessed){
        .present = true,
        .checkpoint = buffer_view(&broker->witnessed),
        .consistency = proof_bytes(&last->proof),
    };
    return ERR_OK;
}
