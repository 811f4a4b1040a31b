/* refloop, the staff's command line: a plain client of the agent on the same machine. It holds no
 * key and keeps nothing; what a person's data it has is in memory only while it runs. */
#include <stdio.h>
#include <sys/resource.h>

#include "agent/cli/commands.h"

int
main(int argc, char **argv)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE,
                    &none); /* no core dump with a person's data; else as the user set */
    return commands_run(argc, argv, stdout, stderr);
}
