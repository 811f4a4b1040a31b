/* What holds whatever is said to a broker: errors are never the peer's doing; an accepted statement
 * has one place in the log, and a receipt signed for it; nobody is shown what is between two
 * others; who is not let in hears a refusal and nothing else; the log never gets shorter; and in
 * the end the store is what a fresh fold over the log gives. */
#include "tests/fuzz/broker_play.h"

#include <string.h>

static struct play *the_play;

struct play *
play_begin(struct town *town, struct bytes input)
{
    if (the_play == NULL) {
        the_play = calloc(1, sizeof(*the_play));
        FUZZ_HOLDS(the_play != NULL);
    }
    struct play *play = the_play;
    play->town = town;
    play->input = reader_of(input);
    memcpy(play->loops, town->loops, sizeof(play->loops));
    play->now = town->now;
    memset(play->generation, 0, sizeof(play->generation));
    play->newest = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    play->newest_size = 0;
    play->entries = town->entries;
    play->was_restored = false;
    town_open(town);
    return play;
}

static void
forget(struct play *play)
{
    for (size_t i = 0; i < play->n_history; i++) {
        buffer_done(&play->history[i]);
    }
    for (size_t i = 0; i < play->n_copies; i++) {
        buffer_done(&play->copies[i].envelope);
        buffer_done(&play->copies[i].checkpoint);
        buffer_done(&play->copies[i].inclusion);
    }
    buffer_done(&play->newest);
    play->n_history = play->n_copies = play->n_receipts = 0;
}

void
play_end(struct play *play)
{
    struct complaint complaint = {.text = ""};
    play_turn(play);
    enum err err = ERR_OK;
    if (play->entries != play->town->entries || play->was_restored) {
        err = broker_check_store(play->town->rig->broker, &complaint);
    }
    if (err != ERR_OK) {
        fprintf(stderr, "the store does not check: %s\n", complaint.text);
    }
    FUZZ_HOLDS(err == ERR_OK);
    town_close(play->town);
    forget(play);
}

struct route
play_route(const struct play *play, unsigned who)
{
    return (struct route){.bytes = {(uint8_t)(who + 1), play->generation[who]}};
}

void
play_keep(struct play *play, struct bytes envelope)
{
    if (play->n_history < PLAY_HISTORY) {
        struct buffer *kept = &play->history[play->n_history++];
        *kept = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        buffer_put(kept, envelope.data, envelope.len);
    }
}

static uint64_t
count_refused(const struct play *play)
{
    struct broker_status status;
    uint64_t n = 0;
    broker_get_status(play->town->rig->broker, &status);
    for (size_t i = 0; i < ARRAY_LEN(status.refused); i++) {
        n += status.refused[i];
    }
    return n;
}

void
play_send_bytes(struct play *play, unsigned who, struct bytes frame)
{
    struct broker *broker = play->town->rig->broker;
    struct route route = play_route(play, who);
    uint64_t refused = count_refused(play);
    bool is_message = message_decode(frame, &play->heard) == ERR_OK;
    FUZZ_HOLDS(broker_receive(broker, &play->town->keys[who], &route, frame, play->now) == ERR_OK);
    FUZZ_HOLDS(is_message || count_refused(play) == refused + 1);
}

void
play_send(struct play *play, unsigned who, const struct message *message)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    if (message_encode(message, &frame) == ERR_OK) {
        play_send_bytes(play, who, buffer_view(&frame));
    }
}

/* --- what the broker says --- */

static void
check_receipt(struct play *play, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer signed_bytes = BUFFER_INIT(RECEIPT_BYTES_MAX);
    const struct rig *rig = play->town->rig;
    if (receipt->result == RECEIPT_REFUSED) {
        FUZZ_HOLDS(err_is_peer(receipt->refusal));
        return;
    }
    receipt_signed_bytes(receipt, &signed_bytes);
    FUZZ_HOLDS(turn_check(SIGN_RECEIPTS, &rig->network, buffer_view(&signed_bytes),
                          &receipt->signature, &rig->log_public, NULL) == ERR_OK);
    for (size_t i = 0; i < play->n_receipts; i++) {
        bool same_id = digest_equal(&play->receipts[i].id, &receipt->id);
        FUZZ_HOLDS(same_id == (play->receipts[i].index == receipt->index));
        if (same_id) {
            return;
        }
    }
    if (play->n_receipts < PLAY_RECEIPTS) {
        play->receipts[play->n_receipts++] = (struct play_receipt){receipt->id, receipt->index};
    }
}

static void
check_receipts(struct play *play, unsigned who)
{
    const struct message_receipts *receipts = &play->heard.as.receipts;
    FUZZ_HOLDS(play->was_restored || (who != TOWN_STRANGER && who != TOWN_REVOKED));
    for (size_t i = 0; i < receipts->n; i++) {
        check_receipt(play, &receipts->receipts[i]);
    }
}

static bool
is_side(const struct statement *statement, const char *org)
{
    bool found = strcmp(statement->author, org) == 0;
    for (size_t i = 0; i < statement->as.loop.n_readers; i++) {
        found |= strcmp(statement->as.loop.readers[i].org, org) == 0;
    }
    return found;
}

static void
keep_copy(struct play *play, const struct entry *entry, struct bytes checkpoint)
{
    if (play->n_copies == PLAY_COPIES || entry->index < play->town->entries) {
        return;
    }
    struct play_copy *copy = &play->copies[play->n_copies++];
    *copy = (struct play_copy){.index = entry->index,
                               .log_time_ms = entry->log_time_ms,
                               .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                               .checkpoint = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES),
                               .inclusion = BUFFER_INIT(RECEIPT_BYTES_MAX * 8)};
    buffer_put(&copy->envelope, entry->envelope.data, entry->envelope.len);
    buffer_put(&copy->checkpoint, checkpoint.data, checkpoint.len);
    buffer_put(&copy->inclusion, entry->inclusion.data, entry->inclusion.len);
}

static void
check_entries(struct play *play, unsigned who)
{
    const struct message_entries *entries = &play->heard.as.entries;
    struct envelope envelope;
    struct statement statement;
    for (size_t i = 0; i < entries->n; i++) {
        const struct entry *entry = &entries->entries[i];
        FUZZ_HOLDS(i == 0 || entry->index > entries->entries[i - 1].index);
        FUZZ_HOLDS(entry->index < entries->head && entry->index < entries->next);
        FUZZ_HOLDS(envelope_decode(entry->envelope, &envelope) == ERR_OK);
        FUZZ_HOLDS(statement_decode(envelope.statement, &statement) == ERR_OK);
        FUZZ_HOLDS(statement.kind != STATEMENT_LOOP || is_side(&statement, play->town->orgs[who]));
        if (entries->proved.present) {
            keep_copy(play, entry, entries->proved.checkpoint);
        }
    }
}

static void
note_head(struct play *play, const struct message_head *head)
{
    const struct rig *rig = play->town->rig;
    struct checkpoint checkpoint;
    if (!head->present) {
        return;
    }
    FUZZ_HOLDS(checkpoint_open(head->checkpoint, &rig->network, &rig->log_public, &checkpoint) ==
               ERR_OK);
    FUZZ_HOLDS(play->was_restored || checkpoint.size <= rig_status(rig).entries);
    if (checkpoint.size > play->newest_size) {
        buffer_clear(&play->newest);
        buffer_put(&play->newest, head->checkpoint.data, head->checkpoint.len);
        play->newest_size = checkpoint.size;
    }
}

static void
check_frame(struct play *play, unsigned who, struct bytes frame)
{
    const struct message *heard = &play->heard;
    bool is_outside = who == TOWN_STRANGER || who == TOWN_REVOKED;
    FUZZ_HOLDS(message_decode(frame, &play->heard) == ERR_OK);
    FUZZ_HOLDS(heard->kind == MESSAGE_REFUSED || !is_outside || play->was_restored);
    if (heard->kind == MESSAGE_RECEIPTS) {
        check_receipts(play, who);
        note_head(play, &heard->as.receipts.proved);
    } else if (heard->kind == MESSAGE_ENTRIES) {
        check_entries(play, who);
        note_head(play, &heard->as.entries.proved);
    } else if (heard->kind == MESSAGE_WELCOME) {
        note_head(play, &heard->as.welcome.proved);
    } else if (heard->kind == MESSAGE_PONG) {
        note_head(play, &heard->as.pong.proved);
    } else if (heard->kind == MESSAGE_REFUSED) {
        FUZZ_HOLDS(err_is_peer(heard->as.refused.code));
    } else {
        FUZZ_HOLDS(heard->kind == MESSAGE_RECALL || heard->kind == MESSAGE_PROOFS);
    }
}

void
play_listen(struct play *play)
{
    struct route route;
    struct buffer frame;
    while (broker_take_output(play->town->rig->broker, &route, &frame)) {
        unsigned who = route.bytes[0] - 1u;
        FUZZ_HOLDS(who < TOWN_WHO_COUNT && route.bytes[1] <= play->generation[who]);
        check_frame(play, who, buffer_view(&frame));
        buffer_done(&frame);
    }
}

void
play_give_back(struct play *play)
{
    if (play->held != NULL) {
        verify_job_run(play->held);
        broker_give_job(play->town->rig->broker, play->held, play->now);
        play->held = NULL;
    }
}

void
play_turn(struct play *play)
{
    struct broker *broker = play->town->rig->broker;
    struct verify_job *job;
    play_give_back(play);
    while ((job = broker_take_job(broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(broker, job, play->now);
    }
    play->now.boot_ms += 10;
    play->now.wall_ms += 10;
    FUZZ_HOLDS(broker_turn(broker, play->now) == ERR_OK);
    play_listen(play);
    uint64_t entries = rig_status(play->town->rig).entries;
    FUZZ_HOLDS(entries >= play->entries);
    play->entries = entries;
}
