/* refloop-admin init. Decides the order: everything that can be wrong with the wish is told before
 * the passphrase is asked for, and nothing is on disk before all of it can be written. */
#include "broker/admin/cmd.h"

#include "broker/admin/conf_file.h"
#include "broker/admin/found.h"
#include "broker/admin/passphrase.h"
#include "broker/admin/say.h"
#include "broker/admin/talk.h"
#include "broker/admin/unlock.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/trust/token.h"

enum { CONF_BYTES_MAX = 64 * 1024 };
static const char default_auditor[] = "administrator";

static enum err
found_it(const struct admin *admin, const struct found_order *order, struct bytes conf,
         struct network_id *network_out, struct complaint *complaint)
{
    CLEANUP(found_done) struct found found = {.auditor = NULL};
    CLEANUP(passphrase_freep) struct passphrase *passphrase = NULL;
    bool quick = admin->options.quick_passphrase;
    enum err err = found_prepare(order, &found, complaint);
    if (err == ERR_OK) {
        err = passphrase_choose(admin->options.passphrase_file, &passphrase, complaint);
    }
    if (err == ERR_OK) {
        err = found_write(&found, order, passphrase_view(passphrase),
                          quick ? VAULT_EFFORT_TEST : VAULT_EFFORT_MODERATE, conf, complaint);
    }
    if (err == ERR_OK) {
        *network_out = found.root.network;
    }
    return err;
}

static void
print_founded(const struct admin *admin, const struct found_order *order, const char *listen,
              const char *fingerprint)
{
    FILE *out = stdout;
    say_line(out, "The network %s is founded.", order->name);
    say_line(out, "  fingerprint  %s", fingerprint);
    say_line(out, "  endpoint     %s (the broker listens on %s)", order->endpoint, listen);
    say_line(out, "  home         %s", order->home);
    say_line(out, "  root key     %s", order->root_key_path);
    say_line(out, "%s", "");
    say_line(out, "The root key and its passphrase can admit and revoke: they are the network.");
    say_line(out, "Move it to media that stay offline, in two copies, and give --root-key FILE");
    say_line(out, "when it is needed. Nobody can replace a lost root key or passphrase.");
    say_line(out,
             "The auditor's keys (%s/" KEYS_DIR_NAME "/" FOUND_AUDITOR_KEY_NAME
             ") are under the same passphrase.",
             order->home);
    if (admin->options.quick_passphrase) {
        say_line(out, "Made with --quick-passphrase: the passphrase protects weakly. For trials "
                      "only.");
    }
    say_line(out, "%s", "");
    say_line(out, "Next:");
    say_line(out, "  refloop-broker --home %s", order->home);
    say_line(out, "  refloop-admin --home %s invite ORG --name NAME", order->home);
}

static json_t *
founded_json(const struct found_order *order, const char *listen, const char *fingerprint)
{
    return json_pack("{s:b, s:{s:s, s:s, s:s}, s:s, s:s, s:s}", "ok", 1, "network", "name",
                     order->name, "fingerprint", fingerprint, "endpoint", order->endpoint, "listen",
                     listen, "home", order->home, "root_key", order->root_key_path);
}

static enum err
init(struct admin *admin, const struct found_order *order, const char *root_path,
     struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer conf = BUFFER_INIT(CONF_BYTES_MAX);
    char listen[CONF_TEXT_MAX];
    char fingerprint[FINGERPRINT_TEXT];
    struct network_id network;
    enum err err = found_check_home(admin->home, root_path, complaint);
    if (err == ERR_OK) {
        err = conf_file_listen(admin->options.listen, order->endpoint, listen, sizeof(listen),
                               complaint);
    }
    if (err == ERR_OK) {
        err = conf_file_make(admin->home, listen, &conf, complaint);
    }
    if (err == ERR_OK) {
        err = found_it(admin, order, buffer_view(&conf), &network, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    token_fingerprint(&network, fingerprint);
    if (admin->options.json) {
        (void)talk_print_json(admin, founded_json(order, listen, fingerprint)); /* it is done */
    } else {
        print_founded(admin, order, listen, fingerprint);
    }
    return ERR_OK;
}

int
cmd_init(struct admin *admin)
{
    const struct admin_options *options = &admin->options;
    struct complaint complaint = {.text = ""};
    char root_path[FILE_PATH_MAX];
    if (options->name == NULL || options->endpoint == NULL) {
        return args_usage_error(admin->program, "--name and --endpoint are needed");
    }
    enum err err = unlock_path(admin, root_path, &complaint);
    const struct found_order order = {
        .home = admin->home,
        .root_key_path = root_path,
        .name = options->name,
        .endpoint = options->endpoint,
        .auditor = options->auditor != NULL ? options->auditor : default_auditor,
        .now_ms = clock_now().wall_ms,
    };
    if (err == ERR_OK) {
        unlock_warn(admin);
        err = init(admin, &order, root_path, &complaint);
    }
    return err == ERR_OK ? ADMIN_EXIT_DONE : talk_fail(admin, err, complaint.text);
}
