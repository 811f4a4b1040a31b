/* What both ends of a control socket share: its address and the framing of one message. */
#ifndef REFLOOP_LIB_EDGE_CONTROL_FRAME_H
#define REFLOOP_LIB_EDGE_CONTROL_FRAME_H

#include <sys/socket.h>
#include <sys/un.h>

#include "lib/edge/control.h"

enum { CONTROL_FRAME_HEADER = 4 };

/* The address of the control socket inside the open directory `home_fd`. Long paths go through
 * /proc/self/fd, so the descriptor must stay open while the address is used. */
void
control_frame_address(const char *home, int home_fd, struct sockaddr_un *out, socklen_t *len_out);

/* Appends one frame. ERR_TOO_LARGE when the text is longer than `max` or out's own maximum. */
enum err control_frame_put(struct buffer *out, const json_t *message, size_t max) MUST_CHECK;

/* Bytes still missing from a frame of which `got` has arrived: 0 when it is complete. ERR_TOO_LARGE
 * when it announces more than `max`, ERR_MALFORMED when it announces nothing. */
enum err control_frame_missing(struct bytes got, size_t max, size_t *missing_out) MUST_CHECK;

/* The object in a complete frame: a new reference, NULL when it is not one JSON object. */
json_t *control_frame_parse(struct bytes frame);

#endif
