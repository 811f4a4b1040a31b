/* The conversation of a join. Decides which of the broker's answers end it and which are worth
 * another attempt; a person waits, so what cannot get better is said at once. The receipt counts
 * only with the signature of the log key that the root has named. */
#include "agent/daemon/join_talk.h"

#include <stdlib.h>
#include <string.h>

#include "agent/link/link.h"
#include "lib/base/secret.h"
#include "lib/edge/terminal.h"
#include "lib/wire/message.h"

enum { BACKOFF_MIN_MS = 250, BACKOFF_MAX_MS = 2000, READY_WITHIN_MS = 10000 };

struct talk {
    const struct join_talk_options *options;
    struct link *link;
    struct supervisor supervisor;
    struct message *message; /* in and out */
    struct buffer envelope;
    struct digest id;
    struct instant now;
    bool own_key;     /* connects as the member we may be already */
    bool done;        /* the broker has our keys */
    enum err refused; /* by the broker, for good */
    enum err failed;  /* of our own */
};

/* What a refusal means to the person who holds the invite. */
static const struct {
    enum err code;
    const char *sentence;
} refusals[] = {
    {ERR_TOKEN_SPENT,
     "this invite has been used already, or a newer one has replaced it; if it was used and not by "
     "you, tell the administrator, and ask for a new one in any case"},
    {ERR_TOKEN_EXPIRED, "this invite has expired; ask the administrator for a new one"},
    {ERR_REVOKED, "the administrator has revoked this organization; ask for a new invite"},
    {ERR_MEMBER_EXISTS, "this organization is a member already, with other keys; ask the "
                        "administrator for an invite that replaces them"},
    {ERR_NOT_PERMITTED, "the broker does not know this invite: it belongs to another network, or a "
                        "newer invite has replaced it"},
    {ERR_UNKNOWN_MEMBER, "the broker does not know this invite: it belongs to another network, or "
                         "a newer invite has replaced it"},
    {ERR_WRONG_NETWORK, "the broker serves another network than the one of this invite"},
    {ERR_VERSION, "the broker speaks another version of refloop; update this program"},
    {ERR_KEY, "the broker's receipt is not signed by this network's log; tell the "
              "administrator"},
};

/* What is said when the time is up, or at once when only people can change it. */
static const struct {
    const char *sentence;
    bool at_once;
} troubles[TROUBLE_COUNT] = {
    [TROUBLE_NONE] = {"the broker does not answer the request to join", false},
    [TROUBLE_STARTING] = {"the broker cannot be reached; is this machine online?", false},
    [TROUBLE_NO_ANSWER] = {"nobody answers there; is this machine online, and may it connect to "
                           "that address?",
                           false},
    [TROUBLE_NOT_A_BROKER] = {"what answers there is no refloop broker; perhaps this network wants "
                              "you to log in with a browser first",
                              true},
    [TROUBLE_WRONG_KEY] = {"the broker that answers there is not the one of this invite (it has "
                           "another key); tell the administrator",
                           true},
    [TROUBLE_REFUSED] = {"the broker does not know this invite: it belongs to another network, or "
                         "a newer invite has replaced it",
                         true},
    [TROUBLE_INTERRUPTED] = {"the connection breaks again and again", false},
    [TROUBLE_SUSPENDED] = {"this machine was asleep", false},
};

static void
talk_done(struct talk *talk)
{
    link_freep(&talk->link);
    free(talk->message);
    buffer_done(&talk->envelope);
}

static void
start_supervising(struct talk *talk)
{
    const struct supervisor_options options = {
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .ready_within_ms = READY_WITHIN_MS,
        .random_below = secret_random_below,
    };
    talk->now = clock_now();
    supervisor_init(&talk->supervisor, &options, talk->now);
}

static void
open_link(struct talk *talk)
{
    const struct join_talk_options *options = talk->options;
    enum link_event probed = LINK_EVENT_COUNT;
    if (talk->supervisor.probe_wanted && link_probe(options->endpoint, &probed)) {
        (void)supervisor_event(&talk->supervisor, probed, talk->now); /* only names the trouble */
    }
    const struct curve_public *invited = &options->token->invite.once_curve;
    const struct link_options link_options = {
        .endpoint = options->endpoint,
        .own_public = talk->own_key ? &options->identity->keys.curve : invited,
        .own_secret =
            talk->own_key ? &options->identity->secrets->curve : &options->token->once_curve,
        .broker = &options->token->genesis.broker_curve,
        .ready_within_ms = READY_WITHIN_MS,
    };
    talk->failed = link_open(talk->link, &link_options);
}

static void
obey(struct talk *talk, enum supervisor_action action)
{
    if (action == SUPERVISOR_CLOSE) {
        link_close(talk->link);
    } else if (action == SUPERVISOR_OPEN) {
        open_link(talk);
    }
}

/* A frame that finds no room is lost with its connection, and said again on the next. */
static void
say(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    enum err err = message_encode(talk->message, &frame);
    if (err != ERR_OK) {
        talk->failed = err;
    } else if (link_send(talk->link, buffer_view(&frame)) != ERR_OK) {
        obey(talk, supervisor_event(&talk->supervisor, LINK_DOUBT, talk->now));
    }
}

static void
say_hello(struct talk *talk)
{
    talk->message->kind = MESSAGE_HELLO;
    talk->message->as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                                     .network = talk->options->token->network,
                                                     .version = REFLOOP_VERSION};
    say(talk);
}

static void
take_welcome(struct talk *talk)
{
    obey(talk, supervisor_event(&talk->supervisor, LINK_READY, talk->now));
    if (talk->own_key) {
        talk->done = true; /* only members get this far with a key of their own */
        return;
    }
    talk->message->kind = MESSAGE_SUBMIT;
    talk->message->as.submit = (struct message_submit){.n = 1};
    talk->message->as.submit.envelopes[0] = buffer_view(&talk->envelope);
    say(talk);
}

static bool
is_passing(enum err code)
{
    return code == ERR_BUSY || code == ERR_QUOTA;
}

static void
take_refusal(struct talk *talk, enum err code)
{
    if (is_passing(code)) {
        obey(talk, supervisor_event(&talk->supervisor, LINK_CLOSED, talk->now));
        return;
    }
    talk->refused = code;
}

static enum err
check_receipt(const struct talk *talk, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);
    receipt_signed_bytes(receipt, &leaf);
    enum err err = buffer_err(&leaf);
    if (err != ERR_OK) {
        return err;
    }
    return turn_check(SIGN_RECEIPTS, &talk->options->token->network, buffer_view(&leaf),
                      &receipt->signature, &talk->options->token->genesis.broker_log, NULL);
}

static void
take_receipts(struct talk *talk)
{
    const struct message_receipts *receipts = &talk->message->as.receipts;
    for (size_t i = 0; i < receipts->n; i++) {
        const struct receipt *receipt = &receipts->receipts[i];
        if (!digest_equal(&receipt->id, &talk->id)) {
            continue;
        }
        if (receipt->result == RECEIPT_REFUSED) {
            take_refusal(talk, receipt->refusal);
        } else if (check_receipt(talk, receipt) == ERR_OK) {
            talk->done = true;
        } else {
            talk->refused = ERR_KEY; /* a word no broker can send */
        }
        return;
    }
}

static void
take_frame(struct talk *talk, struct bytes frame)
{
    if (message_decode(frame, talk->message) != ERR_OK) {
        return; /* not for us to judge: the time limit ends it */
    }
    if (talk->message->kind == MESSAGE_WELCOME) {
        take_welcome(talk);
    } else if (talk->message->kind == MESSAGE_RECEIPTS) {
        take_receipts(talk);
    } else if (talk->message->kind == MESSAGE_REFUSED) {
        take_refusal(talk, talk->message->as.refused.code);
    }
}

static bool
is_over(const struct talk *talk)
{
    return talk->done || talk->refused != ERR_OK || talk->failed != ERR_OK;
}

static void
take_all(struct talk *talk)
{
    enum link_event event;
    while (!is_over(talk) && link_next_event(talk->link, &event)) {
        if (event == LINK_HANDSHAKE_DONE) {
            say_hello(talk);
        }
        obey(talk, supervisor_event(&talk->supervisor, event, talk->now));
    }
    bool none = false;
    while (!is_over(talk) && !none) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        talk->failed = link_receive(talk->link, &frame, &none);
        if (talk->failed == ERR_OK && !none) {
            take_frame(talk, buffer_view(&frame));
        }
    }
}

static void
talk_until(struct talk *talk, int64_t deadline_ms)
{
    while (!is_over(talk) && !troubles[talk->supervisor.trouble].at_once &&
           talk->now.boot_ms < deadline_ms) {
        obey(talk, supervisor_turn(&talk->supervisor, talk->now));
        int64_t due_ms =
            talk->supervisor.deadline_ms < deadline_ms ? talk->supervisor.deadline_ms : deadline_ms;
        int64_t left_ms = due_ms - talk->now.boot_ms;
        if (talk->failed == ERR_OK) {
            talk->failed = link_wait(talk->link, false, NULL, 0, left_ms > 0 ? (int)left_ms : 0);
        }
        talk->now = clock_now();
        take_all(talk);
        terminal_progress("Joining ... %lld s left",
                          (long long)(deadline_ms - talk->now.boot_ms) / 1000);
    }
    terminal_progress_done();
}

static enum err
explain(const struct talk *talk, struct complaint *complaint)
{
    const char *endpoint = talk->options->endpoint;
    if (talk->failed == ERR_CONFIG) {
        return complain(complaint, ERR_CONFIG, "'%s' is not an address of the form tcp://host:port",
                        endpoint);
    }
    if (talk->failed != ERR_OK) {
        return complain(complaint, talk->failed, "joining failed: %s", err_text(talk->failed));
    }
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].code == talk->refused) {
            return complain(complaint, talk->refused, "%s", refusals[i].sentence);
        }
    }
    if (talk->refused != ERR_OK) {
        return complain(complaint, talk->refused, "the broker at %s refuses: %s", endpoint,
                        err_text(talk->refused));
    }
    return complain(complaint, ERR_UNREACHABLE, "%s: %s%s", endpoint,
                    troubles[talk->supervisor.trouble].sentence,
                    troubles[talk->supervisor.trouble].at_once
                        ? ""
                        : " (nothing is lost: run the same command again)");
}

static enum err
prepare(struct talk *talk)
{
    struct envelope envelope;
    talk->message = calloc(1, sizeof(*talk->message));
    if (talk->message == NULL) {
        return ERR_MEMORY;
    }
    enum err err =
        identity_join_envelope(talk->options->identity, talk->options->token, &talk->envelope);
    if (err == ERR_OK) {
        err = envelope_decode(buffer_view(&talk->envelope), &envelope);
    }
    if (err != ERR_OK) {
        return err;
    }
    talk->id = statement_id(envelope.statement);
    return link_new(&talk->link);
}

enum err
join_talk(const struct join_talk_options *options, struct complaint *complaint)
{
    CLEANUP(talk_done)
    struct talk talk = {.options = options, .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    talk.failed = prepare(&talk);
    start_supervising(&talk);
    int64_t deadline_ms = talk.now.boot_ms + options->timeout_ms;
    talk_until(&talk, deadline_ms);
    bool refused = talk.refused != ERR_OK || talk.supervisor.trouble == TROUBLE_REFUSED;
    if (talk.done) {
        return ERR_OK;
    }
    enum err err = explain(&talk, complaint);
    if (!refused || !options->again) {
        return err;
    }
    /* An earlier try may have got through without our hearing of it: then our own key opens. */
    link_close(talk.link);
    talk.own_key = true;
    talk.refused = ERR_OK;
    start_supervising(&talk);
    talk_until(&talk, deadline_ms);
    return talk.done ? ERR_OK : err;
}
