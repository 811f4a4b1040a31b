/* Secret keys in a file, wrapped under a passphrase: one line of text, so that it survives being
 * copied, mailed to oneself or printed. */
#ifndef REFLOOP_BROKER_ADMIN_KEY_FILE_H
#define REFLOOP_BROKER_ADMIN_KEY_FILE_H

#include "lib/crypto/vault.h"

/* What is in the file. The kind is inside the wrap too, so that one cannot be taken for the other.
 */
enum key_file_kind { KEY_FILE_ROOT = 1, KEY_FILE_MEMBER = 2 };
enum { KEY_FILE_SECRET_MAX = 512, KEY_FILE_TEXT_MAX = 2048 };

/* Appends the whole file: prefix, base64url, newline. */
enum err key_file_close(enum key_file_kind kind, struct bytes secret, struct bytes passphrase,
                        enum vault_effort effort, struct buffer *out) MUST_CHECK;
/* Appends the secret. ERR_MALFORMED when the text is no such file, ERR_VERSION for one of another
 * version, ERR_KEY when the passphrase is wrong or the text was changed. White space around the
 * line does not count. */
enum err key_file_open(enum key_file_kind kind, struct bytes text, struct bytes passphrase,
                       struct buffer *secret_out) MUST_CHECK;

#endif
