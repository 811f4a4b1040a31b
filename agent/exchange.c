/* Decides which frame from the broker goes where, and which frame goes out next: words of the
 * session first, then statements. What a broken broker sends is counted and dropped here. It
 * refuses to know sockets. */
#include <string.h>

#include "agent/compose.h"
#include "agent/copies.h"
#include "agent/evidence.h"
#include "agent/inbox.h"
#include "agent/receipts.h"
#include "agent/session.h"

static enum err (*const handlers[])(struct agent *agent, const struct message *message,
                                    struct instant now) = {
    [MESSAGE_WELCOME] = session_on_welcome, [MESSAGE_RECEIPTS] = receipts_take,
    [MESSAGE_ENTRIES] = inbox_take,         [MESSAGE_PONG] = session_on_pong,
    [MESSAGE_REFUSED] = session_on_refused, [MESSAGE_RECALL] = session_on_recall,
    [MESSAGE_PROOFS] = evidence_on_proofs,
};

enum err
agent_receive(struct agent *agent, struct bytes frame, struct instant now)
{
    struct session *session = &agent->session;

    if (!session->up)
        return ERR_OK; /* left over from a connection that is gone */
    enum err err = message_decode(frame, &agent->in);
    if (err == ERR_MEMORY)
        return err;
    size_t kind = (size_t)agent->in.kind;
    if (err != ERR_OK || kind >= ARRAY_LEN(handlers) || handlers[kind] == NULL) {
        session->status.bad_frames++;
        return ERR_OK;
    }
    session->heard_ms = now.boot_ms;
    session->status.heard_ms = now.wall_ms;
    return handlers[kind](agent, &agent->in, now);
}

/* Statements are only for a broker that we have not caught lying. One that is being refilled is
 * given copies, and then what is made: that may be in its log without anybody knowing where. It
 * takes nothing new, and nothing new is made, since the log has not been read then. */
static enum err
next_load(struct agent *agent, struct instant now, struct buffer *frame, bool *none_out)
{
    if (!agent->session.ready) {
        *none_out = true;
        return ERR_OK;
    }
    bool none = true;
    enum err err = copies_next_frame(agent, frame, &none);
    if (err == ERR_OK && none && !agent->proof.stopped)
        err = compose_frame(agent, now, frame, &none);
    if (err == ERR_OK)
        *none_out = none;
    return err;
}

enum err
agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out, bool *none_out)
{
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;
    enum err err = ERR_OK;

    if (session_next_word(agent, now))
        err = message_encode(&agent->out, &frame);
    else
        err = next_load(agent, now, &frame, &none);
    if (err != ERR_OK || none) {
        buffer_done(&frame);
        if (err == ERR_OK)
            *none_out = true;
        return err;
    }
    buffer_done(frame_out);
    *frame_out = frame;
    *none_out = false;
    return ERR_OK;
}
