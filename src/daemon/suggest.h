/* "Did you mean?": the nearest of some words by Levenshtein distance. */
#ifndef DAEMON_SUGGEST_H
#define DAEMON_SUGGEST_H

#include <stddef.h>

#define SUGGEST_WORD_BYTES 64u /* longer words have no neighbours */

/* The least number of single-byte insertions, deletions and replacements that makes `a` of `b`,
 * upper and lower case being the same;
 * SIZE_MAX when one is longer than SUGGEST_WORD_BYTES. */
size_t suggest_distance(const char *a, const char *b);

/* Keeps the best candidate so far. Start with {0}. */
struct suggest {
    char word[SUGGEST_WORD_BYTES + 1]; /* empty: none is near enough */
    size_t distance;
};

/* Looks at one candidate: near enough is a distance of 2 or a third of the longer word, or that one
 * word begins with the other ("warning", "warn"). */
void suggest_offer(struct suggest *best, const char *wrong, const char *candidate);

#endif
