/* "Did you mean". */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

#include "base/assert.h"

#define WORD_MAX 64u

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    ASSERT(a != NULL && b != NULL);
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size > WORD_MAX || b_size > WORD_MAX) {
        return WORD_MAX;
    }
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a_size % 3][b_size];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    ASSERT(word != NULL && (words != NULL || count == 0));
    size_t size = strlen(word);
    size_t best = SIZE_MAX;
    const char *found = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = nearest_distance(word, words[i]);
        if (size >= 2 && strncmp(word, words[i], size) == 0) {
            distance = 1;
        }
        if (distance < best) {
            best = distance;
            found = words[i];
        }
    }
    size_t allowed = size <= 5 ? 1 : size / 3;
    return best <= allowed ? found : NULL;
}
