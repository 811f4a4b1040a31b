/* The sealed part: who opens what, and that it fits one statement only. */
#include "tests/unit/wire/case.h"

#include <string.h>

#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

static const char body_text[] = "{\"person\":\"Fictional Person\",\"phone\":\"555-0142\"}";
static const char facts_text[] = "{\"category\":\"food-insecurity\"}";

/* A request with its sealed bytes, and what one organization made of them. */
struct sealed_case {
    struct statement statement;
    struct buffer sealed;
    struct buffer body, facts;
    struct sealed_opened opened;
};

static void
case_done(struct sealed_case *c)
{
    buffer_done(&c->sealed);
    buffer_done(&c->body);
    buffer_done(&c->facts);
}

static void
case_start(struct sealed_case *c)
{
    *c = (struct sealed_case){.statement = fixture_request(),
                              .sealed = BUFFER_INIT(LIMIT_SEALED_BYTES),
                              .body = BUFFER_INIT(LIMIT_BODY_BYTES),
                              .facts = BUFFER_INIT(LIMIT_FACTS_BYTES)};
    fixture_seal(&c->statement, body_text, facts_text, &c->sealed);
}

static enum err
open_as(struct sealed_case *c, unsigned who)
{
    struct fixture_org org = fixture_org(who);
    buffer_clear(&c->body);
    buffer_clear(&c->facts);
    return sealed_open(&c->statement, buffer_view(&c->sealed), &org.key_id, &org.keys.seal,
                       &org.seal, &c->body, &c->facts, &c->opened);
}

static void
each_opens_its_compartments(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    static const struct {
        unsigned who;
        bool body, facts;
    } rows[] = {{CLINIC, true, true},
                {PANTRY, true, true},
                {AUDITOR, false, true},
                {BROKER, false, false},
                {SHELTER, false, false}};
    case_start(&c);
    assert_true(c.statement.as.loop.has_sealed);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(open_as(&c, rows[i].who));
        assert_int_equal(c.opened.has_body, rows[i].body);
        assert_int_equal(c.opened.has_facts, rows[i].facts);
        assert_true(
            bytes_equal(buffer_view(&c.body), bytes_of_text(rows[i].body ? body_text : "")));
        assert_true(
            bytes_equal(buffer_view(&c.facts), bytes_of_text(rows[i].facts ? facts_text : "")));
    }
}

static void
shape_and_classes(void **state)
{
    (void)state;
    static uint8_t body[LIMIT_BODY_BYTES + 1];
    static const struct {
        size_t bytes;
        enum seal_class expected;
    } rows[] = {{0, SEAL_1K}, {1020, SEAL_1K}, {1021, SEAL_4K}, {LIMIT_BODY_BYTES, SEAL_192K}};
    memset(body, 'b', sizeof(body) - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(case_done) struct sealed_case c;
        case_start(&c);
        buffer_clear(&c.sealed);
        body[rows[i].bytes] = '\0';
        fixture_seal(&c.statement, (const char *)body, facts_text, &c.sealed);
        body[rows[i].bytes] = 'b';
        assert_int_equal(c.statement.as.loop.body_class, rows[i].expected);
        assert_ok(sealed_check_shape(&c.statement, buffer_view(&c.sealed)));
        assert_ok(open_as(&c, PANTRY));
        assert_int_equal(c.body.len, rows[i].bytes);
        /* The broker sees that the class is not the one the author has signed. */
        c.statement.as.loop.body_class = rows[i].expected == SEAL_1K ? SEAL_4K : SEAL_1K;
        assert_err(sealed_check_shape(&c.statement, buffer_view(&c.sealed)), ERR_MALFORMED);
    }
}

static void
too_large_names_the_compartment(void **state)
{
    (void)state;
    static const uint8_t giant[LIMIT_BODY_BYTES + 1];
    struct fixture_org clinic = fixture_org(CLINIC), pantry = fixture_org(PANTRY);
    const struct sealed_reader sides[] = {{clinic.key_id, clinic.keys.seal},
                                          {pantry.key_id, pantry.keys.seal}};
    struct statement statement = fixture_request();
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_SEALED_BYTES);
    struct complaint complaint = {0};
    assert_err(sealed_make(&statement, bytes_of(giant, sizeof(giant)), bytes_of(NULL, 0), sides, 2,
                           NULL, &out, &complaint),
               ERR_TOO_LARGE);
    assert_non_null(strstr(complaint.text, "the message"));
    assert_err(sealed_make(&statement, bytes_of(NULL, 0), bytes_of(giant, LIMIT_FACTS_BYTES + 1),
                           sides, 2, NULL, &out, &complaint),
               ERR_TOO_LARGE);
    assert_non_null(strstr(complaint.text, "coded facts"));
    assert_int_equal(out.len, 0);
    assert_false(statement.as.loop.has_sealed);
}

static void
sides_must_be_the_statement_s(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC), pantry = fixture_org(PANTRY);
    struct fixture_org shelter = fixture_org(SHELTER);
    const struct sealed_reader all[] = {{clinic.key_id, clinic.keys.seal},
                                        {pantry.key_id, pantry.keys.seal},
                                        {shelter.key_id, shelter.keys.seal},
                                        {clinic.key_id, clinic.keys.seal}};
    struct statement statement = fixture_request();
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_SEALED_BYTES);
    const struct bytes nothing = bytes_of(NULL, 0);
    assert_err(sealed_make(&statement, nothing, nothing, all, 0, NULL, &out, NULL), ERR_INVALID);
    assert_err(sealed_make(&statement, nothing, nothing, all, 1, NULL, &out, NULL), ERR_INVALID);
    assert_err(sealed_make(&statement, nothing, nothing, all, 3, NULL, &out, NULL), ERR_INVALID);
    assert_err(sealed_make(&statement, nothing, nothing, all + 1, 2, NULL, &out, NULL),
               ERR_INVALID);
    assert_err(sealed_make(&statement, nothing, nothing, all + 1, 3, NULL, &out, NULL),
               ERR_INVALID);
    /* An auditor that is a side already gets no second wrap. */
    assert_ok(sealed_make(&statement, nothing, nothing, all, 2, &all[1], &out, NULL));
    assert_ok(sealed_check_shape(&statement, buffer_view(&out)));
}

static void
swapped_parts_are_refused(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case a;
    CLEANUP(case_done) struct sealed_case b;
    case_start(&a);
    case_start(&b);
    struct buffer kept = a.sealed;
    a.sealed = b.sealed;
    assert_err(open_as(&a, PANTRY), ERR_SIGNATURE);
    a.sealed = kept;
    assert_ok(open_as(&a, PANTRY));
}

/* Even re-signed into another statement: each field of the associated data by itself. */
static void
parts_are_tied_to_their_place(void **state)
{
    (void)state;
    for (unsigned field = 0; field < 6; field++) {
        CLEANUP(case_done) struct sealed_case c;
        case_start(&c);
        struct statement_loop *loop = &c.statement.as.loop;
        switch (field) {
        case 0:
            c.statement.network.bytes[0] ^= 1;
            break;
        case 1:
            memcpy(c.statement.author, "hill-clinit", 12);
            break;
        case 2:
            loop->loop.bytes[0] ^= 1;
            break;
        case 3:
            loop->event = EVENT_NOTE;
            break;
        case 4:
            loop->seq++;
            break;
        default:
            loop->previous.bytes[0] ^= 1;
            break;
        }
        assert_ok(sealed_check_shape(&c.statement, buffer_view(&c.sealed)));
        assert_err(open_as(&c, PANTRY), ERR_SIGNATURE);
        assert_err(open_as(&c, AUDITOR), ERR_SIGNATURE);
    }
}

/* Body and facts of the same statement, exchanged by an author who signs the result. */
static void
compartments_are_not_exchangeable(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    CLEANUP(buffer_done) struct buffer turned = BUFFER_INIT(LIMIT_SEALED_BYTES);
    struct fixture_org clinic = fixture_org(CLINIC), pantry = fixture_org(PANTRY);
    const struct sealed_reader sides[] = {{clinic.key_id, clinic.keys.seal},
                                          {pantry.key_id, pantry.keys.seal}};
    struct raw_field parts[RAW_FIELDS_MAX];
    case_start(&c);
    buffer_clear(&c.sealed);
    assert_ok(sealed_make(&c.statement, bytes_of("b", 1), bytes_of("f", 1), sides, 2, NULL,
                          &c.sealed, NULL));
    assert_int_equal(raw_split(buffer_view(&c.sealed), parts), 2);
    raw_put_content(&turned, 1, parts[1].content);
    raw_put_content(&turned, 2, parts[0].content);
    c.statement.as.loop.sealed_digest = sealed_digest(buffer_view(&turned));
    struct buffer kept = c.sealed;
    c.sealed = turned;
    assert_ok(sealed_check_shape(&c.statement, buffer_view(&c.sealed)));
    assert_err(open_as(&c, PANTRY), ERR_SIGNATURE);
    c.sealed = kept;
}

static void
wrap_that_names_us_must_open(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    struct fixture_org pantry = fixture_org(PANTRY), shelter = fixture_org(SHELTER);
    case_start(&c);
    assert_err(sealed_open(&c.statement, buffer_view(&c.sealed), &pantry.key_id, &shelter.keys.seal,
                           &shelter.seal, &c.body, &c.facts, &c.opened),
               ERR_KEY);
    assert_int_equal(c.body.len + c.facts.len, 0);
}

static void
output_too_small_leaves_nothing(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    case_start(&c);
    c.facts.max = 3;
    assert_err(open_as(&c, PANTRY), ERR_TOO_LARGE);
    assert_int_equal(c.body.len, 0);
    assert_int_equal(c.facts.len, 0);
}

static void
only_where_one_belongs(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    case_start(&c);
    struct digest id = statement_id(bytes_of("x", 1));
    struct statement delivered = fixture_delivered(&id);
    struct statement revoke = fixture_revoke("elm-pantry");
    assert_err(sealed_check_shape(&delivered, buffer_view(&c.sealed)), ERR_MALFORMED);
    assert_err(sealed_check_shape(&revoke, buffer_view(&c.sealed)), ERR_MALFORMED);
    assert_err(sealed_check_shape(&c.statement, bytes_of(NULL, 0)), ERR_MALFORMED);
    c.statement = revoke;
    assert_err(open_as(&c, PANTRY), ERR_MALFORMED);
}

static const char *const nested[] = {"1", "1.3", "2", "2.3", NULL};

/* The facts' wraps may be the sides' alone, so the auditor's can be left out; the digest sees it.
 */
static void
must_not_fit(struct bytes changed, const char *words, void *context)
{
    struct sealed_case *c = context;
    struct statement resigned = c->statement;
    resigned.as.loop.sealed_digest = sealed_digest(changed);
    enum err shape = sealed_check_shape(&resigned, changed);
    if (shape == ERR_OK && strcmp(words, "2.3 left out") != 0) {
        fail_msg("fits: %s", words);
    }
    struct buffer kept = c->sealed;
    c->sealed = (struct buffer){.max = LIMIT_SEALED_BYTES};
    buffer_put(&c->sealed, changed.data, changed.len);
    assert_err(open_as(c, PANTRY), ERR_SIGNATURE);
    buffer_done(&c->sealed);
    c->sealed = kept;
}

static void
every_spoiled_field_is_refused(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    case_start(&c);
    raw_spoil(buffer_view(&c.sealed), nested, must_not_fit, &c);
}

/* Every bit, with the digest made to fit, as a dishonest author could: nothing changed opens. */
static void
flipped_never_opens(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    case_start(&c);
    size_t opened_both = 0;
    for (size_t bit = 0; bit < 8 * c.sealed.len; bit += 5) {
        c.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        c.statement.as.loop.sealed_digest = sealed_digest(buffer_view(&c.sealed));
        enum err err = open_as(&c, PANTRY);
        /* Wraps for others are theirs to judge; content is as it was or does not open. */
        if (err == ERR_OK) {
            opened_both++;
            assert_true(bytes_equal(buffer_view(&c.body), bytes_of_text(body_text)));
            assert_true(bytes_equal(buffer_view(&c.facts), bytes_of_text(facts_text)));
        }
        c.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(opened_both < 8 * 4 * (size_t)(SEAL_WRAP_BYTES + KEY_ID_BYTES));
}

static enum err
reveal_as(struct sealed_case *c, unsigned who, struct sealed_revealed *revealed)
{
    struct fixture_org org = fixture_org(who);
    return sealed_reveal(&c->statement, buffer_view(&c->sealed), &org.key_id, &org.keys.seal,
                         &org.seal, revealed);
}

static enum err
read_with(struct sealed_case *c, const struct sealed_revealed *revealed)
{
    buffer_clear(&c->body);
    buffer_clear(&c->facts);
    return sealed_read_revealed(&c->statement, buffer_view(&c->sealed), revealed, &c->body,
                                &c->facts);
}

static bool
is_shown(const struct buffer *out, const char *text)
{
    return bytes_equal(buffer_view(out), bytes_of_text(text));
}

static void
who_has_the_keys_reads_without_being_a_reader(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    struct sealed_revealed sides, auditors, strangers, mixed;
    case_start(&c);
    assert_ok(reveal_as(&c, CLINIC, &sides));
    assert_ok(read_with(&c, &sides));
    assert_true(is_shown(&c.body, body_text) && is_shown(&c.facts, facts_text));
    /* The auditor can show the facts only. */
    memset(&auditors, 0xff, sizeof(auditors));
    assert_ok(reveal_as(&c, AUDITOR, &auditors));
    assert_true(bytes_all_zero(bytes_of(&auditors.body, sizeof(auditors.body))));
    assert_memory_equal(&auditors.facts, &sides.facts, sizeof(sides.facts));
    assert_ok(read_with(&c, &auditors));
    assert_true(c.body.len == 0 && is_shown(&c.facts, facts_text));
    assert_ok(reveal_as(&c, SHELTER, &strangers));
    assert_true(bytes_all_zero(bytes_of(&strangers, sizeof(strangers))));
    assert_ok(read_with(&c, &strangers));
    assert_int_equal(c.body.len + c.facts.len, 0);
    /* One compartment's key is not the other's. */
    mixed = sides;
    mixed.facts = sides.body;
    assert_err(read_with(&c, &mixed), ERR_SIGNATURE);
    mixed = sides;
    mixed.body.bytes[31] ^= 1;
    assert_err(read_with(&c, &mixed), ERR_SIGNATURE);
    assert_int_equal(c.body.len + c.facts.len, 0);
}

static void
revealed_keys_fit_one_statement(void **state)
{
    (void)state;
    CLEANUP(case_done) struct sealed_case c;
    struct sealed_revealed revealed, untouched;
    case_start(&c);
    assert_ok(reveal_as(&c, PANTRY, &revealed));
    memset(&untouched, 0x5a, sizeof(untouched));
    struct sealed_revealed before = untouched;
    c.statement.as.loop.seq++;
    assert_err(read_with(&c, &revealed), ERR_SIGNATURE);
    c.statement.as.loop.seq--;
    c.sealed.data[c.sealed.len - 1] ^= 1;
    assert_err(read_with(&c, &revealed), ERR_SIGNATURE);
    assert_err(reveal_as(&c, PANTRY, &untouched), ERR_SIGNATURE);
    assert_memory_equal(&untouched, &before, sizeof(before));
    c.sealed.data[c.sealed.len - 1] ^= 1;
    c.facts.max = 3;
    assert_err(read_with(&c, &revealed), ERR_TOO_LARGE);
    assert_int_equal(c.body.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_opens_its_compartments),
        cmocka_unit_test(shape_and_classes),
        cmocka_unit_test(too_large_names_the_compartment),
        cmocka_unit_test(sides_must_be_the_statement_s),
        cmocka_unit_test(swapped_parts_are_refused),
        cmocka_unit_test(parts_are_tied_to_their_place),
        cmocka_unit_test(compartments_are_not_exchangeable),
        cmocka_unit_test(wrap_that_names_us_must_open),
        cmocka_unit_test(output_too_small_leaves_nothing),
        cmocka_unit_test(only_where_one_belongs),
        cmocka_unit_test(every_spoiled_field_is_refused),
        cmocka_unit_test(flipped_never_opens),
        cmocka_unit_test(who_has_the_keys_reads_without_being_a_reader),
        cmocka_unit_test(revealed_keys_fit_one_statement),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
