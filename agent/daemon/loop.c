/* The agent's one loop. Decides nothing of the referral's world: it carries frames between link and
 * core, commands between control socket and core, and obeys the supervisor. Every error of our own
 * ends it; a full disk only drops the link, and is tried again. */
#include "agent/daemon/loop.h"

#include <limits.h>
#include <string.h>

#include "agent/command/command.h"
#include "agent/link/link.h"
#include "lib/base/secret.h"
#include "lib/edge/control.h"
#include "lib/edge/daemon.h"

enum {
    FRAMES_PER_TURN = 64,   /* of either direction: commands and signals get their turn */
    CHANGES_PER_TURN = 256, /* as many as the core remembers */
    TEND_MS = 60000,
    FULL_PAUSE_MS = 5000,
    PROOF_PAUSE_MS = 1000, /* alarms are looked for so often at most */
    OVERDUE_PAUSE_MS = 20, /* a deadline that stays in the past must not become a busy loop */
    NO_ROOM_PAUSE_MS = 1000,
    FULL_LOG_WINDOW_MS = 600000,
};

struct loop {
    const struct loop_options *options;
    const char *endpoint;
    struct agent *agent;
    struct link *link;
    struct control_server *control;
    struct supervisor supervisor;
    struct instant now;
    struct buffer frame; /* to be sent; not empty when the link had no room */
    uint64_t changes;    /* published so far */
    int64_t tend_ms;     /* boot: next upkeep */
    int64_t hold_ms;     /* boot: no attempt before, after a full disk */
    enum link_trouble logged_trouble;
    enum err logged_refusal;
    struct agent_proof_status logged_proof;
    bool proof_due;   /* alarms may have been raised or settled since */
    int64_t proof_ms; /* boot: not looked at again before */
    struct logging_limit full_limit;
    bool stop;
};

static void
loop_done(struct loop *loop)
{
    link_freep(&loop->link);
    control_server_close(loop->control);
    agent_freep(&loop->agent);
    buffer_done(&loop->frame);
}

static struct command_context
command_context(struct loop *loop)
{
    struct command_context context = {
        .agent = loop->agent,
        .link = {.trouble = loop->supervisor.trouble,
                 .trouble_since_ms = loop->supervisor.trouble_since_ms},
        .now = loop->now,
    };
    (void)snprintf(context.link.endpoint, sizeof(context.link.endpoint), "%s", loop->endpoint);
    return context;
}

/* A full disk: nobody but the upkeep finds out that there is room again when nothing arrives. */
static void
tend_soon(struct loop *loop)
{
    int64_t soon_ms = loop->now.boot_ms + FULL_PAUSE_MS;
    loop->tend_ms = soon_ms < loop->tend_ms ? soon_ms : loop->tend_ms;
}

static json_t *
on_command(void *opaque, json_t *request, bool *keep_open)
{
    struct loop *loop = opaque;
    struct command_context context = command_context(loop);
    loop->proof_due = true;
    json_t *answer = command_run(&context, request, keep_open);
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    if (code != NULL && strcmp(code, err_name(ERR_DISK_FULL)) == 0) {
        tend_soon(loop);
    }
    return answer;
}

/* --- link ------------------------------------------------------------------------------------ */

static enum err
open_link(struct loop *loop)
{
    enum link_event probed = LINK_EVENT_COUNT;
    if (loop->supervisor.probe_wanted && link_probe(loop->endpoint, &probed)) {
        (void)supervisor_event(&loop->supervisor, probed, loop->now); /* only names the trouble */
    }
    const struct identity *identity = loop->options->identity;
    const struct link_options options = {
        .endpoint = loop->endpoint,
        .own_public = &identity->keys.curve,
        .own_secret = &identity->secrets->curve,
        .broker = &identity->genesis.broker_curve,
        .ready_within_ms = loop->options->config->ready_within_s * 1000,
    };
    logging_line(LOGGING_DEBUG, "link.open", "attempt=%u", loop->supervisor.attempts);
    return link_open(loop->link, &options);
}

static enum err
obey(struct loop *loop, enum supervisor_action action)
{
    switch (action) {
    case SUPERVISOR_OPEN:
        return open_link(loop);
    case SUPERVISOR_CLOSE:
        link_close(loop->link);
        agent_link_down(loop->agent, loop->now);
        buffer_done(&loop->frame); /* what it said is said again on the next connection */
        return ERR_OK;
    case SUPERVISOR_NOTHING:
        return ERR_OK;
    }
    return ERR_OK;
}

static enum err
tell(struct loop *loop, enum link_event event)
{
    /* Not before: a core that believes in a connection makes statements for it. */
    if (event == LINK_HANDSHAKE_DONE) {
        agent_link_up(loop->agent, loop->now);
    }
    if (event == LINK_HANDSHAKE_REFUSED && loop->options->leave_when_refused) {
        return ERR_KEY;
    }
    return obey(loop, supervisor_event(&loop->supervisor, event, loop->now));
}

static enum err
take_events(struct loop *loop)
{
    enum link_event event;
    enum err err = ERR_OK;
    while (err == ERR_OK && link_next_event(loop->link, &event)) {
        err = tell(loop, event);
    }
    return err;
}

/* ERR_DISK_FULL becomes a pause; anything else of our own passes on. */
static enum err
ease(struct loop *loop, enum err err)
{
    unsigned dropped = 0;
    if (err != ERR_DISK_FULL) {
        return err;
    }
    if (logging_allowed(&loop->full_limit, loop->now.boot_ms, 1, FULL_LOG_WINDOW_MS, &dropped)) {
        logging_line(LOGGING_ERROR, "store.full", "again=%u retry_s=%d", dropped,
                     FULL_PAUSE_MS / 1000);
    }
    loop->hold_ms = loop->now.boot_ms + FULL_PAUSE_MS;
    tend_soon(loop);
    return tell(loop, LINK_CLOSED);
}

/* A broker that takes back what it has lost talks to us, though not yet about referrals: dropping
 * the connection would only make it begin again. */
static bool
is_welcome(struct loop *loop)
{
    struct agent_link_status status;
    struct agent_proof_status proof;
    agent_get_link_status(loop->agent, &status);
    if (status.ready) {
        return true;
    }
    agent_get_proof_status(loop->agent, &proof);
    return proof.broker_recovering;
}

/* These keys are a member's no longer: others are, perhaps the ones made here and not yet in use.
 */
static bool
is_replaced(const struct loop *loop)
{
    struct agent_link_status status;
    agent_get_link_status(loop->agent, &status);
    return status.refused == ERR_UNKNOWN_MEMBER;
}

static enum err
take_frames(struct loop *loop)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;
    for (unsigned i = 0; i < FRAMES_PER_TURN && !none; i++) {
        buffer_clear(&frame);
        enum err err = link_receive(loop->link, &frame, &none);
        if (err == ERR_OK && !none) {
            loop->proof_due = true;
            err = agent_receive(loop->agent, buffer_view(&frame), loop->now);
        }
        if (err != ERR_OK) {
            return ease(loop, err);
        }
    }
    if (loop->options->leave_when_refused && is_replaced(loop)) {
        return ERR_KEY;
    }
    bool welcomed = loop->supervisor.phase == PHASE_CONNECTING && is_welcome(loop);
    return welcomed ? tell(loop, LINK_READY) : ERR_OK;
}

static enum err
send_frames(struct loop *loop)
{
    for (unsigned i = 0; i < FRAMES_PER_TURN && link_is_open(loop->link); i++) {
        if (loop->frame.len == 0) {
            bool none = true;
            enum err err = agent_next_frame(loop->agent, loop->now, &loop->frame, &none);
            if (err != ERR_OK || none) {
                return ease(loop, err);
            }
        }
        if (link_send(loop->link, buffer_view(&loop->frame)) != ERR_OK) {
            return ERR_OK; /* kept for when there is room */
        }
        buffer_done(&loop->frame);
    }
    return ERR_OK;
}

/* The supervisor before the doubt: after a sleep everything asked is overdue, and that it was a
 * sleep is the better word for it, and leads back sooner. */
static enum err
supervise(struct loop *loop)
{
    enum err err = ERR_OK;
    if (loop->now.boot_ms >= loop->hold_ms) {
        enum supervisor_action action = supervisor_turn(&loop->supervisor, loop->now);
        err = obey(loop, action);
        /* After a sleep the old socket goes and the next one comes in the same breath. */
        if (err == ERR_OK && action == SUPERVISOR_CLOSE) {
            err = obey(loop, supervisor_turn(&loop->supervisor, loop->now));
        }
    }
    if (err == ERR_OK && agent_link_doubt(loop->agent, loop->now)) {
        err = tell(loop, LINK_DOUBT);
    }
    return err;
}

/* --- what is told to others ------------------------------------------------------------------ */

/* Who watches should see that the link went, although no loop changed by it. */
static void
publish_status(struct loop *loop)
{
    struct command_context context = command_context(loop);
    json_t *message = json_pack("{s:b, s:b, s:n, s:o}", "ok", 1, "more", 1, "loop", "status",
                                command_status(&context));
    if (message != NULL) {
        control_server_publish(loop->control, message);
        json_decref(message);
    }
}

static void
tell_link(struct loop *loop)
{
    struct agent_link_status status;
    enum link_trouble trouble = loop->supervisor.trouble;
    agent_get_link_status(loop->agent, &status);
    bool changed = trouble != loop->logged_trouble || status.refused != loop->logged_refusal;
    if (trouble != loop->logged_trouble) {
        bool was_up = loop->logged_trouble == TROUBLE_NONE;
        const char *event = trouble == TROUBLE_NONE ? "link.up"
                            : was_up                ? "link.down"
                                                    : "link.trouble";
        logging_line(trouble == TROUBLE_NONE ? LOGGING_INFO : LOGGING_WARNING, event,
                     "reason=%s cursor=%llu", supervisor_trouble_name(trouble),
                     (unsigned long long)status.cursor);
        loop->logged_trouble = trouble;
    }
    if (status.refused != loop->logged_refusal) {
        logging_line(status.refused == ERR_OK ? LOGGING_INFO : LOGGING_WARNING, "session.refused",
                     "code=%s", err_name(status.refused));
        loop->logged_refusal = status.refused;
    }
    if (changed && control_server_subscribers(loop->control) > 0) {
        publish_status(loop);
    }
}

/* What an agent has caught somebody at must be seen by whoever reads its log, and by who watches.
 * To look costs a walk through what waits, so busy times are looked at now and then. */
static void
tell_alarms(struct loop *loop)
{
    struct agent_proof_status proof;
    if (!loop->proof_due || loop->now.boot_ms < loop->proof_ms) {
        return;
    }
    agent_get_proof_status(loop->agent, &proof);
    const struct agent_proof_status *before = &loop->logged_proof;
    bool changed = proof.stopped != before->stopped || proof.n_alarms != before->n_alarms;
    if (changed) {
        bool worse = proof.stopped || proof.n_alarms > before->n_alarms;
        logging_line(worse ? LOGGING_ERROR : LOGGING_INFO, "alarms.changed",
                     "standing=%u sending=%s", proof.n_alarms, proof.stopped ? "stopped" : "on");
    }
    loop->logged_proof = proof;
    loop->proof_due = false;
    loop->proof_ms = loop->now.boot_ms + PROOF_PAUSE_MS;
    if (changed && control_server_subscribers(loop->control) > 0) {
        publish_status(loop);
    }
}

static void
publish(struct loop *loop)
{
    uint64_t count = agent_change_count(loop->agent);
    if (count == loop->changes) {
        return;
    }
    struct loop_id loops[CHANGES_PER_TURN];
    size_t n = control_server_subscribers(loop->control) == 0
                   ? 0
                   : agent_changed_since(loop->agent, loop->changes, loops, ARRAY_LEN(loops));
    struct command_context context = command_context(loop);
    json_auto_t *status = n > 0 ? command_status(&context) : NULL; /* walks all loops: once */
    for (size_t i = 0; i < n; i++) {
        json_t *message = command_watch_message(&context, &loops[i], status);
        if (message != NULL) {
            control_server_publish(loop->control, message);
            json_decref(message);
        }
    }
    loop->changes = count;
}

static void
take_signals(struct loop *loop)
{
    struct config config;
    struct complaint complaint;
    enum daemon_signal signal = daemon_signals_take(loop->options->signal_fd);
    if (signal == DAEMON_SIGNAL_STOP) {
        loop->stop = true;
    } else if (signal == DAEMON_SIGNAL_RELOAD) {
        /* Only the log level can change under way; the rest is read at the next start. */
        if (config_load(loop->options->home, &config, &complaint) == ERR_OK) {
            logging_set_level((enum logging_level)config.log_level);
            logging_line(LOGGING_INFO, "config.reloaded", "log_level=%s",
                         logging_words[config.log_level]);
        } else {
            logging_line(LOGGING_ERROR, "config.refused", "file=%s", CONFIG_FILE_NAME);
        }
    }
}

/* --- turning --------------------------------------------------------------------------------- */

static int
patience_ms(const struct loop *loop)
{
    int64_t now_ms = clock_now().boot_ms;
    int64_t core_ms = agent_next_deadline_ms(loop->agent);
    if (loop->frame.len > 0 && core_ms < now_ms + NO_ROOM_PAUSE_MS) {
        core_ms = now_ms + NO_ROOM_PAUSE_MS;
    }
    int64_t link_ms =
        loop->supervisor.deadline_ms > loop->hold_ms ? loop->supervisor.deadline_ms : loop->hold_ms;
    int64_t due_ms = core_ms < link_ms ? core_ms : link_ms;
    due_ms = due_ms < loop->tend_ms ? due_ms : loop->tend_ms;
    if (loop->proof_due && loop->proof_ms < due_ms) {
        due_ms = loop->proof_ms;
    }
    int64_t left_ms = due_ms - now_ms;
    return left_ms <= 0 ? OVERDUE_PAUSE_MS : left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static enum err
wait_and_serve(struct loop *loop)
{
    struct pollfd fds[CONTROL_CONNECTIONS_MAX + 2] = {
        {.fd = loop->options->signal_fd, .events = POLLIN}};
    size_t n = 1 + control_server_poll(loop->control, fds + 1, ARRAY_LEN(fds) - 1);
    enum err err = link_wait(loop->link, loop->frame.len > 0, fds, n, patience_ms(loop));
    loop->now = clock_now();
    if (err == ERR_OK && fds[0].revents != 0) {
        take_signals(loop);
    }
    if (err == ERR_OK) {
        control_server_turn(loop->control, fds + 1, n - 1, loop->now.boot_ms);
    }
    return err;
}

static void
tend(struct loop *loop)
{
    struct agent_queue_status queue;
    agent_tend(loop->agent, loop->now);
    loop->tend_ms = loop->now.boot_ms + TEND_MS;
    agent_get_queue_status(loop->agent, &queue);
    if (queue.disk_full) {
        tend_soon(loop);
    }
}

static enum err
turn(struct loop *loop)
{
    enum err err = supervise(loop);
    if (err == ERR_OK) {
        err = take_events(loop);
    }
    if (err == ERR_OK) {
        err = take_frames(loop);
    }
    if (err == ERR_OK && loop->now.boot_ms >= loop->tend_ms) {
        tend(loop);
    }
    if (err == ERR_OK) {
        err = send_frames(loop);
    }
    tell_link(loop);
    tell_alarms(loop);
    publish(loop);
    return err == ERR_OK ? wait_and_serve(loop) : err;
}

/* --- opening --------------------------------------------------------------------------------- */

enum err
loop_open_store(const struct loop_options *options, struct agent **agent_out,
                struct complaint *complaint)
{
    const struct config *config = options->config;
    char store[FILE_PATH_MAX];
    enum err err = file_path(store, options->home, "store");
    if (err != ERR_OK) {
        return complain(complaint, err, "the path of the home directory is too long");
    }
    const struct agent_options agent_options = {
        .store_dir = store,
        .map_bytes = config->map_mib << 20,
        .map_max_bytes = config->map_max_gib << 30,
        .identity = options->identity,
        .ping_ms = config->ping_s * 1000,
        .silence_ms = config->silence_s * 1000,
        .credit_bytes = config->credit_kib << 10,
        .window = config->window,
        .witnesses_wanted = config->witnesses,
        .witness_ms = config->witness_s * 1000,
    };
    return agent_open(&agent_options, agent_out, complaint);
}

static enum err
open_all(struct loop *loop, struct complaint *complaint)
{
    const struct loop_options *options = loop->options;
    /* The socket first: its complaint about a second daemon is the clearer one. */
    enum err err = control_server_open(options->home, on_command, loop, &loop->control, complaint);
    if (err == ERR_OK) {
        err = loop_open_store(options, &loop->agent, complaint);
    }
    if (err == ERR_OK) {
        err = link_new(&loop->link);
    }
    const struct supervisor_options supervisor_options = {
        .backoff_min_ms = options->config->backoff_min_ms,
        .backoff_max_ms = options->config->backoff_max_s * 1000,
        .ready_within_ms = options->config->ready_within_s * 1000,
        .random_below = secret_random_below,
    };
    loop->now = clock_now();
    supervisor_init(&loop->supervisor, &supervisor_options, loop->now);
    loop->logged_trouble = loop->supervisor.trouble;
    loop->proof_due = true;
    loop->tend_ms = loop->now.boot_ms + TEND_MS;
    return err;
}

enum err
loop_run(const struct loop_options *options, struct complaint *complaint)
{
    const char *configured = options->config->endpoint;
    CLEANUP(loop_done)
    struct loop loop = {
        .options = options,
        .endpoint = configured[0] != '\0' ? configured : options->identity->genesis.endpoint,
        .frame = BUFFER_INIT(LIMIT_FRAME_BYTES),
    };
    complaint->text[0] = '\0';
    enum err err = open_all(&loop, complaint);
    if (err == ERR_OK) {
        logging_line(LOGGING_INFO, "agent.ready", "org=%s version=%s", options->identity->org,
                     REFLOOP_VERSION);
        daemon_notify("READY=1");
        loop.changes = agent_change_count(loop.agent);
    }
    while (err == ERR_OK && !loop.stop) {
        err = turn(&loop);
    }
    daemon_notify("STOPPING=1");
    if (err == ERR_OK) {
        logging_line(LOGGING_INFO, "agent.stopped", "org=%s", options->identity->org);
        return ERR_OK;
    }
    if (complaint->text[0] != '\0' || (err == ERR_KEY && options->leave_when_refused)) {
        return err;
    }
    if (err == ERR_CONFIG) {
        return complain(complaint, err, "'%s' is not an address of the form tcp://host:port",
                        loop.endpoint);
    }
    return complain(complaint, err, "stopped: %s", err_text(err));
}
