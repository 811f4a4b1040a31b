/* Makes the network through the same tokens and joins that people use, so that every test of the
 * agent also runs the identity code. */
#include "tests/unit/agent/fixture.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "lib/base/secret.h"

const char *const fixture_orgs[FIXTURE_MEMBERS_MAX] = {"maple-clinic", "elm-pantry", "oak-shelter",
                                                       "ash-legal"};
static const char *const names[FIXTURE_MEMBERS_MAX] = {"Maple Clinic", "Elm Street Pantry",
                                                       "Oak Shelter", "Ash Legal Aid"};

static void
sign(const struct statement *statement, const struct sign_secret *secret, struct buffer *out)
{
    struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};

    assert_int_equal(statement_encode(statement, &bytes), ERR_OK);
    envelope.statement = buffer_view(&bytes);
    assert_int_equal(turn_sign(SIGN_STATEMENTS, &statement->network, &envelope.statement, 1, secret,
                               &envelope.signature),
                     ERR_OK);
    *out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    assert_int_equal(envelope_encode(&envelope, out), ERR_OK);
    buffer_done(&bytes);
}

static struct statement
root_statement(const struct fixture *fixture, enum statement_kind kind)
{
    struct statement statement = {.suite = STATEMENT_SUITE_1,
                                  .kind = kind,
                                  .network = fixture->network,
                                  .authored_ms = 1700000000000};
    struct sign_public root;

    memcpy(root.bytes, fixture->network.bytes, sizeof(root.bytes));
    statement.author_key = key_id_of_signer(&root);
    return statement;
}

static void
make_genesis(struct fixture *fixture)
{
    struct statement statement;
    struct statement_genesis *genesis = &statement.as.genesis;
    struct sign_secret auditor_sign;
    struct seal_secret auditor_seal;
    struct curve_secret unused;
    struct sign_public root;

    sign_new_pair(&root, &fixture->root);
    memcpy(fixture->network.bytes, root.bytes, sizeof(root.bytes));
    statement = root_statement(fixture, STATEMENT_GENESIS);
    strcpy(genesis->network_name, "Test County");
    strcpy(genesis->endpoint, "tcp://broker.example.org:5555");
    strcpy(genesis->auditor_org, "county-office");
    curve_new_pair(&genesis->broker_curve, &unused);
    sign_new_pair(&genesis->broker_log, &fixture->log_secret);
    sign_new_pair(&genesis->auditor.sign, &auditor_sign);
    seal_new_pair(&genesis->auditor.seal, &auditor_seal);
    curve_new_pair(&genesis->auditor.curve, &unused);
    fixture->genesis = *genesis;
    sign(&statement, &fixture->root, &fixture->genesis_envelope);
}

static void
make_member(const struct fixture *fixture, size_t which, const char *name, bool replaces,
            struct fixture_member *member)
{
    struct statement statement = root_statement(fixture, STATEMENT_INVITE);
    struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_secret once_sign;
    struct curve_secret once_curve;

    secret_random(seed, sizeof(seed));
    sign_pair_from_seed(seed, &statement.as.invite.once_sign, &once_sign);
    curve_new_pair(&statement.as.invite.once_curve, &once_curve);
    strcpy(statement.as.invite.org, fixture_orgs[which]);
    strcpy(statement.as.invite.name, name);
    statement.as.invite.expires_ms = INT64_MAX;
    statement.as.invite.replaces = replaces;
    sign(&statement, &fixture->root, &member->invite);
    assert_int_equal(token_format(buffer_view(&fixture->genesis_envelope),
                                  buffer_view(&member->invite), seed, &once_curve, &line),
                     ERR_OK);
    assert_int_equal(token_parse(buffer_view(&line), &member->token), ERR_OK);
    assert_int_equal(identity_new(&member->token, &member->identity), ERR_OK);
    member->join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    assert_int_equal(identity_join_envelope(&member->identity, &member->token, &member->join),
                     ERR_OK);
    buffer_done(&line);
}

void
fixture_init(struct fixture *fixture, size_t n_members)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    bool locked;

    memset(fixture, 0, sizeof(*fixture));
    assert_int_equal(secret_start(&locked), ERR_OK);
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "%s/refloop-agent-XXXXXX", parent);
    assert_non_null(mkdtemp(fixture->dir));
    fixture->map_max_bytes = 256 << 20;
    make_genesis(fixture);
    fixture->n_members = n_members;
    for (size_t i = 0; i < n_members; i++)
        make_member(fixture, i, names[i], false, &fixture->member[i]);
}

static int
remove_one(const char *path, const struct stat *status, int flag, struct FTW *where)
{
    (void)status;
    (void)flag;
    (void)where;
    return remove(path);
}

void
fixture_member_done(struct fixture_member *member)
{
    token_done(&member->token);
    identity_done(&member->identity);
    buffer_done(&member->invite);
    buffer_done(&member->join);
}

void
fixture_replace(const struct fixture *fixture, size_t which, const char *name,
                struct fixture_member *member_out)
{
    make_member(fixture, which, name, true, member_out);
}

void
fixture_done(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->n_members; i++)
        fixture_member_done(&fixture->member[i]);
    buffer_done(&fixture->genesis_envelope);
    (void)nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
fixture_revoke(const struct fixture *fixture, size_t which, struct buffer *out)
{
    struct statement statement = root_statement(fixture, STATEMENT_REVOKE);

    strcpy(statement.as.revoke.org, fixture_orgs[which]);
    strcpy(statement.as.revoke.reason, "left the network");
    sign(&statement, &fixture->root, out);
}

void
fixture_rotate(const struct fixture *fixture, size_t which, const struct key_set *keys,
               const struct sign_secret *new_sign, struct buffer *out)
{
    const struct identity *identity = &fixture->member[which].identity;
    struct statement statement = root_statement(fixture, STATEMENT_ROTATE);
    struct buffer bytes = BUFFER_INIT(512);

    strcpy(statement.author, identity->org);
    statement.author_key = identity->key_id;
    statement.as.rotate.keys = *keys;
    statement_possession_bytes(&fixture->network, identity->org, keys, &bytes);
    struct bytes part = buffer_view(&bytes);
    sign_make(SIGN_POSSESSION, &part, 1, new_sign, statement.as.rotate.possession);
    sign(&statement, &identity->secrets->sign, out);
    buffer_done(&bytes);
}

void
fixture_path(const struct fixture *fixture, const char *name, char *out, size_t size)
{
    assert_true(snprintf(out, size, "%s/%s", fixture->dir, name) < (int)size);
}

struct agent *
fixture_open_agent(const struct fixture *fixture, size_t which, const char *name)
{
    char path[128];
    struct agent *agent = NULL;
    struct complaint complaint = {""};
    const struct agent_options options = {
        .store_dir = path,
        .map_bytes = fixture->map_max_bytes < 4 << 20 ? fixture->map_max_bytes : 4 << 20,
        .map_max_bytes = fixture->map_max_bytes,
        .identity = &fixture->member[which].identity,
        .ping_ms = 1000,
        .silence_ms = 3000,
        .credit_bytes = LIMIT_FRAME_BYTES,
        .window = 64,
    };

    fixture_path(fixture, name, path, sizeof(path));
    if (agent_open(&options, &agent, &complaint) != ERR_OK)
        fail_msg("agent_open: %s", complaint.text);
    return agent;
}
