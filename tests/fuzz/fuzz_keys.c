/* Any bytes as the files that say who somebody is: a broker's keys, an agent's keys and network, an
 * administrator's genesis, and the wrapped root and auditor keys. The first byte says which. A file
 * is refused with a reason, or what it holds is whole. */
#include <string.h>
#include <sys/stat.h>

#include "agent/identity.h"
#include "broker/admin/auditor_key.h"
#include "broker/admin/network.h"
#include "broker/admin/root_key.h"
#include "broker/keys.h"
#include "tests/fuzz/stage.h"
#include "tests/unit/wire/fixture.h"

static char home[FILE_PATH_MAX];

static void
put(const char *name, struct bytes content)
{
    char path[FILE_PATH_MAX];
    stage_path(name, path);
    stage_write(path, content);
}

static void
try_broker_keys(struct bytes text)
{
    struct keys keys = {.curve = NULL};
    struct complaint complaint = {.text = ""};
    put("home/" KEYS_DIR_NAME "/" KEYS_FILE_NAME, text);
    enum err err = keys_load(home, &keys, &complaint);
    FUZZ_HOLDS(err == ERR_OK || (complaint.text[0] != '\0' && keys.curve == NULL));
    if (err == ERR_OK) {
        FUZZ_HOLDS(keys.log != NULL && keys.curve != NULL);
        keys_done(&keys);
    }
}

/* Both files of an agent from one input: keys, NUL, network. */
static void
try_identity(struct bytes text)
{
    struct identity identity;
    struct complaint complaint = {.text = ""};
    const uint8_t *cut = text.len > 0 ? memchr(text.data, 0, text.len) : NULL;
    size_t len = cut != NULL ? (size_t)(cut - text.data) : text.len;
    put("home/keys/member.key", bytes_of(text.data, len));
    put("home/keys/network",
        cut != NULL ? bytes_of(cut + 1, text.len - len - 1) : bytes_of(NULL, 0));
    enum err err = identity_load(home, &identity, &complaint);
    FUZZ_HOLDS(err == ERR_OK || complaint.text[0] != '\0');
    if (err == ERR_OK) {
        FUZZ_HOLDS(ident_is_org(identity.org));
        identity_done(&identity);
    }
}

static void
try_network(struct bytes text)
{
    struct network network = {.envelope = BUFFER_INIT(0)};
    struct complaint complaint = {.text = ""};
    put("home/" KEYS_GENESIS_NAME, text);
    enum err err = network_load(home, &network, &complaint);
    FUZZ_HOLDS(err == ERR_OK || (complaint.text[0] != '\0' && network.envelope.len == 0));
    if (err == ERR_OK) {
        FUZZ_HOLDS(bytes_equal(buffer_view(&network.envelope), text));
        network_done(&network);
    }
}

/* A wrap that is well formed costs as much as its header says: one that asks for more than the
 * least is left to the ordinary tests. */
static void
try_wrapped(struct bytes text)
{
    static const char prefix[] = "refloop-root-key-1:";
    struct root_key root = {.secret = NULL};
    struct auditor_key auditor = {.secret = NULL};
    struct statement genesis = fixture_genesis();
    const struct bytes passphrase = bytes_of_text("not the one");
    if (text.len > sizeof(prefix) + 64) {
        return;
    }
    enum err err = root_key_open(text, passphrase, &root);
    FUZZ_HOLDS(err != ERR_OK && root.secret == NULL);
    err = auditor_key_open(text, passphrase, &genesis.as.genesis, &auditor);
    FUZZ_HOLDS(err != ERR_OK && auditor.secret == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct bytes text) = {try_broker_keys, try_identity, try_network,
                                                       try_wrapped};
    fuzz_start();
    stage_path("home/x", home);
    *strrchr(home, '/') = '\0';
    if (size > 0) {
        tries[data[0] % ARRAY_LEN(tries)](bytes_of(data + 1, size - 1));
    }
    return 0;
}
