/* What a member believes of the log: the last checkpoint it verified, and the rules by which it
 * takes the next one. Pure; whoever uses it stores the new checkpoint before acting on it. */
#ifndef REFLOOP_LIB_PROOF_VIEW_H
#define REFLOOP_LIB_PROOF_VIEW_H

#include "lib/proof/checkpoint.h"
#include "lib/wire/message.h"

struct view {
    bool has;
    struct checkpoint last;
    struct bytes note; /* of the last: the caller's bytes */
};

/* What a head that was told turns out to be. */
enum view_finding {
    VIEW_SAME,        /* the one we know */
    VIEW_GOES_ON,     /* larger, and proved to contain ours */
    VIEW_UNPROVED,    /* not to be believed, and proves nothing: no proof, one for other sizes, a
                         bad or foreign note, a broken proof over a connection that may have lost
                         frames. Ask again by a new hello. */
    VIEW_SPLIT,       /* signed by the broker, of our size, with another root */
    VIEW_REWRITTEN,   /* signed by the broker, larger, and not a continuation of ours */
    VIEW_ROLLED_BACK, /* signed by the broker in answer to ours, and smaller */
};

/* `answers_ours`: the head was told in answer to our own checkpoint (a Welcome), so it must go on
 * from exactly that; otherwise (from != our size) is VIEW_UNPROVED. *told_out is written for every
 * finding in which the note's signature is right. */
enum view_finding view_judge(const struct view *view, const struct network_id *network,
                             const struct sign_public *log_key, const struct message_head *head,
                             bool answers_ours, struct checkpoint *told_out);
/* A cosigned checkpoint, not larger than ours (VIEW_SAME or VIEW_GOES_ON means: it is part of our
 * log). Its proof leads to the head beside it, so ask only once that head is the view. Of our size
 * with another root: VIEW_SPLIT; smaller, and the proof that ours goes on from it fails:
 * VIEW_REWRITTEN. */
enum view_finding view_judge_witnessed(const struct view *view, const struct network_id *network,
                                       const struct sign_public *log_key,
                                       const struct message_witnessed *witnessed,
                                       struct checkpoint *told_out);
/* Is this entry in the log we believe in? ERR_OK, ERR_MALFORMED, ERR_SIGNATURE. */
enum err view_check_entry(const struct view *view, const struct merkle_hash *leaf, uint64_t index,
                          struct bytes inclusion) MUST_CHECK;

#endif
