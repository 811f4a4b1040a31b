/* Decides what the agent asks of the broker and when, and when silence means that the connection is
 * in doubt. Every question has a time by which it must be answered; the long poll has none, so a
 * ping asks after it. It refuses to know statements and entries, and what the answers mean
 * (session_answers.c). */
#include "agent/session.h"

#include "agent/evidence.h"
#include "agent/witness.h"

/* Retrying a refused session sooner than this helps nobody, whatever the broker says. */
enum { HELLO_AGAIN_MIN_MS = 1000, DOUBT_DOUBLINGS = 6, PASSED_OVER_FACTOR = 4 };

void
agent_link_up(struct agent *agent, struct instant now)
{
    struct session *session = &agent->session;
    struct agent_link_status status = session->status;
    uint64_t nonce = session->ping_nonce;
    unsigned n_doubts = session->n_doubts;

    *session = (struct session){.up = true, .heard_ms = now.boot_ms, .hello_ms = now.boot_ms};
    session->ping_nonce = nonce;
    session->n_doubts = n_doubts;
    session->status = status;
    session->status.ready = false;
    session->status.ready_since_ms = 0;
    agent->proof.broker_recovering = false;
    agent->copies.asked = false; /* it asks again */
    agent->prove.waiting = false;
    outbox_mark_all_unsent(&agent->outbox);
    agent->outbox.held_until_ms = 0;
}

void
agent_link_down(struct agent *agent, struct instant now)
{
    (void)now; /* nothing is measured while there is no connection */
    agent->session.up = agent->session.ready = false;
    agent->session.status.ready = false;
    agent->proof.broker_recovering = false;
    outbox_mark_all_unsent(&agent->outbox);
}

bool
session_takes_statements(const struct agent *agent)
{
    return agent->session.ready && !agent->proof.broker_recovering;
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

/* Other traffic tells that the broker lives, but only a pong tells what others have cosigned, and
 * that a refilled broker is whole again. */
static int64_t
ping_deadline(const struct agent *agent)
{
    const struct session *session = &agent->session;
    int64_t deadline = session->heard_ms + agent->options.ping_ms;

    if (session->ping_waiting)
        return INT64_MAX;
    if (session->ping_wanted)
        return 0;
    if (agent->proof.broker_recovering)
        return session->ping_ms + agent->options.ping_ms;
    if (agent->options.witness_ms > 0 && session->ping_ms + agent->options.witness_ms < deadline)
        deadline = session->ping_ms + agent->options.witness_ms;
    return deadline;
}

static int64_t
word_deadline(const struct agent *agent)
{
    const struct session *session = &agent->session;
    int64_t ping = ping_deadline(agent);

    if (!session->ready)
        return session->hello_waiting ? INT64_MAX : session->hello_ms;
    bool fetches = !session->fetch_waiting && !agent->proof.broker_recovering;
    int64_t deadline = fetches ? session->fetch_ms : INT64_MAX;
    if (ping < deadline)
        deadline = ping;
    if (agent->proof.stopped || agent->outbox.retry_ms > deadline)
        return deadline;
    return agent->outbox.retry_ms;
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
                                    .version = REFLOOP_VERSION,
                                    .checkpoint = agent->proof.view.note};
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

static bool
say_to_the_welcoming(struct agent *agent, struct instant now)
{
    const struct session *session = &agent->session;

    if (!agent->proof.broker_recovering) {
        if (witness_next_word(agent, now) || evidence_next_word(agent, now))
            return true;
        if (!session->fetch_waiting && now.boot_ms >= session->fetch_ms) {
            say_fetch(agent);
            return true;
        }
    }
    if (now.boot_ms < ping_deadline(agent))
        return false;
    say_ping(agent, now);
    return true;
}

bool
session_next_word(struct agent *agent, struct instant now)
{
    const struct session *session = &agent->session;

    if (!session->up)
        return false;
    if (session->ready)
        return say_to_the_welcoming(agent, now);
    if (session->hello_waiting || now.boot_ms < session->hello_ms)
        return false;
    say_hello(agent, now);
    return true;
}

/* ---- going back to the beginning ---- */

static void
begin_again(struct agent *agent, int64_t hello_ms)
{
    struct session *session = &agent->session;

    session->status.ready = session->ready = false;
    session->hello_waiting = false;
    session->fetch_waiting = session->ping_waiting = session->caught_up = false;
    session->hello_ms = hello_ms;
    agent->proof.broker_recovering = false;
    agent->prove.waiting = false;
    outbox_mark_all_unsent(&agent->outbox);
}

void
session_turn_away(struct agent *agent, enum err code, int64_t retry_ms, struct instant now)
{
    struct session *session = &agent->session;

    if (session->status.refused != code)
        session->status.refused_since_ms = now.wall_ms;
    session->status.refused = code;
    begin_again(agent,
                now.boot_ms + (retry_ms < HELLO_AGAIN_MIN_MS ? HELLO_AGAIN_MIN_MS : retry_ms));
}

void
session_doubt(struct agent *agent, const char *why, struct instant now)
{
    struct session *session = &agent->session;
    unsigned doublings = session->n_doubts < DOUBT_DOUBLINGS ? session->n_doubts : DOUBT_DOUBLINGS;

    session->n_doubts++;
    session->status.unproved = why;
    begin_again(agent, now.boot_ms + ((int64_t)HELLO_AGAIN_MIN_MS << doublings));
}

void
session_trust(struct agent *agent)
{
    agent->session.n_doubts = 0;
    agent->session.status.unproved = NULL;
}

void
session_hello_again(struct agent *agent, struct instant now)
{
    if (agent->session.up && !agent->session.hello_waiting)
        begin_again(agent, now.boot_ms);
}
