/* Any text as an invite line: altered, another version, or one that formats back to itself. The
 * second try goes around the base64, to the form inside. */
#include "lib/base/text.h"
#include "lib/trust/token.h"
#include "lib/wire/token_parts.h"
#include "tests/fuzz/fuzz.h"

static void
check(struct bytes text)
{
    struct token token = {0};
    enum err err = token_parse(text, &token);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err == ERR_TOKEN_ALTERED || err == ERR_VERSION);
        FUZZ_HOLDS(bytes_all_zero(bytes_of(&token, sizeof(token))));
        return;
    }
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TOKEN_TEXT_MAX);
    FUZZ_HOLDS(token_format(buffer_view(&token.genesis_envelope),
                            buffer_view(&token.invite_envelope), token.once_sign_seed,
                            &token.once_curve, &line) == ERR_OK);
    token_done(&token);
    FUZZ_HOLDS(token_parse(buffer_view(&line), &token) == ERR_OK);
    token_done(&token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(4 * TOKEN_TEXT_MAX);
    struct token_parts parts;
    fuzz_start();
    check(bytes_of(data, size));
    enum err err = token_parts_decode(bytes_of(data, size), &parts);
    FUZZ_HOLDS(err == ERR_OK || err_is_peer(err));
    buffer_put(&line, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
    text_base64(bytes_of(data, size), &line);
    if (buffer_err(&line) == ERR_OK) {
        check(buffer_view(&line));
    }
    return 0;
}
