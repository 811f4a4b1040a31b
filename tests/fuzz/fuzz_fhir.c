/* Any bytes as FHIR resources beside a good consent, and as the facts and body of a partner's
 * request that is exported. */
#include "tests/fuzz/fuzz_intake.h"

static void
export_as_partner(struct bytes text)
{
    json_t *facts = NULL;
    json_t *body = NULL;
    json_t *fhir = NULL;
    bool sound;

    FUZZ_HOLDS(content_read(text, text, &facts, &body, &sound) == ERR_OK);
    if (content_parse(text, LIMIT_BODY_BYTES, &fhir, NULL) == ERR_OK)
        (void)json_object_set_new(body, "fhir", fhir);
    fuzz_check_export(facts, body);
    json_decref(facts);
    json_decref(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct intake_file files[] = {
        {.name = "fhir", .text = bytes_of(data, size)},
        {.name = "consent", .text = bytes_of_text("{\"consent\": {\"basis\": \"treatment\"}}")},
    };

    fuzz_intake(files, 1);
    fuzz_intake(files, 2);
    export_as_partner(bytes_of(data, size));
    return 0;
}
