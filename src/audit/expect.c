/* See expect.h. There are few expectations for many leaves: a list is searched only where one of
 * them may be met. */
#include "audit/expect.h"

#include <string.h>

#include "base/memory.h"

enum conclave_code audit_expect_add(struct audit_expect *expect, const struct audit_expected *item)
{
    ASSERT(expect != NULL && item != NULL);
    if (expect->count == AUDIT_EXPECT_MAX) {
        return CONCLAVE_LIMIT_REACHED;
    }
    if (expect->count == expect->capacity) {
        size_t capacity = expect->capacity == 0 ? 16 : 2 * expect->capacity;
        struct audit_expected *items =
            memory_resize(expect->items, capacity * sizeof *expect->items);
        if (items == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        expect->items = items;
        expect->capacity = capacity;
    }
    /* In the order in which the tree meets them. */
    size_t place = expect->count++;
    while (place > 0 && expect->items[place - 1].at > item->at) {
        expect->items[place] = expect->items[place - 1];
        place--;
    }
    expect->items[place] = *item;
    expect->items[place].name[AUDIT_EXPECT_NAME_BYTES - 1] = '\0';
    return CONCLAVE_OK;
}

/* The first one that is about `at` or more. */
static size_t first_from(const struct audit_expect *expect, uint64_t at)
{
    size_t low = 0;
    size_t high = expect->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (expect->items[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct audit_expected *audit_expect_check(const struct audit_expect *expect,
                                                const struct merkle_tree *tree,
                                                const struct merkle_hash *leaf)
{
    ASSERT(expect != NULL && tree != NULL && tree->size > 0 && leaf != NULL);
    uint64_t number = tree->size - 1;
    for (size_t i = first_from(expect, number);
         i < expect->count && expect->items[i].at <= tree->size; i++) {
        const struct audit_expected *item = &expect->items[i];
        struct merkle_hash root;
        if (item->is_leaf && item->at == number && !merkle_hash_equal(&item->hash, leaf)) {
            return item;
        }
        if (!item->is_leaf && item->at == tree->size) {
            merkle_root(tree, &root);
            if (!merkle_hash_equal(&item->hash, &root)) {
                return item;
            }
        }
    }
    return NULL;
}

const struct audit_expected *audit_expect_beyond(const struct audit_expect *expect, uint64_t size)
{
    for (size_t i = 0; i < expect->count; i++) {
        const struct audit_expected *item = &expect->items[i];
        if (item->is_leaf ? item->at >= size : item->at > size) {
            return item;
        }
    }
    return NULL;
}

void audit_expect_close(struct audit_expect *expect)
{
    memory_free(expect->items);
    *expect = (struct audit_expect){0};
}
