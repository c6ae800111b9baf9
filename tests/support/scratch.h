/* Directories for tests, under TMPDIR or /tmp. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#define SCRATCH_PATH_BYTES 512u

/* Makes a new empty directory and writes its path; fails the test when it cannot. */
void scratch_make(char path[SCRATCH_PATH_BYTES]);

/* Writes `path`/`name` to `joined`. */
void scratch_join(char joined[SCRATCH_PATH_BYTES], const char *path, const char *name);

/* Removes the directory and all in it. */
void scratch_remove(const char *path);

#endif
