/* events: who came, went and changed keys, as the log has it. Decides which words stand for the
 * entries of the directory; of a long history the newest part is told. */
#include "agent/command/cmd.h"
#include "agent/command/error.h"
#include "agent/command/view.h"
#include "lib/base/text.h"

enum { EVENTS_DEFAULT = 1000, EVENTS_MAX = 10000 };

struct telling {
    size_t total, from; /* the first that is told */
    size_t at;
    json_t *events; /* owned */
    enum err err;
};

static void
telling_done(struct telling *telling)
{
    json_decref(telling->events);
}

static const char *
event_name(const struct key_event *event)
{
    const struct {
        enum statement_kind kind;
        const char *name, *anew;
    } names[] = {
        {STATEMENT_GENESIS, "founded", "founded"}, {STATEMENT_INVITE, "invited", "invited-anew"},
        {STATEMENT_JOIN, "joined", "joined-anew"}, {STATEMENT_ROTATE, "new-keys", "new-keys"},
        {STATEMENT_REVOKE, "revoked", "revoked"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].kind == event->kind)
            return event->replaces ? names[i].anew : names[i].name;
    }
    return "unknown";
}

static json_t *
make_key(const struct key_event *event)
{
    char text[2 * sizeof(event->key.bytes) + 1];

    if (event->kind != STATEMENT_JOIN && event->kind != STATEMENT_ROTATE)
        return json_null();
    text_hex(bytes_of(event->key.bytes, sizeof(event->key.bytes)), text);
    return json_string(text);
}

static bool
count_event(void *context, const struct key_event *event)
{
    struct telling *telling = context;

    (void)event; /* that there is one is all */
    telling->total++;
    return true;
}

static bool
tell_event(void *context, const struct key_event *event)
{
    struct telling *telling = context;

    if (telling->at++ < telling->from)
        return true;
    json_t *made =
        json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:o}", "index", (json_int_t)event->index, "time",
                  view_time(event->log_time_ms), "org", event->org, "name", event->name, "event",
                  event_name(event), "reason", event->reason, "key", make_key(event));
    if (made == NULL || json_array_append_new(telling->events, made) != 0)
        telling->err = ERR_MEMORY;
    return telling->err == ERR_OK;
}

json_t *
cmd_events_run(struct command_context *context, json_t *request)
{
    CLEANUP(telling_done) struct telling telling = {.events = json_array()};
    const json_t *given = json_object_get(request, "limit");
    json_int_t limit = json_is_integer(given) ? json_integer_value(given) : EVENTS_DEFAULT;
    enum err err = agent_each_key_event(context->agent, count_event, &telling);

    if (limit > EVENTS_MAX)
        limit = EVENTS_MAX;
    if (telling.total > (size_t)limit)
        telling.from = telling.total - (size_t)limit;
    if (err == ERR_OK)
        err = agent_each_key_event(context->agent, tell_event, &telling);
    if (err == ERR_OK)
        err = telling.err;
    return err == ERR_OK ? json_pack("{s:b, s:O, s:I}", "ok", 1, "events", telling.events, "total",
                                     (json_int_t)telling.total)
                         : error_answer(err, NULL, NULL);
}
