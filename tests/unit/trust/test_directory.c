/* The directory: who may become what, told by which refusal, and that folding twice gives the same.
 * Statements are made by the fixture. */
#include "tests/unit/trust/network.h"

#include <stdio.h>

static void
genesis_comes_first_and_once(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start_empty(&network);
    assert_null(directory_genesis(network.directory));
    assert_null(directory_auditor(network.directory));
    assert_err(say(&network, fixture_invite("elm-pantry", ONCE)), ERR_NOT_PERMITTED);
    assert_err(say(&network, fixture_revoke("elm-pantry")), ERR_NOT_PERMITTED);
    assert_err(say(&network, fixture_join(PANTRY, ONCE)), ERR_NOT_PERMITTED);
    assert_err(say(&network, fixture_rotate(PANTRY, SHELTER)), ERR_NOT_PERMITTED);
    assert_ok(say(&network, fixture_genesis()));
    assert_err(say(&network, fixture_genesis()), ERR_NOT_PERMITTED);
    struct statement second = fixture_genesis(); /* all its keys are new */
    second.as.genesis.broker_curve = fixture_who(50)->keys.curve;
    second.as.genesis.broker_log = fixture_who(50)->keys.sign;
    second.as.genesis.auditor = fixture_who(51)->keys;
    assert_err(say(&network, second), ERR_NOT_PERMITTED);
    const struct member *auditor = directory_auditor(network.directory);
    struct fixture_org office = fixture_org(AUDITOR);
    assert_string_equal(auditor->org, "county-office");
    assert_int_equal(auditor->state, MEMBER_ACTIVE);
    assert_true(auditor->is_auditor && auditor->invite_spent);
    assert_memory_equal(&auditor->key_id, &office.key_id, KEY_ID_BYTES);
    assert_string_equal(directory_genesis(network.directory)->network_name, "Example County");
}

static void
genesis_is_the_root_s(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start_empty(&network);
    struct statement wrong = fixture_genesis();
    wrong.author_key = fixture_org(CLINIC).key_id;
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_genesis();
    memcpy(wrong.author, "hill-clinic", 12);
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_genesis();
    wrong.network.bytes[0] ^= 1;
    assert_err(say(&network, wrong), ERR_WRONG_NETWORK);
    wrong = fixture_genesis();
    memset(&wrong.as.genesis.broker_log, 0, SIGN_PUBLIC_BYTES);
    wrong.as.genesis.broker_log.bytes[0] = 1; /* the neutral point */
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_genesis();
    wrong.as.genesis.auditor.sign = wrong.as.genesis.broker_log;
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_genesis();
    memcpy(&wrong.as.genesis.auditor.seal, &wrong.as.genesis.auditor.curve, SEAL_PUBLIC_BYTES);
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    assert_int_equal(directory_count(network.directory), 0);
}

static void
join_makes_a_member(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    bool once = false;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    const struct member *member = directory_find(network.directory, "elm-pantry");
    assert_int_equal(member->state, MEMBER_INVITED);
    assert_int_equal(member->handle, 1);
    assert_int_equal(member->since_index, 1);
    assert_false(member->invite_spent);
    assert_ptr_equal(find_curve(&network, ONCE, &once), member);
    assert_true(once);
    assert_null(find_curve(&network, PANTRY, &once));

    assert_ok(say(&network, fixture_join(PANTRY, ONCE)));
    member = directory_find(network.directory, "elm-pantry");
    assert_int_equal(member->state, MEMBER_ACTIVE);
    assert_int_equal(member->handle, 1);
    assert_int_equal(member->since_index, 2);
    assert_int_equal(member->since_ms, 2000);
    assert_true(member->invite_spent);
    assert_ptr_equal(find_curve(&network, PANTRY, &once), member);
    assert_false(once);
    assert_ptr_equal(find_curve(&network, ONCE, &once), member); /* to be told: spent */
    assert_true(once);
}

static void
invite_is_spent_once(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct sign_public signer;
    start_joined(&network);
    struct statement again = fixture_join(PANTRY, ONCE);
    assert_err(say(&network, again), ERR_TOKEN_SPENT);
    /* The key it must be signed with is still known, so that it can be told from a forgery. */
    assert_ok(directory_signer(network.directory, &again, &signer));
    assert_memory_equal(&signer, &fixture_who(ONCE)->keys.sign, sizeof(signer));
}

static void
invite_expires_by_log_time(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    struct statement join = fixture_join(PANTRY, ONCE);
    assert_err(say_at(&network, &join, 5001), ERR_TOKEN_EXPIRED);
    assert_int_equal(state_of(&network, "elm-pantry"), MEMBER_INVITED);
    assert_ok(say_at(&network, &join, 5000));
}

static void
join_names_its_invite_and_itself(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    struct statement wrong = fixture_join(PANTRY, ONCE);
    memcpy(wrong.as.join.org, "elm-nobody", 11);
    assert_err(say(&network, wrong), ERR_UNKNOWN_MEMBER);
    wrong = fixture_join(PANTRY, ONCE);
    memcpy(wrong.author, "hill-clinic", 12);
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_join(PANTRY, ONCE);
    wrong.author_key = fixture_org(PANTRY).key_id;
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_join(PANTRY, SHELTER); /* with another invite's key */
    assert_err(say(&network, wrong), ERR_TOKEN_SPENT);
    wrong = fixture_join(AUDITOR, ONCE); /* a member that never had an invite */
    assert_err(say(&network, wrong), ERR_TOKEN_SPENT);
    assert_ok(say(&network, fixture_join(PANTRY, ONCE)));
}

static void
invites_follow_the_state(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    bool once = false;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    /* Still only invited: a fresh one takes the place of the earlier. */
    assert_err(say(&network, fixture_invite("elm-pantry", ONCE)),
               ERR_NOT_PERMITTED); /* same keys */
    assert_ok(say(&network, fixture_invite("elm-pantry", 21)));
    assert_err(say(&network, fixture_join(PANTRY, ONCE)), ERR_TOKEN_SPENT);
    const struct member *member = find_curve(&network, ONCE, &once);
    assert_non_null(member);
    assert_true(once);
    assert_memory_not_equal(&member->once_curve, &fixture_who(ONCE)->keys.curve, CURVE_KEY_BYTES);
    assert_ok(say(&network, fixture_join(PANTRY, 21)));
    assert_int_equal(directory_count(network.directory), 2);
    /* A member already. */
    assert_err(say(&network, fixture_invite("elm-pantry", 22)), ERR_MEMBER_EXISTS);
    assert_err(say(&network, fixture_invite("county-office", 22)), ERR_MEMBER_EXISTS);
}

static void
revocation_ends_a_member(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct sign_public signer;
    bool once = true;
    start_joined(&network);
    assert_err(say(&network, fixture_revoke("elm-nobody")), ERR_UNKNOWN_MEMBER);
    assert_err(say(&network, fixture_revoke("county-office")), ERR_NOT_PERMITTED);
    struct statement stranger = fixture_revoke("elm-pantry");
    stranger.author_key = fixture_org(CLINIC).key_id;
    assert_err(say(&network, stranger), ERR_NOT_PERMITTED);
    assert_ok(say(&network, fixture_revoke("elm-pantry")));
    const struct member *member = find_curve(&network, PANTRY, &once);
    assert_non_null(member); /* to be told: revoked */
    assert_false(once);
    assert_int_equal(member->state, MEMBER_REVOKED);
    assert_int_equal(member->since_index, 3);
    assert_string_equal(member->revoke_reason, "left the network");
    struct statement rotate = fixture_rotate(PANTRY, 23);
    assert_err(say(&network, rotate), ERR_REVOKED);
    assert_err(directory_signer(network.directory, &rotate, &signer), ERR_REVOKED);
    assert_err(say(&network, fixture_join(PANTRY, ONCE)), ERR_TOKEN_SPENT);
    assert_err(say(&network, fixture_invite("elm-pantry", 25)), ERR_MEMBER_EXISTS);
    /* Back with a new invite. */
    struct statement invite = fixture_invite("elm-pantry", 25);
    invite.as.invite.replaces = true;
    assert_ok(say(&network, invite));
    assert_int_equal(state_of(&network, "elm-pantry"), MEMBER_REVOKED);
    assert_ok(say(&network, fixture_join(PANTRY, 25)));
    member = directory_find(network.directory, "elm-pantry");
    assert_int_equal(member->state, MEMBER_ACTIVE);
    assert_int_equal(member->handle, 1);
    assert_string_equal(member->revoke_reason, "");
}

static void
revocation_withdraws_an_invite(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    bool once = false;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    assert_ok(say(&network, fixture_revoke("elm-pantry")));
    assert_err(say(&network, fixture_join(PANTRY, ONCE)), ERR_REVOKED);
    const struct member *member = find_curve(&network, ONCE, &once);
    assert_true(member->invite_spent);
    /* Also an invite that was to replace a member's keys. */
    struct statement invite = fixture_invite("elm-pantry", 26);
    invite.as.invite.replaces = true;
    assert_ok(say(&network, invite));
    assert_ok(say(&network, fixture_revoke("elm-pantry")));
    assert_err(say(&network, fixture_join(PANTRY, 26)), ERR_REVOKED);
}

static void
other_kinds_are_none_of_its_business(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start(&network);
    assert_false(directory_concerns(STATEMENT_LOOP));
    assert_false(directory_concerns((enum statement_kind)0));
    assert_false(directory_concerns((enum statement_kind)7));
    assert_true(directory_concerns(STATEMENT_GENESIS));
    assert_true(directory_concerns(STATEMENT_ROTATE));
    assert_err(say(&network, fixture_request()), ERR_NOT_PERMITTED);
}

static void
handles_and_order(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct network_id root = fixture_network();
    start(&network);
    for (unsigned i = 0; i < 40; i++) {
        char org[ORG_ID_BYTES];
        (void)snprintf(org, sizeof(org), "org-%u", 100 + i);
        network.next += 3; /* other statements stand between */
        assert_ok(say(&network, fixture_invite(org, 200 + i)));
    }
    assert_int_equal(directory_count(network.directory), 41);
    for (size_t i = 0; i < 41; i++) {
        const struct member *member = directory_at(network.directory, i);
        assert_ptr_equal(directory_find_handle(network.directory, member->handle), member);
        assert_ptr_equal(directory_find(network.directory, member->org), member);
        if (i > 0) {
            assert_true(member->handle > directory_at(network.directory, i - 1)->handle);
        }
    }
    assert_null(directory_at(network.directory, 41));
    assert_null(directory_find_handle(network.directory, 2));
    assert_null(directory_find_handle(network.directory, UINT64_MAX));
    assert_null(directory_find(network.directory, "org-1"));
    assert_memory_equal(directory_network(network.directory), &root, sizeof(root));
    assert_string_equal(directory_state_name(MEMBER_INVITED), "invited");
    assert_string_equal(directory_state_name(MEMBER_ACTIVE), "active");
    assert_string_equal(directory_state_name(MEMBER_REVOKED), "revoked");
}

/* A history with everything in it, refusals too. */
static void
fold_history(struct network *network)
{
    struct statement invite = fixture_invite("elm-pantry", 31);
    invite.as.invite.replaces = true;
    const struct statement history[] = {
        fixture_genesis(),
        fixture_invite("elm-pantry", ONCE),
        fixture_join(PANTRY, ONCE),
        fixture_invite("hill-clinic", 30),
        fixture_join(PANTRY, ONCE),
        fixture_join(CLINIC, 30),
        fixture_rotate(PANTRY, 33),
        fixture_revoke("hill-clinic"),
        invite,
        fixture_genesis(),
    };
    start_empty(network);
    for (size_t i = 0; i < ARRAY_LEN(history); i++) {
        enum err err = say(network, history[i]);
        assert_true(err == ERR_OK || err_is_peer(err));
    }
}

static void
folding_again_gives_the_same(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network a;
    CLEANUP(network_done) struct network b;
    fold_history(&a);
    fold_history(&b);
    assert_int_equal(directory_count(a.directory), 3);
    assert_int_equal(directory_count(b.directory), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(directory_at(a.directory, i), directory_at(b.directory, i),
                            sizeof(struct member));
    }
    assert_memory_equal(directory_genesis(a.directory), directory_genesis(b.directory),
                        sizeof(struct statement_genesis));
}

static void
members_are_bounded(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start(&network);
    for (unsigned i = 1; i < LIMIT_MEMBERS; i++) {
        char org[ORG_ID_BYTES];
        struct statement invite;
        (void)snprintf(org, sizeof(org), "org-%u", i);
        invite = fixture_invite(org, 1000 + i);
        assert_ok(directory_apply(network.directory, &invite, ++network.next, 2000));
    }
    assert_int_equal(directory_count(network.directory), LIMIT_MEMBERS);
    assert_err(say(&network, fixture_invite("one-too-many", 900)), ERR_QUOTA);
    assert_ok(say(&network, fixture_invite("org-7", 901)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis_comes_first_and_once),
        cmocka_unit_test(genesis_is_the_root_s),
        cmocka_unit_test(join_makes_a_member),
        cmocka_unit_test(invite_is_spent_once),
        cmocka_unit_test(invite_expires_by_log_time),
        cmocka_unit_test(join_names_its_invite_and_itself),
        cmocka_unit_test(invites_follow_the_state),
        cmocka_unit_test(revocation_ends_a_member),
        cmocka_unit_test(revocation_withdraws_an_invite),
        cmocka_unit_test(other_kinds_are_none_of_its_business),
        cmocka_unit_test(handles_and_order),
        cmocka_unit_test(folding_again_gives_the_same),
        cmocka_unit_test(members_are_bounded),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
