/* Decides what the state of this machine is called: the link's trouble as the edge sees it, and
 * what the broker itself has said. A word of the broker that no retry will change stands above
 * everything; a passing one only above what it explains. */
#include "agent/command/alarms.h"
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/proof_words.h"
#include "agent/command/roll.h"
#include "agent/command/sentence.h"
#include "agent/command/view.h"

struct counts {
    uint64_t open, needs_me, waiting, undelivered, refused;
};

static struct counts
count(const struct roll *roll)
{
    struct counts counts = {.open = 0};

    for (size_t i = 0; i < roll->n; i++) {
        const struct roll_entry *entry = &roll->entries[i];
        counts.open += entry->open;
        counts.needs_me += entry->needs_me;
        counts.waiting += entry->waiting;
        counts.undelivered += entry->undelivered;
        counts.refused += entry->refused;
    }
    return counts;
}

/* The broker lets revoked keys in only to tell them so: the link itself looks sound, or breaks for
 * want of a welcome. */
static bool
is_explained_by_refusal(enum link_trouble trouble)
{
    return trouble == TROUBLE_NONE || trouble == TROUBLE_STARTING ||
           trouble == TROUBLE_INTERRUPTED || trouble == TROUBLE_SUSPENDED;
}

static bool
is_revoked(const struct command_context *context, const struct agent_link_status *link)
{
    const struct member *self =
        directory_find(agent_directory(context->agent), agent_identity(context->agent)->org);

    return link->refused == ERR_REVOKED || (self != NULL && self->state == MEMBER_REVOKED);
}

static void
set_trouble(const struct command_context *context, const struct agent_link_status *link,
            bool recovering, struct sentence_facts *facts)
{
    facts->trouble = context->link.trouble;
    facts->since_ms = context->link.trouble_since_ms;
    facts->refusal = link->refused;
    if (link->ready) {
        facts->trouble = TROUBLE_NONE;
        facts->since_ms = link->ready_since_ms;
        return;
    }
    if (recovering) {
        facts->trouble = SENTENCE_RECOVERING;
        facts->since_ms = 0;
        return;
    }
    bool revoked = is_revoked(context, link);
    bool lost = link->refused == ERR_CORRUPT;
    bool passing = link->refused == ERR_BUSY || link->refused == ERR_QUOTA;
    bool explained = is_explained_by_refusal(context->link.trouble);
    bool refused = link->refused != ERR_OK && explained;
    if (!revoked && !lost && !refused && link->unproved != NULL && explained) {
        facts->trouble = SENTENCE_UNPROVED;
        facts->unproved = link->unproved;
    }
    if (!revoked && !lost && !refused)
        return;
    facts->trouble = revoked   ? (unsigned)SENTENCE_REVOKED
                     : lost    ? (unsigned)SENTENCE_ROLLED_BACK
                     : passing ? (unsigned)SENTENCE_BUSY
                               : (unsigned)TROUBLE_REFUSED;
    if (link->refused != ERR_OK)
        facts->since_ms = link->refused_since_ms;
}

static const char *
state_name(const struct sentence_facts *facts)
{
    if (facts->ready)
        return "online";
    bool under_way = facts->trouble == TROUBLE_NONE || facts->trouble == TROUBLE_STARTING ||
                     facts->trouble == TROUBLE_SUSPENDED;
    return under_way ? "connecting" : "offline";
}

static json_t *
make_network(const struct command_context *context)
{
    const struct identity *self = agent_identity(context->agent);
    const char *dialled = context->link.endpoint;
    char fingerprint[FINGERPRINT_TEXT];

    token_fingerprint(&self->network, fingerprint);
    return json_pack("{s:s, s:s, s:s}", "name", self->genesis.network_name, "fingerprint",
                     fingerprint, "endpoint",
                     dialled[0] != '\0' ? dialled : self->genesis.endpoint);
}

static json_t *
make_status(const struct command_context *context, const struct agent_link_status *link,
            const struct agent_queue_status *queue, const struct sentence_facts *facts,
            const struct counts *counts, size_t total)
{
    const struct identity *self = agent_identity(context->agent);
    char sentence[SENTENCE_BYTES];
    bool problem = sentence_write(facts, sentence);

    return json_pack(
        "{s:b, s:i, s:s, s:{s:s, s:s}, s:o, s:{s:s, s:o, s:o, s:s}, s:{s:I, s:o, s:b}, "
        "s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I}, s:s, s:b}",
        "ok", 1, "schema", 1, "version", REFLOOP_VERSION, "organization", "org", self->org, "name",
        self->name, "network", make_network(context), "link", "state", state_name(facts), "since",
        view_time(facts->since_ms), "last_heard", view_time(link->heard_ms), "trouble",
        sentence_trouble_name(facts->trouble), "queue", "waiting", (json_int_t)queue->waiting,
        "oldest", view_time(queue->oldest_ms), "disk_full", queue->disk_full, "log", "read",
        (json_int_t)link->cursor, "head", (json_int_t)link->head, "broker_clock_ahead_ms",
        (json_int_t)link->broker_clock_ahead_ms, "loops", "total", (json_int_t)total, "open",
        (json_int_t)counts->open, "needs_me", (json_int_t)counts->needs_me, "undelivered",
        (json_int_t)counts->undelivered, "refused", (json_int_t)counts->refused, "sentence",
        sentence, "problem", problem);
}

static json_t *
make_proof(const struct agent_proof_status *proof, int64_t now_ms)
{
    char sentence[PROOF_WORDS_BYTES];
    bool problem = proof_words_write(proof, now_ms, sentence);

    return json_pack("{s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:b, s:s, s:b}", "entries",
                     (json_int_t)proof->checkpoint_size, "proved", view_time(proof->checkpoint_ms),
                     "confirmed", (json_int_t)proof->witnessed_size, "confirmed_at",
                     view_time(proof->witnessed_ms), "witnesses", (json_int_t)proof->n_witnesses,
                     "wanted", (json_int_t)proof->witnesses_wanted, "unproved",
                     (json_int_t)proof->n_unproved, "recovering", proof->broker_recovering,
                     "sentence", sentence, "problem", problem);
}

/* Whoever reads one sentence only must not miss that nothing is sent. */
static enum err
say_stopped(const struct command_context *context, json_t *status)
{
    if (!context->stopped)
        return ERR_OK;
    return json_object_set(status, "sentence", json_object_get(status, "warning")) == 0 &&
                   json_object_set_new(status, "problem", json_true()) == 0
               ? ERR_OK
               : ERR_MEMORY;
}

static json_t *
add_proof(struct command_context *context, const struct agent_proof_status *proof, json_t *status)
{
    json_auto_t *owned = status;

    if (status == NULL ||
        json_object_set_new(status, "proof", make_proof(proof, context->now.wall_ms)) != 0)
        return NULL;
    enum err err = alarms_tell(context, true, status);
    if (err == ERR_OK)
        err = say_stopped(context, status);
    return err == ERR_OK ? json_incref(owned) : error_answer(err, NULL, NULL);
}

json_t *
command_status(struct command_context *context)
{
    CLEANUP(roll_done) struct roll roll = {.n = 0};
    struct agent_link_status link;
    struct agent_queue_status queue;
    struct agent_proof_status proof;
    enum err err = roll_load(context, &roll);

    if (err != ERR_OK)
        return error_answer(err, NULL, NULL);
    const struct counts counts = count(&roll);
    agent_get_link_status(context->agent, &link);
    agent_get_queue_status(context->agent, &queue);
    agent_get_proof_status(context->agent, &proof);
    context->stopped = proof.stopped;
    struct sentence_facts facts = {
        .ready = link.ready,
        .disk_full = queue.disk_full,
        .disk_full_since_ms = queue.disk_full_since_ms,
        .n_waiting = counts.waiting,
        .n_need_me = counts.needs_me,
        .read = link.cursor,
        .head = link.head,
        .n_bad = link.bad_entries,
        .clock_ahead_ms = link.broker_clock_ahead_ms,
        .now_ms = context->now.wall_ms,
    };
    set_trouble(context, &link, proof.broker_recovering, &facts);
    return add_proof(context, &proof, make_status(context, &link, &queue, &facts, &counts, roll.n));
}

json_t *
cmd_status_run(struct command_context *context, json_t *request)
{
    (void)request; /* has no fields */
    return command_status(context);
}
