/* Asserts stand for errors: a log that cannot be made is no test. */
#include "tests/unit/proof/true_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/sha256.h"

enum { ROOM = 4096, ONCE_KEYS = 20, MS_BETWEEN = 1000 };

static void
must(enum err err)
{
    if (err != ERR_OK) {
        fprintf(stderr, "true_log: %s\n", err_name(err));
        abort();
    }
}

struct true_log *
true_log_new(uint64_t size, uint64_t gap)
{
    struct true_log *log = calloc(1, sizeof(*log));
    if (log == NULL) {
        abort();
    }
    log->size = size;
    log->gap = gap;
    log->lie_at = SIZE_MAX;
    return log;
}

void
true_log_free(struct true_log *log)
{
    for (size_t i = 0; i < log->n; i++) {
        buffer_done(&log->entries[i].statement);
        buffer_done(&log->entries[i].sealed);
    }
    free(log);
}

void
true_log_freep(struct true_log **log)
{
    true_log_free(*log);
}

size_t
true_log_say(struct true_log *log, struct statement statement, unsigned signer, const char *body,
             const char *facts)
{
    struct true_entry *entry = &log->entries[log->n];
    struct network_id network = fixture_network();
    if (log->n == TRUE_LOG_ENTRIES || log->next >= log->size) {
        abort();
    }
    entry->statement = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    entry->sealed = BUFFER_INIT(TRUE_LOG_SEALED);
    if (log->lie_at == log->n) {
        log->lie(&statement, &signer);
    }
    if (body != NULL) {
        fixture_seal(&statement, body, facts, &entry->sealed);
    }
    must(statement_encode(&statement, &entry->statement));
    entry->index = log->next;
    entry->log_time_ms = TRUE_LOG_TIME + (int64_t)log->next * MS_BETWEEN;
    entry->envelope.statement = buffer_view(&entry->statement);
    entry->envelope.sealed = buffer_view(&entry->sealed);
    must(turn_sign(SIGN_STATEMENTS, &network, &entry->envelope.statement, 1,
                   &fixture_who(signer)->sign, &entry->envelope.signature));
    must(envelope_log_leaf(&entry->envelope, entry->log_time_ms, &entry->leaf));
    entry->id = statement_id(entry->envelope.statement);
    log->next += log->gap;
    return log->n++;
}

void
true_log_join(struct true_log *log, unsigned who, unsigned once, const char *name)
{
    struct statement invite = fixture_invite(fixture_who(who)->org, once);
    memset(invite.as.invite.name, 0, sizeof(invite.as.invite.name));
    memcpy(invite.as.invite.name, name, strlen(name));
    invite.as.invite.expires_ms = INT64_MAX;
    (void)true_log_say(log, invite, ROOT, NULL, NULL);
    (void)true_log_say(log, fixture_join(who, once), once, NULL, NULL);
}

void
true_log_found(struct true_log *log, unsigned n_witnesses)
{
    (void)true_log_say(log, fixture_genesis(), ROOT, NULL, NULL);
    true_log_join(log, CLINIC, ONCE_KEYS, "Hill Clinic");
    true_log_join(log, PANTRY, ONCE_KEYS + 1, "Elm Street Pantry & Kitchen <\xc3\x89lan>");
    if (n_witnesses > 0) {
        true_log_join(log, SHELTER, ONCE_KEYS + 2, "River Shelter");
    }
    if (n_witnesses > 1) {
        true_log_join(log, WITNESS, ONCE_KEYS + 3, "Station Library");
    }
}

/* ---- the loop ---- */

static enum loop_role
other(enum loop_role role)
{
    return role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
}

static struct statement
compose(const struct true_log *log, enum loop_role role, enum loop_event event)
{
    const struct true_side *side = &log->side[role];
    struct statement statement = fixture_delivered(&side->last);
    const struct fixture_org *from = fixture_who(role == LOOP_SOURCE ? CLINIC : PANTRY);
    const struct fixture_org *to = fixture_who(role == LOOP_SOURCE ? PANTRY : CLINIC);
    struct statement_loop *loop = &statement.as.loop;
    memcpy(statement.author, from->org, sizeof(statement.author));
    statement.author_key = from->key_id;
    statement.authored_ms = TRUE_LOG_TIME + (int64_t)log->next * MS_BETWEEN - 400;
    memcpy(loop->readers[0].org, to->org, sizeof(loop->readers[0].org));
    loop->readers[0].key = to->key_id;
    loop->event = event;
    loop->seq = side->seq + 1;
    loop->previous = side->last;
    loop->heard = side->heard;
    loop->delivered = (struct digest){{0}};
    if (event == EVENT_REQUEST || event == EVENT_ACCEPT || event == EVENT_HOLD) {
        loop->due_ms = INT64_C(1764547199000); /* a bare date: 2025-11-30 */
    }
    return statement;
}

static size_t
add(struct true_log *log, enum loop_role role, const struct statement *statement, const char *body,
    const char *facts)
{
    size_t at = true_log_say(log, *statement, role == LOOP_SOURCE ? CLINIC : PANTRY, body, facts);
    log->side[role].seq++;
    log->side[role].last = log->entries[at].id;
    return at;
}

size_t
true_log_step_unheard(struct true_log *log, enum loop_role role, enum loop_event event)
{
    struct statement statement = compose(log, role, event);
    size_t at = add(log, role, &statement, "{\"v\":1}", "{\"v\":1}");
    log->newest = log->entries[at].id;
    return at;
}

size_t
true_log_step(struct true_log *log, enum loop_role role, enum loop_event event, const char *body,
              const char *facts)
{
    struct statement statement = compose(log, role, event);
    size_t at = add(log, role, &statement, body != NULL ? body : "{\"v\":1}",
                    facts != NULL ? facts : "{\"v\":1}");
    log->newest = log->entries[at].id;
    true_log_deliver(log, other(role));
    return at;
}

void
true_log_deliver(struct true_log *log, enum loop_role reader)
{
    log->side[reader].heard = log->newest;
    struct statement statement = compose(log, reader, EVENT_DELIVERED);
    statement.as.loop.delivered = log->newest;
    (void)add(log, reader, &statement, NULL, NULL);
}

void
true_log_short_story(struct true_log *log)
{
    (void)true_log_step(log, LOOP_SOURCE, EVENT_REQUEST,
                        "{\"v\":1,\"person\":{\"name\":\"Ana Example\"},\"need\":\"groceries\"}",
                        "{\"v\":1,\"category\":\"food-insecurity\",\"basis\":\"consent\"}");
    (void)true_log_step(log, LOOP_TARGET, EVENT_DECLINE, NULL, NULL);
    (void)true_log_step(log, LOOP_SOURCE, EVENT_ACKNOWLEDGE, NULL, NULL);
}

void
true_log_whole_story(struct true_log *log)
{
    static const struct {
        enum loop_role role;
        enum loop_event event;
    } steps[] = {
        {LOOP_SOURCE, EVENT_REQUEST},     {LOOP_TARGET, EVENT_ASK},
        {LOOP_SOURCE, EVENT_ANSWER},      {LOOP_TARGET, EVENT_ACCEPT},
        {LOOP_TARGET, EVENT_PROGRESS},    {LOOP_SOURCE, EVENT_NOTE},
        {LOOP_TARGET, EVENT_PROGRESS},    {LOOP_TARGET, EVENT_HOLD},
        {LOOP_TARGET, EVENT_PROGRESS},    {LOOP_TARGET, EVENT_COMPLETE},
        {LOOP_SOURCE, EVENT_ACKNOWLEDGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        (void)true_log_step(log, steps[i].role, steps[i].event, NULL, NULL);
    }
}

/* ---- the tree ---- */

static bool
is_special(const struct true_log *log, uint64_t low, uint64_t n)
{
    for (size_t i = 0; i < log->n; i++) {
        if (log->entries[i].index >= low && log->entries[i].index - low < n) {
            return true;
        }
    }
    return false;
}

/* Of a full tree of 2^level leaves that nobody looks at. */
static struct merkle_hash
plain(unsigned level)
{
    static struct merkle_hash made[64];
    static unsigned n_made;
    for (; n_made <= level; n_made++) {
        if (n_made == 0) {
            merkle_leaf(bytes_of_text("somebody else's entry"), &made[0]);
        } else {
            merkle_join(&made[n_made - 1], &made[n_made - 1], &made[n_made]);
        }
    }
    return made[level];
}

static unsigned
level_of(uint64_t n)
{
    unsigned level = 0;
    while (((uint64_t)1 << level) < n) {
        level++;
    }
    return level;
}

/* RFC 6962 section 2.1. */
static struct merkle_hash
hash_range(const struct true_log *log, uint64_t low, uint64_t n)
{
    unsigned level = level_of(n);
    if (((uint64_t)1 << level) == n && !is_special(log, low, n)) {
        return plain(level);
    }
    for (size_t i = 0; n == 1 && i < log->n; i++) {
        if (log->entries[i].index == low) {
            return log->entries[i].leaf;
        }
    }
    uint64_t half = (uint64_t)1 << (level - 1);
    struct merkle_hash left = hash_range(log, low, half);
    struct merkle_hash right = hash_range(log, low + half, n - half);
    merkle_join(&left, &right, &left);
    return left;
}

struct merkle_hash
true_log_root(const struct true_log *log, uint64_t size)
{
    return hash_range(log, 0, size);
}

static void
find_path(const struct true_log *log, uint64_t index, uint64_t low, uint64_t n, struct proof *out)
{
    if (n == 1) {
        return;
    }
    uint64_t half = (uint64_t)1 << (level_of(n) - 1);
    if (index - low < half) {
        find_path(log, index, low, half, out);
        out->hashes[out->n++] = hash_range(log, low + half, n - half);
    } else {
        find_path(log, index, low + half, n - half, out);
        out->hashes[out->n++] = hash_range(log, low, half);
    }
}

struct proof
true_log_inclusion(const struct true_log *log, uint64_t index, uint64_t size)
{
    struct proof proof = {.n = 0};
    find_path(log, index, 0, size, &proof);
    return proof;
}

void
true_log_note(const struct true_log *log, uint64_t size, unsigned signer, const unsigned *cosigners,
              size_t n, struct buffer *note_out)
{
    struct network_id network = fixture_network();
    struct merkle_hash root = true_log_root(log, size);
    *note_out = BUFFER_INIT(TRUE_NOTE_ROOM);
    must(checkpoint_sign(&network, size, &root, &fixture_who(signer)->sign, note_out));
    for (size_t i = 0; i < n; i++) {
        const struct fixture_org *who = fixture_who(cosigners[i]);
        uint8_t signature[SIGN_BYTES];
        uint64_t time_s = (uint64_t)TRUE_LOG_TIME / 1000 + size + i;
        must(checkpoint_cosign(buffer_view(note_out), time_s, &who->sign, signature));
        must(checkpoint_add_cosignature(note_out, &network, who->org, &who->keys.sign, time_s,
                                        signature));
    }
}

/* ---- the file ---- */

static void
add_entry(const struct true_log *log, const struct true_entry *from, bool show, size_t checkpoint,
          struct evidence_writer *writer)
{
    struct evidence_entry entry = {.index = from->index,
                                   .log_time_ms = from->log_time_ms,
                                   .envelope = from->envelope,
                                   .checkpoint = checkpoint,
                                   .inclusion = true_log_inclusion(log, from->index, log->size)};
    entry.shown = show && from->sealed.len > 0;
    if (entry.shown) {
        const struct fixture_org *clinic = fixture_who(CLINIC);
        struct statement statement;
        must(statement_decode(from->envelope.statement, &statement));
        must(sealed_reveal(&statement, from->envelope.sealed, &clinic->key_id, &clinic->keys.seal,
                           &clinic->seal, &entry.revealed));
    }
    must(evidence_add_entry(writer, &entry));
}

void
true_log_evidence(const struct true_log *log, bool show, struct buffer *file_out)
{
    static const unsigned cosigners[] = {SHELTER, WITNESS};
    CLEANUP(evidence_writer_freep) struct evidence_writer *writer = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    struct network_id network = fixture_network();
    struct statement request = fixture_request();
    size_t checkpoint = 0;
    *file_out = BUFFER_INIT(TRUE_FILE_ROOM);
    true_log_note(log, log->size, BROKER, cosigners, ARRAY_LEN(cosigners), &note);
    must(evidence_writer_new(&network, &request.as.loop.loop, &writer));
    must(evidence_add_checkpoint(writer, buffer_view(&note), &checkpoint));
    for (size_t i = 0; i < log->n; i++) {
        add_entry(log, &log->entries[i], show, checkpoint, writer);
    }
    must(evidence_finish(writer, file_out));
}

void
true_log_take_apart(struct bytes file, struct evidence_parts *parts_out)
{
    size_t magic = strlen(EVIDENCE_MAGIC);
    must(evidence_parts_decode(bytes_of(file.data + magic, file.len - magic - SHA256_BYTES),
                               parts_out));
}

void
true_log_wrap_bytes(struct bytes message, struct buffer *file_out)
{
    uint8_t hash[SHA256_BYTES];
    *file_out = BUFFER_INIT(TRUE_FILE_ROOM);
    buffer_put(file_out, EVIDENCE_MAGIC, strlen(EVIDENCE_MAGIC));
    buffer_put(file_out, message.data, message.len);
    sha256_of(buffer_view(file_out), hash);
    buffer_put(file_out, hash, sizeof(hash));
    must(buffer_err(file_out));
}

void
true_log_wrap(const struct evidence_parts *parts, struct buffer *file_out)
{
    CLEANUP(buffer_done) struct buffer message = BUFFER_INIT(TRUE_FILE_ROOM);
    must(evidence_parts_encode(parts, &message));
    true_log_wrap_bytes(buffer_view(&message), file_out);
}
