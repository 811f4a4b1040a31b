/* Reads the few data types of FHIR that a referral is made of, tolerantly: a missing element is
 * never a failure here, and neither is one of the wrong type. What a missing element means is for
 * the caller to decide. */
#include "agent/intake/fhir_read.h"

#include <string.h>

#include "agent/intake/referral.h"

const char *
fhir_read_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL && text[0] != '\0' ? text : NULL;
}

json_t *
fhir_read_first(const json_t *object, const char *name)
{
    return json_array_get(json_object_get(object, name), 0);
}

bool
fhir_read_is_temporary_system(const char *system)
{
    /* The first is the guide's; the others stand in records made by older reference software. */
    static const char *const systems[] = {
        FHIR_TEMPORARY_CODES,
        "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/sdohcc-temporary-codes",
        "http://hl7.org/fhir/us/sdoh-clinicalcare/sdohcc-temporary-codes",
    };

    for (size_t i = 0; system != NULL && i < ARRAY_LEN(systems); i++) {
        if (strcmp(system, systems[i]) == 0)
            return true;
    }
    return false;
}

const char *
fhir_read_temporary_code(const json_t *concept)
{
    json_t *codings = json_object_get(concept, "coding");
    json_t *coding;
    size_t i;

    json_array_foreach(codings, i, coding)
    {
        const char *code = fhir_read_text(coding, "code");
        if (code != NULL && fhir_read_is_temporary_system(fhir_read_text(coding, "system")))
            return code;
    }
    return NULL;
}

const char *
fhir_read_words(const json_t *concept)
{
    const char *words = fhir_read_text(concept, "text");
    json_t *codings = json_object_get(concept, "coding");
    json_t *coding;
    size_t i;

    json_array_foreach(codings, i, coding)
    {
        if (words == NULL)
            words = fhir_read_text(coding, "display");
    }
    return words;
}

bool
fhir_read_time(const char *text, bool end, int64_t *ms_out)
{
    return referral_parse_date(text, end, ms_out);
}

bool
fhir_read_period_holds(const json_t *period, int64_t now_ms)
{
    const char *start = fhir_read_text(period, "start");
    const char *end = fhir_read_text(period, "end");
    int64_t ms = 0;

    if (start != NULL && fhir_read_time(start, false, &ms) && ms > now_ms)
        return false;
    return end == NULL || !fhir_read_time(end, true, &ms) || ms >= now_ms;
}
