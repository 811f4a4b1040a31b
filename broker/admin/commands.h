/* The one table of commands: it drives parsing and --help. */
#ifndef REFLOOP_BROKER_ADMIN_COMMANDS_H
#define REFLOOP_BROKER_ADMIN_COMMANDS_H

#include <stdbool.h>

/* Parses and runs; returns the exit code. `memory_locked` as secret_start told it. */
int commands_run(int argc, char **argv, bool memory_locked);

#endif
