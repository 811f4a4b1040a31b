/* Catches what the command prints. */
#include "printed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/edge/terminal.h"

void
printed_use_utc(void)
{
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
}

void
printed_begin(struct printed *printed, size_t width)
{
    *printed = (struct printed){0};
    printed->stream = open_memstream(&printed->text, &printed->size);
    assert_non_null(printed->stream);
    printed->screen =
        (struct screen){.out = printed->stream, .width = width, .now_ms = PRINTED_NOW_MS};
}

const char *
printed_text(struct printed *printed)
{
    assert_int_equal(fflush(printed->stream), 0);
    return printed->text;
}

void
printed_end(struct printed *printed)
{
    assert_int_equal(fclose(printed->stream), 0);
    free(printed->text);
}

size_t
printed_width(const char *text)
{
    size_t widest = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char *line = strndup(text, len);
        assert_non_null(line);
        size_t columns = terminal_columns(line);
        widest = columns > widest ? columns : widest;
        free(line);
        text += len + (text[len] == '\n' ? 1 : 0);
    }
    return widest;
}

void
printed_assert_harmless(const char *text)
{
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++) {
        if ((*byte < 0x20 && *byte != '\n') || *byte == 0x7f ||
            (byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0)) {
            fail_msg("byte 0x%02x in: %s", *byte, text);
        }
    }
}

json_t *
printed_json(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_error_t error;
    json_t *json = json_loads(copy, 0, &error);
    free(copy);
    if (json == NULL) {
        fail_msg("%s near column %d of %s", error.text, error.column, text);
    }
    return json;
}
