/* Decides which frame from the broker goes where, and which frame goes out next: words of the
 * session first, then statements. What a broken broker sends is counted and dropped here. It
 * refuses to know sockets. */
#include <string.h>

#include "agent/compose.h"
#include "agent/inbox.h"
#include "agent/receipts.h"
#include "agent/session.h"

static enum err (*const handlers[])(struct agent *agent, const struct message *message,
                                    struct instant now) = {
    [MESSAGE_WELCOME] = session_on_welcome, [MESSAGE_RECEIPTS] = receipts_take,
    [MESSAGE_ENTRIES] = inbox_take,         [MESSAGE_PONG] = session_on_pong,
    [MESSAGE_REFUSED] = session_on_refused,
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

enum err
agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out, bool *none_out)
{
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;
    enum err err = ERR_OK;

    if (session_next_word(agent, now))
        err = message_encode(&agent->out, &frame);
    else if (agent->session.ready)
        err = compose_frame(agent, now, &frame, &none);
    else
        none = true;
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
