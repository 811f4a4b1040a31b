/* What an agent believes of the log, kept for every peer of the rig: each frame the broker queues
 * is judged in order of sending, so that in every test every head must go on from the one before,
 * and every receipt and entry must be proved in the head it came with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

struct rig_peer *
rig_peer_of(struct rig *rig, const struct curve_public *key)
{
    for (size_t i = 0; i < rig->n_peers; i++) {
        if (memcmp(&rig->peers[i].key, key, sizeof(*key)) == 0) {
            return &rig->peers[i];
        }
    }
    rig->peers = realloc(rig->peers, (rig->n_peers + 1) * sizeof(*rig->peers));
    assert_non_null(rig->peers);
    struct rig_peer *peer = &rig->peers[rig->n_peers++];
    *peer = (struct rig_peer){.key = *key, .note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES)};
    return peer;
}

/* The peer that used the route last. */
static struct rig_peer *
find_route(struct rig *rig, const struct route *route)
{
    struct rig_peer *found = NULL;
    for (size_t i = 0; i < rig->n_peers; i++) {
        struct rig_peer *peer = &rig->peers[i];
        if (memcmp(&peer->route, route, sizeof(*route)) == 0 &&
            (found == NULL || peer->sent > found->sent)) {
            found = peer;
        }
    }
    return found;
}

static void
note_submitted(struct rig *rig, struct bytes bytes)
{
    struct envelope envelope;
    if (envelope_decode(bytes, &envelope) != ERR_OK) {
        return;
    }
    rig->submitted = realloc(rig->submitted, (rig->n_submitted + 1) * sizeof(*rig->submitted));
    assert_non_null(rig->submitted);
    struct rig_submitted *submitted = &rig->submitted[rig->n_submitted++];
    *submitted = (struct rig_submitted){.id = statement_id(envelope.statement),
                                        .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    buffer_put(&submitted->envelope, bytes.data, bytes.len);
    assert_int_equal(buffer_err(&submitted->envelope), ERR_OK);
}

void
rig_proof_sent(struct rig *rig, const struct curve_public *key, const struct route *route,
               const struct message *message)
{
    struct rig_peer *peer = rig_peer_of(rig, key);
    peer->route = *route;
    peer->sent = ++rig->n_sent;
    if (message->kind == MESSAGE_HELLO) {
        peer->begins_anew = message->as.hello.checkpoint.len == 0;
    }
    for (size_t i = 0; message->kind == MESSAGE_SUBMIT && i < message->as.submit.n; i++) {
        note_submitted(rig, message->as.submit.envelopes[i]);
    }
}

/* Sessions are gone with the broker: who goes on without a greeting is told a head from nothing,
 * and can only see that the log has not become smaller. */
void
rig_proof_restarted(struct rig *rig)
{
    for (size_t i = 0; i < rig->n_peers; i++) {
        rig->peers[i].is_cut = true;
    }
}

static void
judge_head(struct rig *rig, struct rig_peer *peer, const struct message_head *head, bool is_welcome)
{
    struct checkpoint told;
    uint64_t before = peer->view.has ? peer->view.last.size : 0;
    if ((is_welcome && peer->begins_anew) || (peer->is_cut && head->from == 0)) {
        peer->view.has = false;
    }
    enum view_finding finding =
        view_judge(&peer->view, &rig->network, &rig->log_public, head, is_welcome, &told);
    if (finding != VIEW_SAME && finding != VIEW_GOES_ON) {
        fail_msg("a head is not believed: finding %d, from %llu to %llu, known %llu", (int)finding,
                 (unsigned long long)head->from, (unsigned long long)told.size,
                 (unsigned long long)before);
    }
    assert_true(told.size >= before);
    peer->is_cut = false;
    buffer_clear(&peer->note);
    buffer_put(&peer->note, head->checkpoint.data, head->checkpoint.len);
    assert_int_equal(buffer_err(&peer->note), ERR_OK);
    peer->view = (struct view){.has = true, .last = told, .note = buffer_view(&peer->note)};
    rig->n_heads++;
}

static bool
is_proved(struct rig_peer *peer, struct bytes bytes, uint64_t index, int64_t log_time_ms,
          struct bytes inclusion)
{
    struct envelope envelope;
    struct merkle_hash leaf;
    assert_int_equal(envelope_decode(bytes, &envelope), ERR_OK);
    assert_int_equal(envelope_log_leaf(&envelope, log_time_ms, &leaf), ERR_OK);
    return view_check_entry(&peer->view, &leaf, index, inclusion) == ERR_OK;
}

/* The author has the bytes of what it said; it may have said them with several signatures. */
static void
judge_receipt(struct rig *rig, struct rig_peer *peer, const struct receipt *receipt)
{
    for (size_t i = rig->n_submitted; i-- > 0;) {
        const struct rig_submitted *submitted = &rig->submitted[i];
        if (digest_equal(&submitted->id, &receipt->id) &&
            is_proved(peer, buffer_view(&submitted->envelope), receipt->index, receipt->log_time_ms,
                      receipt->inclusion)) {
            rig->n_proofs++;
            return;
        }
    }
    fail_msg("the receipt of entry %llu is not proved", (unsigned long long)receipt->index);
}

static void
judge_receipts(struct rig *rig, struct rig_peer *peer, const struct message_receipts *receipts)
{
    bool any = false;
    for (size_t i = 0; i < receipts->n; i++) {
        any = any || receipts->receipts[i].result != RECEIPT_REFUSED;
    }
    assert_int_equal(receipts->proved.present, any);
    if (any) {
        judge_head(rig, peer, &receipts->proved, false);
    }
    for (size_t i = 0; i < receipts->n; i++) {
        if (receipts->receipts[i].result != RECEIPT_REFUSED) {
            judge_receipt(rig, peer, &receipts->receipts[i]);
        }
    }
}

static void
judge_entries(struct rig *rig, struct rig_peer *peer, const struct message_entries *entries)
{
    assert_int_equal(entries->proved.present, entries->n > 0);
    if (entries->n > 0) {
        judge_head(rig, peer, &entries->proved, false);
    }
    for (size_t i = 0; i < entries->n; i++) {
        const struct entry *entry = &entries->entries[i];
        if (!is_proved(peer, entry->envelope, entry->index, entry->log_time_ms, entry->inclusion)) {
            fail_msg("entry %llu is not proved", (unsigned long long)entry->index);
        }
        rig->n_proofs++;
    }
}

static void
judge_witnessed(struct rig *rig, struct rig_peer *peer, const struct message_witnessed *witnessed)
{
    struct checkpoint told;
    if (witnessed->present) {
        enum view_finding finding =
            view_judge_witnessed(&peer->view, &rig->network, &rig->log_public, witnessed, &told);
        assert_true(finding == VIEW_SAME || finding == VIEW_GOES_ON);
    }
}

static void
judge_small_talk(struct rig *rig, struct rig_peer *peer, const struct message_head *head,
                 const struct message_witnessed *witnessed, bool is_welcome)
{
    if (head->present) {
        judge_head(rig, peer, head, is_welcome);
        judge_witnessed(rig, peer, witnessed);
    }
}

void
rig_proof_heard(struct rig *rig, const struct route *route, struct bytes frame)
{
    struct rig_peer *peer = find_route(rig, route);
    struct message *message = &rig->judged;
    assert_non_null(peer);
    assert_int_equal(message_decode(frame, message), ERR_OK);
    if (message->kind == MESSAGE_RECEIPTS) {
        judge_receipts(rig, peer, &message->as.receipts);
    } else if (message->kind == MESSAGE_ENTRIES) {
        judge_entries(rig, peer, &message->as.entries);
    } else if (message->kind == MESSAGE_WELCOME) {
        judge_small_talk(rig, peer, &message->as.welcome.proved, &message->as.welcome.witnessed,
                         true);
    } else if (message->kind == MESSAGE_PONG) {
        judge_small_talk(rig, peer, &message->as.pong.proved, &message->as.pong.witnessed, false);
    }
}

void
rig_proof_done(struct rig *rig)
{
    for (size_t i = 0; i < rig->n_peers; i++) {
        buffer_done(&rig->peers[i].note);
    }
    for (size_t i = 0; i < rig->n_submitted; i++) {
        buffer_done(&rig->submitted[i].envelope);
    }
    free(rig->peers);
    free(rig->submitted);
}
