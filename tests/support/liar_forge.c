/* Decides what a broker can put into its log beside what members have said: anything, under its own
 * signature, but never a signature of theirs. It refuses to know who is to be deceived. */
#include "tests/support/liar_forge.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/trust/token.h"

enum { POSSESSION_MAX = 1024, DAY_MS = 24 * 3600 * 1000 };

static void
make_keys(struct key_set *keys, struct sign_secret *secret)
{
    struct seal_secret seal;
    struct curve_secret curve;
    sign_new_pair(&keys->sign, secret);
    seal_new_pair(&keys->seal, &seal);
    curve_new_pair(&keys->curve, &curve);
}

static enum err
prove_possession(const struct broker *broker, const char *org, const struct key_set *keys,
                 const struct sign_secret *secret, uint8_t possession_out[SIGN_BYTES])
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(POSSESSION_MAX);
    statement_possession_bytes(&broker->network, org, keys, &bytes);
    struct bytes part = buffer_view(&bytes);
    if (buffer_err(&bytes) == ERR_OK) {
        sign_make(SIGN_POSSESSION, &part, 1, secret, possession_out);
    }
    return buffer_err(&bytes);
}

static enum err
sign(const struct broker *broker, const struct statement *statement,
     const struct sign_secret *secret, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope = {.sealed = {NULL, 0}};
    enum err err = statement_encode(statement, &bytes);
    envelope.statement = buffer_view(&bytes);
    if (err == ERR_OK) {
        err = turn_sign(SIGN_STATEMENTS, &broker->network, &envelope.statement, 1, secret,
                        &envelope.signature);
    }
    return err == ERR_OK ? envelope_encode(&envelope, out) : err;
}

static struct statement
begin(const struct broker *broker, const char *org, enum statement_kind kind)
{
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = kind,
                                  .network = broker->network,
                                  .authored_ms = broker->head.log_time_ms};
    memcpy(statement.author, org, strnlen(org, ORG_ID_MAX));
    return statement;
}

enum err
forge_rotate(const struct broker *broker, const char *org, struct buffer *out)
{
    struct statement statement = begin(broker, org, STATEMENT_ROTATE);
    const struct member *member = directory_find(broker->directory, org);
    struct sign_secret secret;
    if (member == NULL) {
        return ERR_UNKNOWN_MEMBER;
    }
    statement.author_key = member->key_id;
    make_keys(&statement.as.rotate.keys, &secret);
    enum err err = prove_possession(broker, org, &statement.as.rotate.keys, &secret,
                                    statement.as.rotate.possession);
    return err == ERR_OK ? sign(broker, &statement, &secret, out) : err;
}

static enum err
make_join(const struct broker *broker, const char *org, const struct sign_public *once,
          const struct sign_secret *once_secret, struct buffer *out)
{
    struct statement statement = begin(broker, org, STATEMENT_JOIN);
    struct statement_join *join = &statement.as.join;
    struct sign_secret secret;
    memcpy(join->org, statement.author, sizeof(join->org));
    join->invite = statement.author_key = key_id_of_signer(once);
    make_keys(&join->keys, &secret);
    enum err err = prove_possession(broker, org, &join->keys, &secret, join->possession);
    return err == ERR_OK
               ? sign(broker, &statement, once_secret != NULL ? once_secret : &secret, out)
               : err;
}

enum err
forge_join(const struct broker *broker, const char *org, struct buffer *out)
{
    const struct member *member = directory_find(broker->directory, org);
    return member == NULL ? ERR_UNKNOWN_MEMBER
                          : make_join(broker, org, &member->once_sign, NULL, out);
}

enum err
forge_join_with(const struct broker *broker, const char *org, const char *token_path,
                struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TOKEN_TEXT_MAX + 1);
    CLEANUP(token_done) struct token token = {.network = {{0}}};
    struct sign_public once;
    struct sign_secret secret;
    enum err err = file_read(token_path, &text);
    if (err == ERR_OK) {
        err = token_parse(buffer_view(&text), &token);
    }
    if (err != ERR_OK) {
        return err;
    }
    sign_pair_from_seed(token.once_sign_seed, &once, &secret);
    return make_join(broker, org, &once, &secret, out);
}

enum err
forge_other_words(const struct envelope *envelope, struct buffer *out, struct envelope *changed_out)
{
    struct statement statement;
    struct envelope changed = *envelope;
    enum err err = statement_decode(envelope->statement, &statement);
    if (err != ERR_OK || statement.kind != STATEMENT_LOOP) {
        return err == ERR_OK ? ERR_INVALID : err;
    }
    struct statement_loop *loop = &statement.as.loop;
    if (loop->event == EVENT_ACCEPT) {
        loop->event = EVENT_DECLINE;
        loop->due_ms = 0;
    } else if (loop->due_ms > 0) {
        loop->due_ms += DAY_MS;
    } else {
        statement.authored_ms -= DAY_MS;
    }
    buffer_clear(out);
    err = statement_encode(&statement, out);
    if (err == ERR_OK) {
        changed.statement = buffer_view(out);
        *changed_out = changed;
    }
    return err;
}

enum err
forge_entry(struct judge_stage *stage, struct bytes encoded, int64_t log_time_ms,
            uint64_t *index_out)
{
    struct journal_draft draft;
    struct envelope envelope;
    struct statement statement;
    struct merkle_hash leaf;
    enum err err = envelope_decode(encoded, &envelope);
    if (err == ERR_OK) {
        err = statement_decode(envelope.statement, &statement);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct digest id = statement_id(envelope.statement);
    err = journal_draft_init(stage->broker->directory, &statement, &envelope, &id,
                             stage->head.entries, log_time_ms, &draft);
    if (err != ERR_OK) {
        return err;
    }
    draft.verdict = (struct journal_verdict){.result = RECEIPT_ACCEPTED};
    err = journal_append(stage->txn, &draft, NULL, &leaf);
    if (err == ERR_OK) {
        err = ledger_append(stage->txn, &stage->tree, &leaf);
    }
    if (err == ERR_OK) {
        *index_out = draft.index;
        stage->head.entries++;
        stage->head.log_time_ms = log_time_ms;
    }
    return err;
}
