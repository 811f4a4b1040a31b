/* Any bytes: an envelope decodes to views inside them and survives the log's leaf; nothing opens
 * that a key has not signed, and a leaf from anywhere is refused or comes back as it was. */
#include <string.h>

#include "lib/wire/envelope.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/fixture.h"

static bool
is_inside(struct bytes inner, const uint8_t *data, size_t size)
{
    return inner.len == 0 || (inner.data >= data && inner.data + inner.len <= data + size);
}

static void
check_leaf(const struct envelope *envelope)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(2 * LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(2 * LIMIT_ENVELOPE_BYTES);
    struct envelope back;
    envelope_leaf(envelope, &leaf);
    FUZZ_HOLDS(envelope_from_leaf(buffer_view(&leaf), &back) == ERR_OK);
    envelope_leaf(&back, &again);
    FUZZ_HOLDS(bytes_equal(buffer_view(&leaf), buffer_view(&again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope envelope;
    struct opened_envelope opened;
    const struct bytes bytes = bytes_of(data, size);
    fuzz_start();
    struct network_id network;
    memcpy(network.bytes, fixture_who(ROOT)->keys.sign.bytes, sizeof(network.bytes));
    if (envelope_from_leaf(bytes, &envelope) == ERR_OK) {
        check_leaf(&envelope);
    }
    enum err err = envelope_decode(bytes, &envelope);
    if (err != ERR_OK) {
        FUZZ_HOLDS(err_is_peer(err));
        return 0;
    }
    FUZZ_HOLDS(is_inside(envelope.statement, data, size) && is_inside(envelope.sealed, data, size));
    check_leaf(&envelope);
    /* The shelter has signed nothing in the corpus. */
    err = envelope_open(bytes, &network, &fixture_who(SHELTER)->keys.sign, true, NULL, &opened);
    FUZZ_HOLDS(err_is_peer(err));
    /* The pantry and the clinic have: the way behind the signature. */
    err = envelope_open(bytes, &network, &fixture_who(PANTRY)->keys.sign, true, NULL, &opened);
    FUZZ_HOLDS(err == ERR_OK || err_is_peer(err));
    return 0;
}
