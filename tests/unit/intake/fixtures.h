/* The FHIR resources of one whole referral (tests/fixtures/fhir), to be changed and left out one by
 * one. */
#ifndef REFLOOP_TESTS_UNIT_INTAKE_FIXTURES_H
#define REFLOOP_TESTS_UNIT_INTAKE_FIXTURES_H

#include "tests/unit/intake/rig.h"

enum { REQUEST, TASK, PATIENT, CONSENT, CONDITION, OBSERVATION, FIXTURES };

struct fixtures {
    json_t *json[FIXTURES]; /* NULL: not given */
};

struct fixtures fixtures_load(void);
void fixtures_done(struct fixtures *fixtures);
void fixtures_drop(struct fixtures *fixtures, size_t i);
/* One file each. */
void fixtures_add(struct rig *rig, const struct fixtures *fixtures);
/* Every resource given is in the body as it was, in its order. */
void fixtures_check(const struct intake_referral *referral, const struct fixtures *fixtures);

#endif
