/* One call of the command: what the user typed, and where the answer goes. */
#ifndef REFLOOP_AGENT_CLI_CLI_H
#define REFLOOP_AGENT_CLI_CLI_H

#include "agent/cli/screen.h"
#include "lib/base/file.h"
#include "lib/loop/reason.h"

enum {
    CLI_EXIT_DONE = 0,
    CLI_EXIT_REFUSED = 1,
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_NO_AGENT = 3,
};
enum { CLI_WARNING_BYTES = 1024 };

struct cli_options {
    const char *home;
    bool json;
    const char *to, *priority, *needed_by; /* send */
    bool check;
    bool needs_me, open, closed, all; /* list */
    int64_t limit;
    const char *text, *due, *contact, *at, *next_loop; /* steps */
    bool fhir;                                         /* export */
    const char *out;
    bool settle, yes; /* alarms */
    const char *save;
    bool with_body; /* evidence */
    const char *svg;
};

struct command;

struct cli {
    const struct command *command;
    struct cli_options options;
    char **words; /* the arguments that are no options */
    size_t n_words;
    struct screen screen;            /* standard output */
    struct screen errors;            /* standard error */
    char warning[CLI_WARNING_BYTES]; /* of standing alarms: the last that was told */
};

/* The word at this place, NULL when it was not given. */
static inline const char *
cli_word(const struct cli *cli, size_t place)
{
    return place < cli->n_words ? cli->words[place] : NULL;
}

#endif
