/* What holds of everything that is printed for people: valid UTF-8, and no byte that steers a
 * terminal. */
#ifndef REFLOOP_TESTS_FUZZ_FUZZ_PRINT_H
#define REFLOOP_TESTS_FUZZ_FUZZ_PRINT_H

#include <jansson.h>

#include "agent/cli/cmd.h"
#include "lib/base/text.h"
#include "tests/fuzz/fuzz.h"

struct fuzz_paper {
    char *text;
    size_t len;
    struct screen screen;
};

static inline void
fuzz_paper_open(struct fuzz_paper *paper, size_t width)
{
    paper->text = NULL;
    paper->screen = (struct screen){.width = width, .now_ms = INT64_C(1795348800000)};
    paper->screen.out = open_memstream(&paper->text, &paper->len);
    FUZZ_HOLDS(paper->screen.out != NULL);
}

static inline void
fuzz_paper_check(struct fuzz_paper *paper)
{
    FUZZ_HOLDS(fclose(paper->screen.out) == 0);
    struct bytes printed = bytes_of(paper->text, paper->len);
    FUZZ_HOLDS(text_is_clean(printed, printed.len));
    free(paper->text);
}

#endif
