/* From the options of a call to an open root key. Decides where the key is and when its file's mode
 * matters. The passphrase lives no longer than this takes. */
#include "broker/admin/unlock.h"

#include <string.h>

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
