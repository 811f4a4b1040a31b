/* Catches what the command prints, and keeps the time and the time zone still. */
#ifndef REFLOOP_TESTS_UNIT_CLI_PRINTED_H
#define REFLOOP_TESTS_UNIT_CLI_PRINTED_H

#include <jansson.h>

#include "agent/cli/screen.h"

/* Noon of 2026-11-22 in UTC, where the tests live. */
#define PRINTED_NOW_MS INT64_C(1795348800000)

struct printed {
    char *text;
    size_t size;
    FILE *stream;
    struct screen screen;
};

void printed_use_utc(void);
void printed_begin(struct printed *printed, size_t width);
/* What has been printed so far. */
const char *printed_text(struct printed *printed);
void printed_end(struct printed *printed);
/* The widest line, in columns. */
size_t printed_width(const char *text);
/* Fails the test unless every byte is printable or a line break: no ESC, no CSI. */
void printed_assert_harmless(const char *text);
/* Parses JSON with ' for ". */
json_t *printed_json(const char *text);

#endif
