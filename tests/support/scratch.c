/* Directories for tests. */
#include "support/scratch.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void scratch_make(char path[SCRATCH_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    scratch_join(path, parent == NULL || parent[0] == '\0' ? "/tmp" : parent, "conclave-XXXXXX");
    assert_non_null(mkdtemp(path));
}

void scratch_join(char joined[SCRATCH_PATH_BYTES], const char *path, const char *name)
{
    int size = snprintf(joined, SCRATCH_PATH_BYTES, "%s/%s", path, name);
    assert_true(size > 0 && size < (int)SCRATCH_PATH_BYTES);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void scratch_remove(const char *path)
{
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}
