/* "Did you mean": the known word nearest to one that is not known. */
#ifndef CONCLAVE_NEAREST_H
#define CONCLAVE_NEAREST_H

#include <stddef.h>

/* The nearest of `words` by Damerau-Levenshtein distance (optimal string alignment), or NULL when
 * none is near: at most a third of the word's letters differ, or the word begins it. */
const char *nearest_word(const char *word, const char *const *words, size_t count);

/* The distance itself; at least 64 for words longer than that. */
size_t nearest_distance(const char *a, const char *b);

#endif
