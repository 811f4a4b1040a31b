/* Founding: a home that a broker can start from, made whole or not at all, never written over. */
#include "broker/admin/found.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker/admin/auditor_key.h"
#include "broker/admin/network.h"
#include "lib/base/secret.h"
#include "lib/trust/directory.h"
#include "tests/unit/admin/scratch.h"

static const char passphrase[] = "correct horse battery";
static const char conf[] = "listen = tcp://127.0.0.1:7707\n";

struct place {
    struct scratch scratch;
    char home[FILE_PATH_MAX];
    char root_key[FILE_PATH_MAX];
    struct found_order order;
};

static void
place_init(struct place *place)
{
    place->scratch = scratch_make();
    scratch_path(&place->scratch, "broker", place->home);
    scratch_path(&place->scratch, "broker/root.key", place->root_key);
    place->order = (struct found_order){
        .home = place->home,
        .root_key_path = place->root_key,
        .name = "Elm County",
        .endpoint = "tcp://broker.example.org:7707",
        .auditor = "administrator",
        .now_ms = 1000,
    };
}

static void
place_done(struct place *place)
{
    scratch_done(&place->scratch);
}

static enum err
found_all(const struct place *place, struct found *found, struct complaint *complaint)
{
    enum err err = found_check_home(place->home, place->root_key, complaint);
    if (err == ERR_OK) {
        err = found_prepare(&place->order, found, complaint);
    }
    return err == ERR_OK ? found_write(found, &place->order, bytes_of_text(passphrase),
                                       VAULT_EFFORT_TEST, bytes_of_text(conf), complaint)
                         : err;
}

static bool
exists(const struct place *place, const char *name)
{
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, place->home, name), ERR_OK);
    return file_exists(path);
}

static void
test_home_is_complete(void **state)
{
    (void)state;
    static const char *const names[] = {"root.key", "genesis", "broker.conf", "keys/broker.key",
                                        "keys/auditor.key"};
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(network_done) struct network network = {0};
    CLEANUP(keys_done) struct keys keys = {0};
    CLEANUP(root_key_done) struct root_key root = {0};
    struct complaint complaint = {0};
    place_init(&place);
    assert_int_equal(found_all(&place, &found, &complaint), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct stat status;
        char path[FILE_PATH_MAX];
        assert_int_equal(file_path(path, place.home, names[i]), ERR_OK);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    assert_int_equal(network_load(place.home, &network, &complaint), ERR_OK);
    assert_int_equal(keys_load(place.home, &keys, &complaint), ERR_OK);
    assert_memory_equal(&network.genesis.broker_curve, &keys.curve_public, CURVE_KEY_BYTES);
    assert_memory_equal(&network.genesis.broker_log, &keys.log_public, SIGN_PUBLIC_BYTES);
    assert_string_equal(network.genesis.network_name, "Elm County");
    assert_string_equal(network.genesis.auditor_org, "administrator");
    assert_int_equal(root_key_load(place.root_key, false, bytes_of_text(passphrase), &network.id,
                                   &root, &complaint),
                     ERR_OK);
}

/* What init makes, the broker must be able to fold. */
static void
test_directory_takes_the_genesis(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(directory_freep) struct directory *directory = NULL;
    struct complaint complaint = {0};
    struct opened_envelope opened;
    struct sign_public root;
    place_init(&place);
    assert_int_equal(found_prepare(&place.order, &found, &complaint), ERR_OK);
    memcpy(root.bytes, found.root.network.bytes, sizeof(root.bytes));
    assert_int_equal(envelope_open(buffer_view(&found.genesis), &found.root.network, &root, false,
                                   NULL, &opened),
                     ERR_OK);
    assert_int_equal(directory_new(&found.root.network, &directory), ERR_OK);
    assert_int_equal(directory_apply(directory, &opened.statement, 0, 1000), ERR_OK);
    assert_non_null(directory_auditor(directory));
    assert_string_equal(directory_auditor(directory)->org, "administrator");
}

/* The administrator's own keys open with the same passphrase and are those of the genesis. */
static void
test_auditor_keys_open(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(network_done) struct network network = {0};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer secret = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    struct complaint complaint = {0};
    struct sign_secret sign;
    struct sign_public sign_public;
    char path[FILE_PATH_MAX];
    place_init(&place);
    assert_int_equal(found_all(&place, &found, &complaint), ERR_OK);
    assert_int_equal(file_path(path, place.home, "keys/auditor.key"), ERR_OK);
    assert_int_equal(file_read_secret(path, &text), ERR_OK);
    assert_int_equal(
        key_file_open(KEY_FILE_MEMBER, buffer_view(&text), bytes_of_text(passphrase), &secret),
        ERR_OK);
    assert_int_equal(network_load(place.home, &network, &complaint), ERR_OK);
    assert_int_equal(secret.len,
                     SIGN_SECRET_BYTES + SEAL_SECRET_BYTES + SEAL_PUBLIC_BYTES + CURVE_KEY_BYTES);
    memcpy(sign.bytes, secret.data, sizeof(sign.bytes));
    sign_public_of(&sign, &sign_public);
    assert_memory_equal(&sign_public, &network.genesis.auditor.sign, sizeof(sign_public));
    assert_memory_equal(secret.data + SIGN_SECRET_BYTES + SEAL_SECRET_BYTES,
                        &network.genesis.auditor.seal, SEAL_PUBLIC_BYTES);
}

/* What is sealed to the auditor of the genesis opens with it; another network's is told. */
static void
test_auditor_key(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(auditor_key_done) struct auditor_key key = {0};
    CLEANUP(network_done) struct network network = {0};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer content = BUFFER_INIT(64);
    struct seal_compartment sealed;
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    place_init(&place);
    assert_int_equal(found_all(&place, &found, &complaint), ERR_OK);
    assert_int_equal(file_path(path, place.home, "keys/auditor.key"), ERR_OK);
    assert_int_equal(file_read_secret(path, &text), ERR_OK);
    assert_int_equal(network_load(place.home, &network, &complaint), ERR_OK);
    struct statement_genesis *genesis = &network.genesis;
    assert_int_equal(
        auditor_key_open(buffer_view(&text), bytes_of_text("wrong horse"), genesis, &key), ERR_KEY);
    assert_int_equal(auditor_key_open(buffer_view(&text), bytes_of_text(passphrase), genesis, &key),
                     ERR_OK);
    struct key_id id = key_set_id(&genesis->auditor);
    assert_memory_equal(&key.id, &id, sizeof(id));
    struct bytes nothing = bytes_of(NULL, 0);
    assert_int_equal(
        seal_make(bytes_of_text("{}"), nothing, SEAL_1K, &genesis->auditor.seal, 1, &sealed),
        ERR_OK);
    assert_int_equal(seal_open(&sealed, 0, nothing, &key.public_key, key.secret, &content), ERR_OK);
    seal_done(&sealed);
    genesis->auditor.seal.bytes[0] ^= 1;
    struct auditor_key other = {0};
    assert_int_equal(
        auditor_key_open(buffer_view(&text), bytes_of_text(passphrase), genesis, &other),
        ERR_WRONG_NETWORK);
    assert_null(other.secret);
}

static void
test_never_twice(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(found_done) struct found again = {0};
    CLEANUP(network_done) struct network network = {0};
    struct complaint complaint = {0};
    place_init(&place);
    assert_int_equal(found_all(&place, &found, &complaint), ERR_OK);
    assert_int_equal(found_all(&place, &again, &complaint), ERR_EXISTS);
    assert_non_null(strstr(complaint.text, "already"));
    assert_int_equal(network_load(place.home, &network, &complaint), ERR_OK);
    assert_memory_equal(&network.id, &found.root.network, sizeof(network.id));
}

/* A root key that lies about is somebody's network. */
static void
test_stray_root_key_is_kept(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(64);
    struct complaint complaint = {0};
    place_init(&place);
    assert_int_equal(file_make_dir(place.home), ERR_OK);
    assert_int_equal(file_create(place.root_key, bytes_of_text("precious"), 0600), ERR_OK);
    assert_int_equal(found_check_home(place.home, place.root_key, &complaint), ERR_EXISTS);
    assert_non_null(strstr(complaint.text, "root.key"));
    assert_int_equal(found_prepare(&place.order, &found, &complaint), ERR_OK);
    assert_int_equal(found_write(&found, &place.order, bytes_of_text(passphrase), VAULT_EFFORT_TEST,
                                 bytes_of_text(conf), &complaint),
                     ERR_EXISTS);
    assert_int_equal(file_read(place.root_key, &text), ERR_OK);
    assert_true(bytes_equal(buffer_view(&text), bytes_of_text("precious")));
}

/* The last file cannot be made: none of the others may stay. */
static void
test_failure_takes_all_back(void **state)
{
    (void)state;
    CLEANUP(place_done) struct place place;
    CLEANUP(found_done) struct found found = {0};
    struct complaint complaint = {0};
    char path[FILE_PATH_MAX];
    place_init(&place);
    assert_int_equal(found_prepare(&place.order, &found, &complaint), ERR_OK);
    assert_int_equal(file_make_dir(place.home), ERR_OK);
    assert_int_equal(file_path(path, place.home, "genesis"), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("in the way"), 0600), ERR_OK);
    assert_int_equal(found_write(&found, &place.order, bytes_of_text(passphrase), VAULT_EFFORT_TEST,
                                 bytes_of_text(conf), &complaint),
                     ERR_EXISTS);
    assert_false(exists(&place, "root.key"));
    assert_false(exists(&place, "broker.conf"));
    assert_false(exists(&place, "keys/broker.key"));
    assert_false(exists(&place, "keys/auditor.key"));
    assert_true(exists(&place, "genesis"));
}

static void
test_bad_orders(void **state)
{
    (void)state;
    static const struct {
        const char *name, *endpoint, *auditor, *said;
    } cases[] = {
        {"", "tcp://broker.example.org:7707", "administrator", "name"},
        {"Elm\nCounty", "tcp://broker.example.org:7707", "administrator", "name"},
        {"Elm County", "tcp://broker.example.org:7707", "The Boss", "The Boss"},
        {"Elm County", "tcp://broker.example.org", "administrator", "endpoint"},
        {"Elm County", "broker.example.org:7707", "administrator", "endpoint"},
        {"Elm County", "tcp://broker.example.org:0", "administrator", "endpoint"},
        {"Elm County", "tcp://*:7707", "administrator", "endpoint"},
        {"Elm County", "tcp://0.0.0.0:7707", "administrator", "--listen"},
        {"Elm County", "tcp://[::]:7707", "administrator", "--listen"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct found found = {0};
        struct complaint complaint = {0};
        const struct found_order order = {
            .home = "/nowhere",
            .root_key_path = "/nowhere/root.key",
            .name = cases[i].name,
            .endpoint = cases[i].endpoint,
            .auditor = cases[i].auditor,
        };
        assert_int_equal(found_prepare(&order, &found, &complaint), ERR_INVALID);
        assert_non_null(strstr(complaint.text, cases[i].said));
        assert_null(found.auditor);
    }
}

int
main(void)
{
    bool locked = false;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_home_is_complete),
        cmocka_unit_test(test_directory_takes_the_genesis),
        cmocka_unit_test(test_auditor_keys_open),
        cmocka_unit_test(test_auditor_key),
        cmocka_unit_test(test_never_twice),
        cmocka_unit_test(test_stray_root_key_is_kept),
        cmocka_unit_test(test_failure_takes_all_back),
        cmocka_unit_test(test_bad_orders),
    };
    if (secret_start(&locked) != ERR_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
