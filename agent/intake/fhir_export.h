/* A loop given back as a FHIR R4 Bundle (type collection): Task in the status of domain mapping
 * (HL7 SDOH Clinical Care 3.0.0 Task states, BSeR businessStatus), ServiceRequest, Patient,
 * Organizations of both sides, the resources that came with the request, and the outcome. */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_EXPORT_H
#define REFLOOP_AGENT_INTAKE_FHIR_EXPORT_H

#include "agent/content/content.h"
#include "lib/loop/ident.h"
#include "lib/loop/lifecycle.h"

struct export_step {
    enum loop_event event;
    enum loop_role role;
    int64_t time_ms;
    bool superseded;
    json_t *facts, *body; /* borrowed */
};

struct export_loop {
    struct loop_id loop;
    struct loop_position position;
    const char *source_org, *source_name, *target_org, *target_name;
    bool urgent;
    int64_t created_ms, changed_ms, needed_by_ms;
    const struct export_step *steps; /* in log order, the request first */
    size_t n_steps;
};

/* New reference in *bundle_out. ERR_MEMORY. */
enum err fhir_export(const struct export_loop *loop, json_t **bundle_out) MUST_CHECK;

#endif
