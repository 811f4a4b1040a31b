/* Any bytes as a CSV file, and as rows below a good first row. */
#include <string.h>

#include "tests/fuzz/fuzz_intake.h"

static const char header[] =
    "to,priority,needed_by,category,service,name,birth_date,phone,no_contact,need,basis,signed_on,"
    "expires_on,note\nelm-pantry,,,stress,,";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct intake_file file = {.name = "csv", .text = bytes_of(data, size)};
    CLEANUP(buffer_done) struct buffer rows = BUFFER_INIT(INTAKE_FILE_BYTES);

    fuzz_intake(&file, 1);
    buffer_put(&rows, header, strlen(header));
    buffer_put(&rows, data, size);
    if (buffer_err(&rows) == ERR_OK) {
        const struct intake_file below = {.name = "csv", .text = buffer_view(&rows)};
        fuzz_intake(&below, 1);
    }
    return 0;
}
