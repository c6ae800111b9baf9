/* The search: see the header. A configuration is the set of operations that have happened and the
 * value they left; one that was seen before leads nowhere, or the search would have ended. */
#include "linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS  64u
#define SET_WORDS  (LINEAR_OPERATIONS_MAX / WORD_BITS)
#define SEEN_BEGIN 1024u
#define SEEN_MAX   (1u << 22)

struct configuration {
    size_t value; /* the operation that wrote it, or SIZE_MAX */
    uint64_t happened[SET_WORDS];
};

struct search {
    const struct history_operation *operations;
    size_t count;
    size_t words;
    struct configuration now;
    uint64_t *seen; /* an open hash table of rows: 1, value, the words in use */
    size_t seen_capacity, seen_count;
};

static bool has_happened(const struct search *search, size_t i)
{
    return (search->now.happened[i / WORD_BITS] >> (i % WORD_BITS) & 1) != 0;
}

static void flip_happened(struct search *search, size_t i)
{
    search->now.happened[i / WORD_BITS] ^= (uint64_t)1 << (i % WORD_BITS);
}

static uint64_t hash_row(const uint64_t *row, size_t size) /* FNV-1a, of words */
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ row[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Puts a row; false when it was there. */
static bool put_row(uint64_t *table, size_t capacity, const uint64_t *row, size_t size)
{
    for (size_t i = (size_t)hash_row(row, size) & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        uint64_t *place = table + i * size;
        if (place[0] == 0) {
            memcpy(place, row, size * sizeof *row);
            return true;
        }
        if (memcmp(place, row, size * sizeof *row) == 0) {
            return false;
        }
    }
}

static void *allocate(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (made == NULL) {
        (void)fprintf(stderr, "chaos-judge: out of memory\n");
        exit(2);
    }
    return made;
}

/* Notes where the search is; false when it has been there. */
static bool is_new(struct search *search)
{
    uint64_t row[SET_WORDS + 2] = {1, search->now.value};
    size_t size = search->words + 2;
    memcpy(row + 2, search->now.happened, search->words * sizeof *row);
    if (2 * (search->seen_count + 1) > search->seen_capacity) {
        size_t capacity = 2 * search->seen_capacity;
        uint64_t *table = allocate(capacity * size, sizeof *table);
        for (size_t i = 0; i < search->seen_capacity; i++) {
            if (search->seen[i * size] != 0) {
                (void)put_row(table, capacity, search->seen + i * size, size);
            }
        }
        free(search->seen);
        search->seen = table;
        search->seen_capacity = capacity;
    }
    bool new = put_row(search->seen, search->seen_capacity, row, size);
    search->seen_count += new ? 1 : 0;
    return new;
}

/* Whether a read may show what is there. */
static bool may_happen(const struct search *search, size_t i)
{
    const struct history_operation *operation = &search->operations[i];
    if (operation->write) {
        return true;
    }
    const char *there = search->now.value == SIZE_MAX ? NULL
                                                      : search->operations[search->now.value].value;
    if (there == NULL || operation->value == NULL) {
        return there == operation->value;
    }
    return strcmp(there, operation->value) == 0;
}

/* The first that has not happened and must. */
static int64_t first_return(const struct search *search)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < search->count; i++) {
        if (!has_happened(search, i) && search->operations[i].returned < first) {
            first = search->operations[i].returned;
        }
    }
    return first;
}

/* Depth is bounded by the count; SEEN_MAX bounds the work. */
static enum linear_verdict search_on(struct search *search)
{
    int64_t limit = first_return(search);
    if (limit == INT64_MAX) {
        return LINEAR_YES; /* only pending writes are left, which need not happen */
    }
    if (search->seen_count >= SEEN_MAX) {
        return LINEAR_TOO_MANY;
    }
    if (!is_new(search)) {
        return LINEAR_NO;
    }
    for (size_t i = 0; i < search->count && search->operations[i].invoked <= limit; i++) {
        if (has_happened(search, i) || !may_happen(search, i)) {
            continue;
        }
        size_t before = search->now.value;
        flip_happened(search, i);
        if (search->operations[i].write) {
            search->now.value = i;
        }
        enum linear_verdict verdict = search_on(search);
        if (verdict != LINEAR_NO) {
            return verdict;
        }
        flip_happened(search, i);
        search->now.value = before;
    }
    return LINEAR_NO;
}

/* A pending write that nobody read need not have happened: without it there is less to try. */
static bool matters(const struct history_operation *operations, size_t count, size_t i)
{
    if (!operations[i].pending) {
        return true;
    }
    for (size_t k = 0; k < count; k++) {
        const struct history_operation *read = &operations[k];
        if (!read->write && read->value != NULL && strcmp(read->value, operations[i].value) == 0) {
            return true;
        }
    }
    return false;
}

enum linear_verdict linear_check(const struct history_operation *all, size_t all_count)
{
    static struct history_operation operations[LINEAR_OPERATIONS_MAX];
    size_t count = 0;
    if (all_count > LINEAR_OPERATIONS_MAX) {
        return LINEAR_TOO_MANY;
    }
    for (size_t i = 0; i < all_count; i++) {
        if (matters(all, all_count, i)) {
            operations[count++] = all[i];
        }
    }
    struct search search = {.operations = operations,
                            .count = count,
                            .words = (count + WORD_BITS - 1) / WORD_BITS,
                            .now = {.value = SIZE_MAX},
                            .seen_capacity = SEEN_BEGIN};
    search.seen = allocate(SEEN_BEGIN * (search.words + 2), sizeof *search.seen);
    enum linear_verdict verdict = search_on(&search);
    free(search.seen);
    return verdict;
}
