/* The resources refloop makes itself for an export: what the referral did not bring along as FHIR.
 */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_MAKE_H
#define REFLOOP_AGENT_INTAKE_FHIR_MAKE_H

#include "agent/intake/fhir_export.h"
#include "agent/intake/fhir_set.h"
#include "agent/intake/fhir_status.h"

enum { FHIR_REFERENCE_BYTES = 512 };

/* An export in the making. Every maker below returns a new reference and sets `failed` when memory
 * ran out; nothing else fails. */
struct fhir_maker {
    const struct export_loop *loop;
    struct fhir_standing standing;
    struct fhir_status status;
    const struct export_step *ending; /* the step that made the present state, NULL when none */
    json_t *facts, *body;             /* of the request; borrowed, may be NULL */
    struct fhir_set given;
    struct fhir_request request; /* among the given; members may be NULL */
    char loop_hex[LOOP_ID_TEXT];
    char task_url[64]; /* urn:uuid: and the loop's id */
    /* How the made Task points to them. */
    char request_reference[FHIR_REFERENCE_BYTES];
    char patient_reference[FHIR_REFERENCE_BYTES];
    char given_task_reference[FHIR_REFERENCE_BYTES]; /* "" when no Task was given */
    bool failed;
};

/* Sets a member and takes the value; a NULL value means out of memory. */
void fhir_make_put(struct fhir_maker *maker, json_t *object, const char *name, json_t *value);
/* The same for a time; left out when it is not known. */
void fhir_make_put_time(struct fhir_maker *maker, json_t *object, const char *name, int64_t ms);
json_t *fhir_make_reference(const char *reference);
/* "Organization/refloop-oak-clinic" */
json_t *fhir_make_org_reference(const char *org);
/* {"coding": [{system, code}]} */
json_t *fhir_make_concept(const char *system, const char *code);

json_t *fhir_make_task(struct fhir_maker *maker);
json_t *fhir_make_request(struct fhir_maker *maker);
json_t *fhir_make_patient(struct fhir_maker *maker);
json_t *fhir_make_organization(struct fhir_maker *maker, const char *org, const char *name);
/* NULL without failure when the outcome is no act that was done for the person. */
json_t *fhir_make_procedure(struct fhir_maker *maker);
/* What was said in the loop, as Annotations in its order. */
json_t *fhir_make_notes(struct fhir_maker *maker);
/* The reason of the present state in words; NULL when the state has none. */
json_t *fhir_make_reason(struct fhir_maker *maker);

#endif
