/* Any bytes as an agent's answer on its control socket, printed by every command that prints one.
 * The first byte is the width of the screen. Whatever it holds: what is printed is clean. */
#include "lib/edge/control_frame.h"
#include "tests/fuzz/fuzz_print.h"

static void
print_send(struct screen *screen, const json_t *answer)
{
    cmd_print_send(screen, screen, answer, false);
}

static void
print_check(struct screen *screen, const json_t *answer)
{
    cmd_print_send(screen, screen, answer, true);
}

static void
print_list(struct screen *screen, const json_t *answer)
{
    cmd_print_list(screen, answer, "open");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const prints[])(struct screen * screen, const json_t *answer) = {
        print_list,       cmd_print_show,    cmd_print_status, cmd_print_change, cmd_print_alarms,
        cmd_print_events, cmd_print_warning, cmd_print_recent, print_send,       print_check,
    };
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(1 << 20);
    size_t missing = 0;
    fuzz_start();
    if (size == 0) {
        return 0;
    }
    buffer_put_blob(&frame, bytes_of(data + 1, size - 1));
    FUZZ_HOLDS(buffer_err(&frame) == ERR_OK);
    enum err err = control_frame_missing(buffer_view(&frame), 1 << 20, &missing);
    FUZZ_HOLDS(size == 1 ? err == ERR_MALFORMED : err == ERR_OK && missing == 0);
    json_t *answer = control_frame_parse(buffer_view(&frame));
    for (size_t i = 0; answer != NULL && i < ARRAY_LEN(prints); i++) {
        struct fuzz_paper paper;
        fuzz_paper_open(&paper, data[0]);
        prints[i](&paper.screen, answer);
        fuzz_paper_check(&paper);
    }
    json_decref(answer);
    return 0;
}
