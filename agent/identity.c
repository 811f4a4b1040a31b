/* Decides what an agent's keys look like on disk and when they are believed: the secrets only from
 * a file nobody else can read, the network only when the root has signed it, and a pair only when
 * its two halves fit. It refuses to know whether the broker still knows this member; the log says
 * that.
 *
 *   member.key   one "word hex" per line: the present keys; a line for each former sealing pair;
 * the keys of a change that was begun. One file, so that a change is one rename. network      one
 * "word value" per line */
#include "agent/identity.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"

enum {
    FILE_BYTES_MAX = 16 * 1024,
    LINE_VALUE_MAX = 8192,
    PROBE_BYTES_MAX = 256,
    FORMER_BYTES = KEY_ID_BYTES + SEAL_PUBLIC_BYTES + SEAL_SECRET_BYTES,
    HEX_MAX = 2 * FORMER_BYTES + 1, /* the longest line of member.key */
    MADE_BYTES = 8,
};
static const char key_file[] = "member.key";
static const char network_file[] = "network";
static const char key_head[] = "refloop-member-key 1\n";
static const char network_head[] = "refloop-network 1\n";

static void
derive_keys(struct identity *identity)
{
    sign_public_of(&identity->secrets->sign, &identity->keys.sign);
    curve_public_of(&identity->secrets->curve, &identity->keys.curve);
    identity->key_id = key_set_id(&identity->keys);
    if (identity->has_next) {
        sign_public_of(&identity->secrets->next_sign, &identity->next.sign);
        curve_public_of(&identity->secrets->next_curve, &identity->next.curve);
    }
}

static enum err
copy_buffer(const struct buffer *from, struct buffer *to)
{
    *to = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    buffer_put(to, from->data, from->len);
    return buffer_err(to);
}

enum err
identity_new(const struct token *token, struct identity *identity_out)
{
    struct identity identity = {.network = token->network, .genesis = token->genesis};
    enum err err = copy_buffer(&token->genesis_envelope, &identity.genesis_envelope);

    if (err == ERR_OK)
        identity.secrets = secret_alloc(sizeof(*identity.secrets));
    if (identity.secrets == NULL) {
        identity_done(&identity);
        return ERR_MEMORY;
    }
    memcpy(identity.org, token->invite.org, sizeof(identity.org));
    memcpy(identity.name, token->invite.name, sizeof(identity.name));
    sign_new_pair(&identity.keys.sign, &identity.secrets->sign);
    seal_new_pair(&identity.keys.seal, &identity.secrets->seal);
    curve_new_pair(&identity.keys.curve, &identity.secrets->curve);
    vault_new_key(&identity.secrets->store);
    derive_keys(&identity);
    identity.invite = key_id_of_signer(&token->invite.once_sign);
    *identity_out = identity;
    return ERR_OK;
}

void
identity_done(struct identity *identity)
{
    buffer_done(&identity->genesis_envelope);
    secret_free(identity->secrets);
    *identity = (struct identity){.secrets = NULL};
}

/* ---- on disk ---- */

/* The one table of what stands in member.key, for both ways. */
struct key_line {
    const char *word;
    void *bytes;
    size_t len;
};
enum { KEY_LINES = 5, NEXT_LINES = 4 };

static void
key_lines(struct identity *identity, struct key_line lines[KEY_LINES])
{
    struct identity_secrets *secrets = identity->secrets;

    lines[0] = (struct key_line){"sign", secrets->sign.bytes, sizeof(secrets->sign)};
    lines[1] = (struct key_line){"seal", secrets->seal.bytes, sizeof(secrets->seal)};
    lines[2] =
        (struct key_line){"seal-public", identity->keys.seal.bytes, sizeof(identity->keys.seal)};
    lines[3] = (struct key_line){"curve", secrets->curve.bytes, sizeof(secrets->curve)};
    lines[4] = (struct key_line){"store", secrets->store.bytes, sizeof(secrets->store)};
}

static void
next_lines(struct identity *identity, struct key_line lines[NEXT_LINES])
{
    struct identity_secrets *secrets = identity->secrets;

    lines[0] = (struct key_line){"next-sign", secrets->next_sign.bytes, sizeof(secrets->next_sign)};
    lines[1] = (struct key_line){"next-seal", secrets->next_seal.bytes, sizeof(secrets->next_seal)};
    lines[2] = (struct key_line){"next-seal-public", identity->next.seal.bytes,
                                 sizeof(identity->next.seal)};
    lines[3] =
        (struct key_line){"next-curve", secrets->next_curve.bytes, sizeof(secrets->next_curve)};
}

static void
put_line(struct buffer *out, const char *word, const char *value)
{
    buffer_put(out, word, strlen(word));
    buffer_put_u8(out, ' ');
    buffer_put(out, value, strlen(value));
    buffer_put_u8(out, '\n');
}

static void
put_hex(struct buffer *out, const char *word, const void *bytes, size_t len)
{
    char hex[HEX_MAX];

    text_hex(bytes_of(bytes, len), hex);
    put_line(out, word, hex);
    secret_wipe(hex, sizeof(hex));
}

static void
put_former(struct buffer *out, const struct identity *identity, size_t which)
{
    const struct identity_former *former = &identity->former[which];
    uint8_t bytes[FORMER_BYTES];

    memcpy(bytes, former->key.bytes, KEY_ID_BYTES);
    memcpy(bytes + KEY_ID_BYTES, former->seal.bytes, SEAL_PUBLIC_BYTES);
    memcpy(bytes + KEY_ID_BYTES + SEAL_PUBLIC_BYTES, identity->secrets->former[which].bytes,
           SEAL_SECRET_BYTES);
    put_hex(out, "former", bytes, sizeof(bytes));
    secret_wipe(bytes, sizeof(bytes));
}

static void
put_next(struct buffer *out, struct identity *identity)
{
    CLEANUP(buffer_done) struct buffer made = BUFFER_INIT(MADE_BYTES);
    struct key_line lines[NEXT_LINES];

    next_lines(identity, lines);
    for (size_t i = 0; i < NEXT_LINES; i++)
        put_hex(out, lines[i].word, lines[i].bytes, lines[i].len);
    buffer_put_i64(&made, identity->next_made_ms);
    if (buffer_err(&made) != ERR_OK)
        out->failed = made.failed;
    else
        put_hex(out, "next-made", made.data, made.len);
}

static enum err
write_keys(const struct identity *identity, struct buffer *out)
{
    struct identity copy = *identity; /* the table points at bytes that reading fills */
    struct key_line lines[KEY_LINES];

    key_lines(&copy, lines);
    buffer_put(out, key_head, sizeof(key_head) - 1);
    for (size_t i = 0; i < KEY_LINES; i++)
        put_hex(out, lines[i].word, lines[i].bytes, lines[i].len);
    for (size_t i = 0; i < identity->n_former; i++)
        put_former(out, identity, i);
    if (identity->has_next)
        put_next(out, &copy);
    return buffer_err(out);
}

static enum err
write_network(const struct identity *identity, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer genesis = BUFFER_INIT(LINE_VALUE_MAX);
    char invite[2 * KEY_ID_BYTES + 1];

    text_base64(buffer_view(&identity->genesis_envelope), &genesis);
    buffer_put_u8(&genesis, '\0');
    enum err err = buffer_err(&genesis);
    if (err != ERR_OK)
        return err;
    buffer_put(out, network_head, sizeof(network_head) - 1);
    put_line(out, "org", identity->org);
    put_line(out, "name", identity->name);
    text_hex(bytes_of(identity->invite.bytes, sizeof(identity->invite.bytes)), invite);
    put_line(out, "invite", invite);
    put_line(out, "joined", identity->joined ? "yes" : "no");
    put_line(out, "genesis", (const char *)genesis.data);
    return buffer_err(out);
}

static enum err
paths(const char *home, char dir[FILE_PATH_MAX], char keys[FILE_PATH_MAX],
      char network[FILE_PATH_MAX])
{
    enum err err = file_path(dir, home, "keys");

    if (err == ERR_OK)
        err = file_path(keys, dir, key_file);
    return err == ERR_OK ? file_path(network, dir, network_file) : err;
}

enum err
identity_save(const struct identity *identity, const char *home, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer keys = BUFFER_INIT(FILE_BYTES_MAX);
    CLEANUP(buffer_wipe) struct buffer network = BUFFER_INIT(FILE_BYTES_MAX);
    char dir[FILE_PATH_MAX], key_path[FILE_PATH_MAX], network_path[FILE_PATH_MAX];
    enum err err = paths(home, dir, key_path, network_path);

    if (err == ERR_OK)
        err = write_keys(identity, &keys);
    if (err == ERR_OK)
        err = write_network(identity, &network);
    if (err == ERR_OK)
        err = file_make_dir(dir);
    /* The keys first: a network file without them would name a member that cannot speak. */
    if (err == ERR_OK)
        err = file_replace(key_path, buffer_view(&keys), 0600);
    if (err == ERR_OK)
        err = file_replace(network_path, buffer_view(&network), 0600);
    if (err != ERR_OK)
        return complain(complaint, err, "the keys cannot be saved in %s/keys: %s", home,
                        err_text(err));
    return ERR_OK;
}

/* The value of the next line, which must start with `word`: cut out of `rest` and terminated. */
static bool
next_value(struct bytes *rest, const char *word, char *out, size_t size)
{
    size_t word_len = strlen(word);
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);

    if (end == NULL)
        return false;
    size_t len = (size_t)(end - rest->data);
    if (len < word_len + 1 || memcmp(rest->data, word, word_len) != 0 ||
        rest->data[word_len] != ' ' || len - word_len - 1 >= size)
        return false;
    memcpy(out, rest->data + word_len + 1, len - word_len - 1);
    out[len - word_len - 1] = '\0';
    *rest = bytes_of(end + 1, rest->len - len - 1);
    return true;
}

static bool
skip_head(struct bytes *rest, const char *head)
{
    size_t len = strlen(head);

    if (rest->len < len || memcmp(rest->data, head, len) != 0)
        return false;
    *rest = bytes_of(rest->data + len, rest->len - len);
    return true;
}

static bool
read_lines(struct bytes *text, const struct key_line *lines, size_t n)
{
    char hex[HEX_MAX];
    bool good = true;

    for (size_t i = 0; good && i < n; i++)
        good = next_value(text, lines[i].word, hex, sizeof(hex)) &&
               text_unhex(hex, lines[i].bytes, lines[i].len) == ERR_OK;
    secret_wipe(hex, sizeof(hex));
    return good;
}

static bool
read_former(struct bytes *text, struct identity *identity)
{
    char hex[HEX_MAX];
    uint8_t bytes[FORMER_BYTES];
    bool good = true;

    while (good && next_value(text, "former", hex, sizeof(hex))) {
        size_t which = identity->n_former;
        good = which < IDENTITY_FORMER_MAX && text_unhex(hex, bytes, sizeof(bytes)) == ERR_OK;
        if (!good)
            break;
        memcpy(identity->former[which].key.bytes, bytes, KEY_ID_BYTES);
        memcpy(identity->former[which].seal.bytes, bytes + KEY_ID_BYTES, SEAL_PUBLIC_BYTES);
        memcpy(identity->secrets->former[which].bytes, bytes + KEY_ID_BYTES + SEAL_PUBLIC_BYTES,
               SEAL_SECRET_BYTES);
        identity->n_former++;
    }
    secret_wipe(hex, sizeof(hex));
    secret_wipe(bytes, sizeof(bytes));
    return good;
}

static bool
read_next(struct bytes *text, struct identity *identity)
{
    uint8_t made[MADE_BYTES];
    struct key_line lines[NEXT_LINES + 1];

    next_lines(identity, lines);
    lines[NEXT_LINES] = (struct key_line){"next-made", made, sizeof(made)};
    if (!read_lines(text, lines, ARRAY_LEN(lines)))
        return false;
    struct reader reader = reader_of(bytes_of(made, sizeof(made)));
    identity->next_made_ms = reader_i64(&reader);
    identity->has_next = true;
    return true;
}

static enum err
read_keys(struct bytes text, struct identity *identity)
{
    struct key_line lines[KEY_LINES];

    key_lines(identity, lines);
    bool good = skip_head(&text, key_head) && read_lines(&text, lines, KEY_LINES) &&
                read_former(&text, identity);
    if (good && text.len > 0)
        good = read_next(&text, identity);
    return good && text.len == 0 ? ERR_OK : ERR_CORRUPT;
}

static enum err
read_genesis(const char *encoded, struct identity *identity)
{
    struct envelope envelope;
    struct opened_envelope opened;
    struct statement claimed;
    struct sign_public root;

    identity->genesis_envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    enum err err = text_unbase64(bytes_of_text(encoded), &identity->genesis_envelope);
    struct bytes bytes = buffer_view(&identity->genesis_envelope);
    if (err == ERR_OK)
        err = envelope_decode(bytes, &envelope);
    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &claimed);
    if (err != ERR_OK || claimed.kind != STATEMENT_GENESIS)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    /* The network's name is its root key: that the two fit is all there is to check here, and that
     * no byte of what the root signed has changed. */
    memcpy(root.bytes, claimed.network.bytes, sizeof(root.bytes));
    err = envelope_open(bytes, &claimed.network, &root, false, NULL, &opened);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    identity->network = opened.statement.network;
    identity->genesis = opened.statement.as.genesis;
    return ERR_OK;
}

static enum err
read_network(struct bytes text, struct identity *identity)
{
    char invite[2 * KEY_ID_BYTES + 1];
    char joined[8];
    char genesis[LINE_VALUE_MAX];

    if (!skip_head(&text, network_head) ||
        !next_value(&text, "org", identity->org, sizeof(identity->org)) ||
        !next_value(&text, "name", identity->name, sizeof(identity->name)) ||
        !next_value(&text, "invite", invite, sizeof(invite)) ||
        text_unhex(invite, identity->invite.bytes, sizeof(identity->invite.bytes)) != ERR_OK ||
        !next_value(&text, "joined", joined, sizeof(joined)) ||
        !next_value(&text, "genesis", genesis, sizeof(genesis)) || text.len != 0 ||
        !ident_is_org(identity->org))
        return ERR_CORRUPT;
    identity->joined = strcmp(joined, "yes") == 0;
    if (!identity->joined && strcmp(joined, "no") != 0)
        return ERR_CORRUPT;
    return read_genesis(genesis, identity);
}

/* A sealing pair cannot be derived from its secret half here, so both halves are kept, and tried.
 */
static enum err
try_seal_pair(const struct seal_public *public_key, const struct seal_secret *secret)
{
    CLEANUP(seal_done) struct seal_compartment compartment = {.n_wraps = 0};
    CLEANUP(buffer_wipe) struct buffer content = BUFFER_INIT(PROBE_BYTES_MAX);
    struct bytes word = bytes_of_text("probe");
    enum err err = seal_make(word, word, SEAL_1K, public_key, 1, &compartment);

    if (err == ERR_OK)
        err = seal_open(&compartment, 0, word, public_key, secret, &content);
    return err == ERR_OK || err == ERR_MEMORY ? err : ERR_CORRUPT;
}

static enum err
try_seal_pairs(const struct identity *identity)
{
    const struct identity_secrets *secrets = identity->secrets;
    enum err err = try_seal_pair(&identity->keys.seal, &secrets->seal);

    for (size_t i = 0; err == ERR_OK && i < identity->n_former; i++)
        err = try_seal_pair(&identity->former[i].seal, &secrets->former[i]);
    if (err == ERR_OK && identity->has_next)
        err = try_seal_pair(&identity->next.seal, &secrets->next_seal);
    return err;
}

static enum err
load(const char *key_path, const char *network_path, struct identity *identity)
{
    CLEANUP(buffer_wipe) struct buffer keys = BUFFER_INIT(FILE_BYTES_MAX);
    CLEANUP(buffer_wipe) struct buffer network = BUFFER_INIT(FILE_BYTES_MAX);
    enum err err = file_read(network_path, &network);

    if (err == ERR_OK)
        err = file_read_secret(key_path, &keys);
    if (err == ERR_OK)
        err = read_network(buffer_view(&network), identity);
    if (err != ERR_OK)
        return err;
    identity->secrets = secret_alloc(sizeof(*identity->secrets));
    if (identity->secrets == NULL)
        return ERR_MEMORY;
    err = read_keys(buffer_view(&keys), identity);
    if (err != ERR_OK)
        return err;
    derive_keys(identity);
    return try_seal_pairs(identity);
}

enum err
identity_load(const char *home, struct identity *identity_out, struct complaint *complaint)
{
    struct identity identity = {.secrets = NULL};
    char dir[FILE_PATH_MAX], key_path[FILE_PATH_MAX], network_path[FILE_PATH_MAX];
    enum err err = paths(home, dir, key_path, network_path);

    if (err == ERR_OK)
        err = load(key_path, network_path, &identity);
    if (err == ERR_OK) {
        *identity_out = identity;
        return ERR_OK;
    }
    identity_done(&identity);
    if (err == ERR_NOT_FOUND)
        return complain(complaint, err, "%s holds no keys: join a network first", home);
    if (err == ERR_PERMISSION)
        return complain(complaint, err,
                        "%s can be read by others: change its owner and mode (chmod 600) first",
                        key_path);
    if (err == ERR_TOO_LARGE)
        err = ERR_CORRUPT;
    return complain(complaint, err, "the keys in %s are not usable: %s", dir, err_text(err));
}
