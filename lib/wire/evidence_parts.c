/* An evidence message to bytes and back. A file may hold thousands of entries, more than the
 * reader of one frame allows, so the outer level is walked here and each entry goes through the
 * strict scan by itself; nothing is copied.
 *
 * What was read is written again and compared. The file stands for itself, nobody signs it as a
 * whole, so no byte of it may be free to be another one. It does not know what any field proves. */
#include "lib/wire/evidence_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/wire/codec.h"
#include "proto/evidence.pb-c.h"

enum { FIELD_NETWORK = 1, FIELD_LOOP = 2, FIELD_CHECKPOINTS = 3, FIELD_ENTRIES = 4 };
enum {
    ENTRY_INDEX = 1,
    ENTRY_LOG_TIME = 2,
    ENTRY_ENVELOPE = 3,
    ENTRY_CHECKPOINT = 4,
    ENTRY_INCLUSION = 5,
    ENTRY_BODY_KEY = 6,
    ENTRY_FACTS_KEY = 7,
};

void
evidence_parts_done(struct evidence_parts *parts)
{
    free(parts->checkpoints);
    free(parts->entries);
    parts->checkpoints = NULL;
    parts->entries = NULL;
    parts->n_checkpoints = parts->n_entries = 0;
}

/* ---- writing ---- */

struct wire_evidence {
    ProtobufCBinaryData *checkpoints;
    Refloop__Evidence__V1__Entry *room;
    Refloop__Evidence__V1__Entry **entries;
};

static void
wire_evidence_done(struct wire_evidence *wire)
{
    free(wire->checkpoints);
    free(wire->room);
    free(wire->entries);
}

static bool
key_ok(bool has, const struct seal_content_key *key)
{
    return !has || !codec_is_zero(key->bytes, sizeof(key->bytes));
}

static enum err
check_parts(const struct evidence_parts *parts)
{
    if (parts->n_checkpoints > EVIDENCE_CHECKPOINTS_MAX ||
        parts->n_entries > EVIDENCE_ENTRIES_MAX) {
        return ERR_TOO_LARGE;
    }
    bool sound = parts->n_checkpoints > 0 && parts->n_entries > 0;
    for (size_t i = 0; i < parts->n_checkpoints; i++) {
        sound = sound && parts->checkpoints[i].len > 0;
    }
    for (size_t i = 0; i < parts->n_entries; i++) {
        const struct evidence_part *part = &parts->entries[i];
        sound = sound && part->envelope.len > 0 && key_ok(part->has_body_key, &part->keys.body) &&
                key_ok(part->has_facts_key, &part->keys.facts);
    }
    return sound ? ERR_OK : ERR_INVALID;
}

static void
fill_entry(const struct evidence_part *from, Refloop__Evidence__V1__Entry *to)
{
    refloop__evidence__v1__entry__init(to);
    to->index = from->index;
    to->log_time_ms = from->log_time_ms;
    to->envelope = codec_bytes(from->envelope.data, from->envelope.len);
    to->checkpoint = from->checkpoint;
    to->has_inclusion = from->inclusion.len > 0;
    to->inclusion = codec_bytes(from->inclusion.data, from->inclusion.len);
    to->has_body_key = from->has_body_key;
    to->body_key = codec_bytes(from->keys.body.bytes, SEAL_CONTENT_KEY_BYTES);
    to->has_facts_key = from->has_facts_key;
    to->facts_key = codec_bytes(from->keys.facts.bytes, SEAL_CONTENT_KEY_BYTES);
}

enum err
evidence_parts_encode(const struct evidence_parts *parts, struct buffer *out)
{
    CLEANUP(wire_evidence_done) struct wire_evidence wire = {0};
    Refloop__Evidence__V1__Evidence to = REFLOOP__EVIDENCE__V1__EVIDENCE__INIT;
    enum err err = check_parts(parts);
    if (err != ERR_OK) {
        return err;
    }
    wire.checkpoints = calloc(parts->n_checkpoints, sizeof(*wire.checkpoints));
    wire.room = calloc(parts->n_entries, sizeof(*wire.room));
    wire.entries = calloc(parts->n_entries, sizeof(wire.room));
    if (wire.checkpoints == NULL || wire.room == NULL || wire.entries == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < parts->n_checkpoints; i++) {
        wire.checkpoints[i] = codec_bytes(parts->checkpoints[i].data, parts->checkpoints[i].len);
    }
    for (size_t i = 0; i < parts->n_entries; i++) {
        fill_entry(&parts->entries[i], &wire.room[i]);
        wire.entries[i] = &wire.room[i];
    }
    to.network = codec_bytes(parts->network.bytes, sizeof(parts->network.bytes));
    to.loop = codec_bytes(parts->loop.bytes, sizeof(parts->loop.bytes));
    to.n_checkpoints = parts->n_checkpoints;
    to.checkpoints = wire.checkpoints;
    to.n_entries = parts->n_entries;
    to.entries = wire.entries;
    return codec_pack(&to.base, out);
}

/* ---- reading ---- */

static bool
copy_whole(struct bytes content, void *out, size_t len)
{
    if (content.len != len) {
        return false;
    }
    memcpy(out, content.data, len);
    return true;
}

/* Numbers are in their ranges, lengths are not yet known to be: the scan has seen to the rest. */
static bool
read_entry_field(const struct codec_field *field, struct evidence_part *to)
{
    switch (field->number) {
    case ENTRY_INDEX:
        to->index = field->value;
        return true;
    case ENTRY_LOG_TIME:
        to->log_time_ms = (int64_t)field->value;
        return true;
    case ENTRY_ENVELOPE:
        to->envelope = field->content;
        return true;
    case ENTRY_CHECKPOINT:
        to->checkpoint = (uint32_t)field->value;
        return true;
    case ENTRY_INCLUSION:
        to->inclusion = field->content;
        return true;
    case ENTRY_BODY_KEY:
        to->has_body_key = true;
        return copy_whole(field->content, to->keys.body.bytes, SEAL_CONTENT_KEY_BYTES);
    case ENTRY_FACTS_KEY:
        to->has_facts_key = true;
        return copy_whole(field->content, to->keys.facts.bytes, SEAL_CONTENT_KEY_BYTES);
    default:
        return false;
    }
}

static enum err
read_entry(struct bytes wire, struct evidence_part *to)
{
    struct codec_field field;
    enum err err = codec_scan(wire, &refloop__evidence__v1__entry__descriptor);
    while (err == ERR_OK && wire.len > 0) {
        if (!codec_take_field(&wire, &field) || !read_entry_field(&field, to)) {
            err = ERR_MALFORMED;
        }
    }
    return err;
}

/* How many there are, before memory is taken for them. */
static enum err
count(struct bytes wire, size_t *n_checkpoints_out, size_t *n_entries_out)
{
    struct codec_field field;
    size_t n[FIELD_ENTRIES + 1] = {0};
    while (wire.len > 0) {
        if (!codec_take_field(&wire, &field) || field.wire != CODEC_WIRE_BYTES ||
            field.number > FIELD_ENTRIES) {
            return ERR_MALFORMED;
        }
        n[field.number]++;
    }
    if (n[0] != 0 || n[FIELD_NETWORK] != 1 || n[FIELD_LOOP] != 1 || n[FIELD_CHECKPOINTS] == 0 ||
        n[FIELD_ENTRIES] == 0) {
        return ERR_MALFORMED;
    }
    if (n[FIELD_CHECKPOINTS] > EVIDENCE_CHECKPOINTS_MAX ||
        n[FIELD_ENTRIES] > EVIDENCE_ENTRIES_MAX) {
        return ERR_TOO_LARGE;
    }
    *n_checkpoints_out = n[FIELD_CHECKPOINTS];
    *n_entries_out = n[FIELD_ENTRIES];
    return ERR_OK;
}

static enum err
read_field(const struct codec_field *field, struct evidence_parts *parts)
{
    switch (field->number) {
    case FIELD_NETWORK:
        return copy_whole(field->content, parts->network.bytes, sizeof(parts->network.bytes))
                   ? ERR_OK
                   : ERR_MALFORMED;
    case FIELD_LOOP:
        return copy_whole(field->content, parts->loop.bytes, sizeof(parts->loop.bytes))
                   ? ERR_OK
                   : ERR_MALFORMED;
    case FIELD_CHECKPOINTS:
        parts->checkpoints[parts->n_checkpoints++] = field->content;
        return ERR_OK;
    default:
        return read_entry(field->content, &parts->entries[parts->n_entries++]);
    }
}

static enum err
check_one_form(const struct evidence_parts *parts, struct bytes bytes)
{
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    enum err err = evidence_parts_encode(parts, &again);
    if (err == ERR_OK) {
        err = bytes_equal(buffer_view(&again), bytes) ? ERR_OK : ERR_MALFORMED;
    }
    return err == ERR_INVALID ? ERR_MALFORMED : err;
}

enum err
evidence_parts_decode(struct bytes bytes, struct evidence_parts *parts_out)
{
    CLEANUP(evidence_parts_done) struct evidence_parts parts = {0};
    struct codec_field field;
    struct bytes rest = bytes;
    size_t n_checkpoints = 0;
    size_t n_entries = 0;
    if (bytes.len > EVIDENCE_BYTES_MAX) {
        return ERR_TOO_LARGE;
    }
    enum err err = count(bytes, &n_checkpoints, &n_entries);
    if (err != ERR_OK) {
        return err;
    }
    parts.checkpoints = calloc(n_checkpoints, sizeof(*parts.checkpoints));
    parts.entries = calloc(n_entries, sizeof(*parts.entries));
    if (parts.checkpoints == NULL || parts.entries == NULL) {
        err = ERR_MEMORY;
    }
    while (err == ERR_OK && codec_take_field(&rest, &field)) {
        err = read_field(&field, &parts);
    }
    if (err == ERR_OK) {
        err = check_one_form(&parts, bytes);
    }
    if (err == ERR_OK) {
        *parts_out = parts;
        parts = (struct evidence_parts){0};
    }
    return err;
}
