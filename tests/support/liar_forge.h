/* Statements that nobody has made, or not so, and entries that should not be there. */
#ifndef REFLOOP_TESTS_SUPPORT_LIAR_FORGE_H
#define REFLOOP_TESTS_SUPPORT_LIAR_FORGE_H

#include "broker/judge.h"

/* Each appends an encoded envelope: new keys of our own making for a member, signed with a key of
 * our own; the same as a join under the member's spent invite; a join in the member's name under an
 * invite that is truly ours (the file of its token). */
enum err forge_rotate(const struct broker *broker, const char *org, struct buffer *out) MUST_CHECK;
enum err forge_join(const struct broker *broker, const char *org, struct buffer *out) MUST_CHECK;
enum err forge_join_with(const struct broker *broker, const char *org, const char *token_path,
                         struct buffer *out) MUST_CHECK;

/* Says something else: another event and another date, under the same signature. `out` holds the
 * bytes that the changed envelope views. ERR_INVALID for what is no statement in a loop. */
enum err forge_other_words(const struct envelope *envelope, struct buffer *out,
                           struct envelope *changed_out) MUST_CHECK;

/* Logs it as if it had been judged: a row, a leaf, mailboxes. */
enum err forge_entry(struct judge_stage *stage, struct bytes encoded, int64_t log_time_ms,
                     uint64_t *index_out) MUST_CHECK;

#endif
