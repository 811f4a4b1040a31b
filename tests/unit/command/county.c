/* The network between the cores: frames go from an agent to the broker and back, each in its own
 * buffer, as a socket would carry them. */
#include "tests/unit/command/county.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/wire/sealed.h"

enum { ROUNDS_MAX = 400, WEEK_MS = 7 * 24 * 3600 * 1000 };

static const struct {
    const char *org, *name;
} people[COUNTY_MEMBERS] = {
    [CLINIC] = {"oak-clinic", "Oak Clinic"},
    [PANTRY] = {"elm-pantry", "Elm Street Pantry"},
    [SHELTER] = {"river-shelter", "River Shelter \xc3\x89lan"},
};

static void
must(enum err err)
{
    if (err != ERR_OK)
        fail_msg("%s", err_name(err));
}

static void
put_text(char *out, size_t size, const char *text)
{
    assert_true(text_format(out, size, "%s", text));
}

/* --- the administrator --- */

static void
seal_root(struct county *county, struct statement *statement, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct sign_public root;
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};

    sign_public_of(&county->root_secret, &root);
    statement->suite = STATEMENT_SUITE_1;
    statement->network = county->network;
    statement->author_key = key_id_of_signer(&root);
    statement->authored_ms = county->now.wall_ms;
    must(statement_encode(statement, &bytes));
    envelope.statement = buffer_view(&bytes);
    must(turn_sign(SIGN_STATEMENTS, &county->network, &envelope.statement, 1, &county->root_secret,
                   &envelope.signature));
    must(envelope_encode(&envelope, out));
}

static void
submit_root(struct county *county, const struct buffer *envelope)
{
    struct receipt receipt;

    must(broker_submit_root(county->broker, buffer_view(envelope), county->now, &receipt));
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
}

static void
make_genesis(struct county *county)
{
    struct statement statement = {.kind = STATEMENT_GENESIS};
    struct sign_public root;
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;

    sign_new_pair(&root, &county->root_secret);
    memcpy(county->network.bytes, root.bytes, sizeof(county->network.bytes));
    sign_new_pair(&county->log_public, &county->log_secret);
    put_text(county->genesis.network_name, sizeof(county->genesis.network_name), "Elm County");
    put_text(county->genesis.endpoint, sizeof(county->genesis.endpoint),
             "tcp://broker.example.org:7707");
    put_text(county->genesis.auditor_org, sizeof(county->genesis.auditor_org), "administrator");
    county->genesis.broker_log = county->log_public;
    curve_new_pair(&county->genesis.broker_curve, &curve);
    sign_new_pair(&county->genesis.auditor.sign, &sign);
    seal_new_pair(&county->genesis.auditor.seal, &seal);
    curve_new_pair(&county->genesis.auditor.curve, &curve);
    statement.as.genesis = county->genesis;
    county->genesis_envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    seal_root(county, &statement, &county->genesis_envelope);
}

/* The line of text an administrator would hand out, and what it says. */
static void
invite(struct county *county, const char *org, const char *name, struct token *token)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    struct statement statement = {.kind = STATEMENT_INVITE};
    struct statement_invite *said = &statement.as.invite;
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_secret sign;
    struct curve_secret curve;

    secret_random(seed, sizeof(seed));
    sign_pair_from_seed(seed, &said->once_sign, &sign);
    curve_new_pair(&said->once_curve, &curve);
    put_text(said->org, sizeof(said->org), org);
    put_text(said->name, sizeof(said->name), name);
    said->expires_ms = county->now.wall_ms + WEEK_MS;
    seal_root(county, &statement, &envelope);
    submit_root(county, &envelope);
    must(token_format(buffer_view(&county->genesis_envelope), buffer_view(&envelope), seed, &curve,
                      &line));
    must(token_parse(buffer_view(&line), token));
}

/* --- the broker's loop --- */

static void
turn(struct county *county)
{
    struct verify_job *job;

    while ((job = broker_take_job(county->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(county->broker, job, county->now);
    }
    must(broker_turn(county->broker, county->now));
}

static bool
deliver(struct county *county)
{
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct route route;
    bool any = false;

    while (broker_take_output(county->broker, &route, &frame)) {
        for (unsigned i = 0; i < COUNTY_MEMBERS; i++) {
            struct county_member *member = &county->members[i];
            if (member->up && memcmp(&member->route, &route, sizeof(route)) == 0) {
                must(agent_receive(member->agent, buffer_view(&frame), county->now));
                any = true;
            }
        }
        buffer_done(&frame);
        frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    }
    buffer_done(&frame);
    return any;
}

static void
submit_raw(struct county *county, const struct curve_public *peer, struct bytes envelope)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct message *message = calloc(1, sizeof(*message));
    const struct route route = {.bytes = {0xee}};

    assert_non_null(message);
    message->kind = MESSAGE_SUBMIT;
    message->as.submit.n = 1;
    message->as.submit.envelopes[0] = envelope;
    must(message_encode(message, &frame));
    free(message);
    must(broker_receive(county->broker, peer, &route, buffer_view(&frame), county->now));
    turn(county);
    (void)deliver(county); /* nobody is there to take the receipt */
}

static void
join(struct county *county, unsigned who)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct county_member *member = &county->members[who];
    struct token token;

    invite(county, people[who].org, people[who].name, &token);
    must(identity_new(&token, &member->identity));
    must(identity_join_envelope(&member->identity, &token, &envelope));
    submit_raw(county, &token.invite.once_curve, buffer_view(&envelope));
    token_done(&token);
    const struct member *known = directory_find(broker_directory(county->broker), people[who].org);
    assert_non_null(known);
    assert_int_equal(known->state, MEMBER_ACTIVE);
}

static void
start_agent(struct county *county, unsigned who)
{
    struct county_member *member = &county->members[who];
    struct complaint complaint = {.text = ""};
    char dir[96];

    (void)snprintf(dir, sizeof(dir), "%s/agent%u", county->root, who);
    const struct agent_options options = {
        .store_dir = dir,
        .map_bytes = 1 << 22,
        .map_max_bytes = 1 << 26,
        .identity = &member->identity,
        .ping_ms = 30000,
        .silence_ms = 10000,
        .credit_bytes = LIMIT_FRAME_BYTES / 2,
        .window = 64,
    };
    if (agent_open(&options, &member->agent, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    memset(member->route.bytes, (int)who + 1, sizeof(member->route.bytes));
    member->link.trouble = TROUBLE_STARTING;
    county_link(county, who, true);
}

static void
start_broker(struct county *county)
{
    struct complaint complaint = {.text = ""};
    char dir[96];

    (void)snprintf(dir, sizeof(dir), "%s/broker", county->root);
    const struct broker_options options = {
        .store_dir = dir,
        .map_bytes = 1 << 22,
        .map_max_bytes = 1 << 26,
        .genesis_envelope = buffer_view(&county->genesis_envelope),
        .network = county->network,
        .log_secret = &county->log_secret,
        .gather_ms = 0,
        .gather_statements = 1,
        .admit_below_percent = 90,
        .statements_per_minute = 100000,
    };
    if (broker_open(&options, &county->broker, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
}

void
county_open(struct county *county)
{
    CLEANUP(token_done) struct token late = {.genesis_envelope = BUFFER_INIT(1)};
    bool locked;

    must(secret_start(&locked));
    *county = (struct county){.root = "/tmp/refloop-command-XXXXXX", .now = {.boot_ms = 1000000}};
    assert_non_null(mkdtemp(county->root));
    must(clock_parse(COUNTY_NOW, false, &county->now.wall_ms));
    make_genesis(county);
    start_broker(county);
    for (unsigned i = 0; i < COUNTY_MEMBERS; i++)
        join(county, i);
    invite(county, COUNTY_INVITED, "Late Church", &late);
    start_agent(county, CLINIC);
    start_agent(county, PANTRY);
    county_pump(county);
}

static int
unlink_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
county_done(struct county *county)
{
    for (unsigned i = 0; i < COUNTY_MEMBERS; i++) {
        agent_freep(&county->members[i].agent);
        identity_done(&county->members[i].identity);
    }
    broker_freep(&county->broker);
    buffer_done(&county->genesis_envelope);
    (void)nftw(county->root, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
county_setup(void **state)
{
    struct county *county = calloc(1, sizeof(*county));

    assert_non_null(county);
    county_open(county);
    *state = county;
    return 0;
}

int
county_teardown(void **state)
{
    county_done(*state);
    free(*state);
    return 0;
}

/* --- the network --- */

void
county_link(struct county *county, unsigned who, bool up)
{
    struct county_member *member = &county->members[who];

    if (up)
        agent_link_up(member->agent, county->now);
    else
        agent_link_down(member->agent, county->now);
    member->up = up;
    member->link.trouble = up ? TROUBLE_NONE : TROUBLE_NO_ANSWER;
    member->link.trouble_since_ms = county->now.wall_ms;
}

static bool
carry(struct county *county, struct county_member *member)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;

    if (!member->up)
        return false;
    must(agent_next_frame(member->agent, county->now, &frame, &none));
    if (none)
        return false;
    must(broker_receive(county->broker, &member->identity.keys.curve, &member->route,
                        buffer_view(&frame), county->now));
    return true;
}

void
county_pump(struct county *county)
{
    bool any = true;

    for (unsigned round = 0; any; round++) {
        assert_true(round < ROUNDS_MAX);
        any = false;
        for (unsigned i = 0; i < COUNTY_MEMBERS; i++)
            any |= carry(county, &county->members[i]);
        turn(county);
        any |= deliver(county);
    }
    county_wait(county, 1000);
}

void
county_wait(struct county *county, int64_t ms)
{
    county->now.wall_ms += ms;
    county->now.boot_ms += ms;
}

void
county_revoke(struct county *county, const char *org)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = {.kind = STATEMENT_REVOKE};

    put_text(statement.as.revoke.org, sizeof(statement.as.revoke.org), org);
    put_text(statement.as.revoke.reason, sizeof(statement.as.revoke.reason), "left the county");
    seal_root(county, &statement, &envelope);
    submit_root(county, &envelope);
}

void
county_shelter_request(struct county *county, const char *loop_hex, const char *facts,
                       const char *body)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    const struct identity *self = &county->members[SHELTER].identity;
    const struct identity *pantry = &county->members[PANTRY].identity;
    const struct sealed_reader readers[] = {
        {.key = pantry->key_id, .seal = pantry->keys.seal},
        {.key = self->key_id, .seal = self->keys.seal},
    };
    const struct sealed_reader auditor = {.key = key_set_id(&county->genesis.auditor),
                                          .seal = county->genesis.auditor.seal};
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = STATEMENT_LOOP,
                                  .network = county->network,
                                  .author_key = self->key_id,
                                  .authored_ms = county->now.wall_ms};
    struct statement_loop *loop = &statement.as.loop;
    struct envelope envelope;

    put_text(statement.author, sizeof(statement.author), self->org);
    assert_true(ident_parse(loop_hex, &loop->loop));
    loop->event = EVENT_REQUEST;
    loop->seq = 1;
    loop->n_readers = 1;
    loop->priority = PRIORITY_ROUTINE;
    put_text(loop->readers[0].org, sizeof(loop->readers[0].org), pantry->org);
    loop->readers[0].key = pantry->key_id;
    must(sealed_make(&statement, bytes_of_text(body), bytes_of_text(facts), readers,
                     ARRAY_LEN(readers), &auditor, &sealed, NULL));
    must(statement_encode(&statement, &bytes));
    envelope.statement = buffer_view(&bytes);
    envelope.sealed = buffer_view(&sealed);
    must(turn_sign(SIGN_STATEMENTS, &county->network, &envelope.statement, 1, &self->secrets->sign,
                   &envelope.signature));
    must(envelope_encode(&envelope, &out));
    submit_raw(county, &self->keys.curve, buffer_view(&out));
    county_pump(county);
}

/* --- commands --- */

struct command_context
county_context(struct county *county, unsigned who)
{
    struct county_member *member = &county->members[who];

    return (struct command_context){
        .agent = member->agent, .link = member->link, .now = county->now};
}

static json_t *
run(struct county *county, unsigned who, const char *format, va_list args)
{
    struct command_context context = county_context(county, who);
    json_error_t error;
    json_t *request = json_vpack_ex(&error, 0, format, args);

    if (request == NULL)
        fail_msg("%s: %s", format, error.text);
    json_t *answer = command_run(&context, request, &county->watched);
    json_decref(request);
    assert_non_null(answer);
    return answer;
}

json_t *
county_run(struct county *county, unsigned who, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    json_t *answer = run(county, who, format, args);
    va_end(args);
    return answer;
}

json_t *
county_do(struct county *county, unsigned who, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    json_t *answer = run(county, who, format, args);
    va_end(args);
    if (!json_is_true(json_object_get(answer, "ok")))
        fail_msg("%s", json_dumps(answer, 0));
    county_pump(county);
    return answer;
}

void
county_refer(struct county *county, const char *person, char loop[LOOP_ID_TEXT])
{
    char form[512];

    (void)snprintf(form, sizeof(form),
                   "{\"to\": \"elm-pantry\", \"category\": \"food-insecurity\", "
                   "\"person\": {\"name\": \"%s\", \"phone\": \"555-0100\"}, "
                   "\"need\": \"groceries for three\", \"needed_by\": \"2026-12-01\", "
                   "\"consent\": {\"basis\": \"consent\", \"signed_on\": \"2026-11-20\"}}",
                   person);
    json_t *answer = county_do(county, CLINIC, "{s:s, s:[{s:s, s:s}]}", "command", "send", "files",
                               "name", "referral.json", "text", form);
    put_text(loop, LOOP_ID_TEXT, county_text(answer, "sent.0.loop"));
    json_decref(answer);
}

json_t *
county_at(json_t *json, const char *path)
{
    char name[64];

    while (json != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        path += len + (path[len] == '.' ? 1 : 0);
    }
    return json;
}

const char *
county_text(json_t *json, const char *path)
{
    const char *text = json_string_value(county_at(json, path));

    return text != NULL ? text : "";
}

json_int_t
county_number(json_t *json, const char *path)
{
    return json_integer_value(county_at(json, path));
}
