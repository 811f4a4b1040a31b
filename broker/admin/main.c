/* refloop-admin: from argv to an exit code. Decides only what must come first (the cryptographic
 * library, before any secret) and what comes last (what was printed has really been written). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "broker/admin/admin.h"
#include "broker/admin/commands.h"
#include "lib/base/secret.h"

int
main(int argc, char **argv)
{
    bool locked = false;
    enum err err = secret_start(&locked);
    if (err != ERR_OK || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        (void)fprintf(stderr, "refloop-admin: cannot start: %s\n", err_text(ERR_INTERNAL));
        return ADMIN_EXIT_FAILED;
    }
    int code = commands_run(argc, argv, locked);
    if (fclose(stdout) != 0 && code == ADMIN_EXIT_DONE) {
        (void)fprintf(stderr, "refloop-admin: %s\n", err_text(ERR_IO)); /* nowhere else to say it */
        return ADMIN_EXIT_FAILED;
    }
    return code;
}
