/* The two compartments of a statement: which of them is wrapped to whom, and which statement they
 * belong to. Encryption itself is lib/crypto/seal; what the contents say is unknown here.
 *
 * The compartment's name and the statement's place (network, author, loop, event, seq, previous)
 * are associated data: a sealed part lifted into another statement, or a body shown as facts, does
 * not open even if someone re-signs it. */
#include "lib/wire/sealed.h"

#include <string.h>

#include "lib/base/secret.h"
#include "lib/wire/codec.h"
#include "proto/envelope.pb-c.h"

enum { SEALED_FIELD_BODY = 1, SEALED_FIELD_FACTS = 2 };
enum {
    ASSOCIATED_BYTES_MAX = 256,
    AUTH_BYTES = 16,
    SIDES_MAX = LIMIT_READERS + 1, /* the readers and the author */
};

_Static_assert(SIDES_MAX + 1 <= SEAL_READERS_MAX, "sides and auditor fit");

/* One compartment as it is on the wire, in fixed memory but for the ciphertext. */
struct compartment {
    struct key_id keys[SEAL_READERS_MAX]; /* whose each wrap is */
    struct seal_compartment seal;
};

static void
compartment_done(struct compartment *compartment)
{
    seal_done(&compartment->seal);
}

struct digest
sealed_digest(struct bytes sealed)
{
    struct digest digest;
    digest_one("refloop.sealed.v1", sealed, &digest);
    return digest;
}

static void
put_associated(const char *name, const struct statement *statement, struct buffer *out)
{
    const struct statement_loop *loop = &statement->as.loop;
    buffer_put(out, name, strlen(name) + 1);
    buffer_put(out, statement->network.bytes, sizeof(statement->network.bytes));
    buffer_put_text(out, statement->author);
    buffer_put(out, loop->loop.bytes, sizeof(loop->loop.bytes));
    buffer_put_u32(out, (uint32_t)loop->event);
    buffer_put_u32(out, loop->seq);
    buffer_put(out, loop->previous.bytes, sizeof(loop->previous.bytes));
}

/* By compartment: name in the associated data, content limit, name for people. */
enum part { PART_BODY, PART_FACTS };
static const struct part_rule {
    const char *tag;
    size_t content_max;
    const char *words;
} part_rules[] = {
    [PART_BODY] = {"refloop.sealed.body.v1", LIMIT_BODY_BYTES, "the message"},
    [PART_FACTS] = {"refloop.sealed.facts.v1", LIMIT_FACTS_BYTES, "the coded facts"},
};

/* ---- whose wraps ---- */

static bool
same_key(const struct key_id *a, const struct key_id *b)
{
    return memcmp(a->bytes, b->bytes, KEY_ID_BYTES) == 0;
}

static size_t
count_key(const struct key_id *key, const struct key_id *keys, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += same_key(key, &keys[i]);
    }
    return found;
}

static size_t
list_sides(const struct statement *statement, struct key_id sides_out[SIDES_MAX])
{
    const struct statement_loop *loop = &statement->as.loop;
    size_t n = 0;
    sides_out[n++] = statement->author_key;
    for (size_t i = 0; i < loop->n_readers && i < LIMIT_READERS; i++) {
        sides_out[n++] = loop->readers[i].key;
    }
    return n;
}

/* Every side once, nothing twice, and at most `extra` keys more. */
static bool
keys_fit(const struct statement *statement, const struct key_id *keys, size_t n, size_t extra)
{
    struct key_id sides[SIDES_MAX];
    size_t n_sides = list_sides(statement, sides);
    if (n < n_sides || n > n_sides + extra) {
        return false;
    }
    for (size_t i = 0; i < n_sides; i++) {
        if (count_key(&sides[i], keys, n) != 1) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (count_key(&keys[i], keys, n) != 1) {
            return false;
        }
    }
    return true;
}

/* ---- making ---- */

static enum err
make_part(enum part which, const struct statement *statement, struct bytes content,
          const struct sealed_reader *readers, size_t n_readers, struct compartment *made,
          struct complaint *complaint)
{
    const struct part_rule *rule = &part_rules[which];
    CLEANUP(buffer_done) struct buffer associated = BUFFER_INIT(ASSOCIATED_BYTES_MAX);
    struct seal_public publics[SEAL_READERS_MAX];
    if (content.len > rule->content_max) {
        return complain(complaint, ERR_TOO_LARGE, "%s takes %zu bytes, the most is %zu",
                        rule->words, content.len, rule->content_max);
    }
    for (size_t i = 0; i < n_readers; i++) {
        publics[i] = readers[i].seal;
        made->keys[i] = readers[i].key;
    }
    put_associated(rule->tag, statement, &associated);
    enum err err = buffer_err(&associated);
    if (err != ERR_OK) {
        return err;
    }
    err = seal_make(content, buffer_view(&associated), SEAL_1K, publics, n_readers, &made->seal);
    return err == ERR_OK
               ? ERR_OK
               : complain(complaint, err, "%s cannot be sealed: %s", rule->words, err_text(err));
}

struct wire_part {
    Refloop__Envelope__V1__Compartment part;
    Refloop__Envelope__V1__Wrap wraps[SEAL_READERS_MAX];
    Refloop__Envelope__V1__Wrap *list[SEAL_READERS_MAX];
};

static Refloop__Envelope__V1__Compartment *
fill_part(const struct compartment *from, struct wire_part *to)
{
    refloop__envelope__v1__compartment__init(&to->part);
    to->part.commitment = codec_bytes(from->seal.commitment.bytes, DIGEST_BYTES);
    to->part.nonce = codec_bytes(from->seal.nonce, SEAL_NONCE_BYTES);
    to->part.ciphertext = codec_bytes(from->seal.ciphertext.data, from->seal.ciphertext.len);
    to->part.n_wraps = from->seal.n_wraps;
    to->part.wraps = to->list;
    for (size_t i = 0; i < from->seal.n_wraps; i++) {
        refloop__envelope__v1__wrap__init(&to->wraps[i]);
        to->wraps[i].key = codec_bytes(from->keys[i].bytes, KEY_ID_BYTES);
        to->wraps[i].wrapped = codec_bytes(from->seal.wraps[i], SEAL_WRAP_BYTES);
        to->list[i] = &to->wraps[i];
    }
    return &to->part;
}

static enum err
pack_parts(const struct compartment *body, const struct compartment *facts, struct buffer *out)
{
    struct wire_part wire_body, wire_facts;
    Refloop__Envelope__V1__Sealed sealed = REFLOOP__ENVELOPE__V1__SEALED__INIT;
    sealed.body = fill_part(body, &wire_body);
    sealed.facts = fill_part(facts, &wire_facts);
    return codec_pack(&sealed.base, out);
}

/* The readers of the facts: the sides, and the auditor unless it is one of them. False when the
 * sides are not those the statement names. */
static bool
list_readers(const struct statement *statement, const struct sealed_reader *sides, size_t n_sides,
             const struct sealed_reader *auditor, struct sealed_reader readers_out[],
             size_t *n_readers_out)
{
    struct key_id keys[SEAL_READERS_MAX];
    size_t n = 0;
    if (statement->kind != STATEMENT_LOOP || n_sides == 0 || n_sides > SIDES_MAX) {
        return false;
    }
    for (; n < n_sides; n++) {
        readers_out[n] = sides[n];
        keys[n] = sides[n].key;
    }
    if (!keys_fit(statement, keys, n, 0)) {
        return false;
    }
    if (auditor != NULL && count_key(&auditor->key, keys, n) == 0) {
        readers_out[n++] = *auditor;
    }
    *n_readers_out = n;
    return true;
}

enum err
sealed_make(struct statement *statement, struct bytes body, struct bytes facts,
            const struct sealed_reader *sides, size_t n_sides, const struct sealed_reader *auditor,
            struct buffer *out, struct complaint *complaint)
{
    CLEANUP(compartment_done) struct compartment made_body = {0};
    CLEANUP(compartment_done) struct compartment made_facts = {0};
    struct sealed_reader readers[SEAL_READERS_MAX];
    size_t n_readers = 0;
    size_t start = out->len;
    if (!list_readers(statement, sides, n_sides, auditor, readers, &n_readers)) {
        return complain(complaint, ERR_INVALID, "the readers' keys are not those of the statement");
    }
    enum err err = make_part(PART_BODY, statement, body, readers, n_sides, &made_body, complaint);
    if (err == ERR_OK) {
        err = make_part(PART_FACTS, statement, facts, readers, n_readers, &made_facts, complaint);
    }
    if (err == ERR_OK) {
        err = pack_parts(&made_body, &made_facts, out);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct statement_loop *loop = &statement->as.loop;
    loop->has_sealed = true;
    loop->sealed_digest = sealed_digest(bytes_of(out->data + start, out->len - start));
    bool fits = seal_class_for(body.len, &loop->body_class);
    return fits ? ERR_OK : ERR_INTERNAL; /* it was sealed, so it has a class */
}

/* ---- reading ---- */

/* The ciphertext is looked at before it is copied: the class in the signed statement says its size.
 */
static enum err
read_part(struct bytes wire, size_t ciphertext_bytes, struct compartment *to)
{
    enum { FIELD_CIPHERTEXT = 4 };
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Envelope__V1__Compartment *from = NULL;
    struct bytes ciphertext = codec_view(wire, FIELD_CIPHERTEXT);
    if (ciphertext.len != ciphertext_bytes) {
        return ERR_MALFORMED;
    }
    enum err err =
        codec_unpack(wire, &refloop__envelope__v1__compartment__descriptor, &arena, &from);
    if (err != ERR_OK) {
        return err;
    }
    if (from->n_wraps > SEAL_READERS_MAX ||
        !codec_get(&from->commitment, &to->seal.commitment, DIGEST_BYTES) ||
        !codec_get(&from->nonce, to->seal.nonce, SEAL_NONCE_BYTES)) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < from->n_wraps; i++) {
        if (!codec_get(&from->wraps[i]->key, &to->keys[i], KEY_ID_BYTES) ||
            !codec_get(&from->wraps[i]->wrapped, to->seal.wraps[i], SEAL_WRAP_BYTES)) {
            return ERR_MALFORMED;
        }
    }
    to->seal.n_wraps = from->n_wraps;
    to->seal.ciphertext = BUFFER_INIT(ciphertext_bytes);
    buffer_put(&to->seal.ciphertext, ciphertext.data, ciphertext.len);
    return buffer_err(&to->seal.ciphertext);
}

static enum err
read_parts(const struct statement *statement, struct bytes sealed, struct compartment *body,
           struct compartment *facts)
{
    const struct statement_loop *loop = &statement->as.loop;
    if (statement->kind != STATEMENT_LOOP || !loop->has_sealed ||
        loop->body_class >= SEAL_CLASS_COUNT) {
        return ERR_MALFORMED;
    }
    if (sealed.len > LIMIT_SEALED_BYTES) {
        return ERR_TOO_LARGE;
    }
    enum err err = codec_scan(sealed, &refloop__envelope__v1__sealed__descriptor);
    if (err == ERR_OK) {
        err = read_part(codec_view(sealed, SEALED_FIELD_BODY),
                        seal_class_bytes(loop->body_class) + AUTH_BYTES, body);
    }
    if (err == ERR_OK) {
        err = read_part(codec_view(sealed, SEALED_FIELD_FACTS),
                        seal_class_bytes(SEAL_1K) + AUTH_BYTES, facts);
    }
    if (err != ERR_OK) {
        return err;
    }
    return keys_fit(statement, body->keys, body->seal.n_wraps, 0) &&
                   keys_fit(statement, facts->keys, facts->seal.n_wraps, 1)
               ? ERR_OK
               : ERR_MALFORMED;
}

enum err
sealed_check_shape(const struct statement *statement, struct bytes sealed)
{
    CLEANUP(compartment_done) struct compartment body = {0};
    CLEANUP(compartment_done) struct compartment facts = {0};
    return read_parts(statement, sealed, &body, &facts);
}

/* Which wrap is the key's; n_wraps when none is. */
static size_t
find_wrap(const struct compartment *from, const struct key_id *key)
{
    size_t i = 0;
    while (i < from->seal.n_wraps && !same_key(&from->keys[i], key)) {
        i++;
    }
    return i;
}

/* Opens into `out` if a wrap is ours; *has_out says whether it was. */
static enum err
open_part(enum part which, const struct statement *statement, const struct compartment *from,
          const struct key_id *key, const struct seal_public *public_key,
          const struct seal_secret *secret, struct buffer *out, bool *has_out)
{
    CLEANUP(buffer_done) struct buffer associated = BUFFER_INIT(ASSOCIATED_BYTES_MAX);
    size_t wrap = find_wrap(from, key);
    if (wrap == from->seal.n_wraps) {
        *has_out = false;
        return ERR_OK;
    }
    put_associated(part_rules[which].tag, statement, &associated);
    enum err err = buffer_err(&associated);
    if (err == ERR_OK) {
        err = seal_open(&from->seal, wrap, buffer_view(&associated), public_key, secret, out);
    }
    *has_out = err == ERR_OK;
    return err;
}

static enum err
reveal_part(const struct compartment *from, const struct key_id *key,
            const struct seal_public *public_key, const struct seal_secret *secret,
            struct seal_content_key *key_out)
{
    size_t wrap = find_wrap(from, key);
    return wrap < from->seal.n_wraps ? seal_reveal(&from->seal, wrap, public_key, secret, key_out)
                                     : ERR_OK;
}

static enum err
read_revealed_part(enum part which, const struct statement *statement,
                   const struct compartment *from, const struct seal_content_key *key,
                   struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer associated = BUFFER_INIT(ASSOCIATED_BYTES_MAX);
    if (codec_is_zero(key, sizeof(*key))) {
        return ERR_OK;
    }
    put_associated(part_rules[which].tag, statement, &associated);
    enum err err = buffer_err(&associated);
    return err == ERR_OK ? seal_open_revealed(&from->seal, buffer_view(&associated), key, out)
                         : err;
}

/* The sealed part has to be the one that was signed before anything in it is looked at. */
static enum err
take_parts(const struct statement *statement, struct bytes sealed, struct compartment *body,
           struct compartment *facts)
{
    struct digest digest = sealed_digest(sealed);
    if (statement->kind == STATEMENT_LOOP && statement->as.loop.has_sealed &&
        !digest_equal(&digest, &statement->as.loop.sealed_digest)) {
        return ERR_SIGNATURE;
    }
    return read_parts(statement, sealed, body, facts);
}

/* Both or neither. */
static enum err
give_both(const struct buffer *body, const struct buffer *facts, struct buffer *body_out,
          struct buffer *facts_out)
{
    size_t body_start = body_out->len;
    buffer_put(body_out, body->data, body->len);
    enum err err = buffer_err(body_out);
    if (err == ERR_OK) {
        buffer_put(facts_out, facts->data, facts->len);
        err = buffer_err(facts_out);
    }
    if (err != ERR_OK && body_out->len > body_start) {
        body_out->len = body_start;
    }
    return err;
}

enum err
sealed_open(const struct statement *statement, struct bytes sealed, const struct key_id *key,
            const struct seal_public *public_key, const struct seal_secret *secret,
            struct buffer *body_out, struct buffer *facts_out, struct sealed_opened *opened_out)
{
    CLEANUP(compartment_done) struct compartment body = {0};
    CLEANUP(compartment_done) struct compartment facts = {0};
    CLEANUP(buffer_wipe) struct buffer body_text = BUFFER_INIT(LIMIT_BODY_BYTES);
    CLEANUP(buffer_wipe) struct buffer facts_text = BUFFER_INIT(LIMIT_FACTS_BYTES);
    struct sealed_opened opened = {false, false};
    enum err err = take_parts(statement, sealed, &body, &facts);
    if (err == ERR_OK) {
        err = open_part(PART_BODY, statement, &body, key, public_key, secret, &body_text,
                        &opened.has_body);
    }
    if (err == ERR_OK) {
        err = open_part(PART_FACTS, statement, &facts, key, public_key, secret, &facts_text,
                        &opened.has_facts);
    }
    if (err == ERR_OK) {
        err = give_both(&body_text, &facts_text, body_out, facts_out);
    }
    if (err == ERR_OK) {
        *opened_out = opened;
    }
    return err;
}

static void
wipe_revealed(struct sealed_revealed *revealed)
{
    secret_wipe(revealed, sizeof(*revealed));
}

enum err
sealed_reveal(const struct statement *statement, struct bytes sealed, const struct key_id *key,
              const struct seal_public *public_key, const struct seal_secret *secret,
              struct sealed_revealed *revealed_out)
{
    CLEANUP(compartment_done) struct compartment body = {0};
    CLEANUP(compartment_done) struct compartment facts = {0};
    CLEANUP(wipe_revealed) struct sealed_revealed revealed = {{{0}}, {{0}}};
    enum err err = take_parts(statement, sealed, &body, &facts);
    if (err == ERR_OK) {
        err = reveal_part(&body, key, public_key, secret, &revealed.body);
    }
    if (err == ERR_OK) {
        err = reveal_part(&facts, key, public_key, secret, &revealed.facts);
    }
    if (err == ERR_OK) {
        *revealed_out = revealed;
    }
    return err;
}

enum err
sealed_read_revealed(const struct statement *statement, struct bytes sealed,
                     const struct sealed_revealed *revealed, struct buffer *body_out,
                     struct buffer *facts_out)
{
    CLEANUP(compartment_done) struct compartment body = {0};
    CLEANUP(compartment_done) struct compartment facts = {0};
    CLEANUP(buffer_wipe) struct buffer body_text = BUFFER_INIT(LIMIT_BODY_BYTES);
    CLEANUP(buffer_wipe) struct buffer facts_text = BUFFER_INIT(LIMIT_FACTS_BYTES);
    enum err err = take_parts(statement, sealed, &body, &facts);
    if (err == ERR_OK) {
        err = read_revealed_part(PART_BODY, statement, &body, &revealed->body, &body_text);
    }
    if (err == ERR_OK) {
        err = read_revealed_part(PART_FACTS, statement, &facts, &revealed->facts, &facts_text);
    }
    return err == ERR_OK ? give_both(&body_text, &facts_text, body_out, facts_out) : err;
}
