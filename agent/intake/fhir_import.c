/* Decides whether FHIR resources make up one referral that can be sent, and says by the field's
 * name what is missing or contradictory. The steps run in one order, from the list at the end of
 * this file. Everything given travels along whole and unchanged in the body; what is read out of it
 * is for people and for the facts.
 *
 * It reads tolerantly but refuses to guess: not whose referral it is, not to whom it goes, not
 * whether it may be disclosed. */
#include "agent/intake/fhir_import.h"

#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_read.h"
#include "lib/base/text.h"

void
fhir_import_understand(struct fhir_job *job, const json_t *resource)
{
    struct fhir_resource *item = fhir_set_find(&job->set, resource);

    if (item != NULL)
        item->understood = true;
}

static const char *
shown(const char *text, char out[64])
{
    text_printable(bytes_of_text(text), out, 64);
    return out;
}

static enum err
step_pick(struct fhir_job *job)
{
    enum err err = fhir_set_pick(&job->set, &job->request, &job->referral.fault);

    if (err != ERR_OK)
        return err;
    fhir_import_understand(job, job->request.service_request);
    fhir_import_understand(job, job->request.task);
    if (job->set.n_repeated > 0)
        err = referral_notice(job->result, "%zu resources were given twice", job->set.n_repeated);
    return err;
}

/* --- whose referral it is --- */

/* Task.for may name a person who acts for the patient. */
static bool
is_for_patient(struct fhir_job *job)
{
    json_t *task = job->request.task;
    json_t *person = fhir_set_resolve(&job->set, task, json_object_get(task, "for"));

    if (person == job->patient)
        return true;
    return person != NULL && strcmp(content_text(person, "resourceType"), "RelatedPerson") == 0 &&
           fhir_set_resolve(&job->set, person, json_object_get(person, "patient")) == job->patient;
}

static enum err
step_patient(struct fhir_job *job)
{
    struct content_fault *fault = &job->referral.fault;
    json_t *request = job->request.service_request;
    json_t *subject = json_object_get(request, "subject");

    if (subject == NULL)
        return content_blame(fault, "ServiceRequest.subject",
                             "the ServiceRequest names no subject");
    job->patient = fhir_set_resolve(&job->set, request, subject);
    if (job->patient == NULL) {
        return content_blame(fault, "ServiceRequest.subject",
                             "the Patient of the ServiceRequest is not among the resources given");
    }
    if (strcmp(content_text(job->patient, "resourceType"), "Patient") != 0) {
        return content_blame(fault, "ServiceRequest.subject",
                             "the subject of the ServiceRequest is no Patient");
    }
    if (job->request.task != NULL && json_object_get(job->request.task, "for") == NULL)
        return content_blame(fault, "Task.for", "the Task does not say whom it is for");
    if (job->request.task != NULL && !is_for_patient(job)) {
        return content_blame(fault, "Task.for",
                             "the Task and the ServiceRequest are about different people, or the "
                             "Task's person is not among the resources given");
    }
    fhir_import_understand(job, job->patient);
    return ERR_OK;
}

/* --- whether it is to be sent at all --- */

enum verdict { FINE, REMARK, REFUSE };

struct word_rule {
    const char *word;
    enum verdict verdict;
};

static const struct word_rule request_status[] = {{"active", FINE}, {"draft", FINE}};

static const struct word_rule request_intent[] = {
    {"order", FINE},        {"original-order", FINE}, {"reflex-order", FINE},
    {"filler-order", FINE}, {"instance-order", FINE}, {"directive", FINE},
    {"proposal", REMARK},   {"plan", REMARK},         {"option", REMARK},
};

static const struct word_rule task_status[] = {
    {"draft", FINE},      {"requested", FINE},     {"received", FINE},  {"ready", FINE},
    {"accepted", REMARK}, {"in-progress", REMARK}, {"on-hold", REMARK},
};

static enum verdict
judge_word(const struct word_rule *rules, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rules[i].word, word) == 0)
            return rules[i].verdict;
    }
    return REFUSE;
}

static enum err
check_word(struct fhir_job *job, const char *label, const char *word, bool required,
           const struct word_rule *rules, size_t n, const char *remark)
{
    char safe[64];

    if (word == NULL) {
        return required ? content_blame(&job->referral.fault, label, "%s is missing", label)
                        : ERR_OK;
    }
    switch (judge_word(rules, n, word)) {
    case FINE:
        return ERR_OK;
    case REMARK:
        return referral_notice(job->result, "%s is %s: %s", label, word, remark);
    case REFUSE:
        break;
    }
    return content_blame(&job->referral.fault, label, "%s is %s: there is nothing to send", label,
                         shown(word, safe));
}

/* FHIR's own rule: what changes the meaning and is not understood must not be processed. */
static enum err
check_modifiers(struct fhir_job *job)
{
    const struct {
        const char *label;
        json_t *resource;
    } rows[] = {
        {"ServiceRequest.modifierExtension", job->request.service_request},
        {"Task.modifierExtension", job->request.task},
        {"Patient.modifierExtension", job->patient},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (json_object_get(rows[i].resource, "modifierExtension") != NULL) {
            return content_blame(&job->referral.fault, rows[i].label,
                                 "a modifier extension that is not understood here");
        }
    }
    json_t *not_to_do = json_object_get(job->request.service_request, "doNotPerform");
    if (not_to_do != NULL && !json_is_false(not_to_do)) {
        return content_blame(&job->referral.fault, "ServiceRequest.doNotPerform",
                             "the ServiceRequest asks that this is not done");
    }
    return ERR_OK;
}

static enum err
step_status(struct fhir_job *job)
{
    json_t *request = job->request.service_request;
    enum err err = check_word(job, "ServiceRequest.status", fhir_read_text(request, "status"), true,
                              request_status, ARRAY_LEN(request_status), "");

    if (err == ERR_OK)
        err =
            check_word(job, "ServiceRequest.intent", fhir_read_text(request, "intent"), true,
                       request_intent, ARRAY_LEN(request_intent), "sent as a request all the same");
    if (err == ERR_OK)
        err = check_word(job, "Task.status", fhir_read_text(job->request.task, "status"), false,
                         task_status, ARRAY_LEN(task_status), "a new referral starts at requested");
    return err == ERR_OK ? check_modifiers(job) : err;
}

/* --- how soon --- */

/* 0 no word, 1 routine, 2 urgent; -1 for a word that is none. */
static int
urgency(const char *word)
{
    static const struct {
        const char *word;
        int urgency;
    } rows[] = {{"routine", 1}, {"urgent", 2}, {"asap", 2}, {"stat", 2}};

    for (size_t i = 0; word != NULL && i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].word, word) == 0)
            return rows[i].urgency;
    }
    return word == NULL ? 0 : -1;
}

static enum err
read_priority_of(struct fhir_job *job, const char *label, const char *word, int *urgency_out)
{
    *urgency_out = urgency(word);
    if (*urgency_out < 0) {
        return content_blame(&job->referral.fault, label,
                             "%s must be routine, urgent, asap or stat", label);
    }
    if (word != NULL && (strcmp(word, "asap") == 0 || strcmp(word, "stat") == 0))
        return referral_notice(job->result, "%s is %s: sent as urgent", label, word);
    return ERR_OK;
}

static enum err
step_priority(struct fhir_job *job)
{
    const char *wanted = job->context->defaults->priority;
    int of_request = 0;
    int of_task = 0;
    enum err err =
        read_priority_of(job, "ServiceRequest.priority",
                         fhir_read_text(job->request.service_request, "priority"), &of_request);

    if (err == ERR_OK)
        err = read_priority_of(job, "Task.priority", fhir_read_text(job->request.task, "priority"),
                               &of_task);
    if (err != ERR_OK)
        return err;
    int most = of_request > of_task ? of_request : of_task;
    job->referral.priority = most == 2 ? PRIORITY_URGENT : PRIORITY_ROUTINE;
    if (of_request > 0 && of_task > 0 && of_request != of_task) {
        err = referral_notice(job->result,
                              "ServiceRequest and Task differ in priority: sent as urgent");
    }
    if (err != ERR_OK || wanted == NULL || wanted[0] == '\0')
        return err;
    enum statement_priority given = job->referral.priority;
    err = referral_set_priority(&job->referral, "priority", wanted);
    if (err == ERR_OK && most > 0 && given != job->referral.priority)
        err =
            referral_notice(job->result, "the resources say another priority: sent as %s", wanted);
    return err;
}

/* Takes the end the resource asks for when it is sooner than what is there. */
static enum err
take_end(struct fhir_job *job, const char *label, const char *text, size_t *n_taken)
{
    int64_t ms = 0;

    if (text == NULL)
        return ERR_OK;
    if (!fhir_read_time(text, true, &ms) || ms <= 0)
        return content_blame(&job->referral.fault, label, "%s is no date", label);
    if (ms < job->context->now_ms)
        return referral_notice(job->result, "%s is in the past and does not count", label);
    int64_t before = job->referral.needed_by_ms;
    if (before == 0 || ms < before)
        job->referral.needed_by_ms = ms;
    if ((*n_taken)++ > 0 && before != ms)
        return referral_notice(job->result, "there are several dates: the soonest counts");
    return ERR_OK;
}

static enum err
step_needed_by(struct fhir_job *job)
{
    json_t *request = job->request.service_request;
    json_t *occurrence = json_object_get(request, "occurrencePeriod");
    json_t *restriction =
        json_object_get(json_object_get(job->request.task, "restriction"), "period");
    const char *wanted = job->context->defaults->needed_by;
    size_t n_taken = 0;

    if (wanted != NULL && wanted[0] != '\0')
        return referral_set_needed_by(job->context, &job->referral, "needed_by", wanted);
    enum err err = take_end(job, "ServiceRequest.occurrencePeriod.end",
                            fhir_read_text(occurrence, "end"), &n_taken);
    if (err == ERR_OK)
        err = take_end(job, "ServiceRequest.occurrenceDateTime",
                       fhir_read_text(request, "occurrenceDateTime"), &n_taken);
    if (err == ERR_OK)
        err = take_end(job, "Task.restriction.period.end", fhir_read_text(restriction, "end"),
                       &n_taken);
    return err;
}

/* --- to whom --- */

static bool
is_partner(struct fhir_job *job, const char *org)
{
    return org != NULL && ident_is_org(org) &&
           (job->context->is_member == NULL ||
            job->context->is_member(job->context->member_context, org));
}

/* The identifier of a reference or resource that is a member's id. */
static const char *
find_partner_in(struct fhir_job *job, json_t *identifiers)
{
    size_t n = json_is_array(identifiers) ? json_array_size(identifiers) : 1;

    for (size_t i = 0; i < n; i++) {
        json_t *own = json_is_array(identifiers) ? json_array_get(identifiers, i) : identifiers;
        const char *value = fhir_read_text(own, "value");
        if (is_partner(job, value))
            return value;
    }
    return NULL;
}

/* The member that Task.owner means; NULL when it means none. */
static const char *
find_owner(struct fhir_job *job)
{
    json_t *task = job->request.task;
    json_t *owner = json_object_get(task, "owner");
    json_t *organization = fhir_set_resolve(&job->set, task, owner);
    const char *org = find_partner_in(job, json_object_get(owner, "identifier"));
    const char *reference = fhir_read_text(owner, "reference");
    const char *slash = reference != NULL ? strrchr(reference, '/') : NULL;

    if (org == NULL)
        org = find_partner_in(job, json_object_get(organization, "identifier"));
    if (org == NULL && is_partner(job, fhir_read_text(organization, "id")))
        org = fhir_read_text(organization, "id");
    if (org == NULL && slash != NULL && is_partner(job, slash + 1))
        org = slash + 1;
    return org;
}

static enum err
step_partner(struct fhir_job *job)
{
    const char *to = job->context->defaults->to;
    bool is_given = to != NULL && to[0] != '\0';
    const char *owner = find_owner(job);

    if (is_given) {
        enum err err = referral_set_to(job->context, &job->referral, "to", to);
        if (err == ERR_OK && json_object_get(job->request.task, "owner") != NULL &&
            (owner == NULL || strcmp(owner, to) != 0))
            err = referral_notice(job->result, "Task.owner names another organization: sent to %s",
                                  to);
        return err;
    }
    if (owner == NULL) {
        return content_blame(
            &job->referral.fault, "Task.owner",
            "no Task.owner that is a member of this network: name the partner with "
            "--to");
    }
    return referral_set_to(job->context, &job->referral, "Task.owner", owner);
}

/* --- all of it, as it was given --- */

static enum err
step_carry(struct fhir_job *job)
{
    json_t *bundle =
        json_pack("{s:s, s:s, s:[]}", "resourceType", "Bundle", "type", "collection", "entry");
    enum err err = content_put(job->referral.body, "fhir", bundle);

    for (size_t i = 0; i < job->set.n && err == ERR_OK; i++) {
        const struct fhir_resource *item = &job->set.items[i];
        json_t *entry = json_object();
        char label[FHIR_LABEL_BYTES];
        err = content_append(json_object_get(bundle, "entry"), entry);
        if (err == ERR_OK && item->full_url != NULL)
            err = content_put(entry, "fullUrl", json_string(item->full_url));
        if (err == ERR_OK)
            err = content_put(entry, "resource", json_incref(item->json));
        if (err == ERR_OK && !item->understood)
            err = content_append(job->result->carried, json_string(fhir_set_label(item, label)));
    }
    return err;
}

static enum err
find_largest(struct fhir_job *job, char label[FHIR_LABEL_BYTES])
{
    size_t largest = 0;

    for (size_t i = 0; i < job->set.n; i++) {
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(8 * (size_t)INTAKE_FILE_BYTES);
        enum err err = content_print(job->set.items[i].json, &text);
        if (err != ERR_OK)
            return err;
        if (text.len > largest) {
            largest = text.len;
            (void)fhir_set_label(&job->set.items[i], label);
        }
    }
    return ERR_OK;
}

typedef enum err (*step)(struct fhir_job *job);

static const step steps[] = {
    step_pick,      step_patient,     step_status,  step_priority,     step_needed_by,
    fhir_need_read, fhir_person_read, step_partner, fhir_consent_read, step_carry,
};

static enum err
run(struct fhir_job *job, json_t *const *inputs, size_t n_inputs)
{
    enum err err = referral_start(&job->referral);

    for (size_t i = 0; i < n_inputs && err == ERR_OK; i++)
        err = fhir_set_add(&job->set, inputs[i], &job->referral.fault);
    for (size_t i = 0; i < ARRAY_LEN(steps) && err == ERR_OK; i++)
        err = steps[i](job);
    return err;
}

enum err
fhir_import(const struct intake_context *context, json_t *const *inputs, size_t n_inputs,
            json_t *consent_form, struct intake_result *result)
{
    struct fhir_job job = {.context = context, .consent_form = consent_form, .result = result};
    char largest[FHIR_LABEL_BYTES] = "";
    size_t room = 0;
    enum err err = run(&job, inputs, n_inputs);

    if (err == ERR_OK)
        err = find_largest(&job, largest);
    err = referral_finish(&job.referral, err, largest);
    fhir_set_done(&job.set);
    return err == ERR_OK ? referral_add(result, &room, &job.referral) : err;
}
