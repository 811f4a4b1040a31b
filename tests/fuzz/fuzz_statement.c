/* Any bytes: refused as a peer's fault, or a statement that can be written again and means the
 * same. */
#include "lib/wire/statement.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement statement, again;
    fuzz_start();
    enum err err = statement_decode(bytes_of(data, size), &statement);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err_is_peer(err));
        return 0;
    }
    FUZZ_HOLDS(statement_encode(&statement, &first) == ERR_OK);
    FUZZ_HOLDS(statement_decode(buffer_view(&first), &again) == ERR_OK);
    FUZZ_HOLDS(statement_encode(&again, &second) == ERR_OK);
    FUZZ_HOLDS(bytes_equal(buffer_view(&first), buffer_view(&second)));
    return 0;
}
