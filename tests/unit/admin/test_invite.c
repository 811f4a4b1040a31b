/* Invites: a statement the directory takes, and a token that opens to the same keys. */
#include "broker/admin/invite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "broker/admin/found.h"
#include "lib/base/secret.h"
#include "lib/trust/token.h"
#include "tests/unit/admin/scratch.h"

struct world {
    struct scratch scratch;
    char home[FILE_PATH_MAX], root_key[FILE_PATH_MAX];
    struct found found;
    struct network network;
    struct directory *directory;
};

static void
apply(struct world *world, struct bytes envelope, uint64_t index, enum err expected)
{
    struct opened_envelope opened;
    struct sign_public root;
    memcpy(root.bytes, world->network.id.bytes, sizeof(root.bytes));
    assert_int_equal(envelope_open(envelope, &world->network.id, &root, false, NULL, &opened),
                     ERR_OK);
    assert_int_equal(directory_apply(world->directory, &opened.statement, index, 2000 + (int)index),
                     expected);
}

static void
world_init(struct world *world)
{
    struct complaint complaint = {0};
    memset(world, 0, sizeof(*world));
    world->scratch = scratch_make();
    scratch_path(&world->scratch, "broker", world->home);
    scratch_path(&world->scratch, "broker/root.key", world->root_key);
    const struct found_order order = {.home = world->home,
                                      .root_key_path = world->root_key,
                                      .name = "Elm County",
                                      .endpoint = "tcp://broker.example.org:7707",
                                      .auditor = "administrator",
                                      .now_ms = 1000};
    assert_int_equal(found_prepare(&order, &world->found, &complaint), ERR_OK);
    assert_int_equal(found_write(&world->found, &order, bytes_of_text("correct horse"),
                                 VAULT_EFFORT_TEST, bytes_of_text("#\n"), &complaint),
                     ERR_OK);
    assert_int_equal(network_load(world->home, &world->network, &complaint), ERR_OK);
    assert_int_equal(directory_new(&world->network.id, &world->directory), ERR_OK);
    apply(world, buffer_view(&world->network.envelope), 0, ERR_OK);
}

static void
world_done(struct world *world)
{
    directory_free(world->directory);
    network_done(&world->network);
    found_done(&world->found);
    scratch_done(&world->scratch);
}

static enum err
make(const struct world *world, const struct invite_order *order, struct buffer *envelope,
     struct buffer *token)
{
    struct complaint complaint = {0};
    enum err err =
        invite_make(order, &world->found.root, &world->network, envelope, token, &complaint);
    assert_int_equal(err == ERR_OK, complaint.text[0] == '\0');
    return err;
}

static void
test_token_and_statement_agree(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world world;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_wipe) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(token_done) struct token token = {0};
    const struct invite_order order = {"elm-pantry", "Elm Street Pantry", false, 2000, 900000};
    world_init(&world);
    assert_int_equal(make(&world, &order, &envelope, &line), ERR_OK);
    assert_null(memchr(line.data, '\n', line.len));
    assert_int_equal(token_parse(buffer_view(&line), &token), ERR_OK);
    assert_string_equal(token.invite.org, "elm-pantry");
    assert_string_equal(token.invite.name, "Elm Street Pantry");
    assert_int_equal(token.invite.expires_ms, 900000);
    assert_false(token.invite.replaces);
    assert_memory_equal(&token.network, &world.network.id, sizeof(token.network));
    assert_true(bytes_equal(buffer_view(&token.invite_envelope), buffer_view(&envelope)));
    apply(&world, buffer_view(&envelope), 1, ERR_OK);
    const struct member *member = directory_find(world.directory, "elm-pantry");
    assert_non_null(member);
    assert_int_equal(member->state, MEMBER_INVITED);
    assert_memory_equal(&member->once_curve, &token.invite.once_curve, CURVE_KEY_BYTES);
}

/* New keys each time, so an invite may follow an unused one. */
static void
test_invite_again(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world world;
    CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_wipe) struct buffer one = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer two = BUFFER_INIT(TOKEN_TEXT_MAX);
    const struct invite_order order = {"elm-pantry", "Elm Street Pantry", false, 2000, 900000};
    world_init(&world);
    assert_int_equal(make(&world, &order, &first, &one), ERR_OK);
    assert_int_equal(make(&world, &order, &second, &two), ERR_OK);
    apply(&world, buffer_view(&first), 1, ERR_OK);
    apply(&world, buffer_view(&second), 2, ERR_OK);
    apply(&world, buffer_view(&first), 3, ERR_NOT_PERMITTED);
}

static void
test_bad_orders_make_nothing(void **state)
{
    (void)state;
    static const char long_name[] =
        "This name of an organization is longer than one hundred and twenty bytes, which is more "
        "than fits on any page that lists it, and so it is refused";
    static const struct invite_order cases[] = {
        {"Elm Pantry", "Elm Street Pantry", false, 2000, 900000},
        {"e", "Elm Street Pantry", false, 2000, 900000},
        {"", "Elm Street Pantry", false, 2000, 900000},
        {"elm-pantry", "", false, 2000, 900000},
        {"elm-pantry", "Elm\nPantry", false, 2000, 900000},
        {"elm-pantry", "Elm \033[31m Pantry", false, 2000, 900000},
        {"elm-pantry", long_name, false, 2000, 900000},
    };
    CLEANUP(world_done) struct world world;
    world_init(&world);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        CLEANUP(buffer_wipe) struct buffer token = BUFFER_INIT(TOKEN_TEXT_MAX);
        assert_int_equal(make(&world, &cases[i], &envelope, &token), ERR_INVALID);
        assert_int_equal(envelope.len + token.len, 0);
    }
}

/* A file that is not what some root signed is no network. */
static void
test_changed_genesis_is_refused(void **state)
{
    (void)state;
    CLEANUP(world_done) struct world world;
    struct network loaded = {0};
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    world_init(&world);
    scratch_path(&world.scratch, "broker/genesis", path);
    struct buffer *bytes = &world.network.envelope;
    for (size_t i = 0; i < bytes->len; i += 5) {
        bytes->data[i] ^= 1;
        assert_int_equal(file_replace(path, buffer_view(bytes), 0600), ERR_OK);
        assert_int_not_equal(network_load(world.home, &loaded, &complaint), ERR_OK);
        bytes->data[i] ^= 1;
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(network_load(world.home, &loaded, &complaint), ERR_NOT_FOUND);
    assert_non_null(strstr(complaint.text, "init"));
}

int
main(void)
{
    bool locked = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_and_statement_agree),
        cmocka_unit_test(test_invite_again),
        cmocka_unit_test(test_bad_orders_make_nothing),
        cmocka_unit_test(test_changed_genesis_is_refused),
    };
    if (secret_start(&locked) != ERR_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
