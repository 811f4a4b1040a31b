/* The framing of control messages: four bytes of length, then one JSON object. Decides what counts
 * as a message; knows neither commands nor connections. */
#include "lib/edge/control_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

void
control_frame_address(const char *home, int home_fd, struct sockaddr_un *out, socklen_t *len_out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* sun_path holds 108 bytes, paths are longer; changing the directory would change it for every
     * thread. */
    if (!text_format(address.sun_path, sizeof(address.sun_path), "%s/%s", home,
                     CONTROL_SOCKET_NAME)) {
        (void)text_format(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
                          home_fd, CONTROL_SOCKET_NAME); /* always fits */
    }
    *out = address;
    *len_out = (socklen_t)sizeof(address);
}

static void
free_text(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text)); /* answers hold personal content */
        free(*text);
    }
}

enum err
control_frame_put(struct buffer *out, const json_t *message, size_t max)
{
    CLEANUP(free_text) char *text = json_dumps(message, JSON_COMPACT);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    size_t len = strlen(text);
    if (len > max || len > out->max || out->len + CONTROL_FRAME_HEADER > out->max - len) {
        return ERR_TOO_LARGE;
    }
    size_t before = out->len;
    buffer_put_u32(out, (uint32_t)len);
    buffer_put(out, text, len);
    enum err err = buffer_err(out);
    if (err != ERR_OK) { /* half a frame would spoil every frame after it */
        out->len = before;
        out->failed = ERR_OK;
    }
    return err;
}

enum err
control_frame_missing(struct bytes got, size_t max, size_t *missing_out)
{
    if (got.len < CONTROL_FRAME_HEADER) {
        *missing_out = CONTROL_FRAME_HEADER - got.len;
        return ERR_OK;
    }
    struct reader reader = reader_of(bytes_of(got.data, CONTROL_FRAME_HEADER));
    size_t len = reader_u32(&reader);
    if (len == 0) {
        return ERR_MALFORMED;
    }
    if (len > max) {
        return ERR_TOO_LARGE;
    }
    *missing_out = CONTROL_FRAME_HEADER + len - got.len;
    return ERR_OK;
}

json_t *
control_frame_parse(struct bytes frame)
{
    if (frame.len <= CONTROL_FRAME_HEADER) {
        return NULL;
    }
    json_error_t unused;
    /* json_loadb takes chars; the cast only changes the sign. */
    json_t *message = json_loadb((const char *)frame.data + CONTROL_FRAME_HEADER,
                                 frame.len - CONTROL_FRAME_HEADER, JSON_REJECT_DUPLICATES, &unused);
    if (message != NULL && !json_is_object(message)) {
        json_decref(message);
        return NULL;
    }
    return message;
}
