#include "tests/unit/agent/notary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/state.h"

void
notary_init(struct notary *notary, const struct fake_broker *broker, bool forked)
{
    *notary = (struct notary){.fixture = broker->fixture, .n = broker->n_log};
    notary->leaves = calloc(notary->n, sizeof(*notary->leaves));
    assert_non_null(notary->leaves);
    for (size_t i = 0; i < notary->n; i++) {
        struct envelope envelope;
        assert_int_equal(envelope_decode(buffer_view(&broker->log[i].envelope), &envelope), ERR_OK);
        assert_int_equal(
            envelope_log_leaf(&envelope, broker->log[i].log_time_ms, &notary->leaves[i]), ERR_OK);
    }
    if (forked)
        notary->leaves[0].bytes[0] ^= 1;
}

void
notary_done(struct notary *notary)
{
    free(notary->leaves);
}

struct checkpoint
notary_head(const struct notary *notary, size_t size)
{
    struct checkpoint head = {.size = size};

    checkpoint_origin(&notary->fixture->network, head.origin);
    merkle_root(notary->leaves, size, &head.root);
    return head;
}

void
notary_sign(const struct notary *notary, size_t size, struct buffer *note)
{
    struct checkpoint head = notary_head(notary, size);

    assert_int_equal(checkpoint_sign(&notary->fixture->network, size, &head.root,
                                     &notary->fixture->log_secret, note),
                     ERR_OK);
}

void
notary_inclusion(const struct notary *notary, size_t index, size_t size, struct proof *out)
{
    struct merkle_hash path[MERKLE_PATH_MAX];

    memset(out, 0, sizeof(*out));
    out->n = merkle_path(notary->leaves, size, index, path);
    memcpy(out->hashes, path, out->n * sizeof(path[0]));
}

/* RFC 6962 section 2.1.2, as it stands there. */
static void
subproof(const struct merkle_hash *leaves, size_t old, size_t size, bool whole, struct proof *out)
{
    size_t split = 1;

    if (old == size) {
        if (!whole)
            merkle_root(leaves, size, &out->hashes[out->n++]);
        return;
    }
    while (2 * split < size)
        split *= 2;
    if (old <= split) {
        subproof(leaves, old, split, whole, out);
        merkle_root(leaves + split, size - split, &out->hashes[out->n++]);
    } else {
        subproof(leaves + split, old - split, size - split, false, out);
        merkle_root(leaves, split, &out->hashes[out->n++]);
    }
}

void
notary_consistency(const struct notary *notary, size_t old, size_t size, struct proof *out)
{
    memset(out, 0, sizeof(*out));
    if (old > 0)
        subproof(notary->leaves, old, size, true, out);
}

void
notary_cosign(const struct notary *notary, struct buffer *note, size_t which, uint64_t time_s)
{
    const struct identity *identity = &notary->fixture->member[which].identity;
    uint8_t signature[SIGN_BYTES];

    assert_int_equal(
        checkpoint_cosign(buffer_view(note), time_s, &identity->secrets->sign, signature), ERR_OK);
    assert_int_equal(checkpoint_add_cosignature(note, &notary->fixture->network, identity->org,
                                                &identity->keys.sign, time_s, signature),
                     ERR_OK);
}

void
notary_convince(const struct notary *notary, struct agent *agent, size_t size)
{
    struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);

    notary_sign(notary, size, &note);
    memcpy(agent->proof.note, note.data, note.len);
    agent->proof.view = (struct view){.has = true,
                                      .last = notary_head(notary, size),
                                      .note = bytes_of(agent->proof.note, note.len)};
    buffer_done(&note);
}
