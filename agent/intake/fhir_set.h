/* A set of FHIR resources given together, and what refers to what among them. */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_SET_H
#define REFLOOP_AGENT_INTAKE_FHIR_SET_H

#include "agent/content/content.h"

enum { FHIR_RESOURCES_MAX = 1000, FHIR_LABEL_BYTES = 96 };

struct fhir_resource {
    json_t *json;         /* borrowed */
    const char *full_url; /* of the Bundle's entry, NULL when none */
    const char *type;
    const char *id;  /* NULL when none */
    bool understood; /* has been read into the referral */
};

/* Start from zero; release with fhir_set_done. The JSON it was made from must outlive it. */
struct fhir_set {
    struct fhir_resource *items; /* owned */
    size_t n, room;
    size_t n_repeated; /* given twice, and left out once */
};

void fhir_set_done(struct fhir_set *set);
/* Adds a resource, the resources of a Bundle, or those of an array. ERR_INVALID when something is
 * no resource, when one Type/id is given with two contents, or when there are too many; ERR_MEMORY.
 */
enum err fhir_set_add(struct fhir_set *set, json_t *json, struct content_fault *fault) MUST_CHECK;

/* What a Reference in the resource `from` points to: "#id" among what `from` contains, else by full
 * URL, by "Type/id" (at the end of a URL too), or by its identifier. Borrowed; NULL when it is not
 * among the resources given. */
json_t *fhir_set_resolve(const struct fhir_set *set, json_t *from, json_t *reference);
/* The item a resource is, NULL for one contained in another. */
struct fhir_resource *fhir_set_find(const struct fhir_set *set, const json_t *resource);
/* The next resource of a type after `after` (NULL: the first), NULL at the end. */
struct fhir_resource *
fhir_set_next(const struct fhir_set *set, const char *type, const struct fhir_resource *after);
/* "Patient/pat-1", or "Observation (no id)". */
const char *fhir_set_label(const struct fhir_resource *item, char out[FHIR_LABEL_BYTES]);

/* The request among the resources: the one ServiceRequest, or the one a Task's focus chooses, and
 * that Task if any. */
struct fhir_request {
    json_t *service_request;
    json_t *task; /* NULL when there is none */
};
/* ERR_INVALID with the field "ServiceRequest", "Task" or "Task.focus". */
enum err fhir_set_pick(const struct fhir_set *set, struct fhir_request *request_out,
                       struct content_fault *fault) MUST_CHECK;

#endif
