/* Any bytes as a file of evidence. As they are they never get past their digest, so the message is
 * taken alone and wrapped anew: then a file is refused with a sentence, or it is one of those in
 * the corpus, to the byte. */
#include <string.h>

#include "lib/base/text.h"
#include "lib/crypto/sha256.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/proof/true_log.h"

enum { SVG_ROOM = 1024 * 1024, FILE_ROOM = 2 * 1024 * 1024 };

static void
look_at(const struct evidence_reading *reading)
{
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(SVG_ROOM);
    size_t bytes = 0;
    FUZZ_HOLDS(reading->n_steps > 0 && reading->n_steps < reading->n_entries);
    for (size_t i = 0; i < reading->n_steps; i++) {
        const struct evidence_step *step = &reading->steps[i];
        FUZZ_HOLDS(step->event != EVENT_DELIVERED || step->confirms < i);
        for (size_t k = 0; k < step->body.len; k++) {
            bytes += step->body.data[k];
        }
    }
    FUZZ_HOLDS(bytes < SIZE_MAX);
    FUZZ_HOLDS(picture_draw(reading, &svg) == ERR_OK);
}

/* The referrals of the corpus, by the ids of their first statements (refloop-verify --json tells
 * them). A file may be cut to fewer entries and still be true, but nobody here can say more. */
static bool
is_known(const struct digest *id)
{
    static const char *const known[] = {
        "f013d3ab66338761e58d71746a51a53d62d84dc11f51a4ac50ce16ed3fd13a98",
        "b79bbdbc693a6d156e6ba1f8422fab2679a3ef8666739088f9a46a22f5053508",
    };
    char hex[2 * DIGEST_BYTES + 1];
    text_hex(bytes_of(id->bytes, DIGEST_BYTES), hex);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i], hex) == 0) {
            return true;
        }
    }
    return false;
}

static void
check(struct bytes file)
{
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {.n_steps = 0};
    struct network_id root = fixture_network();
    struct complaint complaint = {""};
    enum err err = evidence_read(file, &root, &reading, &complaint);
    FUZZ_HOLDS(err == ERR_OK || (err_is_peer(err) && complaint.text[0] != '\0'));
    if (err == ERR_OK) {
        FUZZ_HOLDS(is_known(&reading.steps[0].id));
        look_at(&reading);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t magic = strlen(EVIDENCE_MAGIC);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_ROOM);
    uint8_t hash[SHA256_BYTES];
    fuzz_start();
    check(bytes_of(data, size));
    if (size < magic + SHA256_BYTES) {
        return 0;
    }
    buffer_put(&file, EVIDENCE_MAGIC, magic);
    buffer_put(&file, data + magic, size - magic - SHA256_BYTES);
    sha256_of(buffer_view(&file), hash);
    buffer_put(&file, hash, sizeof(hash));
    FUZZ_HOLDS(buffer_err(&file) == ERR_OK);
    check(buffer_view(&file));
    return 0;
}
