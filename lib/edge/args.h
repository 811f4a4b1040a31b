/* Command line arguments from one table: parsed, checked, and printed as --help. --help and
 * --version are there for every program. A mistake is one sentence and exit code 2. */
#ifndef REFLOOP_LIB_EDGE_ARGS_H
#define REFLOOP_LIB_EDGE_ARGS_H

#include <stdio.h>

#include "lib/base/bytes.h"

enum { ARGS_EXIT_OK = 0, ARGS_EXIT_FAILURE = 1, ARGS_EXIT_USAGE = 2, ARGS_EXIT_DAMAGED = 3 };
enum { ARGS_OPTIONS_MAX = 48 };

enum args_type {
    ARGS_FLAG,    /* bool */
    ARGS_TEXT,    /* const char *, into argv */
    ARGS_INTEGER, /* int64_t, min..max */
};

struct args_option {
    const char *name; /* without the dashes */
    char letter;      /* 0 when there is none */
    enum args_type type;
    const char *value; /* its name in the help: "DIR" */
    const char *help;  /* one line or more, '\n' between; NULL: not shown */
    size_t offset;     /* of the field in the caller's struct */
    int64_t min, max;
};

struct args_program {
    const char *name;        /* "refloop-agent" or "refloop send" */
    const char *usage;       /* what follows the name: "[options] join TOKEN-FILE" */
    const char *description; /* lines above the options */
    const char *epilogue;    /* lines below them, may be NULL */
    const struct args_option *options;
    size_t n_options;
    bool stop_at_first; /* options end at the first word that is none: a subcommand has its own */
};

enum args_result {
    ARGS_RUN,   /* go on */
    ARGS_DONE,  /* help or version was printed: exit 0 */
    ARGS_WRONG, /* a mistake was explained on standard error: exit 2 */
};

/* Fills `target` (untouched unless ARGS_RUN; holds the defaults before) and says where the words
 * that are no options start. */
enum args_result args_parse(const struct args_program *program, int argc, char **argv, void *target,
                            size_t target_size, int *first_word_out) MUST_CHECK;
void args_print_help(const struct args_program *program, FILE *out);
/* Prints "name: sentence" and where help is, to standard error; returns ARGS_EXIT_USAGE. */
int args_usage_error(const struct args_program *program, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
