/* Prints what the C code makes, for a reader that was not written by its author (test_reader.py): a
 * checkpoint with a cosignature, and inclusion proofs in it, a "name value" a line, bytes in hex.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/text.h"
#include "tests/unit/proof/small_log.h"

enum { SIZE = 70, TIME_S = 1679315147, NO_FORK = SMALL_LOG_MAX };

static void
print_bytes(const char *name, const void *data, size_t len)
{
    static char hex[2 * NOTE_ROOM + 1];
    assert_true(len <= NOTE_ROOM);
    text_hex(bytes_of(data, len), hex);
    printf("%s %s\n", name, hex);
}

static void
print_note(struct small_log *log)
{
    CLEANUP(buffer_done) struct buffer note;
    struct network_id network = fixture_network();
    const struct fixture_org *broker = fixture_who(BROKER);
    const struct fixture_org *pantry = fixture_who(PANTRY);
    uint8_t signature[SIGN_BYTES];
    char name[NOTE_NAME_MAX + 1];
    small_log_note(log, SIZE, BROKER, &note);
    assert_ok(checkpoint_cosign(buffer_view(&note), TIME_S, &pantry->sign, signature));
    assert_ok(checkpoint_add_cosignature(&note, &network, pantry->org, &pantry->keys.sign, TIME_S,
                                         signature));
    checkpoint_origin(&network, name);
    printf("origin %s\n", name);
    checkpoint_member_name(&network, pantry->org, name);
    printf("name %s\n", name);
    printf("time %d\n", TIME_S);
    print_bytes("log-key", broker->keys.sign.bytes, SIGN_PUBLIC_BYTES);
    print_bytes("key", pantry->keys.sign.bytes, SIGN_PUBLIC_BYTES);
    print_bytes("note", note.data, note.len);
}

static void
print_inclusion(struct small_log *log, uint64_t index)
{
    struct proof proof = small_log_inclusion(log, index, SIZE);
    uint8_t leaf[] = {(uint8_t)index, index >= NO_FORK};
    struct bytes bytes = proof_bytes(&proof);
    printf("index %" PRIu64 "\n", index);
    print_bytes("leaf", leaf, sizeof(leaf));
    print_bytes("proof", bytes.data, bytes.len);
}

int
main(void)
{
    static struct small_log log;
    static const uint64_t indexes[] = {0, 37, 64, SIZE - 1};
    if (start_secrets(NULL) != 0) {
        return 1;
    }
    small_log_fill(&log, SIZE, NO_FORK);
    struct merkle_hash root = small_log_root(&log, SIZE);
    printf("size %d\n", SIZE);
    print_bytes("root", &root, sizeof(root));
    print_note(&log);
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        print_inclusion(&log, indexes[i]);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
