/* The one table of commands: it drives parsing, --help and the man page. */
#ifndef REFLOOP_AGENT_CLI_COMMANDS_H
#define REFLOOP_AGENT_CLI_COMMANDS_H

#include "agent/cli/cli.h"

struct command {
    const char *name;
    const char *arguments;       /* "LOOP [NEXT-STEP]", "" for none */
    const char *help;            /* one line */
    const char *details;         /* more of it, may be NULL */
    const char *options;         /* names of its options, blank-separated */
    enum reason_list list;       /* whose codes --help prints; REASON_LIST_COUNT: none */
    int (*run)(struct cli *cli); /* returns the exit code */
    bool warns;                  /* people read the answer: what stands is told before it */
};

const struct command *commands_all(size_t *n_out);
const struct command *commands_find(const char *name); /* NULL: no such command */

/* How many words `arguments` asks for: at least *min_out, at most *max_out (SIZE_MAX: any). */
void commands_count_words(const char *arguments, size_t *min_out, size_t *max_out);

/* Parses and runs; returns the exit code. */
int commands_run(int argc, char **argv, FILE *out, FILE *err);

#endif
