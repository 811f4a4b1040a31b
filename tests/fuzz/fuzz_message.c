/* Any bytes as a session frame: refused as a peer's fault, or a message that can be written again.
 */
#include "lib/wire/message.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message, again; /* large */
    CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_FRAME_BYTES);
    fuzz_start();
    enum err err = message_decode(bytes_of(data, size), &message);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err_is_peer(err));
        return 0;
    }
    FUZZ_HOLDS(message_encode(&message, &first) == ERR_OK);
    FUZZ_HOLDS(message_decode(buffer_view(&first), &again) == ERR_OK);
    FUZZ_HOLDS(again.kind == message.kind);
    FUZZ_HOLDS(message_encode(&again, &second) == ERR_OK);
    FUZZ_HOLDS(bytes_equal(buffer_view(&first), buffer_view(&second)));
    return 0;
}
