/* Changing keys. Decides which set of keys the broker is asked about, and how each answer is
 * explained. Both sets are on disk until the log has proved which one holds: the broker takes
 * nothing of the old ones once the new ones are logged, so whoever stops in between finds out by
 * knocking with the one and then with the other. */
#include "agent/daemon/rotate.h"

#include <stdio.h>
#include <string.h>

#include "agent/daemon/talk.h"
#include "agent/rotate.h"
#include "lib/base/text.h"

struct changing {
    const struct rotate_options *options;
    const struct agent *agent; /* its store is open, so no daemon can start meanwhile */
    const char *progress;      /* NULL: nobody waits */
    const char *endpoint;
    int64_t deadline_ms;
    struct view view;
    struct buffer envelope;
    bool with_next; /* connects with the new keys */
};

/* What a refusal means to the person who asked. */
static const struct {
    enum err code;
    const char *sentence;
} refusals[] = {
    {ERR_QUOTA, "keys were changed too often just now; the broker takes no more for an hour. The "
                "new keys are kept here: run the same command again then"},
    {ERR_REVOKED, "the administrator has revoked this organization; ask for a new invite"},
    {ERR_UNKNOWN_MEMBER, "the broker knows neither the old keys nor the new ones: somebody else "
                         "has changed them. Tell the administrator at once"},
    {ERR_NOT_PERMITTED, "the broker holds other keys for this organization than these. Tell the "
                        "administrator at once"},
    {ERR_VERSION, "the broker speaks another version of refloop; update this program"},
    {ERR_BUSY, "the broker was restored from an old copy and takes nothing before its members have "
               "refilled it. Start the agent, so that it can help, and change the keys later"},
    {ERR_KEY, "the broker's answer does not prove that the new keys are in the log this agent "
              "knows, so the old ones stay. Start the agent and look at refloop status; if it "
              "names an alarm, tell the administrator"},
};

static void
changing_done(struct changing *changing)
{
    buffer_done(&changing->envelope);
}

/* With our checkpoint: a broker that was restored knows by it what it lacks, and one that hears of
 * none would take it that we hold nothing. */
static void
say_hello(void *context, struct talk *talk)
{
    const struct changing *changing = context;
    const struct view ours = rotate_view(changing->agent);
    struct message *message = talk_message(talk);
    struct agent_link_status status;
    agent_get_link_status(changing->agent, &status);
    message->kind = MESSAGE_HELLO;
    message->as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                               .network = changing->options->identity->network,
                                               .cursor = status.cursor,
                                               .version = REFLOOP_VERSION};
    if (ours.has) {
        message->as.hello.checkpoint = ours.note;
    }
    talk_say(talk);
}

static void
take_welcome(struct changing *changing, struct talk *talk, const struct message_welcome *welcome)
{
    const struct identity *identity = changing->options->identity;
    struct message *message = talk_message(talk);
    if (welcome->recall_from != 0) {
        talk_end(talk, ERR_BUSY);
        return;
    }
    changing->view = rotate_view(changing->agent);
    enum err err = rotate_take_head(identity, &changing->view, &welcome->proved, true);
    if (err != ERR_OK || changing->with_next) {
        talk_end(talk, err); /* only members get this far, so these keys are a member's */
        return;
    }
    talk_welcomed(talk);
    message->kind = MESSAGE_SUBMIT;
    message->as.submit = (struct message_submit){.n = 1};
    message->as.submit.envelopes[0] = buffer_view(&changing->envelope);
    talk_say(talk);
}

static void
take_receipts(struct changing *changing, struct talk *talk, const struct message_receipts *receipts)
{
    enum err err = rotate_take_receipts(changing->options->identity, &changing->view,
                                        buffer_view(&changing->envelope), receipts);
    if (err == ERR_BUSY) {
        talk_again(talk);
    } else if (err != ERR_NOT_FOUND) {
        talk_end(talk, err);
    }
}

static void
take_message(void *context, struct talk *talk, const struct message *message)
{
    struct changing *changing = context;
    if (message->kind == MESSAGE_WELCOME) {
        take_welcome(changing, talk, &message->as.welcome);
    } else if (message->kind == MESSAGE_RECEIPTS && !changing->with_next) {
        take_receipts(changing, talk, &message->as.receipts);
    } else if (message->kind == MESSAGE_ENTRIES) {
        talk_end(talk, ERR_UNKNOWN_MEMBER); /* what has replaced these keys; so ask with the next */
    } else if (message->kind == MESSAGE_REFUSED) {
        enum err code = message->as.refused.code;
        if (code == ERR_BUSY || code == ERR_QUOTA) {
            talk_again(talk);
        } else {
            talk_end(talk, code);
        }
    }
}

static enum err
attempt(struct changing *changing, struct talk_result *result)
{
    const struct identity *identity = changing->options->identity;
    const struct talk_options talk_options = {
        .endpoint = changing->endpoint,
        .own_public = changing->with_next ? &identity->next.curve : &identity->keys.curve,
        .own_secret =
            changing->with_next ? &identity->secrets->next_curve : &identity->secrets->curve,
        .broker = &identity->genesis.broker_curve,
        .progress = changing->progress,
        .deadline_ms = changing->deadline_ms,
        .on_connected = say_hello,
        .on_message = take_message,
        .context = changing,
    };
    return talk_run(&talk_options, result);
}

static bool
is_let_in(const struct talk_result *result)
{
    bool unknown = result->ended && result->outcome == ERR_UNKNOWN_MEMBER;
    return !unknown && (result->ended || result->trouble != TROUBLE_REFUSED);
}

/* ERR_OK: the log has the new keys. */
static enum err
ask_broker(struct changing *changing, struct talk_result *result)
{
    changing->with_next = false;
    enum err err = attempt(changing, result);
    if (err == ERR_OK && !is_let_in(result)) {
        changing->with_next = true;
        err = attempt(changing, result);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!is_let_in(result)) {
        return ERR_UNKNOWN_MEMBER;
    }
    return result->ended ? result->outcome : ERR_UNREACHABLE;
}

static enum err
explain(const struct changing *changing, enum err err, const struct talk_result *result,
        struct complaint *complaint)
{
    if (err == ERR_CONFIG) {
        return complain(complaint, err, "'%s' is not an address of the form tcp://host:port",
                        changing->endpoint);
    }
    if (err == ERR_UNREACHABLE) {
        return complain(complaint, err,
                        "%s: %s. Nothing is lost: the new keys are kept here, and the old ones "
                        "are good until the broker has logged them; run the same command again",
                        changing->endpoint, talk_trouble_sentence(result->trouble));
    }
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].code == err) {
            return complain(complaint, err, "%s", refusals[i].sentence);
        }
    }
    return complain(complaint, err, "the keys were not changed: %s", err_text(err));
}

/* The identity is changed in memory before it is saved: should saving fail, this process goes on
 * with the keys that hold, and the next one finds both sets and asks again. */
static enum err
change(struct changing *changing, struct complaint *complaint)
{
    const struct rotate_options *options = changing->options;
    const char *configured = options->config->endpoint;
    struct talk_result result = {.ended = false};
    changing->endpoint = configured[0] != '\0' ? configured : options->identity->genesis.endpoint;
    changing->deadline_ms = clock_now().boot_ms + options->timeout_ms;
    enum err err = rotate_envelope(options->identity, &changing->envelope);
    if (err == ERR_OK) {
        err = ask_broker(changing, &result);
    }
    if (err != ERR_OK) {
        return explain(changing, err, &result, complaint);
    }
    rotate_finish(options->identity);
    return identity_save(options->identity, options->home, complaint);
}

static enum err
open_store(const struct rotate_options *options, struct agent **agent_out,
           struct complaint *complaint)
{
    const struct loop_options loop = {
        .home = options->home, .config = options->config, .identity = options->identity};
    enum err err = loop_open_store(&loop, agent_out, complaint);
    if (err == ERR_LOCKED) {
        return complain(complaint, err,
                        "the agent is running. Stop it first, run this again, and start it "
                        "afterwards; nothing is lost meanwhile");
    }
    return err;
}

static enum err
begin(const struct rotate_options *options, struct complaint *complaint)
{
    if (options->identity->has_next) {
        (void)printf("Going on with a change of keys that was begun before.\n");
        return ERR_OK;
    }
    enum err err = rotate_begin(options->identity, clock_now().wall_ms);
    if (err != ERR_OK) {
        return complain(complaint, err, "no new keys can be made: %s", err_text(err));
    }
    return identity_save(options->identity, options->home, complaint);
}

static void
show_done(const struct rotate_options *options)
{
    const struct identity *identity = options->identity;
    char key[2 * KEY_ID_BYTES + 1];
    text_hex(bytes_of(identity->key_id.bytes, KEY_ID_BYTES), key);
    (void)printf("Done: %s has new keys (%.16s...), and every member sees that in the log.\n"
                 "The old ones sign and connect no more; what was sealed to them can still be read "
                 "here.\n\n"
                 "Next:\n"
                 "  start the agent again:  refloop-agent --home %s\n"
                 "  keep a fresh copy of:   %s/keys\n",
                 identity->name, key, options->home, options->home);
}

enum err
rotate_run(const struct rotate_options *options, struct complaint *complaint)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    CLEANUP(changing_done)
    struct changing changing = {.options = options,
                                .progress = "Changing keys",
                                .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    enum err err = open_store(options, &agent, complaint);
    changing.agent = agent;
    if (err == ERR_OK) {
        err = begin(options, complaint);
    }
    if (err == ERR_OK) {
        err = change(&changing, complaint);
    }
    if (err == ERR_OK) {
        show_done(options);
    }
    return err;
}

enum err
rotate_resume(const struct rotate_options *options, bool *open_out, struct complaint *complaint)
{
    CLEANUP(agent_freep) struct agent *agent = NULL;
    CLEANUP(changing_done)
    struct changing changing = {.options = options, .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    enum err err = open_store(options, &agent, complaint);
    changing.agent = agent;
    if (err != ERR_OK) {
        return err;
    }
    struct complaint why = {.text = ""};
    err = change(&changing, &why);
    logging_line(err == ERR_OK ? LOGGING_INFO : LOGGING_WARNING, "keys.changing", "result=%s",
                 err_name(err));
    *open_out = err == ERR_UNREACHABLE;
    return ERR_OK;
}
