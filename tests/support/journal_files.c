/* The files of a log with a journal. */
#include "support/journal_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch.h"

static uint8_t *load(const char *directory, const char *name, size_t *size)
{
    char path[SCRATCH_PATH_BYTES];
    struct stat status;
    scratch_join(path, directory, name);
    int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(fstat(file, &status), 0);
    *size = (size_t)status.st_size;
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(file, bytes, *size), *size);
    assert_int_equal(close(file), 0);
    return bytes;
}

static void store(const char *directory, const char *name, const uint8_t *bytes, size_t size)
{
    char path[SCRATCH_PATH_BYTES];
    scratch_join(path, directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void journal_files_load(struct journal_files *files, const char *directory)
{
    files->journal = load(directory, "journal", &files->journal_size);
    files->tree = load(directory, "data.mdb", &files->tree_size);
}

void journal_files_store(const struct journal_files *files, const char *directory)
{
    store(directory, "journal", files->journal, files->journal_size);
    store(directory, "data.mdb", files->tree, files->tree_size);
}

void journal_files_free(struct journal_files *files)
{
    free(files->journal);
    free(files->tree);
    *files = (struct journal_files){0};
}

unsigned journal_files_flip(struct journal_files *files, struct slice data, size_t bit)
{
    unsigned found = 0;
    for (size_t at = 0; at + data.size <= files->tree_size; at++) {
        if (memcmp(files->tree + at, data.data, data.size) == 0) {
            files->tree[at + bit / 8] ^= (uint8_t)(1u << bit % 8);
            found++;
        }
    }
    return found;
}

bool journal_files_tree_has(const struct journal_files *files, size_t size, uint8_t value)
{
    size_t run = 0;
    for (size_t at = 0; at < files->tree_size && run < size; at++) {
        run = files->tree[at] == value ? run + 1 : 0;
    }
    return run >= size;
}
