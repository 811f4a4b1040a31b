/* Founding a network. Decides what a home must not hold yet, in which order its files come, and
 * that nothing is ever written over: a root key that is lost is a network that is lost. It refuses
 * to know where the passphrase comes from. */
#include "broker/admin/found.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/edge/daemon.h"

enum { FILES_MAX = 5 };

void
found_done(struct found *found)
{
    root_key_done(&found->root);
    keys_done(&found->broker);
    secret_free(found->auditor);
    buffer_done(&found->genesis);
    found->auditor = NULL;
}

/* ---- before ---- */

static enum err
refuse_existing(const char *path, const char *home, struct complaint *complaint)
{
    return file_exists(path)
               ? complain(complaint, ERR_EXISTS,
                          "%s exists: nothing is written over; found the network in another "
                          "directory than %s, or move what is there away",
                          path, home)
               : ERR_OK;
}

enum err
found_check_home(const char *home, const char *root_key_path, struct complaint *complaint)
{
    static const char *const names[] = {
        KEYS_STORE_NAME,
        KEYS_DIR_NAME "/" KEYS_FILE_NAME,
        KEYS_DIR_NAME "/" FOUND_AUDITOR_KEY_NAME,
        FOUND_CONF_NAME,
    };
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, KEYS_GENESIS_NAME);
    if (err != ERR_OK) {
        return complain(complaint, err, "the path of the home directory is too long");
    }
    if (file_exists(path)) {
        return complain(complaint, ERR_EXISTS, "%s holds a network already; nothing was changed",
                        home);
    }
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(names); i++) {
        err = file_path(path, home, names[i]);
        if (err == ERR_OK) {
            err = refuse_existing(path, home, complaint);
        }
    }
    return err == ERR_OK ? refuse_existing(root_key_path, home, complaint) : err;
}

/* ---- the genesis ---- */

static enum err
check_order(const struct found_order *order, struct complaint *complaint)
{
    struct bytes name = bytes_of_text(order->name);
    if (name.len == 0 || !text_is_clean_line(name, LIMIT_NAME_BYTES)) {
        return complain(complaint, ERR_INVALID,
                        "the network's name must be one line of 1 to %d bytes", LIMIT_NAME_BYTES);
    }
    if (!ident_is_org(order->auditor)) {
        return complain(complaint, ERR_INVALID,
                        "'%s' is no id of an organization: 2 to %d of a-z, 0-9 and single inner "
                        "hyphens, a letter first",
                        order->auditor, ORG_ID_MAX);
    }
    /* Members dial it from their own machines: an address that means "here" leads nowhere. */
    if (strncmp(order->endpoint, "tcp://0.0.0.0:", 14) == 0 ||
        strncmp(order->endpoint, "tcp://[::]:", 11) == 0) {
        return complain(complaint, ERR_INVALID,
                        "%s is where a broker may listen (--listen), not an address that members "
                        "can reach",
                        order->endpoint);
    }
    return ERR_OK;
}

static enum err
make_keys(struct found *found)
{
    found->auditor = secret_alloc(sizeof(*found->auditor));
    if (found->auditor == NULL) {
        return ERR_MEMORY;
    }
    enum err err = root_key_make(&found->root);
    return err == ERR_OK ? keys_make(&found->broker) : err;
}

static enum err
make_genesis(struct found *found, const struct found_order *order)
{
    struct statement statement = {.kind = STATEMENT_GENESIS};
    struct statement_genesis *genesis = &statement.as.genesis;
    sign_new_pair(&genesis->auditor.sign, &found->auditor->sign);
    seal_new_pair(&genesis->auditor.seal, &found->auditor->seal);
    curve_new_pair(&genesis->auditor.curve, &found->auditor->curve);
    found->auditor_seal = genesis->auditor.seal;
    genesis->broker_curve = found->broker.curve_public;
    genesis->broker_log = found->broker.log_public;
    if (!text_format(genesis->network_name, sizeof(genesis->network_name), "%s", order->name) ||
        !text_format(genesis->endpoint, sizeof(genesis->endpoint), "%s", order->endpoint) ||
        !text_format(genesis->auditor_org, sizeof(genesis->auditor_org), "%s", order->auditor)) {
        return ERR_INVALID;
    }
    return root_key_sign(&found->root, &statement, order->now_ms, &found->genesis);
}

enum err
found_prepare(const struct found_order *order, struct found *found_out, struct complaint *complaint)
{
    CLEANUP(found_done) struct found found = {.genesis = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    enum err err = check_order(order, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = make_keys(&found);
    if (err == ERR_OK) {
        err = make_genesis(&found, order);
    }
    if (err == ERR_INVALID) {
        /* Everything else in it was checked, or made here. */
        return complain(complaint, err,
                        "'%s' is no endpoint; it is tcp://HOST:PORT, as in "
                        "tcp://broker.example.org:7707",
                        order->endpoint);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "the keys cannot be made: %s", err_text(err));
    }
    *found_out = found;
    found = (struct found){.auditor = NULL};
    return ERR_OK;
}

/* ---- the files ---- */

/* What was written so far, to be taken back unless all of it was. */
struct written {
    char paths[FILES_MAX][FILE_PATH_MAX];
    size_t n;
    bool complete;
};

static void
written_undo(struct written *written)
{
    while (!written->complete && written->n > 0) {
        written->n--;
        (void)unlink(written->paths[written->n]); /* the first failure is the one that is told */
    }
}

static enum err
note(struct written *written, const char *path)
{
    bool fits = text_format(written->paths[written->n], FILE_PATH_MAX, "%s", path);
    written->n += fits ? 1 : 0;
    return fits ? ERR_OK : ERR_INVALID;
}

static enum err
write_file(struct written *written, const char *path, struct bytes content, struct complaint *c)
{
    enum err err = file_create(path, content, 0600);
    if (err == ERR_OK) {
        err = note(written, path);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(c, err, "%s cannot be written: %s", path, err_text(err));
}

static enum err
write_in_home(struct written *written, const char *home, const char *name, struct bytes content,
              struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, name);
    return err == ERR_OK ? write_file(written, path, content, complaint)
                         : complain(complaint, err, "the path of the home directory is too long");
}

static enum err
write_broker_keys(struct written *written, const struct found *found, const char *home,
                  struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    enum err err = keys_save(&found->broker, home, complaint);
    if (err == ERR_OK) {
        err = file_path(path, home, KEYS_DIR_NAME "/" KEYS_FILE_NAME);
    }
    return err == ERR_OK ? note(written, path) : err;
}

static enum err
close_auditor(const struct found *found, struct bytes passphrase, enum vault_effort effort,
              struct buffer *out)
{
    CLEANUP(buffer_wipe) struct buffer secret = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    const struct found_auditor *auditor = found->auditor;
    buffer_put(&secret, auditor->sign.bytes, sizeof(auditor->sign.bytes));
    buffer_put(&secret, auditor->seal.bytes, sizeof(auditor->seal.bytes));
    buffer_put(&secret, found->auditor_seal.bytes, sizeof(found->auditor_seal.bytes));
    buffer_put(&secret, auditor->curve.bytes, sizeof(auditor->curve.bytes));
    enum err err = buffer_err(&secret);
    return err == ERR_OK
               ? key_file_close(KEY_FILE_MEMBER, buffer_view(&secret), passphrase, effort, out)
               : err;
}

enum err
found_write(const struct found *found, const struct found_order *order, struct bytes passphrase,
            enum vault_effort effort, struct bytes conf, struct complaint *complaint)
{
    CLEANUP(written_undo) struct written written = {.n = 0};
    CLEANUP(buffer_done) struct buffer root = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    CLEANUP(buffer_done) struct buffer auditor = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    const char *home = order->home;
    enum err err = root_key_close(&found->root, passphrase, effort, &root);
    if (err == ERR_OK) {
        err = close_auditor(found, passphrase, effort, &auditor);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "the keys cannot be wrapped: %s", err_text(err));
    }
    err = daemon_home_make(home, complaint);
    if (err == ERR_OK) {
        err = write_file(&written, order->root_key_path, buffer_view(&root), complaint);
    }
    if (err == ERR_OK) {
        err = write_broker_keys(&written, found, home, complaint);
    }
    if (err == ERR_OK) {
        err = write_in_home(&written, home, KEYS_DIR_NAME "/" FOUND_AUDITOR_KEY_NAME,
                            buffer_view(&auditor), complaint);
    }
    if (err == ERR_OK) {
        err = write_in_home(&written, home, FOUND_CONF_NAME, conf, complaint);
    }
    if (err == ERR_OK) {
        err = write_in_home(&written, home, KEYS_GENESIS_NAME, buffer_view(&found->genesis),
                            complaint);
    }
    written.complete = err == ERR_OK;
    return err;
}
