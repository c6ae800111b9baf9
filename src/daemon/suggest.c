/* The nearest of some words. */
#include "daemon/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

#define SUGGEST_BEGINNING_BYTES 3u

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t suggest_distance(const char *a, const char *b)
{
    ASSERT(a != NULL && b != NULL);
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > SUGGEST_WORD_BYTES || b_size > SUGGEST_WORD_BYTES) {
        return SIZE_MAX;
    }
    size_t row[SUGGEST_WORD_BYTES + 1]; /* distances of a's first i bytes to prefixes of b */
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];
            row[j] = least(
                above + 1, row[j - 1] + 1,
                diagonal +
                    (tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]) ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b_size];
}

void suggest_offer(struct suggest *best, const char *wrong, const char *candidate)
{
    ASSERT(best != NULL && wrong != NULL && candidate != NULL);
    size_t distance = suggest_distance(wrong, candidate);
    if (distance == SIZE_MAX) {
        return;
    }
    size_t wrong_size = strlen(wrong), size = strlen(candidate);
    size_t longer = wrong_size > size ? wrong_size : size;
    size_t shorter = wrong_size < size ? wrong_size : size;
    size_t near = longer / 3 > 2 ? longer / 3 : 2;
    bool beginning = shorter >= SUGGEST_BEGINNING_BYTES &&
                     strncasecmp(wrong, candidate, shorter) == 0;
    if (!beginning && (distance > near || distance >= longer)) {
        return; /* at the full length nothing is alike */
    }
    if (best->word[0] == '\0' || distance < best->distance) {
        memcpy(best->word, candidate, size + 1);
        best->distance = distance;
    }
}
