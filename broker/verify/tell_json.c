/* The answer for programs (docs/json.md). Contents that were shown are given as the JSON they are;
 * what is no JSON object is given as text, since an author may have signed anything. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "broker/verify/verify.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/terminal.h"
#include "lib/trust/token.h"

enum {
    DIGEST_HEX = 2 * DIGEST_BYTES + 1,
    KEY_HEX = 2 * SIGN_PUBLIC_BYTES + 1,
    MS_PER_SECOND = 1000
};

static void
give_back(json_t **object)
{
    json_decref(*object);
}

static json_t *
time_of(int64_t ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_format_utc(ms, text);
    return json_string(text);
}

static json_t *
content_of(struct bytes content)
{
    if (content.len == 0) {
        return json_null();
    }
    json_t *value =
        json_loadb((const char *)content.data, content.len, JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL) {
        value = json_stringn((const char *)content.data, content.len);
    }
    return value != NULL ? value : json_string("(not text)");
}

static json_t *
side_of(const struct evidence_reading *reading, enum loop_role role)
{
    return json_pack("{s:s, s:s}", "org", reading->org[role], "name", reading->name[role]);
}

static json_t *
delivery_of(const struct evidence_reading *reading, size_t i)
{
    const struct evidence_step *delivery = verify_delivery(reading, i);
    return delivery == NULL ? json_null()
                            : json_pack("{s:I, s:o}", "index", (json_int_t)delivery->index,
                                        "logged", time_of(delivery->log_time_ms));
}

static json_t *
step_of(const struct evidence_reading *reading, size_t i, int n)
{
    const struct evidence_step *step = &reading->steps[i];
    char id[DIGEST_HEX];
    text_hex(bytes_of(step->id.bytes, DIGEST_BYTES), id);
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:s, s:o, s:o}", "n", n,
        "event", lifecycle_event_name(step->event), "by", lifecycle_role_name(step->role), "org",
        reading->org[step->role], "index", (json_int_t)step->index, "logged",
        time_of(step->log_time_ms), "authored", time_of(step->authored_ms), "due",
        step->due_ms != 0 ? time_of(step->due_ms) : json_null(), "delivered",
        delivery_of(reading, i), "state_after", lifecycle_state_name(step->state_after),
        "superseded", step->superseded, "automatic", step->automatic, "id", id, "facts",
        content_of(step->facts), "body", content_of(step->body));
}

static json_t *
timeline_of(const struct evidence_reading *reading)
{
    json_t *timeline = json_array();
    int n = 0;
    for (size_t i = 0; timeline != NULL && i < reading->n_steps; i++) {
        if (reading->steps[i].event != EVENT_DELIVERED &&
            json_array_append_new(timeline, step_of(reading, i, ++n)) != 0) {
            json_decref(timeline);
            return NULL;
        }
    }
    return timeline;
}

static json_t *
witnesses_of(const struct evidence_reading *reading)
{
    json_t *witnesses = json_array();
    for (size_t i = 0; witnesses != NULL && i < reading->n_cosigners; i++) {
        const struct evidence_cosigner *who = &reading->cosigners[i];
        int64_t ms = who->time_s > INT64_MAX / MS_PER_SECOND ? INT64_MAX
                                                             : (int64_t)who->time_s * MS_PER_SECOND;
        json_t *one = json_pack("{s:s, s:s, s:I, s:o}", "org", who->org, "name", who->name, "size",
                                (json_int_t)who->size, "time", time_of(ms));
        if (json_array_append_new(witnesses, one) != 0) {
            json_decref(witnesses);
            return NULL;
        }
    }
    return witnesses;
}

static json_t *
network_of(const struct evidence_reading *reading, const struct verify_root *root)
{
    char fingerprint[FINGERPRINT_TEXT];
    char key[KEY_HEX];
    token_fingerprint(&reading->network, fingerprint);
    text_hex(bytes_of(reading->network.bytes, sizeof(reading->network.bytes)), key);
    return json_pack("{s:s, s:s, s:s, s:s}", "name", reading->network_name, "root", key,
                     "fingerprint", fingerprint, "pinned_by",
                     root->is_whole ? "root" : "fingerprint");
}

static enum err
print(json_t *object)
{
    if (object == NULL) {
        return ERR_MEMORY;
    }
    if (terminal_put_json(stdout, object)) {
        (void)fputc('\n', stdout); /* the stream remembers */
    }
    return ERR_OK;
}

enum err
verify_tell_json(const struct evidence_reading *reading, const struct verify_root *root)
{
    char loop[LOOP_ID_TEXT];
    ident_format(&reading->loop, loop);
    CLEANUP(give_back)
    json_t *object = json_pack(
        "{s:b, s:s, s:o, s:o, s:o, s:s, s:b, s:o, s:I, s:I, s:I, s:o, s:o}", "ok", 1, "loop", loop,
        "network", network_of(reading, root), "source", side_of(reading, LOOP_SOURCE), "target",
        side_of(reading, LOOP_TARGET), "state", lifecycle_state_name(reading->state), "open",
        lifecycle_is_open(reading->state), "as_of", time_of(reading->as_of_ms), "log_size",
        (json_int_t)reading->size, "entries", (json_int_t)reading->n_entries, "checkpoints",
        (json_int_t)reading->n_checkpoints, "witnesses", witnesses_of(reading), "timeline",
        timeline_of(reading));
    return print(object);
}

enum err
verify_tell_json_failure(enum err err, const char *sentence)
{
    CLEANUP(give_back)
    json_t *object =
        json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", err_name(err), "text", sentence);
    if (object == NULL) { /* a path that is no UTF-8 */
        object = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", err_name(err), "text",
                           err_text(err));
    }
    return print(object);
}
