/* The invite line: comes back whole, and no changed character, foreign part or wrong secret passes.
 */
#include "tests/unit/wire/case.h"

#include <stdio.h>
#include <string.h>

#include "lib/trust/token.h"
#include "tests/unit/wire/fixture.h"

/* What a token is made of; each part can be replaced before it is formatted. */
struct makings {
    struct statement genesis, invite;
    struct fixture_org genesis_signer, invite_signer;
    struct fixture_org once;
};

static struct makings
sound(void)
{
    struct fixture_org root = fixture_org(ROOT);
    return (struct makings){.genesis = fixture_genesis(),
                            .invite = fixture_invite("elm-pantry", ONCE),
                            .genesis_signer = root,
                            .invite_signer = root,
                            .once = fixture_org(ONCE)};
}

static void
make(const struct makings *makings, struct buffer *line)
{
    CLEANUP(buffer_done) struct buffer genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer invite = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    fixture_envelope(&makings->genesis, &makings->genesis_signer.sign, bytes_of(NULL, 0), &genesis);
    fixture_envelope(&makings->invite, &makings->invite_signer.sign, bytes_of(NULL, 0), &invite);
    assert_ok(token_format(buffer_view(&genesis), buffer_view(&invite), makings->once.seed,
                           &makings->once.curve, line));
}

static enum err
parse_made(const struct makings *makings)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(token_done) struct token token = {0};
    make(makings, &line);
    return token_parse(buffer_view(&line), &token);
}

static void
comes_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(token_done) struct token token = {0};
    struct makings makings = sound();
    struct network_id network = fixture_network();
    make(&makings, &line);
    assert_memory_equal(line.data, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
    assert_ok(token_parse(buffer_view(&line), &token));
    assert_memory_equal(&token.network, &network, sizeof(network));
    assert_string_equal(token.genesis.endpoint, "tcp://broker.example.org:7443");
    assert_string_equal(token.invite.org, "elm-pantry");
    assert_memory_equal(token.once_sign_seed, makings.once.seed, SIGN_SEED_BYTES);
    assert_memory_equal(&token.once_curve, &makings.once.curve, CURVE_KEY_BYTES);
    assert_ok(token_format(buffer_view(&token.genesis_envelope),
                           buffer_view(&token.invite_envelope), token.once_sign_seed,
                           &token.once_curve, &again));
    assert_true(bytes_equal(buffer_view(&line), buffer_view(&again)));
}

static void
white_space_does_not_count(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    CLEANUP(buffer_done) struct buffer spaced = BUFFER_INIT(2 * TOKEN_TEXT_MAX);
    CLEANUP(token_done) struct token token = {0};
    struct makings makings = sound();
    make(&makings, &line);
    buffer_put(&spaced, " \t\r\n", 4);
    for (size_t i = 0; i < line.len; i++) {
        buffer_put_u8(&spaced, line.data[i]);
        if (i % 76 == 75) {
            buffer_put(&spaced, "\r\n", 2); /* as a mail program breaks it */
        }
    }
    buffer_put(&spaced, "\n\n", 2);
    assert_ok(token_parse(buffer_view(&spaced), &token));
}

static void
every_changed_character_is_refused(void **state)
{
    (void)state;
    static const char others[] = "Aa0_-z9+/=:!\n\0\x80"; /* the NUL among them counts */
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    struct makings makings = sound();
    struct token token = {0};
    make(&makings, &line);
    for (size_t at = 0; at < line.len; at++) {
        uint8_t kept = line.data[at];
        for (size_t i = 0; i < sizeof(others) - 1; i++) {
            if ((uint8_t)others[i] == kept) {
                continue;
            }
            line.data[at] = (uint8_t)others[i];
            enum err err = token_parse(buffer_view(&line), &token);
            bool is_version = at == strlen(TOKEN_PREFIX) - 2 && err == ERR_VERSION;
            if (err != ERR_TOKEN_ALTERED && !is_version) {
                fail_msg("character %zu changed to %d: %s", at, others[i], err_name(err));
            }
        }
        line.data[at] = kept;
    }
    assert_ok(token_parse(buffer_view(&line), &token));
    token_done(&token);
}

static void
cut_and_joined_are_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(2 * TOKEN_TEXT_MAX);
    struct makings makings = sound();
    struct token token = {0};
    make(&makings, &line);
    size_t whole = line.len;
    for (size_t len = 0; len < whole; len++) {
        assert_err(token_parse(bytes_of(line.data, len), &token), ERR_TOKEN_ALTERED);
    }
    make(&makings, &line); /* pasted twice */
    assert_err(token_parse(buffer_view(&line), &token), ERR_TOKEN_ALTERED);
    static uint8_t endless[TOKEN_TEXT_MAX + 1];
    memset(endless, 'A', sizeof(endless));
    assert_err(token_parse(bytes_of(endless, sizeof(endless)), &token), ERR_TOKEN_ALTERED);
}

static void
other_versions_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err expected;
    } rows[] = {
        {"refloop-invite-2:AAAA", ERR_VERSION},
        {"refloop-invite-10:AAAA", ERR_VERSION},
        {"refloop-invite-:AAAA", ERR_TOKEN_ALTERED},
        {"refloop-invite-x:AAAA", ERR_TOKEN_ALTERED},
        {"refloop-invite-1:", ERR_TOKEN_ALTERED},
        {"refloop-invite-1", ERR_TOKEN_ALTERED},
        {"refloop-invite-1:AAAA", ERR_TOKEN_ALTERED},
        {"", ERR_TOKEN_ALTERED},
        {"hello", ERR_TOKEN_ALTERED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct token token = {0};
        assert_err(token_parse(bytes_of_text(rows[i].text), &token), rows[i].expected);
    }
}

/* Tokens somebody has put together anew, with a check that fits. */
static void
parts_must_belong_together(void **state)
{
    (void)state;
    struct makings makings = sound();
    assert_ok(parse_made(&makings));
    makings.invite_signer = fixture_org(CLINIC); /* not the root */
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.genesis_signer = fixture_org(CLINIC);
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.genesis = makings.invite; /* two invites */
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.invite = makings.genesis;
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.invite = fixture_revoke("elm-pantry");
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.once = fixture_org(SHELTER); /* secrets of other keys */
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound();
    makings.once.curve = fixture_org(SHELTER).curve;
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
    makings = sound(); /* an invite into another network, whose root has signed it */
    makings.invite_signer = fixture_org(SHELTER);
    memcpy(&makings.invite.network, &makings.invite_signer.keys.sign, SIGN_PUBLIC_BYTES);
    makings.invite.author_key = key_id_of_signer(&makings.invite_signer.keys.sign);
    assert_err(parse_made(&makings), ERR_TOKEN_ALTERED);
}

static void
done_wipes(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    struct makings makings = sound();
    struct token token = {0};
    make(&makings, &line);
    assert_ok(token_parse(buffer_view(&line), &token));
    token_done(&token);
    assert_true(bytes_all_zero(bytes_of(&token, sizeof(token))));
    token_done(&token);
}

static void
fingerprint_has_six_groups(void **state)
{
    (void)state;
    char text[FINGERPRINT_TEXT], other_text[FINGERPRINT_TEXT];
    struct network_id network = fixture_network();
    struct network_id other = network;
    token_fingerprint(&network, text);
    other.bytes[31] ^= 1;
    token_fingerprint(&other, other_text);
    assert_int_equal(strlen(text), 6 * 4 + 5);
    for (size_t i = 0; i < strlen(text); i++) {
        assert_non_null(strchr(i % 5 == 4 ? " " : "0123456789abcdef", text[i]));
    }
    assert_string_not_equal(text, other_text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(white_space_does_not_count),
        cmocka_unit_test(every_changed_character_is_refused),
        cmocka_unit_test(cut_and_joined_are_refused),
        cmocka_unit_test(other_versions_are_told),
        cmocka_unit_test(parts_must_belong_together),
        cmocka_unit_test(done_wipes),
        cmocka_unit_test(fingerprint_has_six_groups),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
