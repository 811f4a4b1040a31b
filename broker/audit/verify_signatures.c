/* Decides whether statements are signed by the key their author had then. The checks of a chunk are
 * put off and done one after another: Ed25519 is four fifths of all the work, and is a twentieth
 * faster when nothing else comes between. */
#include <string.h>

#include "broker/audit/verify.h"

enum { TIME_BYTES = 8 };

void
verify_signatures_add(struct verify_worker *worker, uint64_t index, struct bytes row,
                      const struct keyring_org *author, const struct keyring_span *span)
{
    worker->signatures[worker->n_signatures++] =
        (struct verify_signature){.index = index, .row = row, .author = author, .key = &span->sign};
}

/* Statements of one turn stand near one another, but others' may stand between them: so the memory
 * is not only of the last signature. */
static bool
is_right(struct verify_worker *worker, const struct verify_signature *wanted, bool *known_out)
{
    struct envelope envelope;
    struct bytes leaf = bytes_of(wanted->row.data + TIME_BYTES, wanted->row.len - TIME_BYTES);
    if (envelope_from_leaf(leaf, &envelope) != ERR_OK) {
        return false;
    }
    const struct turn_signature *signature = &envelope.signature;
    struct verified_root *memory =
        &worker->memories[signature->root_signature[0] % VERIFY_MEMORIES];
    *known_out = memory->filled && memcmp(memory->root_signature, signature->root_signature,
                                          SIGN_BYTES) == 0; /* public bytes */
    return turn_check(SIGN_STATEMENTS, &worker->verify->audit->network, envelope.statement,
                      signature, wanted->key, memory) == ERR_OK;
}

static void
find(struct verify_worker *worker, const struct verify_signature *wanted)
{
    finding_entry(&worker->verify->finding, wanted->index,
                  "its signature is not by the key that %s had then", wanted->author->org);
}

void
verify_signatures_run(struct verify_worker *worker)
{
    const struct finding *finding = &worker->verify->finding;
    for (size_t i = 0; i < worker->n_signatures; i++) {
        const struct verify_signature *wanted = &worker->signatures[i];
        bool known = false;
        if (finding_is_before(finding, wanted->index)) {
            break;
        }
        if (!is_right(worker, wanted, &known)) {
            find(worker, wanted);
            break;
        }
        worker->counts.signatures += known ? 0 : 1;
    }
    worker->n_signatures = 0;
}

bool
verify_signatures_find_forgery(struct verify_worker *worker, uint64_t index)
{
    struct journal_entry entry;
    struct statement statement;
    bool known = false;
    if (journal_load(worker->txn, index, &entry) != ERR_OK ||
        statement_decode(entry.envelope.statement, &statement) != ERR_OK ||
        statement.kind != STATEMENT_LOOP) {
        return false;
    }
    const struct keyring_org *author =
        keyring_find(&worker->verify->audit->keyring, statement.author);
    const struct keyring_span *span = author != NULL ? keyring_at(author, index) : NULL;
    if (span == NULL || span->state != MEMBER_ACTIVE ||
        memcmp(&span->key_id, &statement.author_key, sizeof(span->key_id)) != 0) {
        return false; /* no key of whose the signature could be */
    }
    const struct verify_signature wanted = {index, entry.row, author, &span->sign};
    if (is_right(worker, &wanted, &known)) {
        return false;
    }
    find(worker, &wanted);
    return true;
}
