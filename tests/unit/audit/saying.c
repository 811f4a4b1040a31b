/* As make_log appends its own steps, with everything in the hands of the test. */
#include "tests/unit/audit/saying.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"

enum { SECOND_MS = 1000 };

static enum loop_role
other_side(enum loop_role role)
{
    return role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
}

void
saying_begin(struct saying_loop *loop, struct make_log *log, size_t source, size_t target)
{
    struct loop_id id;
    *loop =
        (struct saying_loop){.log = log, .side = {source, target}, .priority = PRIORITY_ROUTINE};
    secret_random(id.bytes, sizeof(id.bytes));
    track_init(&loop->track, &id, log->members[source].org, log->members[target].org);
}

void
saying_end(struct saying_loop *loop)
{
    track_done(&loop->track);
}

static struct statement
make_statement(const struct saying_loop *loop, const struct saying *said)
{
    enum loop_role other = other_side(said->role);
    const struct make_log_member *author = &loop->log->members[loop->side[said->role]];
    const struct make_log_member *reader = &loop->log->members[loop->side[other]];
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = loop->log->network,
                                  .author_key = author->key_id,
                                  .authored_ms = said->at_ms};
    struct statement_loop *step = &statement.as.loop;
    memcpy(statement.author, author->org, sizeof(author->org));
    step->loop = loop->track.loop;
    step->event = said->event;
    step->seq = loop->track.side[said->role].last_seq + 1;
    step->previous = loop->track.side[said->role].last_id;
    step->heard = said->stale ? loop->before[other] : loop->mark[other];
    if (said->event == EVENT_DELIVERED) {
        step->delivered = loop->mark[other];
    }
    step->n_readers = 1;
    memcpy(step->readers[0].org, reader->org, sizeof(reader->org));
    step->readers[0].key = reader->key_id;
    step->priority = loop->priority;
    step->due_ms = said->due_ms;
    return statement;
}

static void
seal(const struct saying_loop *loop, const struct saying *said, struct statement *statement,
     struct buffer *sealed)
{
    const struct make_log_member *source = &loop->log->members[loop->side[LOOP_SOURCE]];
    const struct make_log_member *target = &loop->log->members[loop->side[LOOP_TARGET]];
    const struct sealed_reader sides[] = {{source->key_id, source->keys.seal},
                                          {target->key_id, target->keys.seal}};
    const char *facts = said->facts != NULL ? said->facts : "{}";
    if (said->event != EVENT_DELIVERED) {
        assert_int_equal(sealed_make(statement, bytes_of_text("{}"), bytes_of_text(facts), sides, 2,
                                     loop->auditor, sealed, NULL),
                         ERR_OK);
    }
}

static void
append(struct saying_loop *loop, const struct saying *said, const struct statement *statement,
       const struct envelope *envelope, const struct digest *id)
{
    struct make_log *log = loop->log;
    struct track_step step = journal_step(&statement->as.loop, id, said->role);
    struct track_verdict verdict;
    struct journal_draft draft;
    struct merkle_hash leaf;
    assert_true(said->at_ms > log->head.log_time_ms);
    log->head.log_time_ms = said->at_ms;
    assert_int_equal(
        track_apply(&loop->track, &step, log->head.entries, log->head.log_time_ms, &verdict),
        ERR_OK);
    assert_int_equal(journal_draft_init(log->directory, statement, envelope, id, log->head.entries,
                                        log->head.log_time_ms, &draft),
                     ERR_OK);
    draft.verdict = (struct journal_verdict){.result = verdict.superseded ? RECEIPT_SUPERSEDED
                                                                          : RECEIPT_ACCEPTED,
                                             .state = verdict.position.state,
                                             .superseded_by = verdict.superseded_by};
    if (log->txn == NULL) {
        assert_int_equal(kv_begin(log->kv, &log->txn), ERR_OK);
    }
    assert_int_equal(journal_append(log->txn, &draft, &loop->track, &leaf), ERR_OK);
    assert_int_equal(ledger_append(log->txn, &log->tree, &leaf), ERR_OK);
    log->head.entries++;
}

uint64_t
saying_add(struct saying_loop *loop, const struct saying *said)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    struct statement statement = make_statement(loop, said);
    seal(loop, said, &statement, &sealed);
    assert_int_equal(statement_encode(&statement, &bytes), ERR_OK);
    struct envelope envelope = {.statement = buffer_view(&bytes), .sealed = buffer_view(&sealed)};
    struct digest id = statement_id(envelope.statement);
    assert_int_equal(turn_sign(SIGN_STATEMENTS, &loop->log->network, &envelope.statement, 1,
                               &loop->log->members[loop->side[said->role]].sign,
                               &envelope.signature),
                     ERR_OK);
    append(loop, said, &statement, &envelope, &id);
    if (said->event != EVENT_DELIVERED) {
        loop->before[said->role] = loop->mark[said->role];
        loop->mark[said->role] = id;
    }
    return loop->log->head.entries - 1;
}

void
saying_heard(struct saying_loop *loop, const struct saying *said)
{
    (void)saying_add(loop, said);
    (void)saying_add(loop, &(struct saying){.role = other_side(said->role),
                                            .event = EVENT_DELIVERED,
                                            .at_ms = said->at_ms + SECOND_MS});
}
