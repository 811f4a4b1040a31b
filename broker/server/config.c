/* Decides what an operator may set, and within what bounds. One table says it all; the file,
 * --check-config, --print-config and config/broker.conf follow from it. */
#include "broker/server/config.h"

#include "lib/base/file.h"

enum { CONFIG_BYTES_MAX = 64 * 1024 };

static const struct conf_key table[] = {
    {"listen", CONF_TEXT, 7, 200, "tcp://0.0.0.0:7707", "",
     "Where agents connect: tcp://address:port. Port * takes any free one; the real endpoint is\n"
     "written to HOME/endpoint.",
     offsetof(struct config, listen)},
    {"ipv6", CONF_BOOLEAN, 0, 1, "no", "", "Listen for IPv6 too: use tcp://[::]:7707 above.",
     offsetof(struct config, ipv6)},
    {"gather_ms", CONF_INTEGER, 0, 1000, "5", "ms",
     "Longest wait for more statements before they are written to disk together.",
     offsetof(struct config, gather_ms)},
    {"gather_statements", CONF_INTEGER, 1, 2048, "64", "statements",
     "This many are written at once, without waiting.", offsetof(struct config, gather_statements)},
    {"verify_threads", CONF_INTEGER, 1, 64, "2", "threads",
     "Threads that check signatures; about one per processor.",
     offsetof(struct config, verify_threads)},
    {"map_mib", CONF_INTEGER, 1, 1048576, "1024", "MiB",
     "First size of the store's address space; no disk is used for it. It doubles when it is full.",
     offsetof(struct config, map_mib)},
    {"map_max_gib", CONF_INTEGER, 1, 4096, "64", "GiB", "Largest size of the store.",
     offsetof(struct config, map_max_gib)},
    {"admit_below_percent", CONF_INTEGER, 1, 100, "90", "%",
     "New referrals are refused as busy when the store is fuller than this; answers are taken on.",
     offsetof(struct config, admit_below_percent)},
    {"statements_per_minute", CONF_INTEGER, 64, 10000000, "6000", "statements",
     "Share of one member; above it, statements are refused with a time to come back.",
     offsetof(struct config, statements_per_minute)},
    {"mib_per_day", CONF_INTEGER, 1, 1048576, "2048", "MiB",
     "What one member may add to the store in a day; above it, statements are refused with a time\n"
     "to come back.",
     offsetof(struct config, mib_per_day)},
    {"witness_s", CONF_INTEGER, 1, 86400, "60", "s",
     "The members are asked to cosign the log at most so often.",
     offsetof(struct config, witness_s)},
    {"log_level", CONF_WORD, 0, 0, "info", "", "How much is said in the log.",
     offsetof(struct config, log_level), logging_words},
};

static enum err
refuse_map(const char *path, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_BYTES_MAX);
    enum err err = file_read(path, &text);
    return err != ERR_OK
               ? err
               : complain(complaint, ERR_CONFIG, "%s:%u: map_mib is more than map_max_gib", path,
                          conf_line_of(buffer_view(&text), "map_mib"));
}

enum err
config_load(const char *home, struct config *config_out, struct complaint *complaint)
{
    struct config config = {.ipv6 = false};
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, CONFIG_FILE_NAME);
    if (err != ERR_OK) {
        return complain(complaint, err, "the path of the home directory is too long");
    }
    err = conf_load(table, ARRAY_LEN(table), path, &config, sizeof(config), complaint);
    if (err == ERR_OK && config.map_mib > config.map_max_gib * 1024) {
        err = refuse_map(path, complaint);
    }
    if (err == ERR_OK) {
        *config_out = config;
    }
    return err;
}

void
config_print(const struct config *config, FILE *out)
{
    conf_print(table, ARRAY_LEN(table), config, out);
}
