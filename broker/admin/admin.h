/* One call of refloop-admin: what was typed, and where it works. */
#ifndef REFLOOP_BROKER_ADMIN_ADMIN_H
#define REFLOOP_BROKER_ADMIN_ADMIN_H

#include "lib/base/file.h"
#include "lib/edge/args.h"

enum {
    ADMIN_EXIT_DONE = ARGS_EXIT_OK,
    ADMIN_EXIT_FAILED = ARGS_EXIT_FAILURE,
    ADMIN_EXIT_USAGE = ARGS_EXIT_USAGE,
    ADMIN_EXIT_NO_BROKER = 3,
};

struct admin_options {
    const char *home, *passphrase_file, *root_key;
    bool json;
    const char *name, *endpoint, *listen, *auditor; /* init; name also invite */
    bool quick_passphrase;
    const char *out; /* invite, evidence */
    int64_t expires_h;
    bool replace;
    const char *reason; /* revoke */
    bool yes;
    bool go_on;                                     /* recover */
    const char *copy;                               /* verify, checkpoint, evidence, loops */
    const char *since;                              /* verify */
    int64_t threads;                                /* verify */
    bool without_sealed;                            /* export */
    const char *svg;                                /* evidence; out also */
    const char *org, *state, *verdict, *older_than; /* loops */
    bool open, csv, facts;
    int64_t limit, silent_days, undelivered_hours;
    const char *auditor_key; /* loops */
    bool events;             /* members */
};

struct admin {
    const struct args_program *program; /* of the command, for usage errors */
    struct admin_options options;
    char **words; /* the arguments that are no options */
    size_t n_words;
    char home[FILE_PATH_MAX];
    bool memory_locked; /* secrets cannot reach swap */
};

#endif
