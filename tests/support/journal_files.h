/* The files of a log with a journal, taken out and put back: what a crash leaves, and damage. */
#ifndef TESTS_SUPPORT_JOURNAL_FILES_H
#define TESTS_SUPPORT_JOURNAL_FILES_H

#include <stdbool.h>

#include "base/slice.h"

struct journal_files {
    uint8_t *tree; /* data.mdb */
    size_t tree_size;
    uint8_t *journal;
    size_t journal_size;
};

/* Reads them as they are now; nobody may be draining. */
void journal_files_load(struct journal_files *files, const char *directory);
/* Writes them over what is there; the log must be closed. */
void journal_files_store(const struct journal_files *files, const char *directory);
void journal_files_free(struct journal_files *files);

/* Flips a bit of every copy of `data` in the tree; returns how many there are. */
unsigned journal_files_flip(struct journal_files *files, struct slice data, size_t bit);

/* Whether the tree has, somewhere, `size` times the byte `value`. */
bool journal_files_tree_has(const struct journal_files *files, size_t size, uint8_t value);

#endif
