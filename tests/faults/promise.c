/* Listens to what the programs say to one another, and compares it with their disks. It believes
 * nothing that it has not read from a frame or from a store: it refuses to know the programs'
 * memory. The tree is rebuilt from the rows, apart from the broker's own bookkeeping. */
#include "tests/faults/promise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal.h"
#include "broker/ledger.h"
#include "lib/proof/checkpoint.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "promise: %s\n", #condition);                                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- listening --- */

static void (*aside)(bool listening);

void
promise_set_aside(void (*function)(bool listening))
{
    aside = function;
}

static void
set_aside(bool listening)
{
    if (aside != NULL) {
        aside(listening);
    }
}

static void
note_receipt(struct promises *promises, const struct receipt *receipt)
{
    for (size_t i = promises->n_receipts; i > 0; i--) {
        if (digest_equal(&promises->receipts[i - 1].id, &receipt->id)) {
            return; /* said again; held against the first time it was said */
        }
    }
    MUST(promises->n_receipts < PROMISE_RECEIPTS_MAX);
    promises->receipts[promises->n_receipts++] =
        (struct promise_receipt){.id = receipt->id, .index = receipt->index};
}

static void
note_head(struct promises *promises, const struct network_id *network,
          const struct sign_public *log_key, const struct message_head *head)
{
    static uint8_t last[LIMIT_CHECKPOINT_BYTES];
    static size_t last_len;
    struct checkpoint checkpoint;
    if (!head->present || bytes_equal(head->checkpoint, bytes_of(last, last_len))) {
        return;
    }
    MUST(head->checkpoint.len <= sizeof(last));
    memcpy(last, head->checkpoint.data, head->checkpoint.len);
    last_len = head->checkpoint.len;
    MUST(checkpoint_open(head->checkpoint, network, log_key, &checkpoint) == ERR_OK);
    for (size_t i = promises->n_heads; i > 0; i--) {
        const struct promise_head *known = &promises->heads[i - 1];
        if (known->size == checkpoint.size &&
            memcmp(&known->root, &checkpoint.root, sizeof(known->root)) == 0) {
            return;
        }
    }
    MUST(promises->n_heads < PROMISE_HEADS_MAX);
    promises->heads[promises->n_heads++] =
        (struct promise_head){.size = checkpoint.size, .root = checkpoint.root};
}

static const struct message_head *
head_of(const struct message *message)
{
    static const struct message_head none = {.present = false};
    switch ((unsigned)message->kind) {
    case MESSAGE_WELCOME:
        return &message->as.welcome.proved;
    case MESSAGE_RECEIPTS:
        return &message->as.receipts.proved;
    case MESSAGE_ENTRIES:
        return &message->as.entries.proved;
    case MESSAGE_PONG:
        return &message->as.pong.proved;
    default:
        return &none;
    }
}

void
promise_hear_broker(struct promises *promises, const struct network_id *network,
                    const struct sign_public *log_key, struct bytes frame)
{
    static struct message message;
    set_aside(true);
    MUST(message_decode(frame, &message) == ERR_OK);
    note_head(promises, network, log_key, head_of(&message));
    for (size_t i = 0; message.kind == MESSAGE_RECEIPTS && i < message.as.receipts.n; i++) {
        if (message.as.receipts.receipts[i].result != RECEIPT_REFUSED) {
            note_receipt(promises, &message.as.receipts.receipts[i]);
        }
    }
    set_aside(false);
}

static void
note_sent(struct promises *promises, size_t who, const struct promise_sent *sent)
{
    for (size_t i = 0; i < promises->n_sent[who]; i++) {
        if (digest_equal(&promises->sent[who][i].id, &sent->id)) {
            return;
        }
    }
    MUST(promises->n_sent[who] < PROMISE_SENT_MAX);
    promises->sent[who][promises->n_sent[who]++] = *sent;
}

void
promise_hear_agent(struct promises *promises, size_t who, struct bytes frame)
{
    static struct message message;
    struct envelope envelope;
    struct statement statement;
    set_aside(true);
    MUST(message_decode(frame, &message) == ERR_OK);
    for (size_t i = 0; message.kind == MESSAGE_SUBMIT && i < message.as.submit.n; i++) {
        MUST(envelope_decode(message.as.submit.envelopes[i], &envelope) == ERR_OK);
        MUST(statement_decode(envelope.statement, &statement) == ERR_OK);
        if (statement.kind == STATEMENT_LOOP && statement.as.loop.event != EVENT_DELIVERED) {
            const struct promise_sent sent = {.loop = statement.as.loop.loop,
                                              .id = statement_id(envelope.statement)};
            note_sent(promises, who, &sent);
        }
    }
    set_aside(false);
}

struct promise_said *
promise_next_said(struct promises *promises, size_t who)
{
    MUST(promises->n_said[who] < PROMISE_SAID_MAX);
    struct promise_said *said = &promises->said[who][promises->n_said[who]++];
    *said = (struct promise_said){.kind = PROMISE_UNKNOWN};
    (void)snprintf(said->text, sizeof(said->text), "{\"serial\":%u}", ++promises->serial);
    return said;
}

/* --- the broker's disk --- */

static enum err
check_receipts(const struct promises *promises, struct kv_txn *txn, struct complaint *complaint)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < promises->n_receipts; i++) {
        const struct promise_receipt *promised = &promises->receipts[i];
        struct receipt found;
        err = journal_find_receipt(txn, &promised->id, &found);
        if (err == ERR_OK && found.index != promised->index) {
            err = ERR_CORRUPT;
        }
        if (err != ERR_OK) {
            return complain(complaint, ERR_CORRUPT, "receipt %zu, for entry %llu, is false: %s", i,
                            (unsigned long long)promised->index, err_name(err));
        }
    }
    return ERR_OK;
}

static enum err
write_nothing(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes,
              size_t n)
{
    (void)context;
    (void)row;
    (void)column;
    (void)hashes;
    (void)n;
    return ERR_OK;
}

static enum err
check_heads_at(const struct promises *promises, const struct tree *tree,
               struct complaint *complaint)
{
    struct merkle_hash root;
    tree_root(tree, &root);
    for (size_t i = 0; i < promises->n_heads; i++) {
        const struct promise_head *head = &promises->heads[i];
        if (head->size == tree->size && memcmp(&head->root, &root, sizeof(root)) != 0) {
            return complain(complaint, ERR_CORRUPT, "the head of %llu entries is of another log",
                            (unsigned long long)head->size);
        }
    }
    return ERR_OK;
}

static enum err
fold_log(const struct promises *promises, struct kv_txn *txn, struct tree *tree,
         struct complaint *complaint)
{
    struct journal_head head;
    enum err err = journal_read_head(txn, &head);
    for (uint64_t i = 0; err == ERR_OK && i < head.entries; i++) {
        struct journal_entry entry;
        struct merkle_hash leaf;
        err = journal_load(txn, i, &entry);
        if (err == ERR_OK) {
            merkle_leaf(entry.row, &leaf);
            err = tree_append(tree, &leaf, write_nothing, NULL);
        }
        if (err == ERR_OK) {
            err = check_heads_at(promises, tree, complaint);
        }
    }
    return err;
}

static enum err
check_log(const struct promises *promises, struct kv_txn *txn, const struct network_id *network,
          const struct sign_public *log_key, struct complaint *complaint)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    struct checkpoint last;
    struct bytes note;
    struct merkle_hash root;
    MUST(tree != NULL);
    enum err err = fold_log(promises, txn, tree, complaint);
    for (size_t i = 0; err == ERR_OK && i < promises->n_heads; i++) {
        if (promises->heads[i].size > tree->size) {
            err = complain(
                complaint, ERR_CORRUPT, "a head of %llu entries was shown, %llu are here",
                (unsigned long long)promises->heads[i].size, (unsigned long long)tree->size);
        }
    }
    tree_root(tree, &root);
    if (err == ERR_OK && tree->size > 0) {
        err = ledger_read_checkpoint(txn, network, log_key, &last, &note);
        if (err != ERR_OK || last.size != tree->size ||
            memcmp(&last.root, &root, sizeof(root)) != 0) {
            err = complain(complaint, ERR_CORRUPT, "the stored checkpoint is not of this log");
        }
    }
    free(tree);
    return err;
}

enum err
promise_check_broker(const struct promises *promises, const char *dir,
                     const struct network_id *network, const struct sign_public *log_key,
                     struct complaint *complaint)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    const struct kv_options options = {
        .dir = dir,
        .tables = tables_names,
        .n_tables = TABLE_COUNT,
        .map_bytes = 4 << 20,
        .map_max_bytes = 256 << 20,
    };
    enum err err = kv_open(&options, &kv, complaint);
    if (err == ERR_OK) {
        err = kv_begin_read(kv, &txn);
    }
    if (err == ERR_OK) {
        err = check_receipts(promises, txn, complaint);
    }
    return err == ERR_OK ? check_log(promises, txn, network, log_key, complaint) : err;
}

/* --- an agent's disk --- */

/* How often a text, or an id, is among the steps of a loop. */
struct search {
    struct bytes text;
    const struct digest *id;
    unsigned n;
};

static bool
look(void *context, const struct step_view *step)
{
    struct search *search = context;
    bool same = search->id != NULL ? digest_equal(search->id, &step->id)
                                   : memmem(step->body.data, step->body.len, search->text.data,
                                            search->text.len) != NULL;
    search->n += same && !step->unreadable;
    return true;
}

struct search_all {
    struct agent *agent;
    struct search *search;
    enum err err;
};

static bool
look_in_loop(void *context, const struct loop_view *loop)
{
    struct search_all *all = context;
    const struct loop_id id = loop->loop;
    all->err = agent_each_step(all->agent, &id, look, all->search);
    return all->err == ERR_OK;
}

static enum err
check_said(const struct promise_said *said, struct agent *agent, struct complaint *complaint)
{
    struct search search = {.text = bytes_of_text(said->text)};
    struct search_all all = {.agent = agent, .search = &search};
    enum err err = said->has_loop ? agent_each_step(agent, &said->loop, look, &search)
                                  : agent_each_loop(agent, look_in_loop, &all);
    if (err == ERR_UNKNOWN_LOOP || err == ERR_NOT_FOUND) {
        err = ERR_OK; /* none of it is there */
    }
    err = err == ERR_OK ? all.err : err;
    if (err != ERR_OK) {
        return complain(complaint, err, "the steps cannot be read: %s", err_text(err));
    }
    bool good = said->kind == PROMISE_KEPT      ? search.n == 1
                : said->kind == PROMISE_REFUSED ? search.n == 0
                                                : search.n <= 1;
    return good ? ERR_OK
                : complain(complaint, ERR_CORRUPT, "%s was %s and is there %u times", said->text,
                           said->kind == PROMISE_KEPT      ? "taken"
                           : said->kind == PROMISE_REFUSED ? "refused"
                                                           : "perhaps taken",
                           search.n);
}

enum err
promise_check_agent(const struct promises *promises, size_t who, struct agent *agent,
                    struct complaint *complaint)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < promises->n_said[who]; i++) {
        err = check_said(&promises->said[who][i], agent, complaint);
    }
    for (size_t i = 0; err == ERR_OK && i < promises->n_sent[who]; i++) {
        const struct promise_sent *sent = &promises->sent[who][i];
        struct search search = {.id = &sent->id};
        err = agent_each_step(agent, &sent->loop, look, &search);
        if (err != ERR_OK || search.n != 1) {
            return complain(complaint, ERR_CORRUPT,
                            "statement %zu that %s sent is there %u times (%s)", i,
                            agent_identity(agent)->org, search.n, err_name(err));
        }
    }
    return err;
}
