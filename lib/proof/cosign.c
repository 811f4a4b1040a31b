/* Cosignatures: what a member says when it has seen a checkpoint, and which members said it. It
 * does not judge whether the checkpoint goes on from another (view.c), nor how many members are
 * enough.
 *
 * A line is put into the note by whoever passes the note on. So a line that does not fit is not
 * that member's word: it says that the one who passed the note on shows a signature made for
 * another text, or none at all. */
#include "lib/proof/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/text.h"

enum {
    HEAD_MAX = 64, /* "cosignature/v1", "time" and 20 digits */
    TIME_BYTES = 8,
    LINE_SIGNATURE_BYTES = TIME_BYTES + SIGN_BYTES,
    LINE_MAX = 512,
};

_Static_assert((int)LINE_SIGNATURE_BYTES <= (int)NOTE_SIGNATURE_BYTES_MAX, "a line holds it");

/* What is signed: two lines of head, then the text of the note. */
struct cosigned {
    size_t len;
    uint8_t bytes[HEAD_MAX + NOTE_TEXT_MAX];
};

/* The largest time there is: tlog-cosignature forbids more. */
static bool
time_is_sound(uint64_t time_s)
{
    return time_s <= INT64_MAX;
}

static enum err
cosigned_make(struct bytes text, uint64_t time_s, struct cosigned *cosigned_out)
{
    char head[HEAD_MAX];
    if (text.len > NOTE_TEXT_MAX ||
        !text_format(head, sizeof(head), "cosignature/v1\ntime %" PRIu64 "\n", time_s)) {
        return ERR_TOO_LARGE;
    }
    size_t len = strlen(head);
    memcpy(cosigned_out->bytes, head, len);
    memcpy(cosigned_out->bytes + len, text.data, text.len);
    cosigned_out->len = len + text.len;
    return ERR_OK;
}

/* A member signs heads of a log with this key and nothing else that looks like a note. */
static enum err
parse_head(struct bytes bytes, struct note *note_out)
{
    struct checkpoint unused;
    enum err err = note_parse(bytes, note_out);
    return err == ERR_OK ? checkpoint_parse(note_out->text, &unused) : err;
}

enum err
checkpoint_cosign(struct bytes note, uint64_t time_s, const struct sign_secret *secret,
                  uint8_t signature_out[SIGN_BYTES])
{
    struct note parsed;
    struct cosigned cosigned;
    if (!time_is_sound(time_s)) {
        return ERR_INVALID;
    }
    enum err err = parse_head(note, &parsed);
    if (err == ERR_OK) {
        err = cosigned_make(parsed.text, time_s, &cosigned);
    }
    if (err == ERR_OK) {
        sign_note(bytes_of(cosigned.bytes, cosigned.len), secret, signature_out);
    }
    return err;
}

static enum err
check_text(struct bytes text, uint64_t time_s, const struct sign_public *key,
           const uint8_t signature[SIGN_BYTES])
{
    struct cosigned cosigned;
    if (!time_is_sound(time_s)) {
        return ERR_SIGNATURE;
    }
    enum err err = cosigned_make(text, time_s, &cosigned);
    return err == ERR_OK ? sign_note_check(bytes_of(cosigned.bytes, cosigned.len), key, signature)
                         : err;
}

enum err
checkpoint_check_cosignature(struct bytes note, uint64_t time_s, const struct sign_public *key,
                             const uint8_t signature[SIGN_BYTES])
{
    struct note parsed;
    enum err err = parse_head(note, &parsed);
    return err == ERR_OK ? check_text(parsed.text, time_s, key, signature) : err;
}

enum err
checkpoint_add_cosignature(struct buffer *note, const struct network_id *network, const char *org,
                           const struct sign_public *key, uint64_t time_s,
                           const uint8_t signature[SIGN_BYTES])
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_MAX);
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(LINE_SIGNATURE_BYTES);
    struct note parsed;
    char name[NOTE_NAME_MAX + 1];
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    enum err err = note_parse(buffer_view(note), &parsed);
    if (err != ERR_OK) {
        return err;
    }
    if (parsed.n_signatures >= NOTE_SIGNATURES_MAX) {
        return ERR_TOO_LARGE;
    }
    buffer_put_u64(&value, time_s);
    buffer_put(&value, signature, SIGN_BYTES);
    err = buffer_err(&value);
    if (err != ERR_OK) {
        return err;
    }
    checkpoint_member_name(network, org, name);
    note_key_id(name, NOTE_TYPE_COSIGNATURE, bytes_of(key->bytes, sizeof(key->bytes)), key_id);
    note_put_signature(&line, name, key_id, buffer_view(&value));
    err = buffer_err(&line);
    if (err != ERR_OK) {
        return err;
    }
    buffer_put(note, line.data, line.len); /* at one go: never half a line */
    return buffer_err(note);
}

/* The member whose present key a line names; NULL for anybody else's. */
static const struct member *
find_signer(const struct note_signature *line, const struct directory *directory)
{
    char name[NOTE_NAME_MAX + 1];
    char org[ORG_ID_BYTES] = {0};
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    checkpoint_member_name(directory_network(directory), "", name);
    size_t prefix = strlen(name);
    if (line->name.len <= prefix || line->name.len - prefix >= sizeof(org) ||
        memcmp(line->name.data, name, prefix) != 0) {
        return NULL;
    }
    memcpy(org, line->name.data + prefix, line->name.len - prefix);
    const struct member *member = directory_find(directory, org);
    if (member == NULL || member->state != MEMBER_ACTIVE) {
        return NULL;
    }
    checkpoint_member_name(directory_network(directory), org, name);
    note_key_id(name, NOTE_TYPE_COSIGNATURE,
                bytes_of(member->keys.sign.bytes, sizeof(member->keys.sign.bytes)), key_id);
    return memcmp(key_id, line->key_id, sizeof(key_id)) == 0 ? member : NULL;
}

static enum err
check_line(const struct note *note, const struct note_signature *line, const struct member *member,
           uint64_t *time_s_out)
{
    if (line->len != LINE_SIGNATURE_BYTES) {
        return ERR_SIGNATURE;
    }
    struct reader reader = reader_of(bytes_of(line->signature, line->len));
    uint64_t time_s = reader_u64(&reader);
    enum err err = check_text(note->text, time_s, &member->keys.sign, reader.rest.data);
    if (err == ERR_OK) {
        *time_s_out = time_s;
    }
    return err;
}

/* A member that signed twice is one witness, last heard at the later time. */
static void
count(struct cosigner *cosigners, size_t *n, const char *org, uint64_t time_s)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(cosigners[i].org, org) == 0) {
            cosigners[i].time_s = time_s > cosigners[i].time_s ? time_s : cosigners[i].time_s;
            return;
        }
    }
    struct cosigner *added = &cosigners[(*n)++];
    memcpy(added->org, org, sizeof(added->org));
    added->time_s = time_s;
}

enum err
checkpoint_cosigners(struct bytes note, const struct directory *directory,
                     struct cosigner cosigners_out[NOTE_SIGNATURES_MAX], size_t *n_out,
                     char liar_out[ORG_ID_BYTES])
{
    struct note parsed;
    struct cosigner found[NOTE_SIGNATURES_MAX];
    size_t n = 0;
    enum err err = parse_head(note, &parsed);
    for (size_t i = 0; err == ERR_OK && i < parsed.n_signatures; i++) {
        const struct note_signature *line = &parsed.signatures[i];
        const struct member *member = find_signer(line, directory);
        uint64_t time_s;
        if (member == NULL) {
            continue;
        }
        err = check_line(&parsed, line, member, &time_s);
        if (err == ERR_OK) {
            count(found, &n, member->org, time_s);
        } else if (err == ERR_SIGNATURE) {
            memcpy(liar_out, member->org, sizeof(member->org));
        }
    }
    if (err == ERR_OK) {
        memcpy(cosigners_out, found, n * sizeof(*found));
        *n_out = n;
    }
    return err;
}
