/* Prints the lifecycle table as Markdown, or with the argument "dot" the picture, so that the
 * documentation can be compared with the code. Exit 0, 1 when the output could not be written, 2
 * for another argument. */
#include <stdio.h>
#include <string.h>

#include "lib/loop/lifecycle.h"

int
main(int argc, char **argv)
{
    if (argc == 1) {
        lifecycle_print_markdown(stdout);
    } else if (argc == 2 && strcmp(argv[1], "dot") == 0) {
        lifecycle_print_dot(stdout);
    } else {
        fputs("usage: print-lifecycle [dot]\n", stderr);
        return 2;
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
