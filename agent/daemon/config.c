/* What may be set on an agent, and within what bounds. One table says it all; the file,
 * --check-config, --print-config and config/agent.conf follow from it. */
#include "agent/daemon/config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/wire/limits.h"

enum { CONFIG_BYTES_MAX = 64 * 1024, WITNESSES_MAX = 64 };

static const struct conf_key table[] = {
    {"endpoint", CONF_TEXT, 0, LIMIT_ENDPOINT_BYTES, "", "",
     "Where the broker is, tcp://host:port. Empty: the address the network was founded with.\n"
     "Whatever the address, nobody but the network's broker is believed.",
     offsetof(struct config, endpoint)},
    {"ping_s", CONF_INTEGER, 1, 3600, "20", "s",
     "After so long without a word from the broker it is asked whether it is still there.",
     offsetof(struct config, ping_s)},
    {"silence_s", CONF_INTEGER, 1, 3600, "45", "s",
     "An answer that takes longer than this means that the connection is dead.",
     offsetof(struct config, silence_s)},
    {"backoff_min_ms", CONF_INTEGER, 10, 60000, "1000", "ms",
     "Shortest pause before the next attempt to connect.", offsetof(struct config, backoff_min_ms)},
    {"backoff_max_s", CONF_INTEGER, 1, 3600, "300", "s",
     "Longest pause between attempts; pauses grow from the one to the other, at random.",
     offsetof(struct config, backoff_max_s)},
    {"ready_within_s", CONF_INTEGER, 1, 600, "20", "s",
     "An attempt to connect that takes longer than this is given up.",
     offsetof(struct config, ready_within_s)},
    {"credit_kib", CONF_INTEGER, 1, 65536, "256", "KiB", "How much the broker may send at once.",
     offsetof(struct config, credit_kib)},
    {"window", CONF_INTEGER, 1, LIMIT_TURN_STATEMENTS, "256", "statements",
     "How many statements may be on their way without a receipt.", offsetof(struct config, window)},
    {"witnesses", CONF_INTEGER, 0, WITNESSES_MAX, "1", "organizations",
     "How many other members this office wants to see confirm the broker's log. In a smaller\n"
     "network, all there are. That it stays fewer is shown by refloop status, and stops nothing.",
     offsetof(struct config, witnesses)},
    {"witness_s", CONF_INTEGER, 1, 3600, "60", "s",
     "After so long the broker is asked anew what other members have confirmed.",
     offsetof(struct config, witness_s)},
    {"map_mib", CONF_INTEGER, 1, 1048576, "256", "MiB",
     "First size of the store's address space; no disk is used for it. It doubles when it is full.",
     offsetof(struct config, map_mib)},
    {"map_max_gib", CONF_INTEGER, 1, 4096, "8", "GiB", "Largest size of the store.",
     offsetof(struct config, map_max_gib)},
    {"log_level", CONF_WORD, 0, 0, "info", "", "How much is said in the log.",
     offsetof(struct config, log_level), logging_words},
};

static enum err
check_together(const struct config *config, const char *path, struct bytes text,
               struct complaint *complaint)
{
    const char *key = NULL;
    const char *wrong = NULL;
    if (config->map_mib > config->map_max_gib * 1024) {
        key = "map_mib";
        wrong = "map_mib is more than map_max_gib";
    } else if (config->backoff_min_ms > config->backoff_max_s * 1000) {
        key = "backoff_min_ms";
        wrong = "backoff_min_ms is more than backoff_max_s";
    }
    return wrong == NULL
               ? ERR_OK
               : complain(complaint, ERR_CONFIG, "%s:%u: %s", path, conf_line_of(text, key), wrong);
}

enum err
config_load(const char *home, struct config *config_out, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_BYTES_MAX);
    struct config config = {.window = 0};
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, CONFIG_FILE_NAME);
    if (err == ERR_OK) {
        err = file_read(path, &text);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return complain(complaint, err, "%s/%s cannot be read: %s", home, CONFIG_FILE_NAME,
                        err_text(err));
    }
    err = conf_parse(table, ARRAY_LEN(table), path, buffer_view(&text), &config, sizeof(config),
                     complaint);
    if (err == ERR_OK) {
        err = check_together(&config, path, buffer_view(&text), complaint);
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

static void
free_text(char **text)
{
    free(*text);
}

/* Commented out, so that a later release can improve a default nobody has chosen. */
static enum err
make_sample(struct buffer *sample)
{
    struct config config = {.window = 0};
    CLEANUP(free_text) char *text = NULL;
    size_t len = 0;
    enum err err = conf_parse(table, ARRAY_LEN(table), CONFIG_FILE_NAME, bytes_of(NULL, 0), &config,
                              sizeof(config), NULL);
    FILE *out = err == ERR_OK ? open_memstream(&text, &len) : NULL;
    if (out == NULL) {
        return ERR_MEMORY;
    }
    config_print(&config, out);
    bool cut = ferror(out) != 0; /* closing does not tell of a line that was lost before */
    if (fclose(out) != 0 || cut) {
        return ERR_MEMORY;
    }
    bool line_starts = true;
    for (size_t i = 0; i < len; i++) {
        if (line_starts && text[i] != '#' && text[i] != '\n') {
            buffer_put_u8(sample, '#');
        }
        buffer_put_u8(sample, (uint8_t)text[i]);
        line_starts = text[i] == '\n';
    }
    return buffer_err(sample);
}

enum err
config_write_sample(const char *home, struct complaint *complaint)
{
    CLEANUP(buffer_done) struct buffer sample = BUFFER_INIT(CONFIG_BYTES_MAX);
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, home, CONFIG_FILE_NAME);
    if (err == ERR_OK) {
        err = make_sample(&sample);
    }
    if (err == ERR_OK) {
        err = file_create(path, buffer_view(&sample), 0600);
    }
    if (err == ERR_OK || err == ERR_EXISTS) {
        return ERR_OK;
    }
    return complain(complaint, err, "%s/%s cannot be written: %s", home, CONFIG_FILE_NAME,
                    err_text(err));
}
