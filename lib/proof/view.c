/* The rules by which a member takes the next head of the log, or calls it a lie. Pure: it stores
 * nothing, asks nobody, and does not know what is done about a finding.
 *
 * What each finding is worth to somebody else:
 * - VIEW_SPLIT convinces anybody. Two notes signed by the log's key give one size two roots, and
 *   only one can be true. The notes are the whole proof.
 * - VIEW_REWRITTEN is an accusation that only an honest broker can answer: both heads are signed,
 *   so the log owes a consistency proof between them, and when asked for it gave one that fails.
 *   The number of hashes was right, so it was made for these two sizes. Proofs are not signed: the
 *   pair of notes is the evidence, and an honest log can always clear itself by a good proof.
 * - VIEW_ROLLED_BACK is only what we saw. Every small head was once the newest, so a signed one is
 *   no lie by itself; it is one in answer to a larger head that the same key has signed. A broker
 *   restored from a backup looks the same, which is why it says so (recall_from).
 * - VIEW_UNPROVED is worth nothing: frames get lost and strangers may garble what is not signed.
 *   It never raises an alarm by itself, and it never moves a view. */
#include "lib/proof/view.h"

#include <string.h>

/* Unlike a root that does not fit, a proof of another length was made for something else. */
static enum view_finding
judge_proof(const struct checkpoint *old, const struct checkpoint *new, struct bytes consistency,
            enum view_finding when_it_fails)
{
    struct proof proof;
    enum err err = proof_of_bytes(consistency, &proof);
    if (err == ERR_OK) {
        err = proof_check_consistency(old->size, new->size, &proof, &old->root, &new->root);
    }
    if (err == ERR_OK) {
        return VIEW_GOES_ON;
    }
    return err == ERR_SIGNATURE ? when_it_fails : VIEW_UNPROVED;
}

static bool
same_root(const struct checkpoint *a, const struct checkpoint *b)
{
    return memcmp(&a->root, &b->root, sizeof(a->root)) == 0;
}

/* The first head is taken on the log key's word: there is nothing yet that it could contradict. */
static enum view_finding
judge_first(const struct checkpoint *told, const struct message_head *head)
{
    struct merkle_hash empty;
    merkle_root(NULL, 0, &empty);
    bool sound = told->size > 0 || memcmp(&told->root, &empty, sizeof(empty)) == 0;
    return sound && head->from == 0 && head->consistency.len == 0 ? VIEW_GOES_ON : VIEW_UNPROVED;
}

static enum view_finding
judge_next(const struct checkpoint *ours, const struct checkpoint *told,
           const struct message_head *head, bool answers_ours)
{
    if (told->size == ours->size) {
        /* Nothing is left to be proved, so what proof came along does not matter. */
        return same_root(told, ours) ? VIEW_SAME : VIEW_SPLIT;
    }
    if (told->size < ours->size) {
        return answers_ours ? VIEW_ROLLED_BACK : VIEW_UNPROVED;
    }
    if (ours->size == 0) {
        return judge_first(told, head); /* every log goes on from the empty one */
    }
    if (head->from != ours->size) {
        return VIEW_UNPROVED; /* frames between were lost: the proof is about a head we lack */
    }
    return judge_proof(ours, told, head->consistency,
                       answers_ours ? VIEW_REWRITTEN : VIEW_UNPROVED);
}

enum view_finding
view_judge(const struct view *view, const struct network_id *network,
           const struct sign_public *log_key, const struct message_head *head, bool answers_ours,
           struct checkpoint *told_out)
{
    struct checkpoint told;
    if (!head->present || checkpoint_open(head->checkpoint, network, log_key, &told) != ERR_OK) {
        return VIEW_UNPROVED;
    }
    *told_out = told;
    return view->has ? judge_next(&view->last, &told, head, answers_ours)
                     : judge_first(&told, head);
}

/* The proof leads to the head beside the witnessed note, so that head has to be the view by now. A
 * smaller head that ours does not go on from is VIEW_REWRITTEN seen from the other end: others were
 * told of a log that ours is no continuation of. */
enum view_finding
view_judge_witnessed(const struct view *view, const struct network_id *network,
                     const struct sign_public *log_key, const struct message_witnessed *witnessed,
                     struct checkpoint *told_out)
{
    struct checkpoint told;
    if (!witnessed->present ||
        checkpoint_open(witnessed->checkpoint, network, log_key, &told) != ERR_OK) {
        return VIEW_UNPROVED;
    }
    *told_out = told;
    /* To have seen the empty log is to have seen nothing. */
    if (!view->has || told.size == 0 || told.size > view->last.size) {
        return VIEW_UNPROVED;
    }
    if (told.size == view->last.size) {
        return same_root(&told, &view->last) ? VIEW_SAME : VIEW_SPLIT;
    }
    return judge_proof(&told, &view->last, witnessed->consistency, VIEW_REWRITTEN);
}

enum err
view_check_entry(const struct view *view, const struct merkle_hash *leaf, uint64_t index,
                 struct bytes inclusion)
{
    struct proof proof;
    if (!view->has) {
        return ERR_MALFORMED; /* a proof in a log nobody has told us of */
    }
    enum err err = proof_of_bytes(inclusion, &proof);
    return err == ERR_OK
               ? proof_check_inclusion(leaf, index, view->last.size, &proof, &view->last.root)
               : err;
}
