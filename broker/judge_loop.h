/* The rules of loop statements. */
#ifndef REFLOOP_BROKER_JUDGE_LOOP_H
#define REFLOOP_BROKER_JUDGE_LOOP_H

#include "broker/judge.h"

/* Author and readers: the author is the member with its present key, every reader another active
 * member with its present key; in a step that ends a loop the other side may have been revoked, and
 * is then named with its last one. ERR_OK or the refusal. */
enum err judge_loop_author(const struct judge_stage *stage, const struct member *member,
                           const struct statement *statement) MUST_CHECK;

/* The step itself. The return value is an error of the store; the refusal is in *refusal_out, with
 * the loop's state in the verdict whenever the author is a side of it. Without a refusal the track
 * has taken the step. `track` must be zero. */
enum err judge_loop_step(struct judge_stage *stage, const struct opened_envelope *opened,
                         struct track *track, struct journal_verdict *verdict_out, bool *is_new_out,
                         enum err *refusal_out) MUST_CHECK;

#endif
