/* A node's directory lasts: its own name in the directory above was not synced, so that a machine
 * that lost its power soon after the first start could lose the directory with everything that had
 * been synced in it. Found by tests/chaos/run --only power-cut-all --seed 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/data_dir.h"
#include "support/disk_faults.h"
#include "support/scratch.h"

static void test_the_directory_above_is_synced(void **state)
{
    (void)state;
    char above[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    struct settings_error error;
    struct data_dir data_dir;
    scratch_make(above);
    scratch_join(path, above, "node");
    assert_int_equal(data_dir_open(path, &data_dir, &error), CONCLAVE_OK);
    assert_true(disk_faults_synced(above));
    data_dir_close(&data_dir);
    scratch_remove(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_directory_above_is_synced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
