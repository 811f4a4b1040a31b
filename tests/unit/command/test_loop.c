/* Whole referrals through commands alone: every step both sides can say, what each side is shown,
 * and the FHIR Bundle at each state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/command/county.h"

/* One step as a person would give it; further fields by name, NULL when not given. */
struct step {
    unsigned who;
    const char *event, *field, *code, *text, *due;
    const char *state; /* afterwards, on both sides */
    const char *task;  /* status of the exported Task */
};

static void
say(struct county *county, const char *loop, const struct step *step)
{
    json_t *answer =
        county_do(county, step->who, "{s:s, s:s, s:s, s:s*, s:s*, s:s*}", "command", "step", "loop",
                  loop, "event", step->event, step->field != NULL ? step->field : "reason",
                  step->code, "text", step->text, "due", step->due);

    json_decref(answer);
}

static json_t *
show(struct county *county, unsigned who, const char *loop)
{
    json_t *answer = county_do(county, who, "{s:s, s:s}", "command", "show", "loop", loop);

    assert_string_equal(county_text(answer, "loop.loop"), loop);
    return answer;
}

static json_t *
find_resource(json_t *bundle, const char *type)
{
    size_t i;
    json_t *entry;

    json_array_foreach(json_object_get(bundle, "entry"), i, entry)
    {
        json_t *resource = json_object_get(entry, "resource");
        if (strcmp(county_text(resource, "resourceType"), type) == 0)
            return resource;
    }
    return NULL;
}

static void
check_export(struct county *county, unsigned who, const char *loop, const char *task)
{
    json_t *answer = county_do(county, who, "{s:s, s:s, s:s}", "command", "export", "loop", loop,
                               "format", "fhir");
    json_t *bundle = json_object_get(answer, "bundle");

    assert_string_equal(county_text(bundle, "resourceType"), "Bundle");
    assert_string_equal(county_text(find_resource(bundle, "Task"), "status"), task);
    assert_non_null(find_resource(bundle, "ServiceRequest"));
    assert_non_null(find_resource(bundle, "Patient"));
    json_decref(answer);
}

static void
run_steps(struct county *county, const char *loop, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        say(county, loop, &steps[i]);
        for (unsigned who = CLINIC; who <= PANTRY; who++) {
            json_t *shown = show(county, who, loop);
            assert_string_equal(county_text(shown, "loop.state"), steps[i].state);
            assert_string_equal(county_text(shown, "loop.queued_state"), steps[i].state);
            assert_string_equal(county_text(shown, "loop.notice"), "");
            assert_int_equal(json_array_size(county_at(shown, "timeline")), i + 2);
            check_export(county, who, loop, steps[i].task);
            json_decref(shown);
        }
    }
}

static void
test_to_closed(void **state)
{
    static const struct step steps[] = {
        {PANTRY, "ask", NULL, NULL, "Which day suits?", NULL, "info-requested", "requested"},
        {CLINIC, "answer", NULL, NULL, "Tuesday after five.", NULL, "requested", "requested"},
        {CLINIC, "note", NULL, NULL, "Rings twice.", NULL, "requested", "requested"},
        {PANTRY, "accept", NULL, NULL, NULL, "2026-12-05", "accepted", "accepted"},
        {PANTRY, "progress", "kind", "outreach", NULL, NULL, "in-progress", "in-progress"},
        {PANTRY, "progress", "kind", "scheduled", NULL, NULL, "in-progress", "in-progress"},
        {PANTRY, "progress", "kind", "no-show", NULL, NULL, "in-progress", "in-progress"},
        {PANTRY, "hold", "reason", "waitlist", NULL, "2027-01-10", "on-hold", "on-hold"},
        {CLINIC, "cancel", "reason", "no-longer-needed", NULL, NULL, "cancel-requested", "on-hold"},
        {CLINIC, "retract", NULL, NULL, "We asked again.", NULL, "on-hold", "on-hold"},
        {PANTRY, "progress", "kind", "service-delivered", NULL, NULL, "in-progress", "in-progress"},
        {PANTRY, "complete", "outcome", "service-provided", NULL, NULL, "completed", "completed"},
        {CLINIC, "acknowledge", "next", "none", NULL, NULL, "closed", "completed"},
        {PANTRY, "note", NULL, NULL, "Glad to help.", NULL, "closed", "completed"},
    };
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    check_export(county, PANTRY, loop, "requested");
    run_steps(county, loop, steps, ARRAY_LEN(steps));
    json_t *shown = show(county, CLINIC, loop);
    for (size_t i = 0; i < ARRAY_LEN(steps) + 1; i++) {
        json_t *step = json_array_get(county_at(shown, "timeline"), i);
        assert_string_equal(county_text(step, "stage"), "delivered");
        assert_int_equal(strlen(county_text(step, "id")), 2 * DIGEST_BYTES);
        assert_true(county_number(step, "index") > 0);
        assert_true(json_is_null(json_object_get(step, "refusal")));
        assert_string_equal(county_text(step, "state_after"),
                            i == 0 ? "requested" : steps[i - 1].state);
        assert_string_equal(county_text(step, "event"), i == 0 ? "request" : steps[i - 1].event);
        assert_int_equal(json_is_true(json_object_get(step, "mine")),
                         i == 0 || steps[i - 1].who == CLINIC);
    }
    assert_string_equal(county_text(shown, "timeline.1.body.missing"), "Which day suits?");
    assert_string_equal(county_text(shown, "timeline.2.body.answer"), "Tuesday after five.");
    assert_string_equal(county_text(shown, "timeline.4.due"), "2026-12-05T23:59:59Z");
    assert_string_equal(county_text(shown, "timeline.5.facts.kind"), "outreach");
    assert_true(json_is_null(county_at(shown, "loop.next")));
    assert_true(json_is_false(county_at(shown, "loop.open")));
    json_decref(shown);
}

static void
test_other_ends(void **state)
{
    static const struct step ends[][3] = {
        {{PANTRY, "decline", "reason", "no-capacity", NULL, NULL, "declined", "rejected"}},
        {{PANTRY, "decline", "reason", "other", "Closed this week.", NULL, "declined", "rejected"}},
        {{CLINIC, "withdraw", "reason", "client-declined", NULL, NULL, "withdrawn", "cancelled"}},
        {{PANTRY, "accept", NULL, NULL, NULL, NULL, "accepted", "accepted"},
         {PANTRY, "fail", "reason", "unable-to-reach", NULL, NULL, "not-completed", "failed"}},
        {{PANTRY, "accept", NULL, NULL, NULL, NULL, "accepted", "accepted"},
         {PANTRY, "release", "reason", "declined-after-accept", NULL, NULL, "withdrawn",
          "cancelled"}},
        {{CLINIC, "void", "reason", "wrong-person", NULL, NULL, "void", "entered-in-error"}},
    };
    struct county *county = *state;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char loop[LOOP_ID_TEXT];
        size_t n = 0;
        while (n < ARRAY_LEN(ends[i]) && ends[i][n].event != NULL)
            n++;
        county_refer(county, "Bo Example", loop);
        run_steps(county, loop, ends[i], n);
    }
}

/* What the request said is shown on both sides, and what the answer must carry arrives. */
static void
test_content(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    json_t *answer = county_do(county, PANTRY, "{s:s, s:s, s:s, s:s, s:s, s:b}", "command", "step",
                               "loop", loop, "event", "accept", "contact_name", "Cy Example",
                               "contact_phone", "555-0101", "automatic", 1);
    json_decref(answer);
    json_t *shown = show(county, PANTRY, loop);
    assert_string_equal(county_text(shown, "request.person.phone"), "555-0100");
    assert_string_equal(county_text(shown, "request.consent.signed_on"), "2026-11-20");
    assert_string_equal(county_text(shown, "timeline.0.facts.category"), "food-insecurity");
    assert_string_equal(county_text(shown, "timeline.1.body.contact_name"), "Cy Example");
    assert_true(json_is_true(county_at(shown, "timeline.1.automatic")));
    assert_true(json_is_true(county_at(shown, "timeline.1.mine")));
    assert_string_equal(county_text(shown, "timeline.1.by"), "target");
    assert_true(json_is_null(county_at(shown, "timeline.1.due")));
    assert_string_equal(county_text(shown, "timeline.0.due"), "2026-12-01T23:59:59Z");
    json_decref(shown);
}

/* The loop that goes on is given by four digits and kept in full. */
static void
test_next_loop(void **state)
{
    struct county *county = *state;
    char first[LOOP_ID_TEXT], second[LOOP_ID_TEXT], brief[9];

    county_refer(county, "Ana Example", first);
    county_refer(county, "Ana Example", second);
    memcpy(brief, second, 8);
    brief[8] = '\0';
    const struct step decline = {.who = PANTRY, .event = "decline", .code = "out-of-scope"};
    say(county, first, &decline);
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s, s:s}", "command", "step", "loop",
                          first, "event", "acknowledge", "next", "re-referred", "next_loop",
                          brief));
    json_t *shown = show(county, PANTRY, first);
    assert_string_equal(county_text(shown, "timeline.2.facts.next_loop"), second);
    json_decref(shown);
}

/* Before the broker has it, a step is on this machine only; what it will lead to is shown apart. */
static void
test_queued(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_link(county, CLINIC, false);
    county_refer(county, "Ana Example", loop);
    json_t *shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "loop.state"), "none");
    assert_string_equal(county_text(shown, "loop.queued_state"), "requested");
    assert_true(json_is_true(county_at(shown, "loop.open")));
    assert_int_equal(county_number(shown, "loop.waiting"), 1);
    assert_string_equal(county_text(shown, "loop.next.who"), "target");
    assert_string_equal(county_text(shown, "loop.next.org"), "elm-pantry");
    assert_string_equal(county_text(shown, "loop.created"), COUNTY_NOW_PUMPED);
    assert_string_equal(county_text(shown, "timeline.0.stage"), "queued");
    static const char *const unknown[] = {"id", "index", "accepted", "delivered", "state_after"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_true(json_is_null(json_object_get(county_at(shown, "timeline.0"), unknown[i])));
    json_decref(shown);
    check_export(county, CLINIC, loop, "draft");
    json_t *exported = county_do(county, CLINIC, "{s:s, s:s}", "command", "export", "loop", loop);
    char *text = json_dumps(exported, 0);
    assert_non_null(strstr(text, "groceries for three"));
    free(text);
    json_decref(exported);
    county_link(county, CLINIC, true);
    county_pump(county);
    shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "loop.state"), "requested");
    assert_string_equal(county_text(shown, "timeline.0.stage"), "delivered");
    assert_int_equal(county_number(shown, "loop.waiting"), 0);
    json_decref(shown);
}

static void
check_crossed(struct county *county, unsigned who, const char *loop, const char *words)
{
    json_t *shown = show(county, who, loop);

    assert_string_equal(county_text(shown, "loop.notice"), words);
    json_decref(shown);
}

/* Both speak at once: what lost is kept, and the loser is told what counts. */
static void
test_crossing(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    json_decref(county_run(county, PANTRY, "{s:s, s:s, s:s}", "command", "step", "loop", loop,
                           "event", "accept"));
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "withdraw", "reason", "served-elsewhere"));
    check_crossed(county, CLINIC, loop, "");
    check_crossed(county, PANTRY, loop,
                  "Your accept crossed with their withdraw: theirs came first and counts.");
    json_t *shown = show(county, PANTRY, loop);
    assert_string_equal(county_text(shown, "loop.state"), "withdrawn");
    assert_true(json_is_true(county_at(shown, "loop.needs_me")));
    assert_true(json_is_true(county_at(shown, "timeline.2.superseded")));
    assert_string_equal(county_text(shown, "timeline.2.event"), "accept");
    json_decref(shown);
}

/* The same when one side was offline: its step waited, and came too late. */
static void
test_too_late(void **state)
{
    static const struct step accept = {.who = PANTRY, .event = "accept"};
    static const struct step complete = {
        .who = PANTRY, .event = "complete", .field = "outcome", .code = "service-provided"};
    static const struct step cancel = {
        .who = CLINIC, .event = "cancel", .code = "no-longer-needed"};
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    say(county, loop, &accept);
    county_link(county, CLINIC, false);
    say(county, loop, &complete);
    say(county, loop, &cancel);
    county_link(county, CLINIC, true);
    county_pump(county);
    check_crossed(county, CLINIC, loop,
                  "Your cancel crossed with their complete: theirs came first and counts.");
    check_crossed(county, PANTRY, loop, "");
    json_t *shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "loop.state"), "completed");
    assert_true(json_is_true(county_at(shown, "loop.needs_me")));
    json_decref(shown);
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "acknowledge", "next", "none"));
    check_crossed(county, CLINIC, loop, ""); /* what was said since has counted */
}

/* The partner's access ends while a step of ours waits: the step is refused for good, and the
 * people are told. */
static void
test_partner_revoked(void **state)
{
    static const struct step note = {.who = CLINIC, .event = "note", .text = "Any news?"};
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    county_link(county, CLINIC, false);
    say(county, loop, &note);
    county_revoke(county, "elm-pantry");
    county_link(county, CLINIC, true);
    county_pump(county);
    json_t *shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "timeline.1.stage"), "refused");
    assert_string_equal(county_text(shown, "timeline.1.refusal.code"), "revoked");
    assert_true(strlen(county_text(shown, "timeline.1.refusal.text")) > 0);
    assert_int_equal(county_number(shown, "loop.refused"), 1);
    assert_true(json_is_true(county_at(shown, "loop.partner.revoked")));
    assert_true(json_is_true(county_at(shown, "loop.needs_me")));
    assert_non_null(strstr(county_text(shown, "loop.notice"), "your note did not reach them"));
    assert_string_equal(county_text(shown, "loop.next.who"), "source");
    assert_string_equal(county_text(shown, "loop.next.step"), "withdraw or void");
    json_decref(shown);
    json_t *answer = county_do(county, CLINIC, "{s:s, s:s}", "command", "list", "show", "needs-me");
    assert_int_equal(county_number(answer, "matched"), 1); /* although it is their turn */
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                        "event", "note", "text", "Still there?");
    assert_string_equal(county_text(answer, "error.code"), "revoked");
    assert_non_null(strstr(county_text(answer, "error.text"), "possible now: withdraw, void"));
    json_decref(answer);
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "withdraw", "reason", "no-longer-needed"));
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "acknowledge", "next", "none"));
    shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "loop.state"), "closed");
    assert_false(json_is_true(county_at(shown, "loop.needs_me")));
    json_decref(shown);
    answer = county_do(county, CLINIC, "{s:s}", "command", "status");
    assert_int_equal(county_number(answer, "loops.needs_me"), 0);
    assert_int_equal(county_number(answer, "loops.undelivered"), 0); /* nobody waits for that */
    json_decref(answer);
}

/* The source's access ends: nothing can be said to it, so nothing is asked of anybody. */
static void
test_source_revoked(void **state)
{
    static const char loop[] = "aaaa000000000000000000000000000e";
    struct county *county = *state;

    county_link(county, PANTRY, true);
    county_pump(county);
    county_shelter_request(county, loop, "{\"v\": 1}", "{\"v\": 1}");
    county_pump(county);
    json_t *shown = show(county, PANTRY, loop);
    assert_true(json_is_true(county_at(shown, "loop.needs_me")));
    json_decref(shown);
    county_revoke(county, "river-shelter");
    county_pump(county);
    shown = show(county, PANTRY, loop);
    assert_true(json_is_true(county_at(shown, "loop.open")));
    assert_false(json_is_true(county_at(shown, "loop.needs_me")));
    assert_true(json_is_null(county_at(shown, "loop.next")));
    assert_non_null(strstr(county_text(shown, "loop.notice"), "no longer in this network"));
    json_decref(shown);
}

/* The target's access ended before the request went out: the referral never was one. It asks for
 * somebody until it is ended here, and is remembered. */
static void
test_never_sent(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_link(county, CLINIC, true);
    county_pump(county);
    county_link(county, CLINIC, false);
    county_refer(county, "Ana Example", loop);
    county_revoke(county, "elm-pantry");
    county_link(county, CLINIC, true);
    county_pump(county);
    json_t *shown = show(county, CLINIC, loop);
    assert_true(json_is_true(county_at(shown, "loop.needs_me")));
    assert_non_null(strstr(county_text(shown, "loop.notice"), "your request did not reach them"));
    json_decref(shown);
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "void", "reason", "duplicate"));
    static const struct {
        const char *show;
        json_int_t n;
    } lists[] = {{"needs-me", 0}, {"open", 0}, {"closed", 1}, {"all", 1}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        json_t *list =
            county_do(county, CLINIC, "{s:s, s:s}", "command", "list", "show", lists[i].show);
        assert_int_equal(county_number(list, "matched"), lists[i].n);
        json_decref(list);
    }
    shown = show(county, CLINIC, loop);
    assert_string_equal(county_text(shown, "loop.state"), "void");
    assert_true(json_is_null(county_at(shown, "loop.next")));
    assert_non_null(strstr(county_text(shown, "loop.notice"), "was ended here"));
    json_decref(shown);
}

/* A partner may put anything into the envelope: what cannot be read is said to be so, and nothing
 * breaks. */
static void
test_hostile_content(void **state)
{
    static const char loop[] = "aaaa000000000000000000000000000f";
    static const char tame[] = "aaaa100000000000000000000000000f";
    struct county *county = *state;

    county_shelter_request(county, loop, "]", "no json at all");
    json_t *shown = show(county, PANTRY, loop);
    assert_string_equal(county_text(shown, "loop.notice"),
                        "This referral cannot be read here: ask River Shelter \xc3\x89lan to send "
                        "it anew.");
    assert_string_equal(county_text(shown, "loop.person"), "");
    assert_true(json_is_true(county_at(shown, "timeline.0.unreadable")));
    json_decref(shown);
    county_shelter_request(county, tame, "{\"no_contact\": \"perhaps\", \"category\": 7}",
                           "{\"person\": {\"name\": \"Di\\u001b[2J Example\"}}");
    shown = show(county, PANTRY, tame);
    assert_null(strchr(county_text(shown, "loop.person"), 0x1b));
    assert_non_null(strstr(county_text(shown, "loop.person"), "Example"));
    assert_true(json_is_true(county_at(shown, "loop.no_contact")));
    assert_string_equal(county_text(shown, "loop.notice"), "This person must not be contacted.");
    json_decref(shown);
    check_export(county, PANTRY, tame, "requested");
}

/* Nor can it make a list or a timeline too large for the answer by the length of its texts. */
static void
test_hostile_length(void **state)
{
    enum { LOOPS = 24, TEXT_BYTES = 180 * 1024, NOTES = 16 };
    static char body[TEXT_BYTES + 64];
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];
    struct loop_id id;
    int len = snprintf(body, sizeof(body), "{\"need\": \"%0*d\", \"note\": \"%0*d\"}",
                       TEXT_BYTES / 2, 7, TEXT_BYTES / 2, 7);

    assert_true(len > TEXT_BYTES && len < (int)sizeof(body));
    for (unsigned i = 0; i < LOOPS; i++) {
        (void)snprintf(loop, sizeof(loop), "bbbb%028u", i);
        county_shelter_request(county, loop, "{}", body);
    }
    json_t *list = county_do(county, PANTRY, "{s:s}", "command", "list");
    assert_int_equal(county_number(list, "matched"), LOOPS);
    assert_true(json_dumpb(list, NULL, 0, 0) < LIMIT_CONTROL_BYTES / 8);
    assert_true(strlen(county_text(list, "loops.0.need")) < 256);
    json_decref(list);
    check_export(county, PANTRY, loop, "requested");

    county_refer(county, "Ana Example", loop);
    assert_true(ident_parse(loop, &id));
    const struct agent_content content = {.body = bytes_of_text(body)};
    for (unsigned i = 0; i < NOTES; i++) {
        assert_int_equal(agent_say(county->members[CLINIC].agent, &id, EVENT_NOTE, 0, false,
                                   &content, county->now, NULL),
                         ERR_OK);
        county_pump(county);
    }
    json_t *shown = show(county, PANTRY, loop);
    assert_true(json_is_true(county_at(shown, "cut")));
    assert_string_equal(county_text(shown, "timeline.1.event"), "note");
    assert_true(json_dumpb(shown, NULL, 0, 0) < LIMIT_CONTROL_BYTES);
    json_decref(shown);
}

static void
test_watch(void **state)
{
    struct county *county = *state;
    struct loop_id changed[8];
    char loop[LOOP_ID_TEXT], text[LOOP_ID_TEXT];
    struct agent *agent = county->members[PANTRY].agent;
    uint64_t before = agent_change_count(agent);
    json_t *answer = county_do(county, PANTRY, "{s:s}", "command", "watch");

    assert_true(county->watched);
    assert_true(json_is_true(county_at(answer, "more")));
    json_decref(answer);
    county_refer(county, "Ana Example", loop);
    size_t n = agent_changed_since(agent, before, changed, ARRAY_LEN(changed));
    assert_true(n >= 1);
    ident_format(&changed[n - 1], text);
    assert_string_equal(text, loop);
    struct command_context context = county_context(county, PANTRY);
    json_t *status = command_status(&context);
    json_t *message = command_watch_message(&context, &changed[n - 1], status);
    assert_true(json_is_true(county_at(message, "ok")));
    assert_true(json_is_true(county_at(message, "more")));
    assert_string_equal(county_text(message, "loop.person"), "Ana Example");
    assert_string_equal(county_text(message, "status.sentence"), "Online. 1 referral needs you.");
    json_decref(message);
    const struct loop_id unknown = {.bytes = {1}};
    message = command_watch_message(&context, &unknown, status);
    assert_true(json_is_null(county_at(message, "loop")));
    json_decref(message);
    json_decref(status);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_to_closed, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_other_ends, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_content, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_next_loop, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_queued, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_crossing, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_too_late, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_partner_revoked, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_source_revoked, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_never_sent, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_content, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_length, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_watch, county_setup, county_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
