/* A private directory for one test, removed with everything in it. */
#ifndef REFLOOP_TESTS_UNIT_ADMIN_SCRATCH_H
#define REFLOOP_TESTS_UNIT_ADMIN_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"

struct scratch {
    char dir[64];
};

static int
scratch_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void
scratch_done(struct scratch *scratch)
{
    (void)nftw(scratch->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static struct scratch
scratch_make(void)
{
    struct scratch scratch = {.dir = "/tmp/refloop-admin-XXXXXX"};
    if (mkdtemp(scratch.dir) == NULL) {
        abort();
    }
    return scratch;
}

static void
scratch_path(const struct scratch *scratch, const char *name, char out[FILE_PATH_MAX])
{
    if (file_path(out, scratch->dir, name) != ERR_OK) {
        abort();
    }
}

#endif
