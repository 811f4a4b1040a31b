/* Making broker.conf from the broker's own table of keys, so that the two cannot differ. Decides
 * which lines stay active. */
#include "broker/admin/conf_file.h"

#include <stdlib.h>
#include <string.h>

#include "broker/server/config.h"
#include "lib/base/text.h"

enum { LISTEN_BYTES_MAX = 200 };
static const char scheme[] = "tcp://";
static const char address_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]*%";

static void
free_text(char **text)
{
    free(*text);
}

static bool
is_address(const char *text)
{
    const size_t n = sizeof(scheme) - 1;
    if (strncmp(text, scheme, n) != 0 || strlen(text) > LISTEN_BYTES_MAX) {
        return false;
    }
    const char *port = strrchr(text + n, ':');
    return port != NULL && port > text + n &&
           strspn(text + n, address_characters) == strlen(text + n) &&
           (strcmp(port, ":*") == 0 ||
            (port[1] != '\0' && strspn(port + 1, "0123456789") == strlen(port + 1)));
}

enum err
conf_file_listen(const char *listen, const char *endpoint, char *out, size_t size,
                 struct complaint *complaint)
{
    if (listen != NULL) {
        return is_address(listen) && text_format(out, size, "%s", listen)
                   ? ERR_OK
                   : complain(complaint, ERR_INVALID,
                              "'%s' is no address to listen on; it is tcp://ADDRESS:PORT, as in "
                              "tcp://0.0.0.0:7707",
                              listen);
    }
    const char *port = strrchr(endpoint, ':');
    return port != NULL && text_format(out, size, "tcp://0.0.0.0%s", port) && is_address(out)
               ? ERR_OK
               : complain(complaint, ERR_INVALID, "'%s' is no endpoint; it is tcp://HOST:PORT",
                          endpoint);
}

static enum err
print_defaults(const struct config *config, char **text_out)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    if (stream == NULL) {
        return ERR_MEMORY;
    }
    config_print(config, stream);
    bool cut = ferror(stream) != 0; /* closing does not tell of a line that was lost before */
    if (fclose(stream) != 0 || cut) {
        free(text);
        return ERR_MEMORY;
    }
    *text_out = text;
    return ERR_OK;
}

/* Help is commented already; of the keys only those stay that differ from their default here. */
static bool
stays(const char *line, bool ipv6)
{
    return line[0] == '#' || line[0] == '\n' || strncmp(line, "listen ", 7) == 0 ||
           (ipv6 && strncmp(line, "ipv6 ", 5) == 0);
}

enum err
conf_file_make(const char *home, const char *listen, struct buffer *out,
               struct complaint *complaint)
{
    static const char head[] =
        "# Configuration of this network's broker. A line with a leading '#' is a default.\n\n";
    CLEANUP(free_text) char *text = NULL;
    struct config config;
    enum err err = config_load(home, &config, complaint);
    if (err != ERR_OK) {
        return err;
    }
    if (!text_format(config.listen, sizeof(config.listen), "%s", listen)) {
        return complain(complaint, ERR_INVALID, "'%s' is too long", listen);
    }
    config.ipv6 = strchr(listen, '[') != NULL;
    err = print_defaults(&config, &text);
    if (err != ERR_OK) {
        return complain(complaint, err, "%s", err_text(err));
    }
    buffer_put(out, head, sizeof(head) - 1);
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        size_t len = (size_t)(end - line) + (*end == '\n' ? 1 : 0);
        if (!stays(line, config.ipv6)) {
            buffer_put_u8(out, '#');
        }
        buffer_put(out, line, len);
        line += len;
    }
    return buffer_err(out);
}
