/* What holds for every text as a program's configuration: refused with file and line and nothing
 * changed, or printed back to the very same values. The target that includes this names the
 * program's config.h before. */
#ifndef REFLOOP_TESTS_FUZZ_FUZZ_CONF_H
#define REFLOOP_TESTS_FUZZ_FUZZ_CONF_H

#include <string.h>

#include "tests/fuzz/stage.h"

static inline bool
fuzz_conf_is_kept(const char *home, const struct config *config)
{
    char path[FILE_PATH_MAX];
    char *text = NULL;
    size_t len = 0;
    struct complaint complaint = {.text = ""};
    struct config again;
    FILE *out = open_memstream(&text, &len);
    memset(&again, 0, sizeof(again));
    FUZZ_HOLDS(out != NULL && file_path(path, home, CONFIG_FILE_NAME) == ERR_OK);
    config_print(config, out);
    FUZZ_HOLDS(fclose(out) == 0);
    stage_write(path, bytes_of(text, len));
    free(text);
    FUZZ_HOLDS(config_load(home, &again, &complaint) == ERR_OK);
    return fuzz_conf_is_same(config, &again);
}

static inline void
fuzz_conf(struct bytes text)
{
    static char home[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    struct complaint complaint = {.text = ""};
    struct config config, before;
    fuzz_start();
    stage_path(CONFIG_FILE_NAME, path);
    (void)snprintf(home, sizeof(home), "%s", stage_dir());
    stage_write(path, text);
    memset(&config, 0x5a, sizeof(config));
    memset(&before, 0x5a, sizeof(before));
    enum err err = config_load(home, &config, &complaint);
    if (err == ERR_OK) {
        FUZZ_HOLDS(fuzz_conf_is_kept(home, &config));
        return;
    }
    FUZZ_HOLDS(memcmp(&config, &before, sizeof(config)) == 0);
    FUZZ_HOLDS(complaint.text[0] != '\0' && strlen(complaint.text) < COMPLAINT_MAX_BYTES);
    FUZZ_HOLDS(err != ERR_CONFIG || strstr(complaint.text, CONFIG_FILE_NAME ":") != NULL ||
               text.len > 60000);
}

#endif
