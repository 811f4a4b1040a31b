/* Puts a file of evidence together. It copies what it is given and keeps the file's form, no more:
 * whether what is in it is true is for evidence_read to find, at whoever reads it. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/secret.h"
#include "lib/crypto/sha256.h"
#include "lib/proof/evidence_state.h"

enum { ENTRIES_AT_FIRST = 32 };

/* Owned copies behind the views of `parts`. */
struct evidence_writer {
    struct evidence_parts parts;
    size_t capacity;          /* of parts.entries, and of both arrays below */
    struct buffer *envelopes; /* one per entry */
    struct proof *inclusions; /* one per entry: parts hold views into it at the end */
    struct bytes views[EVIDENCE_CHECKPOINTS_MAX];
    struct buffer notes[EVIDENCE_CHECKPOINTS_MAX];
};

enum err
evidence_writer_new(const struct network_id *network, const struct loop_id *loop,
                    struct evidence_writer **writer_out)
{
    struct evidence_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return ERR_MEMORY;
    }
    writer->parts.network = *network;
    writer->parts.loop = *loop;
    writer->parts.checkpoints = writer->views;
    *writer_out = writer;
    return ERR_OK;
}

void
evidence_writer_free(struct evidence_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->parts.n_checkpoints; i++) {
        buffer_done(&writer->notes[i]);
    }
    for (size_t i = 0; i < writer->parts.n_entries; i++) {
        buffer_wipe(&writer->envelopes[i]);
    }
    if (writer->parts.entries != NULL) {
        secret_wipe(writer->parts.entries, writer->capacity * sizeof(*writer->parts.entries));
    }
    free(writer->parts.entries);
    free(writer->envelopes);
    free(writer->inclusions);
    free(writer);
}

void
evidence_writer_freep(struct evidence_writer **writer)
{
    evidence_writer_free(*writer);
    *writer = NULL;
}

enum err
evidence_add_checkpoint(struct evidence_writer *writer, struct bytes note, size_t *place_out)
{
    struct note parsed;
    size_t n = writer->parts.n_checkpoints;
    enum err err = note_parse(note, &parsed);
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        if (bytes_equal(buffer_view(&writer->notes[i]), note)) {
            *place_out = i;
            return ERR_OK;
        }
    }
    if (n == EVIDENCE_CHECKPOINTS_MAX) {
        return ERR_TOO_LARGE;
    }
    writer->notes[n] = BUFFER_INIT(NOTE_BYTES_MAX);
    buffer_put(&writer->notes[n], note.data, note.len);
    err = buffer_err(&writer->notes[n]);
    if (err != ERR_OK) {
        buffer_done(&writer->notes[n]);
        return err;
    }
    *place_out = writer->parts.n_checkpoints++;
    return ERR_OK;
}

static enum err
grow_array(void **array, size_t capacity, size_t item_bytes)
{
    void *grown = reallocarray(*array, capacity, item_bytes);
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    *array = grown;
    return ERR_OK;
}

static enum err
grow(struct evidence_writer *writer)
{
    size_t capacity = writer->capacity > 0 ? 2 * writer->capacity : ENTRIES_AT_FIRST;
    if (writer->parts.n_entries < writer->capacity) {
        return ERR_OK;
    }
    if (capacity > EVIDENCE_ENTRIES_MAX) {
        capacity = EVIDENCE_ENTRIES_MAX;
    }
    void *entries = writer->parts.entries;
    void *envelopes = writer->envelopes;
    void *inclusions = writer->inclusions;
    enum err err = grow_array(&entries, capacity, sizeof(*writer->parts.entries));
    writer->parts.entries = entries;
    if (err == ERR_OK) {
        err = grow_array(&envelopes, capacity, sizeof(*writer->envelopes));
        writer->envelopes = envelopes;
    }
    if (err == ERR_OK) {
        err = grow_array(&inclusions, capacity, sizeof(*writer->inclusions));
        writer->inclusions = inclusions;
    }
    if (err == ERR_OK) {
        writer->capacity = capacity;
    }
    return err;
}

static bool
fits(const struct evidence_writer *writer, const struct evidence_entry *entry)
{
    size_t n = writer->parts.n_entries;
    return entry->checkpoint < writer->parts.n_checkpoints &&
           (n == 0 || entry->index > writer->parts.entries[n - 1].index) &&
           (!entry->shown || entry->envelope.sealed.len > 0);
}

static bool
is_there(const struct seal_content_key *key)
{
    return !bytes_all_zero(bytes_of(key->bytes, sizeof(key->bytes)));
}

enum err
evidence_add_entry(struct evidence_writer *writer, const struct evidence_entry *entry)
{
    struct envelope envelope = entry->envelope;
    if (!fits(writer, entry)) {
        return ERR_INVALID;
    }
    if (writer->parts.n_entries == EVIDENCE_ENTRIES_MAX) {
        return ERR_TOO_LARGE;
    }
    enum err err = grow(writer);
    if (err != ERR_OK) {
        return err;
    }
    struct evidence_part part = {.index = entry->index,
                                 .log_time_ms = entry->log_time_ms,
                                 .checkpoint = (uint32_t)entry->checkpoint};
    if (entry->shown) {
        part.has_body_key = is_there(&entry->revealed.body);
        part.has_facts_key = is_there(&entry->revealed.facts);
        part.keys = entry->revealed;
    }
    if (!part.has_body_key && !part.has_facts_key) {
        envelope.sealed = bytes_of(NULL, 0);
    }
    struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    err = envelope_encode(&envelope, &bytes);
    if (err != ERR_OK) {
        buffer_wipe(&bytes);
        return err;
    }
    size_t n = writer->parts.n_entries++;
    writer->envelopes[n] = bytes;
    writer->inclusions[n] = entry->inclusion;
    writer->parts.entries[n] = part;
    return ERR_OK;
}

/* ---- the end ---- */

/* The keys that readers will know, and the log's. */
static enum err
learn_keys(const struct evidence_writer *writer, struct evidence_keys *keys,
           struct sign_public *log_key_out)
{
    bool has_genesis = false;
    enum err err = evidence_keys_init(keys, writer->parts.n_entries);
    for (size_t i = 0; err == ERR_OK && i < writer->parts.n_entries; i++) {
        struct envelope envelope;
        struct statement statement;
        err = envelope_decode(buffer_view(&writer->envelopes[i]), &envelope);
        if (err == ERR_OK) {
            err = statement_decode(envelope.statement, &statement);
        }
        if (err != ERR_OK) {
            return err;
        }
        evidence_keys_learn(keys, &statement);
        if (i == 0 && statement.kind == STATEMENT_GENESIS) {
            *log_key_out = statement.as.genesis.broker_log;
            has_genesis = true;
        }
    }
    return err != ERR_OK || has_genesis ? err : ERR_INVALID;
}

/* The note again, with the lines that somebody can check. Every note has one written form. */
static enum err
keep_known(const struct evidence_writer *writer, const struct evidence_keys *keys,
           const struct sign_public *log_key, struct bytes bytes, struct buffer *kept)
{
    const struct network_id *network = &writer->parts.network;
    struct note note;
    size_t n_log = 0;
    enum err err = note_parse(bytes, &note);
    if (err != ERR_OK) {
        return err;
    }
    buffer_put(kept, note.text.data, note.text.len);
    note_end_text(kept);
    for (size_t i = 0; i < note.n_signatures; i++) {
        const struct note_signature *line = &note.signatures[i];
        char name[NOTE_NAME_MAX + 1] = {0};
        bool is_log = evidence_keys_is_log(network, log_key, line) && n_log++ == 0;
        if (is_log || evidence_keys_find(keys, network, line) != NULL) {
            memcpy(name, line->name.data, line->name.len);
            note_put_signature(kept, name, line->key_id, bytes_of(line->signature, line->len));
        }
    }
    return buffer_err(kept);
}

static enum err
finish_notes(struct evidence_writer *writer)
{
    CLEANUP(evidence_keys_done) struct evidence_keys keys = {0};
    struct sign_public log_key = {{0}};
    enum err err = learn_keys(writer, &keys, &log_key);
    for (size_t i = 0; err == ERR_OK && i < writer->parts.n_checkpoints; i++) {
        struct buffer kept = BUFFER_INIT(NOTE_BYTES_MAX);
        err = keep_known(writer, &keys, &log_key, buffer_view(&writer->notes[i]), &kept);
        if (err == ERR_OK) {
            buffer_done(&writer->notes[i]);
            writer->notes[i] = kept;
            writer->views[i] = buffer_view(&writer->notes[i]);
        } else {
            buffer_done(&kept);
        }
    }
    return err;
}

static enum err
finish_entries(struct evidence_writer *writer)
{
    bool used[EVIDENCE_CHECKPOINTS_MAX] = {false};
    for (size_t i = 0; i < writer->parts.n_entries; i++) {
        struct evidence_part *part = &writer->parts.entries[i];
        part->envelope = buffer_view(&writer->envelopes[i]);
        part->inclusion = proof_bytes(&writer->inclusions[i]);
        used[part->checkpoint] = true;
    }
    for (size_t i = 0; i < writer->parts.n_checkpoints; i++) {
        if (!used[i]) {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

enum err
evidence_finish(struct evidence_writer *writer, struct buffer *file_out)
{
    CLEANUP(buffer_wipe) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    uint8_t hash[SHA256_BYTES];
    if (writer->parts.n_entries == 0 || writer->parts.entries[0].index != 0) {
        return ERR_INVALID;
    }
    enum err err = finish_notes(writer);
    if (err == ERR_OK) {
        err = finish_entries(writer);
    }
    buffer_put(&file, EVIDENCE_MAGIC, strlen(EVIDENCE_MAGIC));
    if (err == ERR_OK) {
        err = evidence_parts_encode(&writer->parts, &file);
    }
    if (err == ERR_OK) {
        err = buffer_err(&file);
    }
    if (err != ERR_OK) {
        return err;
    }
    sha256_of(buffer_view(&file), hash);
    buffer_put(&file, hash, sizeof(hash));
    err = buffer_err(&file);
    if (err == ERR_OK) {
        buffer_put(file_out, file.data, file.len);
        err = buffer_err(file_out);
    }
    return err;
}
