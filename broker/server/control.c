/* Decides what the administrator on this machine can ask. Only numbers, names of organizations and
 * public keys leave here. The root key is not on this side: statements come signed. */
#include "broker/server/control.h"

#include <string.h>

#include "broker/server/control_recover.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"

enum { REFUSED_SHOWN = 64 };

/* json_pack with "o" takes references also of NULL members and then fails as a whole: out of memory
 * is one NULL at the end. */
static json_t *
json_time(int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    if (wall_ms == 0) {
        return json_null();
    }
    clock_format_utc(wall_ms, text);
    return json_string(text);
}

static json_t *
json_hex(const void *data, size_t len)
{
    char text[2 * SIGN_PUBLIC_BYTES + 1];
    text_hex(bytes_of(data, len < SIGN_PUBLIC_BYTES ? len : SIGN_PUBLIC_BYTES), text);
    return json_string(text);
}

static json_t *
json_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *
refusals(const struct broker_status *status)
{
    json_t *counts = json_object();
    for (unsigned code = 0; code < ARRAY_LEN(status->refused); code++) {
        if (status->refused[code] > 0) {
            (void)json_object_set_new(counts, err_name((enum err)code),
                                      json_number(status->refused[code]));
        }
    }
    return counts;
}

/* The newest of what members were refused, newest first; returns how many there are in all. */
static size_t
find_newest(const struct broker *broker, struct broker_refused newest[REFUSED_SHOWN])
{
    struct broker_refused refused;
    uint64_t cursor = 0;
    size_t n = 0;
    for (; broker_next_refused(broker, &cursor, &refused); n++) {
        size_t place = n < REFUSED_SHOWN ? n : REFUSED_SHOWN;
        for (; place > 0 && newest[place - 1].last_ms < refused.last_ms; place--) {
            if (place < REFUSED_SHOWN) {
                newest[place] = newest[place - 1];
            }
        }
        if (place < REFUSED_SHOWN) {
            newest[place] = refused;
        }
    }
    return n;
}

static json_t *
refused_members(const struct broker *broker, uint64_t *more_out)
{
    struct broker_refused newest[REFUSED_SHOWN];
    size_t n = find_newest(broker, newest);
    size_t shown = n < REFUSED_SHOWN ? n : REFUSED_SHOWN;
    json_t *list = json_array();
    for (size_t i = 0; i < shown; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "org", newest[i].org, "code",
                            err_name(newest[i].code), "count", json_number(newest[i].n), "first",
                            json_time(newest[i].first_ms), "last", json_time(newest[i].last_ms)));
    }
    *more_out = n - shown;
    return list;
}

static json_t *
network(const struct control_view *view)
{
    char fingerprint[FINGERPRINT_TEXT];
    const struct directory *directory = broker_directory(view->broker);
    const struct statement_genesis *genesis = directory_genesis(directory);
    const struct network_id *id = directory_network(directory);
    token_fingerprint(id, fingerprint);
    return json_pack("{s:o, s:s, s:s, s:s}", "id", json_hex(id->bytes, sizeof(id->bytes)), "name",
                     genesis->network_name, "fingerprint", fingerprint, "endpoint",
                     genesis->endpoint);
}

static size_t
count_online(const struct broker *broker, struct instant now)
{
    const struct directory *directory = broker_directory(broker);
    size_t online = 0;
    for (size_t i = 0; i < directory_count(directory); i++) {
        online += broker_is_online(broker, directory_at(directory, i)->org, now) ? 1 : 0;
    }
    return online;
}

/* The cosignatures of the present round; null when there is none. */
static json_t *
witnesses(const struct broker *broker, const struct broker_status *status, struct instant now)
{
    int64_t began_ms =
        status->witness_round_ms == 0 ? 0 : now.wall_ms - (now.boot_ms - status->witness_round_ms);
    if (status->witnessed_size == 0) {
        return json_null();
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "size", json_number(status->witnessed_size),
                     "cosigned", json_number(status->n_cosignatures), "members",
                     json_number(control_recover_members(broker)), "since", json_time(began_ms));
}

/* What came to the port, whoever it was: not all of it ever becomes a message. */
static json_t *
connections(const struct control_view *view)
{
    json_t *closed = json_object();
    for (unsigned i = 0; i < CONNECTIONS_REASONS; i++) {
        enum connections_reason reason = (enum connections_reason)i;
        (void)json_object_set_new(closed, connections_reason_name(reason),
                                  json_number(connections_closed(view->connections, reason)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "open",
                     json_number(connections_open(view->connections)), "came",
                     json_number(view->connected), "not_accepted", json_number(view->not_accepted),
                     "handshakes", json_number(view->handshakes), "closed", closed);
}

static json_t *
answer_status(struct control_view *view, json_t *request, struct instant now)
{
    struct broker_status status;
    uint64_t more = 0;
    (void)request;
    broker_get_status(view->broker, &status);
    json_t *members = refused_members(view->broker, &more);
    return json_pack(
        "{s:b, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:i, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "ok", 1, "network", network(view), "version", REFLOOP_VERSION, "started",
        json_time(view->started_ms), "listen", view->listen, "entries", json_number(status.entries),
        "loops", json_number(status.loops), "log_time", json_time(status.log_time_ms), "clock",
        json_time(now.wall_ms), "members_online", json_number(count_online(view->broker, now)),
        "read_only", (int)status.read_only, "fill_percent", (int)status.fill_percent, "accepted",
        json_number(status.accepted), "superseded", json_number(status.superseded), "duplicates",
        json_number(status.duplicates), "refused", refusals(&status), "refused_members", members,
        "refused_members_more", json_number(more), "connections", connections(view),
        "handshakes_refused", json_number(view->handshakes_refused), "dropped",
        json_number(view->dropped), "checkpoint_size", json_number(status.checkpoint_size),
        "witnesses", witnesses(view->broker, &status, now), "recovery",
        status.recovering ? control_recover_json(view->broker) : json_null());
}

static json_t *
one_member(const struct broker *broker, const struct member *member, struct instant now)
{
    /* None before it joins, and none ever for one that was revoked before it did. */
    bool has_keys = !bytes_all_zero(bytes_of(member->key_id.bytes, KEY_ID_BYTES));
    int64_t expires_ms = member->invite_spent ? 0 : member->invite_expires_ms;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:b, s:o, s:s}", "org", member->org,
                     "name", member->name, "state", directory_state_name(member->state), "since",
                     json_time(member->since_ms), "since_index", json_number(member->since_index),
                     "online", (int)broker_is_online(broker, member->org, now), "last_heard",
                     json_time(broker_last_heard_ms(broker, member->org)), "invite_expires",
                     json_time(expires_ms), "auditor", (int)member->is_auditor, "key",
                     has_keys ? json_hex(member->key_id.bytes, KEY_ID_BYTES) : json_null(),
                     "reason", member->revoke_reason);
}

static json_t *
answer_members(struct control_view *view, json_t *request, struct instant now)
{
    const struct directory *directory = broker_directory(view->broker);
    struct broker_status status;
    json_t *members = json_array();
    (void)request;
    broker_get_status(view->broker, &status);
    for (size_t i = 0; i < directory_count(directory); i++) {
        (void)json_array_append_new(members,
                                    one_member(view->broker, directory_at(directory, i), now));
    }
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "log_time", json_time(status.log_time_ms),
                     "members", members);
}

static json_t *
receipt_json(const struct receipt *receipt)
{
    return json_pack("{s:b, s:{s:s, s:o, s:o, s:o}}", "ok", 1, "receipt", "result", "accepted",
                     "index", json_number(receipt->index), "log_time",
                     json_time(receipt->log_time_ms), "id",
                     json_hex(receipt->id.bytes, DIGEST_BYTES));
}

static json_t *
answer_submit(struct control_view *view, json_t *request, struct instant now)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct receipt receipt;
    const char *text = json_string_value(json_object_get(request, "envelope"));
    if (text == NULL || text_unbase64(bytes_of_text(text), &envelope) != ERR_OK ||
        buffer_err(&envelope) != ERR_OK) {
        return control_error(ERR_INVALID, "\"envelope\" must be the statement in base64url");
    }
    enum err err = broker_submit_root(view->broker, buffer_view(&envelope), now, &receipt);
    if (err != ERR_OK) {
        view->broken = true;
        view->failure = err;
        return control_error(err, NULL);
    }
    if (receipt.result == RECEIPT_REFUSED) {
        struct broker_status status;
        broker_get_status(view->broker, &status);
        return control_error(receipt.refusal, status.recovering ? control_recover_why : NULL);
    }
    return receipt_json(&receipt);
}

static json_t *
answer_check(struct control_view *view, json_t *request, struct instant now)
{
    struct complaint complaint = {.text = ""};
    struct broker_status status;
    (void)request;
    (void)now;
    enum err err = broker_check_store(view->broker, &complaint);
    if (err != ERR_OK) {
        return control_error(err, complaint.text);
    }
    broker_get_status(view->broker, &status);
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "entries", json_number(status.entries), "loops",
                     json_number(status.loops));
}

static const struct {
    const char *name;
    json_t *(*answer)(struct control_view *view, json_t *request, struct instant now);
} commands[] = {
    {"status", answer_status},           {"members", answer_members},
    {"submit", answer_submit},           {"check", answer_check},
    {"recover", control_recover_answer}, {"recover-go-on", control_recover_go_on},
};

json_t *
control_answer(void *context, json_t *request, bool *keep_open)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    (void)keep_open;
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].answer(context, request, clock_now());
        }
    }
    return control_error(ERR_INVALID,
                         "no such command; there are status, members, submit, check, recover, "
                         "recover-go-on");
}
