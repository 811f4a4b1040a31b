/* Small readers of FHIR's data types. All take any JSON: what is missing or of another type is not
 * there. */
#ifndef REFLOOP_AGENT_INTAKE_FHIR_READ_H
#define REFLOOP_AGENT_INTAKE_FHIR_READ_H

#include "agent/content/content.h"

#define FHIR_TEMPORARY_CODES                                                                       \
    "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"

/* The text of a member; NULL when it is missing, no text or empty. */
const char *fhir_read_text(const json_t *object, const char *name);
/* object[name][0] */
json_t *fhir_read_first(const json_t *object, const char *name);
/* True when the system is one under which the SDOH Clinical Care temporary codes have been
 * published. */
bool fhir_read_is_temporary_system(const char *system);
/* The first code of a CodeableConcept that is in the SDOH Clinical Care temporary codes; NULL when
 * none. */
const char *fhir_read_temporary_code(const json_t *concept);
/* The words of a CodeableConcept: its text, else the first display; NULL when none. */
const char *fhir_read_words(const json_t *concept);
/* Whether a Period (or none at all) holds `now_ms`. */
bool fhir_read_period_holds(const json_t *period, int64_t now_ms);
/* "2026", "2026-12", a date or a time; the last instant of it when `end`. False when it is none. */
bool fhir_read_time(const char *text, bool end, int64_t *ms_out);

#endif
