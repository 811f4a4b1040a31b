/* Decides how a bound address is read: its port, the address under which this machine reaches it,
 * and the file in which others look it up. It refuses to know sockets. */
#include "broker/server/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/text.h"

enum { DECIMAL = 10 };

bool
endpoint_is_tcp(const char *endpoint)
{
    static const char scheme[] = "tcp://";
    return strncmp(endpoint, scheme, sizeof(scheme) - 1) == 0;
}

uint16_t
endpoint_port(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, NULL, DECIMAL);
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

void
endpoint_reachable(const char *endpoint, char out[LIMIT_ENDPOINT_BYTES + 1])
{
    static const char *const from[] = {"tcp://0.0.0.0:", "tcp://[::]:"};
    static const char *const to[] = {"tcp://127.0.0.1:", "tcp://[::1]:"};
    (void)text_format(out, LIMIT_ENDPOINT_BYTES + 1, "%s", endpoint);
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        size_t len = strlen(from[i]);
        if (strncmp(endpoint, from[i], len) == 0) {
            (void)text_format(out, LIMIT_ENDPOINT_BYTES + 1, "%s%s", to[i], endpoint + len);
        }
    }
}

static bool
says(const char *path, struct bytes line)
{
    CLEANUP(buffer_done) struct buffer found = BUFFER_INIT(LIMIT_ENDPOINT_BYTES + 2);
    return file_read(path, &found) == ERR_OK && bytes_equal(buffer_view(&found), line);
}

/* What is there already is left alone: a broker whose disk is full must be able to start. */
enum err
endpoint_write(const char *home, const char *endpoint, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    char line[LIMIT_ENDPOINT_BYTES + 2];
    (void)text_format(line, sizeof(line), "%s\n", endpoint); /* it fits */
    enum err err = file_path(path, home, ENDPOINT_FILE_NAME);
    if (err == ERR_OK && !says(path, bytes_of_text(line))) {
        err = file_replace(path, bytes_of_text(line), 0644);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "%s/%s cannot be written: %s", home,
                                    ENDPOINT_FILE_NAME, err_text(err));
}
