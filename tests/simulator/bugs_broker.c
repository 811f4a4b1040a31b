/* The planted bugs of the broker: apart, as no file knows both cores from inside. */
#include "tests/simulator/bugs.h"

#include "broker/judge.h"
#include "broker/state.h"

enum { JUDGEMENTS = 100 }; /* one of so many goes wrong */

enum err __real_journal_find_receipt(struct kv_txn *txn, const struct digest *id,
                                     struct receipt *receipt_out);
enum err __wrap_journal_find_receipt(struct kv_txn *txn, const struct digest *id,
                                     struct receipt *receipt_out);
enum err
__wrap_journal_find_receipt(struct kv_txn *txn, const struct digest *id,
                            struct receipt *receipt_out)
{
    static struct digest last; /* the second question about one id is about what it confirms */
    enum err err = __real_journal_find_receipt(txn, id, receipt_out);
    bool again = digest_equal(&last, id);
    last = *id;
    return bugs_strike(BUG_NO_DEDUPE, 1) && err == ERR_OK && !again ? ERR_NOT_FOUND : err;
}

enum err __real_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                                struct judge_result *result_out);
enum err __wrap_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                                struct judge_result *result_out);
enum err
__wrap_judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                       struct judge_result *result_out)
{
    if (stage->head.entries > 0 && judged->verified->opened.statement.kind == STATEMENT_LOOP &&
        bugs_strike(BUG_NOT_LOGGED, JUDGEMENTS)) {
        *result_out = (struct judge_result){.receipt = {.id = judged->verified->id,
                                                        .result = RECEIPT_ACCEPTED,
                                                        .index = stage->head.entries - 1,
                                                        .state = LOOP_REQUESTED,
                                                        .log_time_ms = stage->head.log_time_ms}};
        return ERR_OK;
    }
    return __real_judge_statement(stage, judged, result_out);
}

int64_t __real_journal_next_time(const struct journal_head *head, int64_t wall_ms);
int64_t __wrap_journal_next_time(const struct journal_head *head, int64_t wall_ms);
int64_t
__wrap_journal_next_time(const struct journal_head *head, int64_t wall_ms)
{
    return bugs_strike(BUG_WALL_TIME, 1) ? wall_ms : __real_journal_next_time(head, wall_ms);
}

enum err __real_recover_open(struct broker *broker, struct kv_txn *txn);
enum err __wrap_recover_open(struct broker *broker, struct kv_txn *txn);
enum err
__wrap_recover_open(struct broker *broker, struct kv_txn *txn)
{
    enum err err = __real_recover_open(broker, txn);
    if (bugs_strike(BUG_COPY_UNSAID, 1)) {
        broker->recover.active = false;
    }
    return err;
}

enum err __real_recover_hear(struct broker *broker, const struct member *member,
                             const struct checkpoint *shown, struct bytes note, struct instant now);
enum err __wrap_recover_hear(struct broker *broker, const struct member *member,
                             const struct checkpoint *shown, struct bytes note, struct instant now);
enum err
__wrap_recover_hear(struct broker *broker, const struct member *member,
                    const struct checkpoint *shown, struct bytes note, struct instant now)
{
    return bugs_strike(BUG_COPY_UNSAID, 1) ? ERR_OK
                                           : __real_recover_hear(broker, member, shown, note, now);
}
