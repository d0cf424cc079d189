/* scratch.c - a scratch home for one test. */
#include "tests/clients/scratch.h"

#include "proto/err.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void scratch_make(char *out)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, 256, "%s/cccc-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    CCCC_ASSERT(mkdtemp(out), "%s", out);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_remove(const char *home)
{
    nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
