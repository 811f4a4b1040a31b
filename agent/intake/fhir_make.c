/* Decides the shape of the resources an export adds: the Task that tells how the referral stands,
 * both Organizations, the Procedure of a completed referral, and a ServiceRequest and Patient where
 * the referral brought none. Elements that are not known are left out, as the guides ask.
 *
 * It refuses to know how states map (fhir_status.c) and what was said (fhir_notes.c). */
#include "agent/intake/fhir_make.h"

#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_read.h"
#include "agent/intake/referral.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/loop/reason.h"

#define TASK_PROFILE                                                                               \
    "http://hl7.org/fhir/us/sdoh-clinicalcare/StructureDefinition/"                                \
    "SDOHCC-TaskForReferralManagement"
#define BUSINESS_STATUS "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"

void
fhir_make_put(struct fhir_maker *maker, json_t *object, const char *name, json_t *value)
{
    if (content_put(object, name, value) != ERR_OK)
        maker->failed = true;
}

void
fhir_make_put_time(struct fhir_maker *maker, json_t *object, const char *name, int64_t ms)
{
    char text[CLOCK_TEXT_BYTES];
    int64_t back;

    clock_format_utc(ms, text);
    if (ms > 0 && clock_parse(text, false, &back) == ERR_OK)
        fhir_make_put(maker, object, name, json_string(text));
}

json_t *
fhir_make_reference(const char *reference)
{
    return json_pack("{s:s}", "reference", reference);
}

json_t *
fhir_make_org_reference(const char *org)
{
    char reference[ORG_ID_BYTES + 32];

    (void)text_format(reference, sizeof(reference), "Organization/refloop-%s", org);
    return fhir_make_reference(reference);
}

json_t *
fhir_make_concept(const char *system, const char *code)
{
    return json_pack("{s:[{s:s, s:s}]}", "coding", "system", system, "code", code);
}

/* A resource with an id of ours. */
static json_t *
start(struct fhir_maker *maker, const char *type, const char *prefix, const char *id)
{
    char own[80];

    (void)text_format(own, sizeof(own), "%s%s", prefix, id);
    json_t *resource = json_pack("{s:s, s:s}", "resourceType", type, "id", own);
    if (resource == NULL)
        maker->failed = true;
    return resource;
}

static const char *
priority_word(const struct fhir_maker *maker)
{
    return maker->loop->urgent ? "urgent" : "routine";
}

/* --- Task --- */

static json_t *
make_business_status(const struct fhir_maker *maker)
{
    const struct fhir_status *status = &maker->status;

    if (status->business_code == NULL)
        return json_pack("{s:s}", "text", status->business_words);
    return json_pack("{s:[{s:s, s:s}], s:s}", "coding", "system", BUSINESS_STATUS, "code",
                     status->business_code, "text", status->business_words);
}

static bool
is_completed(const struct fhir_maker *maker)
{
    return maker->standing.position.state == LOOP_COMPLETED;
}

/* Whether the outcome is something done for the person, which FHIR calls a Procedure. */
static bool
has_procedure(const struct fhir_maker *maker)
{
    static const char *const done[] = {"service-provided", "partly-provided"};

    for (size_t i = 0; i < ARRAY_LEN(done) && is_completed(maker); i++) {
        if (strcmp(maker->standing.code, done[i]) == 0)
            return true;
    }
    return false;
}

static const char *
outcome_words(const struct fhir_maker *maker)
{
    const struct reason *outcome = reason_find(REASON_OUTCOME, maker->standing.code);

    return outcome != NULL ? outcome->words : "completed";
}

static json_t *
make_output(struct fhir_maker *maker)
{
    json_t *type = fhir_make_concept(FHIR_TEMPORARY_CODES, "resulting-activity");

    if (!has_procedure(maker)) {
        return json_pack("[{s:o, s:{s:s}}]", "type", type, "valueCodeableConcept", "text",
                         outcome_words(maker));
    }
    char reference[80];
    (void)text_format(reference, sizeof(reference), "Procedure/refloop-procedure-%s",
                      maker->loop_hex);
    return json_pack("[{s:o, s:o}]", "type", type, "valueReference",
                     fhir_make_reference(reference));
}

/* Who, for whom, about what. */
static void
put_parties(struct fhir_maker *maker, json_t *task)
{
    if (maker->given_task_reference[0] != '\0') {
        fhir_make_put(maker, task, "partOf",
                      json_pack("[o]", fhir_make_reference(maker->given_task_reference)));
    }
    fhir_make_put(maker, task, "focus", fhir_make_reference(maker->request_reference));
    fhir_make_put(maker, task, "for", fhir_make_reference(maker->patient_reference));
    fhir_make_put_time(maker, task, "authoredOn", maker->loop->created_ms);
    fhir_make_put_time(maker, task, "lastModified", maker->loop->changed_ms);
    fhir_make_put(maker, task, "requester", fhir_make_org_reference(maker->loop->source_org));
    fhir_make_put(maker, task, "owner", fhir_make_org_reference(maker->loop->target_org));
}

static json_t *
make_restriction(struct fhir_maker *maker)
{
    json_t *period = json_object();

    fhir_make_put_time(maker, period, "end", maker->loop->needed_by_ms);
    return json_pack("{s:o}", "period", period);
}

json_t *
fhir_make_task(struct fhir_maker *maker)
{
    const size_t urn_len = strlen("urn:uuid:");
    json_t *task = start(maker, "Task", "", maker->task_url + urn_len);
    json_t *reason = fhir_make_reason(maker);
    json_t *notes = fhir_make_notes(maker);

    fhir_make_put(maker, task, "meta", json_pack("{s:[s]}", "profile", TASK_PROFILE));
    fhir_make_put(
        maker, task, "identifier",
        json_pack("[{s:s, s:s}]", "system", "urn:ietf:rfc:3986", "value", maker->task_url));
    fhir_make_put(maker, task, "status", json_string(maker->status.task));
    if (reason != NULL)
        fhir_make_put(maker, task, "statusReason", json_pack("{s:o}", "text", reason));
    if (maker->status.business_words != NULL)
        fhir_make_put(maker, task, "businessStatus", make_business_status(maker));
    fhir_make_put(maker, task, "intent", json_string("order"));
    fhir_make_put(maker, task, "priority", json_string(priority_word(maker)));
    fhir_make_put(maker, task, "code",
                  fhir_make_concept("http://hl7.org/fhir/CodeSystem/task-code", "fulfill"));
    put_parties(maker, task);
    if (maker->loop->needed_by_ms > 0)
        fhir_make_put(maker, task, "restriction", make_restriction(maker));
    if (json_array_size(notes) > 0)
        fhir_make_put(maker, task, "note", json_incref(notes));
    json_decref(notes);
    if (is_completed(maker))
        fhir_make_put(maker, task, "output", make_output(maker));
    return task;
}

/* --- ServiceRequest --- */

static json_t *
make_category(const struct fhir_maker *maker)
{
    const char *code = content_text(maker->facts, "category");
    const struct reason *category = reason_find(REASON_CATEGORY, code);

    if (category == NULL)
        category = reason_find(REASON_CATEGORY, "sdoh-category-unspecified");
    return json_pack("{s:[{s:s, s:s}], s:s}", "coding", "system", FHIR_TEMPORARY_CODES, "code",
                     category->code, "text", category->words);
}

/* The codes the referral carries, and the words of its category or service. */
static json_t *
make_code(struct fhir_maker *maker)
{
    const char *service = content_text(maker->facts, "service");
    json_t *codes = json_object_get(maker->facts, "codes");
    const struct reason *category =
        reason_find(REASON_CATEGORY, content_text(maker->facts, "category"));
    const char *words = service[0] != '\0' ? service : category != NULL ? category->words : "help";
    json_t *concept = json_object();

    if (json_array_size(codes) > 0)
        fhir_make_put(maker, concept, "coding", json_deep_copy(codes));
    fhir_make_put(maker, concept, "text", json_string(words));
    return concept;
}

static void
put_details(struct fhir_maker *maker, json_t *request)
{
    const char *need = content_text(maker->body, "need");
    json_t *prohibited = json_object_get(json_object_get(maker->body, "contact"), "prohibited");

    if (json_is_true(json_object_get(maker->facts, "no_contact")) || json_is_true(prohibited)) {
        fhir_make_put(maker, request, "orderDetail",
                      json_pack("[o]", fhir_make_concept(FHIR_TEMPORARY_CODES,
                                                         "contacting-subject-prohibited")));
    }
    if (need[0] != '\0')
        fhir_make_put(maker, request, "note", json_pack("[{s:s}]", "text", need));
}

json_t *
fhir_make_request(struct fhir_maker *maker)
{
    json_t *request = start(maker, "ServiceRequest", "refloop-", maker->loop_hex);

    fhir_make_put(maker, request, "status", json_string(maker->status.request));
    fhir_make_put(maker, request, "intent", json_string("order"));
    fhir_make_put(maker, request, "category", json_pack("[o]", make_category(maker)));
    fhir_make_put(maker, request, "priority", json_string(priority_word(maker)));
    fhir_make_put(maker, request, "code", make_code(maker));
    fhir_make_put(maker, request, "subject", fhir_make_reference(maker->patient_reference));
    if (maker->loop->needed_by_ms > 0) {
        json_t *period = json_object();
        fhir_make_put_time(maker, period, "end", maker->loop->needed_by_ms);
        fhir_make_put(maker, request, "occurrencePeriod", period);
    }
    fhir_make_put_time(maker, request, "authoredOn", maker->loop->created_ms);
    fhir_make_put(maker, request, "requester", fhir_make_org_reference(maker->loop->source_org));
    fhir_make_put(maker, request, "performer",
                  json_pack("[o]", fhir_make_org_reference(maker->loop->target_org)));
    put_details(maker, request);
    return request;
}

/* --- Procedure --- */

json_t *
fhir_make_procedure(struct fhir_maker *maker)
{
    if (!has_procedure(maker))
        return NULL;
    json_t *procedure = start(maker, "Procedure", "refloop-procedure-", maker->loop_hex);
    json_t *code = json_object_get(maker->request.service_request, "code");
    fhir_make_put(maker, procedure, "basedOn",
                  json_pack("[o]", fhir_make_reference(maker->request_reference)));
    fhir_make_put(maker, procedure, "status", json_string("completed"));
    fhir_make_put(maker, procedure, "category", make_category(maker));
    fhir_make_put(maker, procedure, "code",
                  json_is_object(code) ? json_deep_copy(code) : make_code(maker));
    fhir_make_put(maker, procedure, "subject", fhir_make_reference(maker->patient_reference));
    if (maker->ending != NULL)
        fhir_make_put_time(maker, procedure, "performedDateTime", maker->ending->time_ms);
    fhir_make_put(maker, procedure, "performer",
                  json_pack("[{s:o}]", "actor", fhir_make_org_reference(maker->loop->target_org)));
    fhir_make_put(maker, procedure, "note", json_pack("[{s:s}]", "text", outcome_words(maker)));
    return procedure;
}

/* --- Patient and Organization --- */

static void
put_telecom(struct fhir_maker *maker, json_t *patient, const json_t *person)
{
    static const char *const systems[] = {"phone", "email"};
    json_t *telecom = json_array();

    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        const char *value = fhir_read_text(person, systems[i]);
        if (value != NULL && content_append(telecom, json_pack("{s:s, s:s}", "system", systems[i],
                                                               "value", value)) != ERR_OK)
            maker->failed = true;
    }
    if (json_array_size(telecom) > 0)
        fhir_make_put(maker, patient, "telecom", json_incref(telecom));
    json_decref(telecom);
}

/* A language tag ("es", "pt-BR") is a code; anything else ("Spanish") is words. */
static json_t *
make_language(const char *language)
{
    size_t first = strspn(language, "abcdefghijklmnopqrstuvwxyz");
    size_t whole =
        strspn(language, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    bool is_tag =
        (first == 2 || first == 3) && language[whole] == '\0' &&
        (language[first] == '\0' || (language[first] == '-' && language[whole - 1] != '-'));

    return is_tag ? fhir_make_concept("urn:ietf:bcp:47", language)
                  : json_pack("{s:s}", "text", language);
}

static void
put_identifiers(struct fhir_maker *maker, json_t *patient, const json_t *person)
{
    json_t *given = json_object_get(person, "identifiers");
    json_t *identifiers = json_array();
    json_t *own;
    size_t i;

    json_array_foreach(given, i, own)
    {
        const char *system = fhir_read_text(own, "system");
        const char *value = fhir_read_text(own, "value");
        if (value == NULL)
            continue;
        json_t *made = json_pack("{s:s}", "value", value);
        if (system != NULL && strchr(system, ' ') == NULL) /* a system is a URI */
            fhir_make_put(maker, made, "system", json_string(system));
        if (content_append(identifiers, made) != ERR_OK)
            maker->failed = true;
    }
    if (json_array_size(identifiers) > 0)
        fhir_make_put(maker, patient, "identifier", json_incref(identifiers));
    json_decref(identifiers);
}

json_t *
fhir_make_patient(struct fhir_maker *maker)
{
    json_t *patient = start(maker, "Patient", "refloop-", maker->loop_hex);
    const json_t *person = json_object_get(maker->body, "person");
    const char *name = fhir_read_text(person, "name");
    const char *birth_date = fhir_read_text(person, "birth_date");
    const char *address = fhir_read_text(person, "address");
    const char *language = fhir_read_text(person, "language");
    int64_t ms;

    put_identifiers(maker, patient, person);
    if (name != NULL)
        fhir_make_put(maker, patient, "name", json_pack("[{s:s}]", "text", name));
    put_telecom(maker, patient, person);
    if (birth_date != NULL && strlen(birth_date) <= 10 &&
        referral_parse_date(birth_date, false, &ms))
        fhir_make_put(maker, patient, "birthDate", json_string(birth_date));
    if (address != NULL)
        fhir_make_put(maker, patient, "address", json_pack("[{s:s}]", "text", address));
    if (language != NULL) {
        fhir_make_put(maker, patient, "communication",
                      json_pack("[{s:o}]", "language", make_language(language)));
    }
    return patient;
}

json_t *
fhir_make_organization(struct fhir_maker *maker, const char *org, const char *name)
{
    json_t *organization = start(maker, "Organization", "refloop-", org);

    fhir_make_put(maker, organization, "identifier", json_pack("[{s:s}]", "value", org));
    fhir_make_put(maker, organization, "active", json_true());
    fhir_make_put(maker, organization, "name",
                  json_string(name != NULL && name[0] != '\0' ? name : org));
    return organization;
}
