/* From the options of a call to an open key. Decides where the key is and when its file's mode
 * matters. The passphrase lives no longer than this takes. */
#include "broker/admin/unlock.h"

#include <string.h>

#include "broker/admin/found.h"
#include "broker/admin/passphrase.h"
#include "broker/admin/say.h"

enum err
unlock_path(const struct admin *admin, char out[FILE_PATH_MAX], struct complaint *complaint)
{
    const char *given = admin->options.root_key;
    if (given == NULL) {
        return file_path(out, admin->home, ROOT_KEY_FILE_NAME);
    }
    size_t len = strlen(given);
    if (len >= FILE_PATH_MAX) {
        return complain(complaint, ERR_INVALID, "the path of the root key is too long");
    }
    memcpy(out, given, len + 1);
    return ERR_OK;
}

void
unlock_warn(const struct admin *admin)
{
    if (!admin->memory_locked) {
        say_line(stderr,
                 "%s: note: memory cannot be locked here, so keys may reach the swap space "
                 "(ulimit -l)",
                 admin->program->name);
    }
}

enum err
unlock_root(const struct admin *admin, const struct network_id *network, struct root_key *key_out,
            struct complaint *complaint)
{
    CLEANUP(passphrase_freep) struct passphrase *passphrase = NULL;
    char path[FILE_PATH_MAX];
    enum err err = unlock_path(admin, path, complaint);
    if (err != ERR_OK) {
        return err;
    }
    /* A person should not type a passphrase only to hear that there is nothing to open. */
    if (!file_exists(path)) {
        return complain(complaint, ERR_NOT_FOUND,
                        "there is no root key at %s; say where it is kept with --root-key FILE",
                        path);
    }
    unlock_warn(admin);
    err = passphrase_ask("Passphrase of the root key: ", admin->options.passphrase_file,
                         &passphrase, complaint);
    return err == ERR_OK ? root_key_load(path, admin->options.root_key != NULL,
                                         passphrase_view(passphrase), network, key_out, complaint)
                         : err;
}

static enum err
auditor_path(const struct admin *admin, char out[FILE_PATH_MAX], struct complaint *complaint)
{
    const char *given = admin->options.auditor_key;
    if (given == NULL) {
        return file_path(out, admin->home, KEYS_DIR_NAME "/" FOUND_AUDITOR_KEY_NAME);
    }
    size_t len = strlen(given);
    if (len >= FILE_PATH_MAX) {
        return complain(complaint, ERR_INVALID, "the path of the auditor's key is too long");
    }
    memcpy(out, given, len + 1);
    return ERR_OK;
}

/* As with the root key: one that is kept elsewhere may lie on media that know no owners. */
static enum err
open_auditor(const char *path, bool is_elsewhere, struct bytes passphrase,
             const struct statement_genesis *genesis, struct auditor_key *key_out,
             struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    enum err err = is_elsewhere ? file_read(path, &text) : file_read_secret(path, &text);
    if (err == ERR_OK) {
        err = auditor_key_open(buffer_view(&text), passphrase, genesis, key_out);
    }
    if (err == ERR_OK) {
        return ERR_OK;
    }
    if (err == ERR_KEY) {
        return complain(complaint, err, "the passphrase does not open %s", path);
    }
    return err == ERR_WRONG_NETWORK
               ? complain(complaint, err, "%s is not the auditor's key of this network", path)
               : complain(complaint, err, "%s is not usable: %s", path, err_text(err));
}

enum err
unlock_auditor(const struct admin *admin, const struct statement_genesis *genesis,
               struct auditor_key *key_out, struct complaint *complaint)
{
    CLEANUP(passphrase_freep) struct passphrase *passphrase = NULL;
    char path[FILE_PATH_MAX];
    enum err err = auditor_path(admin, path, complaint);
    if (err != ERR_OK) {
        return err;
    }
    if (!file_exists(path)) {
        return complain(complaint, ERR_NOT_FOUND,
                        "there is no auditor's key at %s; say where it is kept with --auditor-key "
                        "FILE",
                        path);
    }
    unlock_warn(admin);
    err = passphrase_ask("Passphrase of the auditor's key: ", admin->options.passphrase_file,
                         &passphrase, complaint);
    return err == ERR_OK ? open_auditor(path, admin->options.auditor_key != NULL,
                                        passphrase_view(passphrase), genesis, key_out, complaint)
                         : err;
}
