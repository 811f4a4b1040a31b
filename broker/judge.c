/* Decides, statement by statement, what enters the log. The order of the questions is: has it been
 * logged before (then its receipt is given again), is it signed, is it the peer's own, may that
 * kind come from there, and last the rules of its kind. It refuses to know about connections,
 * commits and time beyond the log's. A refusal changes nothing but a counter. */
#include "broker/judge.h"

#include <string.h>

#include "broker/judge_loop.h"

#define KINDS (STATEMENT_ROTATE + 1)

/* A question of the rules: ERR_OK or the refusal. */
typedef enum err (*judge_rule)(const struct judge_stage *stage, const struct member *member,
                               const struct statement *statement, int64_t log_time_ms);

static enum err
rule_directory(const struct judge_stage *stage, const struct member *member,
               const struct statement *statement, int64_t log_time_ms)
{
    (void)member;
    return directory_judge(stage->broker->directory, statement, log_time_ms);
}

/* New keys go to every member and are kept for ever, so there are few in an hour. */
static enum err
rule_rotate(const struct judge_stage *stage, const struct member *member,
            const struct statement *statement, int64_t log_time_ms)
{
    const struct session *session = sessions_find(&stage->broker->sessions, &member->keys.curve);
    if (memcmp(&statement->author_key, &member->key_id, sizeof(member->key_id)) != 0) {
        return ERR_NOT_PERMITTED;
    }
    if (session != NULL &&
        !session_has_share(&session->rotations, session_rotations, 1, stage->now.boot_ms)) {
        return ERR_QUOTA;
    }
    return directory_judge(stage->broker->directory, statement, log_time_ms);
}

static enum err
rule_loop(const struct judge_stage *stage, const struct member *member,
          const struct statement *statement, int64_t log_time_ms)
{
    (void)log_time_ms;
    return judge_loop_author(stage, member, statement);
}

/* Who may say what; an empty cell is a refusal. The root's row stands for WHO_COUNT. */
static const judge_rule rules[KINDS][WHO_COUNT + 1] = {
    [STATEMENT_INVITE] = {[WHO_COUNT] = rule_directory},
    [STATEMENT_REVOKE] = {[WHO_COUNT] = rule_directory},
    [STATEMENT_JOIN] = {[WHO_ONCE] = rule_directory},
    [STATEMENT_LOOP] = {[WHO_MEMBER] = rule_loop},
    [STATEMENT_ROTATE] = {[WHO_MEMBER] = rule_rotate},
};

bool
judge_is_alone(const struct verified *verified)
{
    return verified->err == ERR_OK && directory_concerns(verified->opened.statement.kind);
}

static enum err
refuse(struct judge_result *result, enum err code)
{
    result->receipt.result = RECEIPT_REFUSED;
    result->receipt.refusal = code;
    return ERR_OK;
}

/* Also for a statement whose signature no longer fits because its author's key has changed since:
 * what is logged has been judged. The receipt is given to the author only. */
static enum err
find_duplicate(struct judge_stage *stage, const struct judge_case *judged, const char *org,
               struct judge_result *result)
{
    struct receipt receipt;
    struct journal_entry entry;
    struct statement statement;
    if (digest_is_zero(&judged->verified->id)) {
        return ERR_NOT_FOUND;
    }
    enum err err = journal_find_receipt(stage->txn, &judged->verified->id, &receipt);
    if (err == ERR_OK) {
        err = journal_load(stage->txn, receipt.index, &entry);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = statement_decode(entry.envelope.statement, &statement);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_CORRUPT : err;
    }
    if (strcmp(statement.author, org) != 0) {
        return ERR_NOT_FOUND;
    }
    result->receipt = receipt;
    result->duplicate = true;
    return ERR_OK;
}

static enum err
append(struct judge_stage *stage, const struct opened_envelope *opened,
       const struct journal_verdict *verdict, const struct track *track,
       struct judge_result *result)
{
    struct journal_draft draft;
    struct merkle_hash leaf;
    int64_t log_time_ms = journal_next_time(&stage->head, stage->now.wall_ms);
    enum err err =
        journal_draft_init(stage->broker->directory, &opened->statement, &opened->envelope,
                           &opened->id, stage->head.entries, log_time_ms, &draft);
    if (err != ERR_OK) {
        return ERR_INTERNAL; /* the rules have found everybody in the directory */
    }
    draft.verdict = *verdict;
    err = journal_append(stage->txn, &draft, track, &leaf);
    if (err == ERR_OK) {
        err = ledger_append(stage->txn, &stage->tree, &leaf);
    }
    if (err != ERR_OK) {
        return err;
    }
    result->logged = true;
    result->n_members = draft.n_members;
    memcpy(result->members, draft.members, sizeof(draft.members));
    result->receipt.result = verdict->result;
    result->receipt.state = verdict->state;
    result->receipt.superseded_by = verdict->superseded_by;
    result->receipt.index = draft.index;
    result->receipt.log_time_ms = log_time_ms;
    stage->head.entries++;
    stage->head.log_time_ms = log_time_ms;
    stage->staged_bytes += draft.envelope.statement.len + draft.envelope.sealed.len;
    return ERR_OK;
}

static enum err
take_loop(struct judge_stage *stage, const struct opened_envelope *opened,
          struct judge_result *result)
{
    CLEANUP(track_done) struct track track = {0};
    struct journal_verdict verdict = {0};
    bool is_new = false;
    enum err refusal = ERR_OK;
    enum err err = judge_loop_step(stage, opened, &track, &verdict, &is_new, &refusal);
    result->receipt.state = verdict.state;
    if (err != ERR_OK) {
        return err;
    }
    if (refusal != ERR_OK) {
        result->receipt.retry_ms = refusal == ERR_BUSY ? STATE_WATERMARK_RETRY_MS : 0;
        return refuse(result, refusal);
    }
    err = append(stage, opened, &verdict, &track, result);
    stage->head.loops += err == ERR_OK && is_new ? 1 : 0;
    return err;
}

/* The bytes were checked with the key the connection had when they came. If its keys have been
 * changed since, they must be said again: a log entry is signed by its author's key of that place,
 * or nobody who reads the log afresh believes it. */
static bool
is_signed_by_present_key(const struct judge_case *judged, enum who who, const struct member *member)
{
    if (judged->source == JUDGE_ROOT) {
        return true;
    }
    const struct sign_public *present = who == WHO_MEMBER ? &member->keys.sign : &member->once_sign;
    return memcmp(judged->signer, present, sizeof(*present)) == 0;
}

/* A statement that nobody has logged yet. */
static enum err
judge_new(struct judge_stage *stage, const struct judge_case *judged, enum who who,
          const struct member *member, struct judge_result *result)
{
    const struct opened_envelope *opened = &judged->verified->opened;
    const char *org = member != NULL ? member->org : "";
    if (judged->verified->err != ERR_OK) {
        return err_is_peer(judged->verified->err) ? refuse(result, judged->verified->err)
                                                  : judged->verified->err;
    }
    if (!is_signed_by_present_key(judged, who, member)) {
        return refuse(result, ERR_SIGNATURE);
    }
    if (strcmp(opened->statement.author, org) != 0) {
        return refuse(result, ERR_NOT_PERMITTED);
    }
    judge_rule rule =
        (unsigned)opened->statement.kind < KINDS ? rules[opened->statement.kind][who] : NULL;
    if (rule == NULL) {
        return refuse(result, who == WHO_COUNT ? ERR_NOT_PERMITTED : dispatch_refusal(who));
    }
    int64_t log_time_ms = journal_next_time(&stage->head, stage->now.wall_ms);
    enum err err = rule(stage, member, &opened->statement, log_time_ms);
    if (err != ERR_OK) {
        result->receipt.retry_ms = err == ERR_QUOTA ? (uint32_t)session_rotations.window_ms : 0;
        return err_is_peer(err) ? refuse(result, err) : err;
    }
    if (stage->read_only) {
        result->receipt.retry_ms = STATE_BUSY_RETRY_MS;
        return refuse(result, ERR_BUSY);
    }
    if (opened->statement.kind == STATEMENT_LOOP) {
        return take_loop(stage, opened, result);
    }
    const struct journal_verdict verdict = {.result = RECEIPT_ACCEPTED};
    return append(stage, opened, &verdict, NULL, result);
}

enum err
judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                struct judge_result *result_out)
{
    struct judge_result result = {.receipt = {.id = judged->verified->id}};
    const struct member *member = NULL;
    enum who who = WHO_COUNT;
    if (judged->source == JUDGE_PEER) {
        int64_t log_time_ms = journal_next_time(&stage->head, stage->now.wall_ms);
        who = dispatch_who(stage->broker, &judged->peer, log_time_ms, &member);
    }
    enum err err = ERR_OK;
    if (who == WHO_REVOKED || who == WHO_STRANGER || who == WHO_REPLACED) {
        result.spurned = who == WHO_REVOKED;
        err = refuse(&result, dispatch_refusal(who));
    } else {
        err = find_duplicate(stage, judged, member != NULL ? member->org : "", &result);
        if (err == ERR_NOT_FOUND) {
            err = judge_new(stage, judged, who, member, &result);
        }
    }
    if (err == ERR_OK) {
        *result_out = result;
    }
    return err;
}
