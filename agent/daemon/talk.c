/* Decides how long a short conversation is worth another attempt: the supervisor's rules, until the
 * time is up; a person waits, so what cannot get better by waiting ends it at once. It refuses to
 * know what is said. */
#include "agent/daemon/talk.h"

#include <stdlib.h>

#include "lib/base/secret.h"
#include "lib/edge/terminal.h"

enum {
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 2000,
    READY_WITHIN_MS = 10000,
    SILENCE_MS = 2000,
};

struct talk {
    const struct talk_options *options;
    struct link *link;
    struct supervisor supervisor;
    struct message *message; /* in and out */
    struct instant now;
    int64_t silent_since_ms; /* boot; 0: not connected */
    bool ended;
    enum err outcome;
    enum err failed; /* of our own */
};

static const struct {
    const char *sentence;
    bool is_final;
} troubles[TROUBLE_COUNT] = {
    [TROUBLE_NONE] = {"the broker does not answer", false},
    [TROUBLE_STARTING] = {"the broker cannot be reached; is this machine online?", false},
    [TROUBLE_NO_ANSWER] = {"nobody answers there; is this machine online, and may it connect to "
                           "that address?",
                           false},
    [TROUBLE_NOT_A_BROKER] = {"what answers there is no refloop broker; perhaps this network wants "
                              "you to log in with a browser first",
                              true},
    [TROUBLE_WRONG_KEY] = {"the broker that answers there is not the one of this network (it has "
                           "another key); tell the administrator",
                           true},
    [TROUBLE_REFUSED] = {"the broker does not let these keys in", true},
    [TROUBLE_INTERRUPTED] = {"the connection breaks again and again", false},
    [TROUBLE_SUSPENDED] = {"this machine was asleep", false},
};

const char *
talk_trouble_sentence(enum link_trouble trouble)
{
    return troubles[trouble].sentence;
}

bool
talk_trouble_is_final(enum link_trouble trouble)
{
    return troubles[trouble].is_final;
}

static void
talk_done(struct talk *talk)
{
    link_freep(&talk->link);
    free(talk->message);
}

static void
open_link(struct talk *talk)
{
    const struct talk_options *options = talk->options;
    enum link_event probed = LINK_EVENT_COUNT;
    if (talk->supervisor.probe_wanted && link_probe(options->endpoint, &probed)) {
        (void)supervisor_event(&talk->supervisor, probed, talk->now); /* only names the trouble */
    }
    const struct link_options link_options = {
        .endpoint = options->endpoint,
        .own_public = options->own_public,
        .own_secret = options->own_secret,
        .broker = options->broker,
        .ready_within_ms = READY_WITHIN_MS,
    };
    talk->silent_since_ms = 0;
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

struct message *
talk_message(struct talk *talk)
{
    return talk->message;
}

/* A frame that finds no room is lost with its connection, and said again on the next. */
void
talk_say(struct talk *talk)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    enum err err = message_encode(talk->message, &frame);
    if (err != ERR_OK) {
        talk->failed = err;
    } else if (link_send(talk->link, buffer_view(&frame)) != ERR_OK) {
        obey(talk, supervisor_event(&talk->supervisor, LINK_DOUBT, talk->now));
    }
}

void
talk_welcomed(struct talk *talk)
{
    obey(talk, supervisor_event(&talk->supervisor, LINK_READY, talk->now));
}

void
talk_again(struct talk *talk)
{
    obey(talk, supervisor_event(&talk->supervisor, LINK_CLOSED, talk->now));
}

void
talk_end(struct talk *talk, enum err outcome)
{
    talk->ended = true;
    talk->outcome = outcome;
}

static bool
is_over(const struct talk *talk)
{
    return talk->ended || talk->failed != ERR_OK;
}

static void
take_all(struct talk *talk)
{
    enum link_event event;
    while (!is_over(talk) && link_next_event(talk->link, &event)) {
        if (event == LINK_HANDSHAKE_DONE) {
            talk->silent_since_ms = talk->now.boot_ms;
            talk->options->on_connected(talk->options->context, talk);
        }
        obey(talk, supervisor_event(&talk->supervisor, event, talk->now));
    }
    bool none = false;
    while (!is_over(talk) && !none) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        talk->failed = link_receive(talk->link, &frame, &none);
        /* What is no message is not for us to judge: the time limit ends it. */
        if (talk->failed == ERR_OK && !none &&
            message_decode(buffer_view(&frame), talk->message) == ERR_OK) {
            talk->silent_since_ms = talk->now.boot_ms;
            talk->options->on_message(talk->options->context, talk, talk->message);
        }
    }
}

/* When to say it again, INT64_MAX for never. */
static int64_t
silence_ends_ms(const struct talk *talk)
{
    return talk->options->on_silence == NULL || talk->silent_since_ms == 0
               ? INT64_MAX
               : talk->silent_since_ms + SILENCE_MS;
}

static void
mind_silence(struct talk *talk)
{
    if (!is_over(talk) && talk->now.boot_ms >= silence_ends_ms(talk)) {
        talk->silent_since_ms = talk->now.boot_ms;
        talk->options->on_silence(talk->options->context, talk);
    }
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void
turn(struct talk *talk)
{
    int64_t deadline_ms = talk->options->deadline_ms;
    obey(talk, supervisor_turn(&talk->supervisor, talk->now));
    int64_t due_ms =
        earlier(earlier(talk->supervisor.deadline_ms, deadline_ms), silence_ends_ms(talk));
    int64_t left_ms = due_ms - talk->now.boot_ms;
    if (talk->failed == ERR_OK) {
        talk->failed = link_wait(talk->link, false, NULL, 0, left_ms > 0 ? (int)left_ms : 0);
    }
    talk->now = clock_now();
    take_all(talk);
    mind_silence(talk);
    if (talk->options->progress != NULL) {
        terminal_progress("%s ... %lld s left", talk->options->progress,
                          (long long)(deadline_ms - talk->now.boot_ms) / 1000);
    }
}

static enum err
prepare(struct talk *talk)
{
    const struct supervisor_options options = {
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .ready_within_ms = READY_WITHIN_MS,
        .random_below = secret_random_below,
    };
    talk->now = clock_now();
    supervisor_init(&talk->supervisor, &options, talk->now);
    talk->message = calloc(1, sizeof(*talk->message));
    return talk->message != NULL ? link_new(&talk->link) : ERR_MEMORY;
}

enum err
talk_run(const struct talk_options *options, struct talk_result *result_out)
{
    CLEANUP(talk_done) struct talk talk = {.options = options};
    talk.failed = prepare(&talk);
    while (!is_over(&talk) && !talk_trouble_is_final(talk.supervisor.trouble) &&
           talk.now.boot_ms < options->deadline_ms) {
        turn(&talk);
    }
    if (options->progress != NULL) {
        terminal_progress_done();
    }
    if (talk.failed != ERR_OK) {
        return talk.failed;
    }
    *result_out = (struct talk_result){
        .ended = talk.ended, .outcome = talk.outcome, .trouble = talk.supervisor.trouble};
    return ERR_OK;
}
