/* Any bytes as refloop's own form, and as the fields of each step. */
#include "tests/fuzz/fuzz_intake.h"

static void
check_step(enum loop_event event, json_t *fields)
{
    CLEANUP(buffer_done) struct buffer facts_text = BUFFER_INIT(LIMIT_FACTS_BYTES);
    CLEANUP(buffer_done) struct buffer body_text = BUFFER_INIT(LIMIT_BODY_BYTES);
    struct content_fault fault = {"", ""};
    json_t *facts = NULL;
    json_t *body = NULL;
    enum err err = content_from_step(event, fields, &facts, &body, &fault);

    FUZZ_HOLDS(err == ERR_OK || err == ERR_INVALID);
    FUZZ_HOLDS((err == ERR_OK) == (facts != NULL) && (err == ERR_OK) == (body != NULL));
    FUZZ_HOLDS(err == ERR_OK || (fault.field[0] != '\0' && fault.text[0] != '\0'));
    if (err == ERR_OK) {
        FUZZ_HOLDS(content_print(facts, &facts_text) == ERR_OK);
        FUZZ_HOLDS(content_print(body, &body_text) == ERR_OK);
    }
    json_decref(facts);
    json_decref(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct intake_file file = {.name = "form", .text = bytes_of(data, size)};
    json_t *fields = NULL;

    fuzz_intake(&file, 1);
    if (content_parse(file.text, INTAKE_FILE_BYTES, &fields, NULL) == ERR_OK) {
        for (int event = 0; event <= EVENT_COUNT; event++)
            check_step((enum loop_event)event, fields);
    }
    json_decref(fields);
    return 0;
}
