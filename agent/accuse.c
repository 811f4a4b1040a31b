/* Decides which trouble with an entry proves a lie of the broker, and which alarm that is. An
 * honest broker runs the same rules over the same log: what it logged and we cannot take is its
 * doing, except where two statements of the author itself contradict each other, and where another
 * version may judge otherwise. It refuses to know what is done about it. */
#include "agent/accuse.h"

#include <string.h>

enum { ABOUT_DIGITS = 10, RAW_BYTES_MAX = 8 * 1024 };

static const struct {
    enum accuse_place place;
    enum err trouble;
    enum alarm_kind of_loop, of_directory; /* of_directory 0: none */
} rows[] = {
    {ACCUSE_OPENING, ERR_MALFORMED, ALARM_FORGED_ENTRY, ALARM_FORGED_ENTRY},
    {ACCUSE_OPENING, ERR_SIGNATURE, ALARM_FORGED_ENTRY, ALARM_FALSE_KEY},
    {ACCUSE_OPENING, ERR_WRONG_NETWORK, ALARM_FORGED_ENTRY, ALARM_FALSE_KEY},
    {ACCUSE_OPENING, ERR_UNKNOWN_MEMBER, ALARM_FORGED_ENTRY, ALARM_FALSE_KEY},
    {ACCUSE_OPENING, ERR_REVOKED, ALARM_FORGED_ENTRY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_SIGNATURE, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_UNKNOWN_MEMBER, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_MEMBER_EXISTS, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_REVOKED, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_TOKEN_SPENT, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_DIRECTORY, ERR_TOKEN_EXPIRED, ALARM_FALSE_KEY, ALARM_FALSE_KEY},
    {ACCUSE_LOOP, ERR_SEQUENCE, ALARM_WITHHELD, ALARM_WITHHELD},
    {ACCUSE_LOOP, ERR_UNKNOWN_LOOP, ALARM_WITHHELD, ALARM_WITHHELD},
    {ACCUSE_LOOP, ERR_UNKNOWN_REFERENCE, ALARM_WITHHELD, ALARM_WITHHELD},
};

bool
accuse_of(enum accuse_place place, enum err trouble, enum statement_kind kind,
          enum alarm_kind *alarm_out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].place != place || rows[i].trouble != trouble)
            continue;
        *alarm_out = directory_concerns(kind) ? rows[i].of_directory : rows[i].of_loop;
        return true;
    }
    return false;
}

void
accuse_name_loop(const struct loop_id *loop, char out[LOOP_ID_TEXT])
{
    ident_format(loop, out);
    out[ABOUT_DIGITS] = '\0';
}

/* Whom or what the statement says it is about, believed or not. */
static void
name_entry(struct bytes statement_bytes, char out[ORG_ID_BYTES])
{
    struct statement statement;
    const char *org = "";

    out[0] = '\0';
    if (statement_decode(statement_bytes, &statement) != ERR_OK)
        return;
    switch (statement.kind) {
    case STATEMENT_LOOP:
        accuse_name_loop(&statement.as.loop.loop, out);
        return;
    case STATEMENT_INVITE:
        org = statement.as.invite.org;
        break;
    case STATEMENT_JOIN:
        org = statement.as.join.org;
        break;
    case STATEMENT_REVOKE:
        org = statement.as.revoke.org;
        break;
    case STATEMENT_ROTATE:
    case STATEMENT_GENESIS:
        org = statement.author;
        break;
    }
    memcpy(out, org, strnlen(org, ORG_ID_MAX) + 1);
}

/* The head it was told under, the entry without its sealed part, and the way between them. */
static void
write_entry(const struct agent *agent, const struct entry *entry, const struct envelope *envelope,
            struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bare = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct bytes shown = entry->envelope;

    if (envelope != NULL) {
        struct envelope stripped = *envelope;
        stripped.sealed = bytes_of(NULL, 0);
        if (envelope_encode(&stripped, &bare) == ERR_OK)
            shown = buffer_view(&bare);
    }
    if (shown.len > RAW_BYTES_MAX)
        shown.len = RAW_BYTES_MAX;
    buffer_put_blob(out, agent->proof.view.note);
    buffer_put_u64(out, entry->index);
    buffer_put_i64(out, entry->log_time_ms);
    buffer_put_blob(out, shown);
    buffer_put_blob(out, entry->inclusion);
}

/* A clock is far off in general, not in this loop: it is said once. */
static bool
is_general(enum alarm_kind alarm)
{
    return alarm == ALARM_CLOCK;
}

enum err
accuse_entry(struct unit *unit, enum alarm_kind alarm, const struct entry *entry)
{
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(ALARM_PROOF_MAX);
    char about[ORG_ID_BYTES] = "";
    struct envelope envelope;
    bool decoded = envelope_decode(entry->envelope, &envelope) == ERR_OK;
    bool general = is_general(alarm);

    if (decoded && !general)
        name_entry(envelope.statement, about);
    write_entry(unit->agent, entry, decoded ? &envelope : NULL, &proof);
    enum err err = buffer_err(&proof);
    return err == ERR_OK ? alarm_raise(unit, alarm, general ? UINT64_MAX : entry->index,
                                       buffer_view(&proof), "%s", about)
                         : err;
}

enum err
accuse_receipt(struct unit *unit, enum alarm_kind alarm, const struct loop_id *loop,
               const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(ALARM_PROOF_MAX);
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);
    const struct turn_signature *signature = &receipt->signature;
    bool general = is_general(alarm);
    char about[LOOP_ID_TEXT] = "";

    if (!general)
        accuse_name_loop(loop, about);
    receipt_signed_bytes(receipt, &leaf);
    buffer_put_blob(&proof, unit->agent->proof.view.note);
    buffer_put_blob(&proof, buffer_view(&leaf));
    buffer_put(&proof, signature->root_signature, SIGN_BYTES);
    buffer_put_u32(&proof, signature->size);
    buffer_put_u32(&proof, signature->index);
    buffer_put_blob(&proof, bytes_of(signature->path, signature->n_path * MERKLE_HASH_BYTES));
    buffer_put_blob(&proof, receipt->inclusion);
    enum err err = buffer_err(&leaf);
    if (err == ERR_OK)
        err = buffer_err(&proof);
    return err == ERR_OK ? alarm_raise(unit, alarm, general ? UINT64_MAX : receipt->index,
                                       buffer_view(&proof), "%s", about)
                         : err;
}

enum err
accuse_withheld(struct unit *unit, const struct loop_id *loop, uint64_t index)
{
    char about[LOOP_ID_TEXT];

    accuse_name_loop(loop, about);
    return alarm_raise(unit, ALARM_WITHHELD, index, unit->agent->proof.view.note, "%s", about);
}
