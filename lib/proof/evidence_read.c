/* Whether a file of evidence is true, from the network's root key alone. It takes nobody's word:
 * the root signed the genesis, the genesis names the log's key, that key signed the checkpoints,
 * those commit to every entry, its place and its time, and the entries give each author the key
 * that must have signed. The first thing that is wrong ends it, in a sentence.
 *
 * No byte of a file may be free: what could be written in two ways is written again and compared.
 * It refuses to know what is not in the file: what came later, and what was left out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/sha256.h"
#include "lib/proof/evidence_state.h"

static void
fold_done(struct evidence_fold *fold)
{
    evidence_parts_done(&fold->parts);
    free(fold->checkpoints);
    free(fold->places);
    directory_free(fold->directory);
    evidence_keys_done(&fold->keys);
    track_done(&fold->track);
    evidence_reading_done(&fold->reading);
}

void
evidence_reading_done(struct evidence_reading *reading)
{
    free(reading->steps);
    free(reading->cosigners);
    buffer_wipe(&reading->shown);
    reading->steps = NULL;
    reading->cosigners = NULL;
    reading->n_steps = reading->n_cosigners = 0;
}

enum err
evidence_fold_refuse(const struct evidence_fold *fold, const struct evidence_part *part,
                     enum err err, const char *what)
{
    return complain(fold->complaint, err, "entry %" PRIu64 ": %s", part->index, what);
}

/* Our own troubles pass; what is the file's fault becomes a sentence about this entry. */
static enum err
blame(const struct evidence_fold *fold, const struct evidence_part *part, enum err err,
      const char *what)
{
    return err_is_peer(err) ? evidence_fold_refuse(fold, part, err, what) : err;
}

static enum err
refuse_checkpoint(const struct evidence_fold *fold, size_t which, enum err err, const char *what)
{
    return complain(fold->complaint, err, "checkpoint %zu: %s", which + 1, what);
}

/* ---- the file ---- */

static enum err
unwrap(struct bytes file, struct bytes *message_out, struct complaint *complaint)
{
    const size_t magic_len = strlen(EVIDENCE_MAGIC);
    uint8_t hash[SHA256_BYTES];
    if (file.len > EVIDENCE_BYTES_MAX) {
        return complain(complaint, ERR_TOO_LARGE, "it is larger than evidence can be (%d MiB)",
                        EVIDENCE_BYTES_MAX / (1024 * 1024));
    }
    if (file.len < magic_len || memcmp(file.data, EVIDENCE_MAGIC, magic_len) != 0) {
        return complain(complaint, ERR_MALFORMED, "it is no file of evidence");
    }
    if (file.len < magic_len + SHA256_BYTES) {
        return complain(complaint, ERR_MALFORMED, "it is damaged: it ends too early");
    }
    struct bytes signed_part = bytes_of(file.data, file.len - SHA256_BYTES);
    sha256_of(signed_part, hash);
    if (memcmp(hash, file.data + signed_part.len, sizeof(hash)) != 0) {
        return complain(complaint, ERR_MALFORMED,
                        "it is damaged: some of it was lost or changed after it was written");
    }
    *message_out = bytes_of(file.data + magic_len, signed_part.len - magic_len);
    return ERR_OK;
}

static enum err
open_file(struct bytes file, struct evidence_parts *parts_out, struct complaint *complaint)
{
    struct bytes message;
    enum err err = unwrap(file, &message, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = evidence_parts_decode(message, parts_out);
    if (err == ERR_TOO_LARGE) {
        return complain(complaint, err, "it holds more than %d entries or %d checkpoints",
                        EVIDENCE_ENTRIES_MAX, EVIDENCE_CHECKPOINTS_MAX);
    }
    return err_is_peer(err) ? complain(complaint, err, "it is not written as evidence is") : err;
}

enum err
evidence_claimed_network(struct bytes file, struct network_id *network_out,
                         struct complaint *complaint)
{
    CLEANUP(evidence_parts_done) struct evidence_parts parts = {0};
    enum err err = open_file(file, &parts, complaint);
    if (err == ERR_OK) {
        *network_out = parts.network;
    }
    return err;
}

/* ---- entries ---- */

/* The outer form of an envelope is signed by nobody. */
static enum err
open_envelope(const struct evidence_fold *fold, const struct evidence_part *part,
              struct envelope *envelope_out)
{
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    enum err err = envelope_decode(part->envelope, envelope_out);
    if (err == ERR_OK) {
        err = envelope_encode(envelope_out, &again);
    }
    if (err == ERR_OK && !bytes_equal(buffer_view(&again), part->envelope)) {
        err = ERR_MALFORMED;
    }
    return blame(fold, part, err, "it is no envelope as it should be written");
}

/* Loop and rotate statements name the key they were signed with; the other kinds are signed by keys
 * named elsewhere. */
static bool
is_key_of_author(const struct directory *directory, const struct statement *statement)
{
    if (statement->kind != STATEMENT_LOOP && statement->kind != STATEMENT_ROTATE) {
        return true;
    }
    const struct member *member = directory_find(directory, statement->author);
    return member != NULL &&
           memcmp(&member->key_id, &statement->author_key, sizeof(member->key_id)) == 0;
}

static enum err
check_author(struct evidence_fold *fold, const struct evidence_said *said)
{
    const struct network_id *network = &fold->parts.network;
    struct sign_public signer;
    if (memcmp(&said->statement.network, network, sizeof(*network)) != 0) {
        return evidence_fold_refuse(fold, said->part, ERR_WRONG_NETWORK,
                                    "it belongs to another network");
    }
    enum err err = directory_signer(fold->directory, &said->statement, &signer);
    if (err == ERR_OK && !is_key_of_author(fold->directory, &said->statement)) {
        err = ERR_UNKNOWN_MEMBER;
    }
    if (err != ERR_OK) {
        return blame(fold, said->part, err,
                     err == ERR_REVOKED ? "its author's keys had been revoked"
                                        : "its author was no member with this key");
    }
    err = turn_check(SIGN_STATEMENTS, network, said->envelope.statement, &said->envelope.signature,
                     &signer, &fold->memory);
    return blame(fold, said->part, err,
                 said->statement.kind == STATEMENT_GENESIS
                     ? "the network's root key did not sign it"
                     : "its signature does not match its author's key");
}

static enum err
read_said(const struct evidence_fold *fold, const struct evidence_part *part,
          struct evidence_said *said_out)
{
    said_out->part = part;
    enum err err = open_envelope(fold, part, &said_out->envelope);
    if (err != ERR_OK) {
        return err;
    }
    said_out->id = statement_id(said_out->envelope.statement);
    return blame(fold, part, statement_decode(said_out->envelope.statement, &said_out->statement),
                 "it is no statement");
}

/* Keys: of the network, or of a member. */
static enum err
take_key_entry(struct evidence_fold *fold, const struct evidence_said *said)
{
    const struct evidence_part *part = said->part;
    if (said->envelope.sealed.len > 0 || part->has_body_key || part->has_facts_key) {
        return evidence_fold_refuse(fold, part, ERR_MALFORMED,
                                    "a sealed part or a key to one does not belong to it");
    }
    enum err err =
        directory_apply(fold->directory, &said->statement, part->index, part->log_time_ms);
    if (err == ERR_OK) {
        evidence_keys_learn(&fold->keys, &said->statement);
    }
    return blame(fold, part, err, err_text(err));
}

static enum err
take(struct evidence_fold *fold, const struct evidence_said *said)
{
    enum err err = check_author(fold, said);
    if (err != ERR_OK) {
        return err;
    }
    return directory_concerns(said->statement.kind) ? take_key_entry(fold, said)
                                                    : evidence_steps_take(fold, said);
}

/* In the log, at this place, at this time. */
static enum err
check_place(struct evidence_fold *fold, const struct evidence_said *said)
{
    const struct evidence_part *part = said->part;
    struct proof inclusion;
    struct merkle_hash leaf;
    if (part->checkpoint >= fold->parts.n_checkpoints) {
        return evidence_fold_refuse(fold, part, ERR_MALFORMED,
                                    "it names a checkpoint that is not in the file");
    }
    struct evidence_checkpoint *by = &fold->checkpoints[part->checkpoint];
    enum err err = proof_of_bytes(part->inclusion, &inclusion);
    if (err == ERR_OK) {
        err = envelope_log_leaf(&said->envelope, part->log_time_ms, &leaf);
    }
    if (err == ERR_OK) {
        err = proof_check_inclusion(&leaf, part->index, by->checkpoint.size, &inclusion,
                                    &by->checkpoint.root);
    }
    by->proves = by->proves || err == ERR_OK;
    return blame(fold, part, err, "it does not stand at this place of the log, as it is here");
}

static enum err
check_order(const struct evidence_fold *fold, size_t i)
{
    const struct evidence_part *part = &fold->parts.entries[i];
    if (i == 0) {
        return ERR_OK;
    }
    if (part->index <= part[-1].index) {
        return evidence_fold_refuse(fold, part, ERR_MALFORMED, "it is not in the order of the log");
    }
    return part->log_time_ms > part[-1].log_time_ms
               ? ERR_OK
               : evidence_fold_refuse(fold, part, ERR_MALFORMED,
                                      "its time is not after that of the entry before it");
}

/* The genesis is taken before the checkpoints, as it names the key that signed them. */
static enum err
check_entries(struct evidence_fold *fold)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < fold->parts.n_entries; i++) {
        struct evidence_said said;
        err = check_order(fold, i);
        if (err == ERR_OK) {
            err = read_said(fold, &fold->parts.entries[i], &said);
        }
        if (err == ERR_OK) {
            err = check_place(fold, &said);
        }
        if (err == ERR_OK && i > 0) {
            err = take(fold, &said);
        }
    }
    return err;
}

static enum err
take_genesis(struct evidence_fold *fold)
{
    const struct evidence_part *part = &fold->parts.entries[0];
    struct evidence_said said;
    enum err err = read_said(fold, part, &said);
    if (err != ERR_OK) {
        return err;
    }
    if (part->index != 0 || said.statement.kind != STATEMENT_GENESIS) {
        return evidence_fold_refuse(fold, part, ERR_MALFORMED,
                                    "the file does not begin with the network's first entry");
    }
    err = take(fold, &said);
    if (err == ERR_OK) {
        const struct statement_genesis *genesis = directory_genesis(fold->directory);
        memcpy(fold->reading.network_name, genesis->network_name,
               sizeof(fold->reading.network_name));
    }
    return err;
}

/* ---- checkpoints ---- */

static enum err
check_one_log(const struct evidence_fold *fold, size_t which)
{
    const struct checkpoint *this = &fold->checkpoints[which].checkpoint;
    for (size_t i = 0; i < which; i++) {
        const struct checkpoint *before = &fold->checkpoints[i].checkpoint;
        if (before->size == this->size &&
            memcmp(&before->root, &this->root, sizeof(this->root)) != 0) {
            return complain(fold->complaint, ERR_EQUIVOCATION,
                            "checkpoints %zu and %zu: the broker has signed two different logs of "
                            "%" PRIu64 " entries",
                            i + 1, which + 1, this->size);
        }
    }
    return ERR_OK;
}

static enum err
take_checkpoints(struct evidence_fold *fold)
{
    const struct statement_genesis *genesis = directory_genesis(fold->directory);
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < fold->parts.n_checkpoints; i++) {
        struct checkpoint *checkpoint = &fold->checkpoints[i].checkpoint;
        err = checkpoint_open(fold->parts.checkpoints[i], &fold->parts.network,
                              &genesis->broker_log, checkpoint);
        if (err != ERR_OK) {
            return refuse_checkpoint(fold, i, err,
                                     err == ERR_WRONG_NETWORK ? "it is of another log"
                                     : err == ERR_SIGNATURE   ? "the broker's key did not sign it"
                                                              : "it is not written as one");
        }
        err = check_one_log(fold, i);
        if (checkpoint->size > fold->reading.size) {
            fold->reading.size = checkpoint->size;
        }
    }
    return err;
}

static enum err
check_all_used(const struct evidence_fold *fold)
{
    for (size_t i = 0; i < fold->parts.n_checkpoints; i++) {
        if (!fold->checkpoints[i].proves) {
            return refuse_checkpoint(fold, i, ERR_MALFORMED, "no entry of the file rests on it");
        }
    }
    return ERR_OK;
}

/* ---- all of it ---- */

static enum err
make_room(struct evidence_fold *fold)
{
    size_t n = fold->parts.n_entries;
    fold->reading.shown = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    fold->checkpoints = calloc(fold->parts.n_checkpoints, sizeof(*fold->checkpoints));
    fold->places = calloc(n, sizeof(*fold->places));
    fold->reading.steps = calloc(n, sizeof(*fold->reading.steps));
    if (fold->checkpoints == NULL || fold->places == NULL || fold->reading.steps == NULL) {
        return ERR_MEMORY;
    }
    enum err err = evidence_keys_init(&fold->keys, n);
    return err == ERR_OK ? directory_new(&fold->parts.network, &fold->directory) : err;
}

static void
fill_reading(struct evidence_fold *fold)
{
    struct evidence_reading *reading = &fold->reading;
    reading->network = fold->parts.network;
    reading->loop = fold->parts.loop;
    reading->n_entries = fold->parts.n_entries;
    reading->n_checkpoints = fold->parts.n_checkpoints;
    reading->as_of_ms = fold->parts.entries[fold->parts.n_entries - 1].log_time_ms;
}

static enum err
check_all(struct evidence_fold *fold)
{
    static enum err (*const checks[])(struct evidence_fold *) = {
        make_room,     take_genesis,       take_checkpoints,
        check_entries, evidence_steps_end, evidence_cosign_check,
    };
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(checks); i++) {
        err = checks[i](fold);
    }
    return err == ERR_OK ? check_all_used(fold) : err;
}

enum err
evidence_read(struct bytes file, const struct network_id *root,
              struct evidence_reading *reading_out, struct complaint *complaint)
{
    CLEANUP(fold_done) struct evidence_fold fold = {.complaint = complaint};
    enum err err = open_file(file, &fold.parts, complaint);
    if (err == ERR_OK && memcmp(&fold.parts.network, root, sizeof(*root)) != 0) {
        err = complain(complaint, ERR_WRONG_NETWORK,
                       "it is of another network than the one whose root key was given");
    }
    if (err == ERR_OK) {
        err = check_all(&fold);
    }
    if (err == ERR_OK) {
        fill_reading(&fold);
        *reading_out = fold.reading;
        fold.reading = (struct evidence_reading){0};
    }
    return err;
}
