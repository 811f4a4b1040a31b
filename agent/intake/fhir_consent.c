/* Decides whether a Consent permits this disclosure: active, about this person, signed, not
 * expired, not a refusal. When there are several, the newest speaks, also when it takes an older
 * one back. Without any, the basis must come in refloop's own words.
 *
 * It refuses to weigh the finer provisions: it looks at the outer one only, and the whole Consent
 * travels along. */
#include <string.h>

#include "agent/content/content_text.h"
#include "agent/intake/fhir_import.h"
#include "agent/intake/fhir_read.h"
#include "agent/intake/form.h"
#include "lib/base/text.h"

static int64_t
signed_ms(const json_t *consent)
{
    const char *text = fhir_read_text(consent, "dateTime");
    int64_t ms = 0;

    return text != NULL && fhir_read_time(text, false, &ms) ? ms : INT64_MIN;
}

static json_t *
pick_newest(const struct fhir_job *job, size_t *n_out)
{
    struct fhir_resource *newest = NULL;

    *n_out = 0;
    for (struct fhir_resource *item = fhir_set_next(&job->set, "Consent", NULL); item != NULL;
         item = fhir_set_next(&job->set, "Consent", item)) {
        (*n_out)++;
        if (newest == NULL || signed_ms(item->json) > signed_ms(newest->json))
            newest = item;
    }
    return newest != NULL ? newest->json : NULL;
}

static enum err
check_permission(struct fhir_job *job, json_t *consent)
{
    struct content_fault *fault = &job->referral.fault;
    json_t *patient = json_object_get(consent, "patient");
    json_t *provision = json_object_get(consent, "provision");
    json_t *period = json_object_get(provision, "period");
    const char *status = fhir_read_text(consent, "status");
    const char *type = fhir_read_text(provision, "type");
    int64_t start = 0;

    if (status == NULL || strcmp(status, "active") != 0) {
        return content_blame(fault, "Consent.status",
                             "the Consent is not active, so nothing may be sent on it");
    }
    if (patient == NULL || fhir_set_resolve(&job->set, consent, patient) != job->patient) {
        return content_blame(fault, "Consent.patient",
                             "the Consent is not about the Patient of the ServiceRequest");
    }
    if (json_object_get(consent, "modifierExtension") != NULL) {
        return content_blame(fault, "Consent.modifierExtension",
                             "the Consent has a modifier extension that is not understood here");
    }
    if (type != NULL && strcmp(type, "permit") != 0) {
        return content_blame(fault, "Consent.provision.type",
                             "the Consent says deny: the person did not agree");
    }
    if (signed_ms(consent) == INT64_MIN) {
        return content_blame(fault, "Consent.dateTime",
                             "Consent.dateTime must say when the consent was given");
    }
    if (fhir_read_text(period, "start") != NULL &&
        fhir_read_time(fhir_read_text(period, "start"), false, &start) &&
        start > job->context->now_ms) {
        return content_blame(fault, "Consent.provision.period", "the consent does not hold yet");
    }
    return referral_check_consent_dates(job->context, fault, "Consent.dateTime",
                                        fhir_read_text(consent, "dateTime"),
                                        "Consent.provision.period", fhir_read_text(period, "end"));
}

static enum err
put(struct fhir_job *job, const char *name, const char *text)
{
    bool cut = false;

    if (text == NULL)
        return ERR_OK;
    return content_put_in(job->referral.body, "consent", name, content_clean(name, text, &cut));
}

static enum err
put_consent(struct fhir_job *job, json_t *consent)
{
    static const char basis[] = "consent";
    const char *ends =
        fhir_read_text(json_object_get(json_object_get(consent, "provision"), "period"), "end");
    char source[FHIR_LABEL_BYTES] = "";
    enum err err = content_put(job->referral.facts, "basis", json_string(basis));

    if (err == ERR_OK)
        err = content_put_in(job->referral.body, "consent", "basis", json_string(basis));
    if (err == ERR_OK)
        err = put(job, "signed_on", fhir_read_text(consent, "dateTime"));
    if (err == ERR_OK)
        err = put(job, "expires_on", ends);
    if (err == ERR_OK)
        err = put(job, "covers", fhir_read_words(fhir_read_first(consent, "category")));
    return err == ERR_OK
               ? put(job, "source", fhir_set_label(fhir_set_find(&job->set, consent), source))
               : err;
}

enum err
fhir_consent_read(struct fhir_job *job)
{
    size_t n = 0;
    json_t *consent = pick_newest(job, &n);

    if (consent == NULL && job->consent_form == NULL) {
        return content_blame(
            &job->referral.fault, "Consent",
            "there is no Consent: add one, or a file with {\"consent\": {\"basis\": "
            "...}} that names another legal basis");
    }
    if (consent == NULL)
        return form_read_consent(job->context, job->consent_form, &job->referral);
    if (job->consent_form != NULL) {
        return content_blame(&job->referral.fault, "Consent",
                             "there is both a Consent and a file with a consent; give one of them");
    }
    enum err err = check_permission(job, consent);
    if (err == ERR_OK)
        err = put_consent(job, consent);
    if (err == ERR_OK && n > 1)
        err = referral_notice(job->result, "there are %zu Consents: the newest was taken", n);
    if (err == ERR_OK)
        fhir_import_understand(job, consent);
    return err;
}
