/* Decides which copies of lost entries are true: those whose leaf is in the tree of a checkpoint
 * that this broker has signed. Who sends a copy does not matter, and that is all there is to check:
 * what was signed for had been judged then. It refuses to know where the entry belongs now.
 *
 * The proof of an entry tells more than that it is there: the hashes that stand left of it on its
 * path make up the tree of all entries before it. So each entry can be held to the log that it
 * followed. */
#include "broker/recover.h"
#include "broker/state.h"
#include "lib/wire/sealed.h"

static enum err
open_note(const struct broker *broker, struct bytes note, struct recover_note *opened)
{
    struct sign_public key;
    if (opened->note.len > 0 && bytes_equal(opened->note, note)) {
        return ERR_OK;
    }
    sign_public_of(broker->log_secret, &key);
    enum err err = checkpoint_open(note, &broker->network, &key, &opened->checkpoint);
    opened->note = err == ERR_OK ? note : bytes_of(NULL, 0);
    return err;
}

/* The hashes on the left of the path of leaf `index` are the full subtrees of the `index` leaves
 * before it, the smallest first. */
static void
root_before(uint64_t index, uint64_t size, const struct proof *proof, struct merkle_hash *root_out)
{
    uint64_t place = index;
    uint64_t last = size - 1;
    bool has = false;
    merkle_root(NULL, 0, root_out);
    for (size_t i = 0; i < proof->n; i++) {
        if ((place & 1) != 0 || place == last) {
            if (has) {
                merkle_join(&proof->hashes[i], root_out, root_out);
            } else {
                *root_out = proof->hashes[i];
            }
            has = true;
            while ((place & 1) == 0 && place != 0) {
                place >>= 1;
                last >>= 1;
            }
        }
        place >>= 1;
        last >>= 1;
    }
}

static void
drop_wrong_sealed(struct envelope *envelope)
{
    struct statement statement;
    struct digest digest = sealed_digest(envelope->sealed);
    bool fits = statement_decode(envelope->statement, &statement) == ERR_OK &&
                statement.kind == STATEMENT_LOOP && statement.as.loop.has_sealed &&
                digest_equal(&digest, &statement.as.loop.sealed_digest);
    if (!fits) {
        envelope->sealed = bytes_of(NULL, 0);
    }
}

enum err
recover_prove(const struct broker *broker, const struct message_copy *said,
              struct recover_note *opened, struct recover_copy *copy_out)
{
    struct recover_copy copy = {.index = said->index, .log_time_ms = said->log_time_ms};
    struct proof proof;
    enum err err = open_note(broker, said->checkpoint, opened);
    if (err == ERR_OK) {
        err = envelope_decode(said->envelope, &copy.envelope);
    }
    if (err == ERR_OK) {
        err = envelope_log_leaf(&copy.envelope, copy.log_time_ms, &copy.leaf);
    }
    if (err == ERR_OK) {
        err = proof_of_bytes(said->inclusion, &proof);
    }
    if (err == ERR_OK) {
        err = proof_check_inclusion(&copy.leaf, copy.index, opened->checkpoint.size, &proof,
                                    &opened->checkpoint.root);
    }
    if (err != ERR_OK) {
        return err;
    }
    root_before(copy.index, opened->checkpoint.size, &proof, &copy.before);
    if (copy.envelope.sealed.len > 0) {
        drop_wrong_sealed(&copy.envelope);
    }
    *copy_out = copy;
    return ERR_OK;
}
