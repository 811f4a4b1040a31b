/* The conversation of a join. Decides which of the broker's answers end it and which are worth
 * another attempt; a person waits, so what cannot get better is said at once. The receipt counts
 * only with the signature of the log key that the root has named. */
#include "agent/daemon/join_talk.h"

#include <string.h>

#include "agent/daemon/talk.h"

struct joining {
    const struct join_talk_options *options;
    struct buffer envelope;
    struct digest id;
    bool own_key;  /* connects as the member we may be already */
    bool welcomed; /* on the present connection */
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

/* Where an invite gives the trouble another meaning than it has for a member. */
static const char *const troubles[TROUBLE_COUNT] = {
    [TROUBLE_NONE] = "the broker does not answer the request to join",
    [TROUBLE_WRONG_KEY] = "the broker that answers there is not the one of this invite (it has "
                          "another key); tell the administrator",
    [TROUBLE_REFUSED] = "the broker does not know this invite: it belongs to another network, or "
                        "a newer invite has replaced it",
};

static void
joining_done(struct joining *joining)
{
    buffer_done(&joining->envelope);
}

static void
say_hello(void *context, struct talk *talk)
{
    struct joining *joining = context;
    struct message *message = talk_message(talk);
    joining->welcomed = false;
    message->kind = MESSAGE_HELLO;
    message->as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                               .network = joining->options->token->network,
                                               .version = REFLOOP_VERSION};
    talk_say(talk);
}

static void
say_join(const struct joining *joining, struct talk *talk)
{
    struct message *message = talk_message(talk);
    message->kind = MESSAGE_SUBMIT;
    message->as.submit = (struct message_submit){.n = 1};
    message->as.submit.envelopes[0] = buffer_view(&joining->envelope);
    talk_say(talk);
}

static void
take_welcome(struct joining *joining, struct talk *talk)
{
    talk_welcomed(talk);
    joining->welcomed = true;
    if (joining->own_key) {
        talk_end(talk, ERR_OK); /* only members get this far with a key of their own */
    } else {
        say_join(joining, talk);
    }
}

/* The broker answers a key, not a connection: where two machines use one invite at once, the answer
 * to one may go to the other. The same bytes are judged once, so they may be said again. */
static void
say_again(void *context, struct talk *talk)
{
    const struct joining *joining = context;
    if (joining->welcomed && !joining->own_key) {
        say_join(joining, talk);
    } else {
        say_hello(context, talk);
    }
}

static void
take_refusal(struct talk *talk, enum err code)
{
    if (code == ERR_BUSY || code == ERR_QUOTA) {
        talk_again(talk);
    } else {
        talk_end(talk, code);
    }
}

static enum err
check_receipt(const struct joining *joining, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);
    receipt_signed_bytes(receipt, &leaf);
    enum err err = buffer_err(&leaf);
    if (err != ERR_OK) {
        return err;
    }
    return turn_check(SIGN_RECEIPTS, &joining->options->token->network, buffer_view(&leaf),
                      &receipt->signature, &joining->options->token->genesis.broker_log, NULL);
}

static void
take_receipts(const struct joining *joining, struct talk *talk,
              const struct message_receipts *receipts)
{
    for (size_t i = 0; i < receipts->n; i++) {
        const struct receipt *receipt = &receipts->receipts[i];
        if (!digest_equal(&receipt->id, &joining->id)) {
            continue;
        }
        if (receipt->result == RECEIPT_REFUSED) {
            take_refusal(talk, receipt->refusal);
        } else {
            /* ERR_KEY: a word no broker can send. */
            talk_end(talk, check_receipt(joining, receipt) == ERR_OK ? ERR_OK : ERR_KEY);
        }
        return;
    }
}

static void
take_message(void *context, struct talk *talk, const struct message *message)
{
    struct joining *joining = context;
    if (message->kind == MESSAGE_WELCOME) {
        take_welcome(joining, talk);
    } else if (message->kind == MESSAGE_RECEIPTS) {
        take_receipts(joining, talk, &message->as.receipts);
    } else if (message->kind == MESSAGE_REFUSED) {
        take_refusal(talk, message->as.refused.code);
    }
}

static enum err
explain(const struct joining *joining, const struct talk_result *result,
        struct complaint *complaint)
{
    const char *endpoint = joining->options->endpoint;
    for (size_t i = 0; result->ended && i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].code == result->outcome) {
            return complain(complaint, result->outcome, "%s", refusals[i].sentence);
        }
    }
    if (result->ended) {
        return complain(complaint, result->outcome, "the broker at %s refuses: %s", endpoint,
                        err_text(result->outcome));
    }
    const char *sentence = troubles[result->trouble];
    return complain(complaint, ERR_UNREACHABLE, "%s: %s%s", endpoint,
                    sentence != NULL ? sentence : talk_trouble_sentence(result->trouble),
                    talk_trouble_is_final(result->trouble)
                        ? ""
                        : " (nothing is lost: run the same command again)");
}

static enum err
attempt(struct joining *joining, int64_t deadline_ms, bool *refused_out,
        struct complaint *complaint)
{
    const struct join_talk_options *options = joining->options;
    const struct identity *identity = options->identity;
    const struct token *token = options->token;
    const struct talk_options talk_options = {
        .endpoint = options->endpoint,
        .own_public = joining->own_key ? &identity->keys.curve : &token->invite.once_curve,
        .own_secret = joining->own_key ? &identity->secrets->curve : &token->once_curve,
        .broker = &token->genesis.broker_curve,
        .progress = "Joining",
        .deadline_ms = deadline_ms,
        .on_connected = say_hello,
        .on_silence = say_again,
        .on_message = take_message,
        .context = joining,
    };
    struct talk_result result = {.ended = false};
    enum err err = talk_run(&talk_options, &result);
    if (err == ERR_CONFIG) {
        return complain(complaint, err, "'%s' is not an address of the form tcp://host:port",
                        options->endpoint);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "joining failed: %s", err_text(err));
    }
    if (result.ended && result.outcome == ERR_OK) {
        return ERR_OK;
    }
    *refused_out = result.ended || result.trouble == TROUBLE_REFUSED;
    return explain(joining, &result, complaint);
}

static enum err
prepare(struct joining *joining)
{
    struct envelope envelope;
    enum err err = identity_join_envelope(joining->options->identity, joining->options->token,
                                          &joining->envelope);
    if (err == ERR_OK) {
        err = envelope_decode(buffer_view(&joining->envelope), &envelope);
    }
    if (err == ERR_OK) {
        joining->id = statement_id(envelope.statement);
    }
    return err;
}

enum err
join_talk(const struct join_talk_options *options, struct complaint *complaint)
{
    CLEANUP(joining_done)
    struct joining joining = {.options = options, .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    int64_t deadline_ms = clock_now().boot_ms + options->timeout_ms;
    bool refused = false;
    enum err err = prepare(&joining);
    if (err != ERR_OK) {
        return complain(complaint, err, "joining failed: %s", err_text(err));
    }
    err = attempt(&joining, deadline_ms, &refused, complaint);
    if (!refused || !options->again) {
        return err;
    }
    /* An earlier try may have got through without our hearing of it: then our own key opens. */
    struct complaint unused;
    joining.own_key = true;
    return attempt(&joining, deadline_ms, &refused, &unused) == ERR_OK ? ERR_OK : err;
}
