/* What holds for every input of intake, whatever its form: refused in words, or a referral that
 * fits, that the partner can read as it was, and that can be given back as FHIR. */
#ifndef REFLOOP_TESTS_FUZZ_FUZZ_INTAKE_H
#define REFLOOP_TESTS_FUZZ_FUZZ_INTAKE_H

#include "agent/intake/fhir_export.h"
#include "agent/intake/intake.h"
#include "tests/fuzz/fuzz.h"

static inline bool
fuzz_is_member(void *context, const char *org)
{
    (void)context;
    (void)org;
    return true;
}

static inline void
fuzz_check_export(json_t *facts, json_t *body)
{
    const struct export_step step = {
        .event = EVENT_REQUEST, .time_ms = 1, .facts = facts, .body = body};
    const struct export_loop loop = {
        .position = {LOOP_REQUESTED, LOOP_NONE},
        .source_org = "oak-clinic",
        .source_name = "Oak Clinic",
        .target_org = "elm-pantry",
        .target_name = "Elm Street Pantry",
        .steps = &step,
        .n_steps = 1,
    };
    json_t *bundle = NULL;

    FUZZ_HOLDS(fhir_export(&loop, &bundle) == ERR_OK);
    json_decref(bundle);
}

static inline void
fuzz_check_referral(const struct intake_referral *referral)
{
    CLEANUP(buffer_done) struct buffer facts_text = BUFFER_INIT(LIMIT_FACTS_BYTES);
    CLEANUP(buffer_done) struct buffer body_text = BUFFER_INIT(LIMIT_BODY_BYTES);
    json_t *facts = NULL;
    json_t *body = NULL;
    bool sound = false;

    if (!referral->ready) {
        FUZZ_HOLDS(referral->facts == NULL && referral->body == NULL);
        FUZZ_HOLDS(referral->fault.text[0] != '\0');
        return;
    }
    FUZZ_HOLDS(ident_is_org(referral->to));
    FUZZ_HOLDS(content_print(referral->facts, &facts_text) == ERR_OK);
    FUZZ_HOLDS(content_print(referral->body, &body_text) == ERR_OK);
    FUZZ_HOLDS(content_read(buffer_view(&facts_text), buffer_view(&body_text), &facts, &body,
                            &sound) == ERR_OK);
    FUZZ_HOLDS(sound);
    FUZZ_HOLDS(json_equal(facts, referral->facts));
    FUZZ_HOLDS(content_text(json_object_get(body, "person"), "name")[0] != '\0');
    fuzz_check_export(facts, body);
    json_decref(facts);
    json_decref(body);
}

static inline void
fuzz_intake(const struct intake_file *files, size_t n)
{
    const struct intake_defaults defaults = {.to = "elm-pantry"};
    struct intake_result result;
    struct content_fault fault = {"", ""};

    fuzz_start();
    enum err err = intake_read(files, n, &defaults, fuzz_is_member, NULL, INT64_C(1795348800000),
                               &result, &fault);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_INVALID && fault.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < result.n; i++)
        fuzz_check_referral(&result.referrals[i]);
    intake_done(&result);
}

#endif
