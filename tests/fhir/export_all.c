/* Writes one FHIR Bundle for every state of a referral, and for every code that leads there, into a
 * directory:
 *
 *     fhir-export-all DIRECTORY
 *
 * Three referrals go through all of it: one in refloop's own form, one of FHIR resources, and,
 * where REFLOOP_EXAMPLES names their directory, the published examples. Exit 0 when every state was
 * reached and written, 1 otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/intake/fhir_export.h"
#include "agent/intake/intake.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/loop/reason.h"

enum { FILES_MAX = 6, STEPS_MAX = 6 };

#define NOW_MS INT64_C(1795348800000) /* 2026-11-22T12:00:00Z */

static const struct referral_source {
    const char *name;
    bool published; /* of REFLOOP_EXAMPLES, else of the fixtures */
    const char *files[FILES_MAX];
} sources[] = {
    {"form", false, {"form/full.json"}},
    {"fhir",
     false,
     {"fhir/servicerequest.json", "fhir/task.json", "fhir/patient.json", "fhir/consent.json",
      "fhir/condition.json", "fhir/observation.json"}},
    {"published",
     true,
     {"ServiceRequest-SDOHCC-ServiceRequestActiveFoodPantryApplicationAssistExample.json",
      "Task-SDOHCC-TaskReferralManagementOrderFulfillmentAcceptedExample.json",
      "Patient-pat-53234.json", "Consent-SDOHCC-ConsentInformationDisclosureExample.json",
      "Condition-SDOHCC-ConditionFoodInsecurityExample.json"}},
};

/* The steps after the request. Of the last one that has codes, each code is taken in turn. */
static const struct scenario {
    const char *name;
    size_t n_steps;
    enum loop_event steps[STEPS_MAX];
} scenarios[] = {
    {"requested", 0, {0}},
    {"asked", 1, {EVENT_ASK}},
    {"answered", 2, {EVENT_ASK, EVENT_ANSWER}},
    {"accepted", 1, {EVENT_ACCEPT}},
    {"declined", 1, {EVENT_DECLINE}},
    {"declined-closed", 2, {EVENT_DECLINE, EVENT_ACKNOWLEDGE}},
    {"progress", 2, {EVENT_ACCEPT, EVENT_PROGRESS}},
    {"hold", 2, {EVENT_ACCEPT, EVENT_HOLD}},
    {"cancel-accepted", 2, {EVENT_ACCEPT, EVENT_CANCEL}},
    {"cancel-progress", 3, {EVENT_ACCEPT, EVENT_PROGRESS, EVENT_CANCEL}},
    {"cancel-hold", 3, {EVENT_ACCEPT, EVENT_HOLD, EVENT_CANCEL}},
    {"retracted", 3, {EVENT_ACCEPT, EVENT_CANCEL, EVENT_RETRACT}},
    {"completed", 2, {EVENT_ACCEPT, EVENT_COMPLETE}},
    {"completed-late", 3, {EVENT_ACCEPT, EVENT_CANCEL, EVENT_COMPLETE}},
    {"completed-closed", 3, {EVENT_ACCEPT, EVENT_COMPLETE, EVENT_ACKNOWLEDGE}},
    {"failed", 2, {EVENT_ACCEPT, EVENT_FAIL}},
    {"failed-closed", 3, {EVENT_ACCEPT, EVENT_FAIL, EVENT_ACKNOWLEDGE}},
    {"withdrawn", 1, {EVENT_WITHDRAW}},
    {"released", 2, {EVENT_ACCEPT, EVENT_RELEASE}},
    {"released-confirmed", 3, {EVENT_ACCEPT, EVENT_CANCEL, EVENT_RELEASE}},
    {"withdrawn-closed", 2, {EVENT_WITHDRAW, EVENT_ACKNOWLEDGE}},
    {"void", 1, {EVENT_VOID}},
    {"closed-void", 4, {EVENT_ACCEPT, EVENT_COMPLETE, EVENT_ACKNOWLEDGE, EVENT_VOID}},
    {"noted", 2, {EVENT_NOTE, EVENT_NOTE}},
};

struct run {
    const char *directory;
    const char *source;
    struct export_loop loop;
    struct export_step steps[STEPS_MAX + 1];
    json_t *owned[2 * STEPS_MAX];
    size_t n_owned;
    bool reached[LOOP_STATE_COUNT];
    size_t n_written;
};

/* Ends the program: this is a test, and there is nobody to hand an error to. */
static void
stop(const char *what, const char *which)
{
    fprintf(stderr, "fhir-export-all: %s: %s\n", what, which);
    exit(1);
}

static const char *
code_field(enum loop_event event)
{
    switch (event) {
    case EVENT_PROGRESS:
        return "kind";
    case EVENT_COMPLETE:
        return "outcome";
    case EVENT_ACKNOWLEDGE:
        return "next";
    case EVENT_REQUEST:
    case EVENT_ASK:
    case EVENT_ANSWER:
    case EVENT_ACCEPT:
    case EVENT_DECLINE:
    case EVENT_HOLD:
    case EVENT_CANCEL:
    case EVENT_RETRACT:
    case EVENT_RELEASE:
    case EVENT_FAIL:
    case EVENT_WITHDRAW:
    case EVENT_VOID:
    case EVENT_NOTE:
    case EVENT_DELIVERED:
    case EVENT_COUNT:
        break;
    }
    return "reason";
}

static void
say(struct run *run, enum loop_event event, const char *code)
{
    json_auto_t *fields = json_pack("{s:s}", "text", "A plain <note> & \"more\".\nSecond line.");
    struct export_loop *loop = &run->loop;
    enum loop_role role = LOOP_TARGET;
    struct content_fault fault;
    json_t *facts = NULL;
    json_t *body = NULL;

    if (code != NULL)
        json_object_set_new(fields, code_field(event), json_string(code));
    if (code != NULL && strcmp(code, "scheduled") == 0)
        json_object_set_new(fields, "appointment", json_string("2026-12-01T14:30:00Z"));
    if (!lifecycle_step(loop->position, event, role, &loop->position)) {
        role = LOOP_SOURCE;
        if (!lifecycle_step(loop->position, event, role, &loop->position))
            stop("no such step", lifecycle_event_name(event));
    }
    if (content_from_step(event, fields, &facts, &body, &fault) != ERR_OK)
        stop(fault.field, fault.text);
    run->owned[run->n_owned++] = facts;
    run->owned[run->n_owned++] = body;
    loop->changed_ms += 3600000;
    run->steps[loop->n_steps++] = (struct export_step){
        .event = event, .role = role, .time_ms = loop->changed_ms, .facts = facts, .body = body};
}

static void
write_bundle(struct run *run, const char *scenario, const char *code)
{
    char name[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    json_t *bundle = NULL;

    (void)text_format(name, sizeof(name), "%s-%s%s%s.json", run->source, scenario,
                      code != NULL ? "-" : "", code != NULL ? code : "");
    if (fhir_export(&run->loop, &bundle) != ERR_OK ||
        file_path(path, run->directory, name) != ERR_OK ||
        json_dump_file(bundle, path, JSON_INDENT(1)) != 0)
        stop("cannot write", name);
    json_decref(bundle);
    run->reached[run->loop.position.state] = true;
    run->n_written++;
}

static void
play(struct run *run, const struct scenario *scenario, const char *last_code)
{
    enum reason_list list;

    run->loop.n_steps = 1;
    run->loop.position = (struct loop_position){LOOP_REQUESTED, LOOP_NONE};
    run->loop.changed_ms = NOW_MS;
    for (size_t i = 0; i < scenario->n_steps; i++) {
        size_t n = 0;
        const char *code = NULL;
        if (reason_list_for(scenario->steps[i], &list))
            code = reason_all(list, &n)[0].code;
        say(run, scenario->steps[i],
            i + 1 == scenario->n_steps && last_code != NULL ? last_code : code);
    }
    write_bundle(run, scenario->name, last_code);
    while (run->n_owned > 0)
        json_decref(run->owned[--run->n_owned]);
}

static void
play_all_codes(struct run *run, const struct scenario *scenario)
{
    enum reason_list list;
    size_t n = 0;

    if (scenario->n_steps == 0 || !reason_list_for(scenario->steps[scenario->n_steps - 1], &list)) {
        play(run, scenario, NULL);
        return;
    }
    const struct reason *codes = reason_all(list, &n);
    for (size_t i = 0; i < n; i++)
        play(run, scenario, codes[i].code);
}

static bool
is_member(void *context, const char *org)
{
    (void)context;
    return strcmp(org, "elm-pantry") == 0;
}

/* Reads the referral as it would be sent, and says it as the request. */
static void
read_referral(const struct referral_source *source, const char *directory,
              struct intake_result *result)
{
    const struct intake_defaults defaults = {.to = "elm-pantry"};
    struct buffer texts[FILES_MAX];
    struct intake_file files[FILES_MAX];
    struct content_fault fault;
    size_t n = 0;

    for (; n < FILES_MAX && source->files[n] != NULL; n++) {
        char path[FILE_PATH_MAX];
        texts[n] = BUFFER_INIT(INTAKE_FILE_BYTES);
        if (file_path(path, directory, source->files[n]) != ERR_OK ||
            file_read(path, &texts[n]) != ERR_OK)
            stop("cannot read", source->files[n]);
        files[n] = (struct intake_file){.name = source->files[n], .text = buffer_view(&texts[n])};
    }
    if (intake_read(files, n, &defaults, is_member, NULL, NOW_MS, result, &fault) != ERR_OK)
        stop(source->name, fault.text);
    if (!result->referrals[0].ready)
        stop(result->referrals[0].fault.field, result->referrals[0].fault.text);
    for (size_t i = 0; i < n; i++)
        buffer_done(&texts[i]);
}

static void
run_source(const struct referral_source *source, const char *files, const char *directory)
{
    struct intake_result result;
    struct run run = {.directory = directory, .source = source->name};

    read_referral(source, files, &result);
    const struct intake_referral *referral = &result.referrals[0];
    memset(run.loop.loop.bytes, 0x5a, LOOP_ID_BYTES);
    run.loop.source_org = "oak-clinic";
    run.loop.source_name = "Oak Clinic";
    run.loop.target_org = "elm-pantry";
    run.loop.target_name = "Elm Street Pantry";
    run.loop.urgent = referral->priority == PRIORITY_URGENT;
    run.loop.needed_by_ms = referral->needed_by_ms;
    run.loop.created_ms = NOW_MS;
    run.loop.steps = run.steps;
    run.steps[0] = (struct export_step){.event = EVENT_REQUEST,
                                        .role = LOOP_SOURCE,
                                        .time_ms = NOW_MS,
                                        .facts = referral->facts,
                                        .body = referral->body};
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        play_all_codes(&run, &scenarios[i]);
    for (size_t state = LOOP_REQUESTED; state < LOOP_STATE_COUNT; state++) {
        if (!run.reached[state])
            stop("no scenario reaches", lifecycle_state_name((enum loop_state)state));
    }
    printf("%s: %zu Bundles\n", source->name, run.n_written);
    intake_done(&result);
}

int
main(int argc, char **argv)
{
    const char *examples = getenv("REFLOOP_EXAMPLES");

    if (argc != 2) {
        fputs("usage: fhir-export-all DIRECTORY\n", stderr);
        return 1;
    }
    if (file_make_dir(argv[1]) != ERR_OK)
        stop("cannot write to", argv[1]);
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (!sources[i].published)
            run_source(&sources[i], FIXTURES, argv[1]);
        else if (examples != NULL && examples[0] != '\0')
            run_source(&sources[i], examples, argv[1]);
        else
            printf("%s: skipped, REFLOOP_EXAMPLES names no directory\n", sources[i].name);
    }
    return 0;
}
