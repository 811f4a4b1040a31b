/* The directory's keys: possessed by who brings them, owned by one for ever, replaced by the rules,
 * and known again by the connection that shows them. */
#include "tests/unit/trust/network.h"

static void
keys_must_be_possessed(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    start(&network);
    assert_ok(say(&network, fixture_invite("elm-pantry", ONCE)));
    struct statement wrong = fixture_join(PANTRY, ONCE);
    wrong.as.join.possession[10] ^= 1;
    assert_err(say(&network, wrong), ERR_SIGNATURE);
    wrong = fixture_join(PANTRY, ONCE); /* proved for other keys */
    wrong.as.join.keys.seal = fixture_org(SHELTER).keys.seal;
    assert_err(say(&network, wrong), ERR_SIGNATURE);
    wrong = fixture_join(PANTRY, ONCE); /* proved for another organization */
    fixture_possess("hill-clinic", &wrong.as.join.keys, &fixture_who(PANTRY)->sign,
                    wrong.as.join.possession);
    assert_err(say(&network, wrong), ERR_SIGNATURE);
    wrong = fixture_join(PANTRY, ONCE); /* another's keys, proved by our own */
    wrong.as.join.keys.sign = fixture_org(SHELTER).keys.sign;
    fixture_possess("elm-pantry", &wrong.as.join.keys, &fixture_who(PANTRY)->sign,
                    wrong.as.join.possession);
    assert_err(say(&network, wrong), ERR_SIGNATURE);
}

/* The clinic tries to join with one key of somebody else among its own. */
static enum err
join_with(struct network *network, const struct key_set *keys, const struct sign_secret *holder)
{
    struct statement join = fixture_join(CLINIC, 20);
    join.as.join.keys = *keys;
    fixture_possess("hill-clinic", keys, holder, join.as.join.possession);
    return say(network, join);
}

static void
keys_have_one_owner(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct fixture_org clinic = fixture_org(CLINIC), pantry = fixture_org(PANTRY);
    struct fixture_org broker = fixture_org(BROKER), once = fixture_org(ONCE);
    struct fixture_org root = fixture_org(ROOT);
    start_joined(&network);
    assert_ok(say(&network, fixture_invite("hill-clinic", 20)));
    struct key_set keys = clinic.keys;
    keys.seal = pantry.keys.seal;
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    keys.curve = pantry.keys.curve;
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    keys.sign = pantry.keys.sign;
    assert_err(join_with(&network, &keys, &pantry.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    keys.curve = broker.keys.curve;
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    keys.sign = root.keys.sign;
    assert_err(join_with(&network, &keys, &root.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    keys.curve = once.keys.curve; /* a one-time key, whose secret others have seen */
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    memcpy(&keys.seal, &pantry.keys.curve, sizeof(keys.seal)); /* in another use */
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    memcpy(&keys.seal, &keys.curve, sizeof(keys.seal)); /* one for two uses */
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    memset(&keys.sign, 0, sizeof(keys.sign)); /* no sound key */
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys = clinic.keys;
    memset(&keys.seal, 0, sizeof(keys.seal)); /* of small order: nothing could be sealed to it */
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    keys.seal.bytes[0] = 1;
    assert_err(join_with(&network, &keys, &clinic.sign), ERR_NOT_PERMITTED);
    assert_ok(join_with(&network, &clinic.keys, &clinic.sign));
}

static void
lost_machine_gets_new_keys(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct sign_public signer;
    bool once = false;
    start_joined(&network);
    struct statement invite = fixture_invite("elm-pantry", 22);
    invite.as.invite.replaces = true;
    assert_ok(say(&network, invite));
    /* Nothing has changed yet: the old machine may still be there. */
    const struct member *member = find_curve(&network, PANTRY, &once);
    assert_non_null(member);
    assert_int_equal(member->state, MEMBER_ACTIVE);
    assert_false(member->invite_spent);

    struct statement join = fixture_join(SHELTER, 22);
    memcpy(join.author, "elm-pantry", 11);
    memcpy(join.as.join.org, "elm-pantry\0\0\0", 14);
    fixture_possess("elm-pantry", &join.as.join.keys, &fixture_who(SHELTER)->sign,
                    join.as.join.possession);
    assert_ok(say(&network, join));
    assert_null(find_curve(&network, PANTRY, &once));
    assert_non_null(find_curve(&network, SHELTER, &once));
    assert_false(once);
    struct statement old = fixture_rotate(PANTRY, 23);
    assert_err(say(&network, old), ERR_NOT_PERMITTED); /* names the old key */
    assert_ok(directory_signer(network.directory, &old, &signer));
    assert_memory_equal(&signer, &fixture_who(SHELTER)->keys.sign, sizeof(signer));
    /* And the old keys stay the pantry's: nobody else can take them up. */
    assert_ok(say(&network, fixture_invite("hill-clinic", 24)));
    struct statement thief = fixture_join(CLINIC, 24);
    thief.as.join.keys.curve = fixture_org(PANTRY).keys.curve;
    fixture_possess("hill-clinic", &thief.as.join.keys, &fixture_who(CLINIC)->sign,
                    thief.as.join.possession);
    assert_err(say(&network, thief), ERR_NOT_PERMITTED);
}

static void
rotation_needs_the_present_key(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct fixture_org next = fixture_org(SHELTER);
    bool once = false;
    start_joined(&network);
    struct statement wrong = fixture_rotate(PANTRY, SHELTER);
    wrong.as.rotate.possession[0] ^= 1;
    assert_err(say(&network, wrong), ERR_SIGNATURE);
    wrong = fixture_rotate(PANTRY, SHELTER);
    wrong.author_key = next.key_id;
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    wrong = fixture_rotate(CLINIC, SHELTER);
    assert_err(say(&network, wrong), ERR_UNKNOWN_MEMBER);
    wrong = fixture_rotate(PANTRY, AUDITOR);
    assert_err(say(&network, wrong), ERR_NOT_PERMITTED);
    assert_ok(say(&network, fixture_invite("hill-clinic", 27)));
    assert_err(say(&network, fixture_rotate(CLINIC, 28)), ERR_UNKNOWN_MEMBER); /* only invited */

    assert_ok(say(&network, fixture_rotate(PANTRY, SHELTER)));
    const struct member *member = directory_find(network.directory, "elm-pantry");
    assert_memory_equal(&member->key_id, &next.key_id, KEY_ID_BYTES);
    assert_null(find_curve(&network, PANTRY, &once));
    assert_ptr_equal(find_curve(&network, SHELTER, &once), member);
    assert_err(say(&network, fixture_rotate(PANTRY, 29)), ERR_NOT_PERMITTED); /* the old key */
}

static void
a_replaced_key_is_remembered_with_what_replaced_it(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    const struct curve_public *old = &fixture_who(PANTRY)->keys.curve;
    uint64_t at = 0;
    start_joined(&network);
    assert_null(directory_find_former_curve(network.directory, old, &at));
    assert_ok(say(&network, fixture_rotate(PANTRY, SHELTER)));
    const struct member *member = directory_find(network.directory, "elm-pantry");
    uint64_t first = network.next - 1;
    assert_ptr_equal(directory_find_former_curve(network.directory, old, &at), member);
    assert_int_equal(at, first);
    assert_null(directory_find_former_curve(network.directory, &member->keys.curve, &at));
    struct statement again = fixture_rotate(PANTRY, 23);
    again.author_key = member->key_id;
    assert_ok(say(&network, again));
    assert_ptr_equal(directory_find_former_curve(network.directory, old, &at), member);
    assert_int_equal(at, first); /* not the last change: the one that concerned this key */
    /* One-time keys and strangers' never were a member's own. */
    assert_null(
        directory_find_former_curve(network.directory, &fixture_who(ONCE)->keys.curve, &at));
    assert_null(
        directory_find_former_curve(network.directory, &fixture_who(CLINIC)->keys.curve, &at));
}

static void
rotation_may_keep_a_key(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    bool once = false;
    start_joined(&network);
    struct statement rotate = fixture_rotate(PANTRY, SHELTER);
    rotate.as.rotate.keys.curve = fixture_org(PANTRY).keys.curve;
    fixture_possess("elm-pantry", &rotate.as.rotate.keys, &fixture_who(SHELTER)->sign,
                    rotate.as.rotate.possession);
    assert_ok(say(&network, rotate));
    assert_non_null(find_curve(&network, PANTRY, &once));
    /* But never in another use: what sealed must not connect. */
    struct fixture_org pantry = fixture_org(PANTRY);
    pantry.key_id = directory_find(network.directory, "elm-pantry")->key_id;
    struct statement turned = fixture_rotate(PANTRY, 23);
    turned.author_key = pantry.key_id;
    memcpy(&turned.as.rotate.keys.curve, &pantry.keys.seal, CURVE_KEY_BYTES);
    fixture_possess("elm-pantry", &turned.as.rotate.keys, &fixture_who(23)->sign,
                    turned.as.rotate.possession);
    assert_err(say(&network, turned), ERR_NOT_PERMITTED);
}

static void
signers(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct sign_public signer;
    struct network_id root = fixture_network();
    start(&network);
    struct statement said = fixture_invite("elm-pantry", ONCE);
    assert_ok(directory_signer(network.directory, &said, &signer));
    assert_memory_equal(&signer, &root, sizeof(signer));
    said = fixture_revoke("elm-pantry");
    assert_ok(directory_signer(network.directory, &said, &signer));
    assert_memory_equal(&signer, &root, sizeof(signer));
    said = fixture_genesis();
    assert_ok(directory_signer(network.directory, &said, &signer));
    said = fixture_join(PANTRY, ONCE);
    assert_err(directory_signer(network.directory, &said, &signer), ERR_UNKNOWN_MEMBER);
    said = fixture_join(AUDITOR, ONCE);
    assert_err(directory_signer(network.directory, &said, &signer), ERR_UNKNOWN_MEMBER);
    said = fixture_request();
    assert_err(directory_signer(network.directory, &said, &signer), ERR_UNKNOWN_MEMBER);
    assert_ok(say(&network, fixture_invite("hill-clinic", ONCE)));
    assert_err(directory_signer(network.directory, &said, &signer), ERR_UNKNOWN_MEMBER);
    assert_ok(say(&network, fixture_join(CLINIC, ONCE)));
    assert_ok(directory_signer(network.directory, &said, &signer));
    assert_memory_equal(&signer, &fixture_who(CLINIC)->keys.sign, sizeof(signer));
    said.kind = (enum statement_kind)77;
    assert_err(directory_signer(network.directory, &said, &signer), ERR_UNKNOWN_MEMBER);
}

static void
unknown_and_network_keys_are_nobody_s(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    bool once = false;
    start_joined(&network);
    assert_null(find_curve(&network, CLINIC, &once));
    assert_null(find_curve(&network, BROKER, &once));
    struct curve_public seal; /* a seal key is no connection's key */
    memcpy(&seal, &fixture_who(PANTRY)->keys.seal, sizeof(seal));
    assert_null(directory_find_curve(network.directory, &seal, &once));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_must_be_possessed),
        cmocka_unit_test(keys_have_one_owner),
        cmocka_unit_test(lost_machine_gets_new_keys),
        cmocka_unit_test(rotation_needs_the_present_key),
        cmocka_unit_test(a_replaced_key_is_remembered_with_what_replaced_it),
        cmocka_unit_test(rotation_may_keep_a_key),
        cmocka_unit_test(signers),
        cmocka_unit_test(unknown_and_network_keys_are_nobody_s),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
