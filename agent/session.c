/* Decides what the agent asks of the broker and when, and when silence means that the connection is
 * in doubt. Every question has a time by which it must be answered; the long poll has none, so a
 * ping asks after it. It refuses to know statements and entries. */
#include "agent/session.h"

#include <string.h>

/* Retrying a refused session sooner than this helps nobody, whatever the broker says. */
enum { HELLO_AGAIN_MIN_MS = 1000, PASSED_OVER_FACTOR = 4 };

void
agent_link_up(struct agent *agent, struct instant now)
{
    struct session *session = &agent->session;
    struct agent_link_status status = session->status;
    uint64_t nonce = session->ping_nonce;

    *session = (struct session){.up = true, .heard_ms = now.boot_ms, .hello_ms = now.boot_ms};
    session->ping_nonce = nonce;
    session->status = status;
    session->status.ready = false;
    session->status.ready_since_ms = 0;
    outbox_mark_all_unsent(&agent->outbox);
    agent->outbox.held_until_ms = 0;
}

void
agent_link_down(struct agent *agent, struct instant now)
{
    (void)now; /* nothing is measured while there is no connection */
    agent->session.up = agent->session.ready = false;
    agent->session.status.ready = false;
    outbox_mark_all_unsent(&agent->outbox);
}

/* An answer is overdue when nothing like it has come for so long since the question; and also when
 * other things keep coming, but this one was passed over. */
static int64_t
overdue_ms(const struct agent *agent, int64_t asked_ms, int64_t progress_ms)
{
    int64_t since_ms = asked_ms > progress_ms ? asked_ms : progress_ms;
    int64_t silent_ms = since_ms + agent->options.silence_ms;
    int64_t lost_ms = asked_ms + PASSED_OVER_FACTOR * agent->options.silence_ms;

    return silent_ms < lost_ms ? silent_ms : lost_ms;
}

static int64_t
doubt_deadline(const struct agent *agent)
{
    const struct session *session = &agent->session;
    int64_t deadline = INT64_MAX;

    if (!session->up)
        return INT64_MAX;
    if (!session->ready)
        return session->hello_waiting ? session->hello_ms + agent->options.silence_ms : INT64_MAX;
    if (session->ping_waiting)
        deadline = overdue_ms(agent, session->ping_ms, session->heard_ms);
    const struct row *row = outbox_oldest_sent(&agent->outbox);
    if (row == NULL)
        return deadline;
    int64_t receipt = overdue_ms(agent, row->sent_ms, session->receipts_ms);
    return receipt < deadline ? receipt : deadline;
}

bool
agent_link_doubt(const struct agent *agent, struct instant now)
{
    return now.boot_ms >= doubt_deadline(agent);
}

static int64_t
word_deadline(const struct agent *agent)
{
    const struct session *session = &agent->session;

    if (!session->ready)
        return session->hello_waiting ? INT64_MAX : session->hello_ms;
    int64_t deadline = session->fetch_waiting ? INT64_MAX : session->fetch_ms;
    int64_t ping = session->ping_waiting  ? INT64_MAX
                   : session->ping_wanted ? 0
                                          : session->heard_ms + agent->options.ping_ms;
    if (ping < deadline)
        deadline = ping;
    return agent->outbox.retry_ms < deadline ? agent->outbox.retry_ms : deadline;
}

int64_t
agent_next_deadline_ms(const struct agent *agent)
{
    if (!agent->session.up)
        return INT64_MAX;
    int64_t word = word_deadline(agent);
    int64_t doubt = doubt_deadline(agent);
    return word < doubt ? word : doubt;
}

void
agent_get_link_status(const struct agent *agent, struct agent_link_status *status_out)
{
    *status_out = agent->session.status;
    status_out->cursor =
        agent->session.read_to > agent->cursor ? agent->session.read_to : agent->cursor;
    if (status_out->head < status_out->cursor)
        status_out->head = status_out->cursor;
}

void
session_caught_up(struct agent *agent, uint64_t head)
{
    if (head > agent->session.read_to)
        agent->session.read_to = head;
    if (head < agent->session.welcome_head)
        return;
    agent->session.caught_up = true;
    outbox_log_is_read(&agent->outbox);
}

static void
say_hello(struct agent *agent, struct instant now)
{
    struct message_hello *hello = &agent->out.as.hello;

    agent->out.kind = MESSAGE_HELLO;
    *hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                    .network = agent->identity->network,
                                    .cursor = agent->cursor,
                                    .version = REFLOOP_VERSION};
    agent->session.hello_waiting = true;
    agent->session.hello_ms = now.boot_ms;
}

/* Own sealed parts are asked for in what was logged before this connection began: an agent that was
 * wiped or restored finds there what it no longer has; one that was not reads little there. */
static void
say_fetch(struct agent *agent)
{
    struct session *session = &agent->session;

    agent->out.kind = MESSAGE_FETCH;
    agent->out.as.fetch = (struct message_fetch){
        .cursor = agent->cursor,
        .credit_bytes = (uint32_t)agent->options.credit_bytes,
        .with_own_sealed = agent->cursor < session->welcome_head,
    };
    session->fetch_waiting = true;
    session->n_fetches++;
    /* Only a ping behind it tells whether there is nothing more to read or just nothing yet. */
    if (!session->caught_up || agent->outbox.n_waiting_lanes > 0)
        session->ping_wanted = true;
}

static void
say_ping(struct agent *agent, struct instant now)
{
    struct session *session = &agent->session;

    session->ping_nonce++;
    agent->out.kind = MESSAGE_PING;
    agent->out.as.ping = (struct message_ping){.nonce = session->ping_nonce};
    session->ping_waiting = true;
    session->ping_wanted = false;
    session->ping_ms = now.boot_ms;
    session->ping_after_fetches = session->n_fetches;
}

bool
session_next_word(struct agent *agent, struct instant now)
{
    const struct session *session = &agent->session;

    if (!session->up)
        return false;
    if (!session->ready) {
        if (session->hello_waiting || now.boot_ms < session->hello_ms)
            return false;
        say_hello(agent, now);
        return true;
    }
    if (!session->fetch_waiting && now.boot_ms >= session->fetch_ms) {
        say_fetch(agent);
        return true;
    }
    if (!session->ping_waiting &&
        (session->ping_wanted || now.boot_ms >= session->heard_ms + agent->options.ping_ms)) {
        say_ping(agent, now);
        return true;
    }
    return false;
}

static void
refuse(struct agent *agent, enum err code, int64_t retry_ms, struct instant now)
{
    struct session *session = &agent->session;

    if (session->status.refused != code)
        session->status.refused_since_ms = now.wall_ms;
    session->status.refused = code;
    session->status.ready = session->ready = false;
    session->hello_waiting = false;
    session->fetch_waiting = session->ping_waiting = session->caught_up = false;
    session->hello_ms =
        now.boot_ms + (retry_ms < HELLO_AGAIN_MIN_MS ? HELLO_AGAIN_MIN_MS : retry_ms);
    outbox_mark_all_unsent(&agent->outbox);
}

static enum err
store_incarnation(struct unit *unit, void *context)
{
    return state_put_incarnation(unit, context);
}

static enum err
meet_broker(struct agent *agent, const struct message_welcome *welcome, struct instant now)
{
    uint8_t incarnation[INCARNATION_BYTES];

    if (agent->has_incarnation)
        return ERR_OK;
    memcpy(incarnation, welcome->incarnation, sizeof(incarnation));
    enum err err = unit_run(agent, now, store_incarnation, incarnation);
    if (err != ERR_OK)
        return err;
    memcpy(agent->incarnation, incarnation, sizeof(incarnation));
    agent->has_incarnation = true;
    return ERR_OK;
}

/* A broker that was restored from an old copy has forgotten what we were told is safe. Saying more
 * would build on ground it does not have; people must know. */
static bool
is_same_log(const struct agent *agent, const struct message_welcome *welcome)
{
    if (!agent->has_incarnation)
        return true;
    return memcmp(agent->incarnation, welcome->incarnation, INCARNATION_BYTES) == 0 &&
           welcome->head >= agent->cursor;
}

enum err
session_on_welcome(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_welcome *welcome = &message->as.welcome;
    struct session *session = &agent->session;

    if (session->ready || !session->hello_waiting)
        return ERR_OK; /* said twice */
    if (!is_same_log(agent, welcome)) {
        refuse(agent, ERR_CORRUPT, agent->options.ping_ms, now);
        return ERR_OK;
    }
    enum err err = meet_broker(agent, welcome, now);
    if (err != ERR_OK)
        return err;
    session->hello_waiting = false;
    session->ready = session->status.ready = true;
    session->status.ready_since_ms = now.wall_ms;
    session->status.refused = ERR_OK;
    session->status.refused_since_ms = 0;
    session->status.head = welcome->head;
    session->status.broker_clock_ahead_ms = welcome->log_time_ms - now.wall_ms;
    session->welcome_head = welcome->head;
    session->fetch_ms = now.boot_ms;
    if (agent->cursor >= welcome->head)
        session_caught_up(agent, welcome->head);
    return ERR_OK;
}

enum err
session_on_pong(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_pong *pong = &message->as.pong;
    struct session *session = &agent->session;

    if (!session->ready || !session->ping_waiting || pong->nonce != session->ping_nonce)
        return ERR_OK; /* of an earlier question */
    session->ping_waiting = false;
    session->status.head = pong->head;
    session->status.broker_clock_ahead_ms = pong->log_time_ms - now.wall_ms;
    /* Only when no fetch was answered or sent in between does the pong speak of the one we mean. */
    if (!session->fetch_waiting || session->ping_after_fetches != session->n_fetches)
        return ERR_OK;
    if (pong->fetch_waiting)
        session_caught_up(agent, pong->head);
    else
        session->fetch_waiting = false;
    return ERR_OK;
}

enum err
session_on_refused(struct agent *agent, const struct message *message, struct instant now)
{
    const struct message_refused *refused = &message->as.refused;

    refuse(agent, refused->code,
           refused->retry_ms == 0 ? agent->options.ping_ms : refused->retry_ms, now);
    return ERR_OK;
}
