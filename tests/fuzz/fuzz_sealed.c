/* Any bytes as the sealed part of a request that names them, as a dishonest author could sign:
 * refused, or opened without a fault of ours. */
#include "lib/wire/sealed.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/fixture.h"

static bool
is_expected(enum err err)
{
    return err == ERR_OK || err == ERR_KEY || err_is_peer(err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned whos[] = {PANTRY, AUDITOR, SHELTER};
    const struct bytes sealed = bytes_of(data, size);
    static struct statement statement; /* its keys take longer to make than the rest */
    fuzz_start();
    if (statement.suite == 0) {
        statement = fixture_request();
    }
    statement.as.loop.has_sealed = true;
    statement.as.loop.sealed_digest = sealed_digest(sealed);
    enum err shape = sealed_check_shape(&statement, sealed);
    FUZZ_HOLDS(shape == ERR_OK || err_is_peer(shape));
    for (size_t i = 0; i < ARRAY_LEN(whos); i++) {
        CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
        CLEANUP(buffer_done) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
        const struct fixture_org *org = fixture_who(whos[i]);
        struct sealed_opened opened = {false, false};
        enum err err = sealed_open(&statement, sealed, &org->key_id, &org->keys.seal, &org->seal,
                                   &body, &facts, &opened);
        FUZZ_HOLDS(is_expected(err));
        FUZZ_HOLDS(err != ERR_OK || shape == ERR_OK);
        FUZZ_HOLDS(err == ERR_OK || (body.len == 0 && facts.len == 0));
    }
    return 0;
}
