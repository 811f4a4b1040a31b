/* Any bytes as what people type: a note from a file, a date, a word on the command line, a key, an
 * organization, a piece of text on a screen. The first byte is a width. Each is refused with a
 * reason or taken in a form that is clean. */
#include <string.h>

#include "agent/cli/text_input.h"
#include "agent/cli/words.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/edge/args.h"
#include "lib/edge/terminal.h"
#include "lib/loop/ident.h"
#include "tests/fuzz/fuzz_print.h"
#include "tests/fuzz/stage.h"

enum { TEXT_ROOM = 64 * 1024, ARGUMENTS_MAX = 12 };

static void
try_note(struct bytes text)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(TEXT_INPUT_MAX_BYTES);
    struct complaint complaint = {.text = ""};
    char path[FILE_PATH_MAX];
    stage_path("note.txt", path);
    stage_write(path, text);
    enum err err = text_input_note(path, "Text", &note, &complaint);
    FUZZ_HOLDS(err == ERR_OK || complaint.text[0] != '\0');
    if (err == ERR_OK) {
        FUZZ_HOLDS(note.len > 1 && note.data[note.len - 1] == '\0');
        FUZZ_HOLDS(text_is_clean(bytes_of(note.data, note.len - 1), note.len));
    }
}

static void
try_screen(const char *text, size_t width)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(8 * TEXT_ROOM);
    struct fuzz_paper paper;
    size_t columns = terminal_put(&line, text, width);
    FUZZ_HOLDS(buffer_err(&line) == ERR_OK);
    FUZZ_HOLDS(text_is_clean_line(buffer_view(&line), line.len));
    FUZZ_HOLDS(width == 0 ? columns == terminal_columns(text) : columns <= width);
    fuzz_paper_open(&paper, width);
    screen_text(&paper.screen, 4, text);
    screen_line(&paper.screen, SCREEN_PLAIN, 2, "%s", text);
    screen_field(&paper.screen, SCREEN_PLAIN, "Note", 8, "%s", text);
    fuzz_paper_check(&paper);
}

static void
try_time(const char *text)
{
    char utc[WORDS_BYTES];
    char again[CLOCK_TEXT_BYTES];
    int64_t wall_ms = -7, back_ms = 0;
    enum err err = clock_parse(text, true, &wall_ms);
    FUZZ_HOLDS(err == ERR_OK || (err == ERR_INVALID && wall_ms == -7));
    if (err == ERR_OK) {
        clock_format_utc(wall_ms, again);
        FUZZ_HOLDS(clock_parse(again, false, &back_ms) == ERR_OK);
        FUZZ_HOLDS(wall_ms - back_ms >= 0 && wall_ms - back_ms < 1000);
    }
    words_to_utc(text, utc);
    FUZZ_HOLDS(strlen(utc) < WORDS_BYTES);
    bool bad = words_bad_time(text, false)[0] != '\0';
    FUZZ_HOLDS(bad || strlen(text) < WORDS_BYTES);
}

static void
try_ids(const char *text)
{
    CLEANUP(buffer_done) struct buffer decoded = BUFFER_INIT(TEXT_ROOM);
    CLEANUP(buffer_done) struct buffer encoded = BUFFER_INIT(2 * TEXT_ROOM);
    struct loop_id loop;
    char id[LOOP_ID_TEXT];
    uint8_t bytes[32];
    if (ident_parse(text, &loop)) {
        ident_format(&loop, id);
        FUZZ_HOLDS(strlen(id) == strlen(text));
    }
    FUZZ_HOLDS(!ident_is_org(text) || strlen(text) < ORG_ID_BYTES);
    enum err err = text_unhex(text, bytes, sizeof(bytes));
    FUZZ_HOLDS(err == (strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64
                           ? ERR_OK
                           : ERR_INVALID));
    if (text_unbase64(bytes_of_text(text), &decoded) == ERR_OK) {
        text_base64(buffer_view(&decoded), &encoded);
        FUZZ_HOLDS(bytes_equal(buffer_view(&encoded), bytes_of_text(text)));
    }
}

struct options {
    bool flag;
    const char *text;
    int64_t number;
};
static const struct args_option table[] = {
    {"flag", 'f', ARGS_FLAG, NULL, "A flag.", offsetof(struct options, flag), 0, 0},
    {"text", 't', ARGS_TEXT, "TEXT", "A text.", offsetof(struct options, text), 0, 0},
    {"number", 0, ARGS_INTEGER, "N", "A number.", offsetof(struct options, number), 1, 99},
};

/* Words are what stands between blanks. */
static void
try_arguments(char *text)
{
    static const struct args_program program = {
        .name = "fuzz", .usage = "[options]", .options = table, .n_options = ARRAY_LEN(table)};
    char name[] = "fuzz";
    char *arguments[ARGUMENTS_MAX + 2] = {name};
    struct options options = {.number = 7};
    int n = 1;
    int first = -1;
    char *rest = text;
    for (char *word; n < ARGUMENTS_MAX && (word = strsep(&rest, " ")) != NULL;) {
        arguments[n++] = word;
    }
    enum args_result result = args_parse(&program, n, arguments, &options, sizeof(options), &first);
    FUZZ_HOLDS(result == ARGS_RUN || (options.number == 7 && !options.flag));
    FUZZ_HOLDS(result != ARGS_RUN || (first >= 1 && first <= n));
    FUZZ_HOLDS(options.number >= 1 && options.number <= 99);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096];
    fuzz_start();
    if (size == 0 || size > sizeof(text)) {
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    try_note(bytes_of(data + 1, size - 1));
    try_screen(text, data[0] & 0x7f);
    try_time(text);
    try_ids(text);
    if ((data[0] & 0x80) != 0) {
        try_arguments(text);
    }
    return 0;
}
