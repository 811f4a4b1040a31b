/* Decides what the broker's words about the log mean for the session: which broker is welcome,
 * which head is believed before anything else is done, and that a broker which is being refilled is
 * given copies and nothing new. What is not believed ends the session on this side: the next hello
 * shows our checkpoint, and asks for a proof from exactly that. It refuses to know when a word is
 * said. */
#include <string.h>

#include "agent/copies.h"
#include "agent/session.h"
#include "agent/witness.h"

/* A welcome or a pong on its way through its transaction. */
struct hearing {
    const struct message_head *head;
    const uint8_t *incarnation; /* of a welcome */
    bool believed;
    const char *why;
};

/* What this store is told first is what it belongs to from then on. */
static enum err
meet_broker(struct unit *unit, const uint8_t incarnation[INCARNATION_BYTES])
{
    struct agent *agent = unit->agent;

    if (agent->has_incarnation)
        return ERR_OK;
    unit->touched = true;
    memcpy(agent->incarnation, incarnation, INCARNATION_BYTES);
    agent->has_incarnation = true;
    enum err err = state_put_incarnation(unit, incarnation);
    return err == ERR_OK ? state_put_birth(unit, agent->proof.view.last.size) : err;
}

static enum err
hear(struct unit *unit, void *context)
{
    struct hearing *hearing = context;
    enum err err = proof_take_head(unit, hearing->head, hearing->incarnation != NULL,
                                   &hearing->believed, &hearing->why);

    if (err == ERR_OK && hearing->believed && hearing->incarnation != NULL)
        err = meet_broker(unit, hearing->incarnation);
    return err;
}

static enum err
raise_other_log(struct unit *unit, void *context)
{
    return alarm_raise(unit, ALARM_OTHER_LOG, UINT64_MAX, bytes_of(context, INCARNATION_BYTES),
                       "another broker, or one that was set up afresh");
}

static bool
is_other_log(const struct agent *agent, const struct message_welcome *welcome)
{
    return agent->has_incarnation &&
           memcmp(agent->incarnation, welcome->incarnation, INCARNATION_BYTES) != 0;
}

static void
give_copies_only(struct agent *agent, uint64_t from, struct instant now)
{
    struct session *session = &agent->session;

    session->hello_waiting = session->fetch_waiting = session->caught_up = false;
    session->ready = true;
    session->status.ready = false;
    session->status.refused = ERR_OK;
    session->status.refused_since_ms = 0;
    session->status.unproved = NULL;
    session->ping_waiting = session->ping_wanted = false;
    session->ping_ms = now.boot_ms;
    agent->proof.broker_recovering = true;
    agent->proof.recall_from = from;
    outbox_mark_all_unsent(&agent->outbox);
    copies_on_asked(agent, from);
}

static void
begin(struct agent *agent, const struct message_welcome *welcome, struct instant now)
{
    struct session *session = &agent->session;

    session->hello_waiting = false;
    session->ready = session->status.ready = true;
    session->status.ready_since_ms = now.wall_ms;
    session->status.refused = ERR_OK;
    session->status.refused_since_ms = 0;
    session->status.unproved = NULL;
    session->status.head = welcome->head;
    session->status.broker_clock_ahead_ms = welcome->broker_clock_ms - now.wall_ms;
    session->welcome_head = welcome->head;
    session->fetch_ms = now.boot_ms;
    session->ping_ms = now.boot_ms; /* it tells what a pong would */
    if (agent->cursor >= welcome->head)
        session_caught_up(agent, welcome->head);
}

/* A broker that was restored from an old copy has forgotten what we were told is safe. Saying more
 * would build on ground it does not have; people must know. */
enum err
session_on_welcome(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_welcome *welcome = &message->as.welcome;
    const struct session *session = &agent->session;
    uint8_t incarnation[INCARNATION_BYTES];
    struct hearing hearing = {.head = &welcome->proved, .incarnation = welcome->incarnation};

    if (session->ready || !session->hello_waiting)
        return ERR_OK; /* said twice */
    if (is_other_log(agent, welcome)) {
        memcpy(incarnation, welcome->incarnation, sizeof(incarnation));
        session_turn_away(agent, ERR_CORRUPT, agent->options.ping_ms, now);
        return unit_run(agent, now, raise_other_log, incarnation);
    }
    if (welcome->recall_from != 0) {
        give_copies_only(agent, welcome->recall_from, now);
        return ERR_OK;
    }
    enum err err = unit_run(agent, now, hear, &hearing);
    if (err != ERR_OK)
        return err;
    if (!hearing.believed || welcome->head < agent->cursor) {
        session_doubt(agent,
                      hearing.believed ? proof_reason_words(PROOF_HEAD_SHORTER) : hearing.why, now);
        session_turn_away(agent, ERR_CORRUPT, agent->options.ping_ms, now);
        return ERR_OK;
    }
    begin(agent, welcome, now);
    return witness_on_told(agent, &welcome->witnessed, now);
}

/* Only when no fetch was answered or sent in between does the pong speak of the one we mean. */
static void
hear_of_fetch(struct agent *agent, const struct message_pong *pong)
{
    struct session *session = &agent->session;

    if (!session->fetch_waiting || session->ping_after_fetches != session->n_fetches)
        return;
    if (pong->fetch_waiting)
        session_caught_up(agent, pong->head);
    else
        session->fetch_waiting = false;
}

/* Every head moves what the broker proves the next one from, so even an old pong's is taken. */
static enum err
take_pong(struct agent *agent, const struct message_pong *pong, bool asked, struct instant now)
{
    struct session *session = &agent->session;
    struct hearing hearing = {.head = &pong->proved};
    enum err err = unit_run(agent, now, hear, &hearing);

    if (err != ERR_OK)
        return err;
    if (!hearing.believed) {
        session_doubt(agent, hearing.why, now);
        return ERR_OK;
    }
    if (!asked)
        return ERR_OK; /* of an earlier question */
    session->ping_waiting = false;
    session->status.head = pong->head;
    session->status.broker_clock_ahead_ms = pong->broker_clock_ms - now.wall_ms;
    hear_of_fetch(agent, pong);
    return witness_on_told(agent, &pong->witnessed, now);
}

enum err
session_on_pong(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_pong *pong = &message->as.pong;
    struct session *session = &agent->session;
    bool asked = session->ping_waiting && pong->nonce == session->ping_nonce;

    if (!session->ready)
        return ERR_OK;
    if (!agent->proof.broker_recovering)
        return take_pong(agent, pong, asked, now);
    if (!asked)
        return ERR_OK;
    session->ping_waiting = false;
    if (pong->proved.present)
        session_hello_again(agent, now); /* it is whole again */
    return ERR_OK;
}

enum err
session_on_recall(struct agent *agent, const struct message *message, struct instant now)
{
    if (!agent->session.ready)
        return ERR_OK;
    if (!agent->proof.broker_recovering)
        give_copies_only(agent, message->as.recall.from, now);
    agent->proof.recall_from = message->as.recall.from;
    return copies_on_recall(agent, message, now);
}

enum err
session_on_refused(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_refused *refused = &message->as.refused;

    session_turn_away(agent, refused->code,
                      refused->retry_ms == 0 ? agent->options.ping_ms : refused->retry_ms, now);
    return ERR_OK;
}
