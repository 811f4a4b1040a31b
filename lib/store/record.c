/* The framing of stored values. It decides whether bytes read back are the bytes written at this
 * very place; it does not know what they mean, nor who stores them.
 *
 * The digest finds accidents of disks and memory, not a person with write access: it has no key.
 * What must be proof against people is signed, sealed or in the log. */
#include "lib/store/record.h"

#include <assert.h>
#include <string.h>

#include "lib/base/digest.h"

static void
check_of(const char *table, struct bytes key, struct bytes payload,
         uint8_t check_out[RECORD_CHECK_BYTES])
{
    size_t table_bytes = strlen(table);
    assert(table_bytes <= UINT8_MAX && key.len <= UINT8_MAX);
    /* The lengths keep key "ab" with payload "c" apart from key "a" with payload "bc". */
    const uint8_t lengths[2] = {(uint8_t)table_bytes, (uint8_t)key.len};
    const struct bytes parts[] = {bytes_of(lengths, sizeof(lengths)), bytes_of(table, table_bytes),
                                  key, payload};
    struct digest digest;
    digest_parts("refloop.record.v1", parts, ARRAY_LEN(parts), &digest);
    memcpy(check_out, digest.bytes, RECORD_CHECK_BYTES);
}

void
record_head(const char *table, struct bytes key, struct bytes payload,
            uint8_t head_out[RECORD_HEAD_BYTES])
{
    head_out[0] = RECORD_VERSION;
    check_of(table, key, payload, head_out + 1);
}

enum err
record_open_unchecked(struct bytes stored, struct bytes *payload_out)
{
    if (stored.len < RECORD_HEAD_BYTES || stored.data[0] != RECORD_VERSION) {
        return ERR_CORRUPT;
    }
    *payload_out = bytes_of(stored.data + RECORD_HEAD_BYTES, stored.len - RECORD_HEAD_BYTES);
    return ERR_OK;
}

enum err
record_open(const char *table, struct bytes key, struct bytes stored, struct bytes *payload_out)
{
    uint8_t check[RECORD_CHECK_BYTES];
    struct bytes payload;
    enum err err = record_open_unchecked(stored, &payload);
    if (err != ERR_OK) {
        return err;
    }
    check_of(table, key, payload, check);
    if (memcmp(check, stored.data + 1, RECORD_CHECK_BYTES) != 0) {
        return ERR_CORRUPT;
    }
    *payload_out = payload;
    return ERR_OK;
}
