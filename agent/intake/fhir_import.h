/* One referral from FHIR R4 resources. */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_IMPORT_H
#define REFLOOP_AGENT_INTAKE_FHIR_IMPORT_H

#include "agent/intake/fhir_set.h"
#include "agent/intake/referral.h"

/* Adds one referral to the result, ready or refused, with its notices and what is carried. `inputs`
 * are resources, Bundles or arrays of resources; `consent_form` is refloop's own form with nothing
 * but the consent, NULL when none was given. Own errors only. */
enum err fhir_import(const struct intake_context *context, json_t *const *inputs, size_t n_inputs,
                     json_t *consent_form, struct intake_result *result) MUST_CHECK;

/* --- between the files of the import --- */

struct fhir_job {
    const struct intake_context *context;
    struct fhir_set set;
    struct fhir_request request;
    json_t *patient;      /* borrowed from the set */
    json_t *consent_form; /* borrowed, may be NULL */
    struct intake_referral referral;
    struct intake_result *result; /* for notices and carried */
};

/* Each reads one side of the job into its referral. ERR_INVALID with the referral's fault,
 * ERR_MEMORY. */
enum err fhir_person_read(struct fhir_job *job) MUST_CHECK;
enum err fhir_consent_read(struct fhir_job *job) MUST_CHECK;
enum err fhir_need_read(struct fhir_job *job) MUST_CHECK;
/* Marks a resource of the set as understood. */
void fhir_import_understand(struct fhir_job *job, const json_t *resource);

#endif
