/* A persistent treap of counted nodes: see the header. */
#include "kv/kv_memory.h"

#include <xxhash.h>

#include "base/memory.h"

/* A pair: the key's bytes, then the value's. Shared by all nodes that hold it, never changed. */
struct item {
    uint32_t references;
    uint32_t key_size;
    uint32_t value_size;
    uint8_t bytes[];
};

/* A node that is referenced once, below ancestors that are, belongs to one tree and may be changed
 * in place. */
struct node {
    uint32_t references;
    uint64_t priority;
    struct item *item;
    struct node *left;
    struct node *right;
};

struct kv_memory {
    struct kv base;
    struct node *root;
    uint32_t transaction_count; /* open */
    bool writing;
    uint64_t fault_countdown; /* 0: not armed */
    bool fault_hit;
    bool full;
};

struct memory_transaction {
    struct kv_transaction base;
    struct node *root;
    enum conclave_code failure; /* of a write; OK while there was none */
};

static const struct kv_operations memory_operations;

static struct kv_memory *memory_of(struct kv *kv)
{
    ASSERT(kv != NULL && kv->operations == &memory_operations);
    return (struct kv_memory *)kv;
}

static struct memory_transaction *transaction_of(struct kv_transaction *transaction)
{
    ASSERT(transaction != NULL && transaction->operations == &memory_operations);
    return (struct memory_transaction *)transaction;
}

static bool fault(struct kv_memory *memory)
{
    if (memory->fault_countdown == 0) {
        return false;
    }
    memory->fault_countdown--;
    if (memory->fault_countdown > 0) {
        return false;
    }
    memory->fault_hit = true;
    return true;
}

/* --- Items and nodes --- */

static struct slice item_key(const struct item *item)
{
    return slice_of(item->bytes, item->key_size);
}

static struct slice item_value(const struct item *item)
{
    return slice_of(item->bytes + item->key_size, item->value_size);
}

static struct item *item_create(struct slice key, struct slice value)
{
    ASSERT(key.size > 0 && key.size <= KV_KEY_BYTES && value.size <= KV_VALUE_BYTES);
    struct item *item = memory_allocate(sizeof *item + key.size + value.size);
    if (item == NULL) {
        return NULL;
    }
    item->references = 1;
    item->key_size = (uint32_t)key.size;
    item->value_size = (uint32_t)value.size;
    memcpy(item->bytes, key.data, key.size);
    if (value.size > 0) {
        memcpy(item->bytes + key.size, value.data, value.size);
    }
    return item;
}

static void item_release(struct item *item)
{
    ASSERT(item->references > 0);
    item->references--;
    if (item->references == 0) {
        memory_free(item);
    }
}

static struct node *node_retain(struct node *node)
{
    if (node != NULL) {
        ASSERT(node->references > 0 && node->references < UINT32_MAX);
        node->references++;
    }
    return node;
}

/* Recursion goes as deep as the treap: about twice the logarithm of its size. */
static void node_release(struct node *node)
{
    if (node == NULL) {
        return;
    }
    ASSERT(node->references > 0);
    node->references--;
    if (node->references > 0) {
        return;
    }
    node_release(node->left);
    node_release(node->right);
    item_release(node->item);
    memory_free(node);
}

/* Makes the node at `link`, whose ancestors are its tree's alone, its tree's alone. */
static enum conclave_code node_own(struct node **link)
{
    struct node *node = *link;
    ASSERT(node != NULL && node->references > 0);
    if (node->references == 1) {
        return CONCLAVE_OK;
    }
    struct node *copy = memory_allocate(sizeof *copy);
    if (copy == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *copy = *node;
    copy->references = 1;
    copy->item->references++;
    node_retain(copy->left);
    node_retain(copy->right);
    node->references--;
    *link = copy;
    return CONCLAVE_OK;
}

/* Both nodes are their tree's alone. */
static void rotate_left_child_up(struct node **link)
{
    struct node *node = *link;
    struct node *child = node->left;
    ASSERT(node->references == 1 && child->references == 1);
    node->left = child->right;
    child->right = node;
    *link = child;
}

static void rotate_right_child_up(struct node **link)
{
    struct node *node = *link;
    struct node *child = node->right;
    ASSERT(node->references == 1 && child->references == 1);
    node->right = child->left;
    child->left = node;
    *link = child;
}

static int compare(struct slice a, struct slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

/* Stores `item`, whose reference goes to the tree on success only. */
static enum conclave_code node_insert(struct node **link, struct item *item)
{
    if (*link == NULL) {
        struct node *node = memory_allocate(sizeof *node);
        if (node == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        *node = (struct node){
            .references = 1, .priority = XXH3_64bits(item->bytes, item->key_size), .item = item};
        *link = node;
        return CONCLAVE_OK;
    }
    enum conclave_code rv = node_own(link);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct node *node = *link;
    int order = compare(item_key(item), item_key(node->item));
    if (order == 0) {
        item_release(node->item);
        node->item = item;
        return CONCLAVE_OK;
    }
    rv = node_insert(order < 0 ? &node->left : &node->right, item);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (order < 0 && node->left->priority > node->priority) {
        rotate_left_child_up(link);
    } else if (order > 0 && node->right->priority > node->priority) {
        rotate_right_child_up(link);
    }
    return CONCLAVE_OK;
}

/* Turns the node at `link` down until a side of it is empty, then cuts it out. */
static enum conclave_code node_cut(struct node **link)
{
    while ((*link)->left != NULL && (*link)->right != NULL) {
        struct node *node = *link;
        bool left_up = node->left->priority > node->right->priority;
        enum conclave_code rv = node_own(left_up ? &node->left : &node->right);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        if (left_up) {
            rotate_left_child_up(link);
            link = &(*link)->right;
        } else {
            rotate_right_child_up(link);
            link = &(*link)->left;
        }
    }
    struct node *node = *link;
    *link = node->left != NULL ? node->left : node->right;
    node->left = NULL;
    node->right = NULL;
    node_release(node);
    return CONCLAVE_OK;
}

static const struct node *node_find(const struct node *node, struct slice key)
{
    while (node != NULL) {
        int order = compare(key, item_key(node->item));
        if (order == 0) {
            return node;
        }
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* --- Operations --- */

static enum conclave_code memory_begin(struct kv *kv, bool write,
                                       struct kv_transaction **transaction)
{
    struct kv_memory *memory = memory_of(kv);
    ASSERT(transaction != NULL);
    ASSERT(!write || !memory->writing);
    struct memory_transaction *begun = memory_allocate(sizeof *begun);
    if (begun == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *begun = (struct memory_transaction){
        .base = {.kv = kv, .operations = &memory_operations, .write = write},
        .root = node_retain(memory->root),
        .failure = CONCLAVE_OK,
    };
    memory->transaction_count++;
    memory->writing = memory->writing || write;
    *transaction = &begun->base;
    return CONCLAVE_OK;
}

static void end(struct memory_transaction *transaction)
{
    struct kv_memory *memory = memory_of(transaction->base.kv);
    ASSERT(memory->transaction_count > 0);
    memory->transaction_count--;
    if (transaction->base.write) {
        ASSERT(memory->writing);
        memory->writing = false;
    }
    node_release(transaction->root);
    memory_free(transaction);
}

static enum conclave_code hand_out(const struct node *node, struct slice *key, struct slice *value)
{
    if (node == NULL) {
        return CONCLAVE_NOT_FOUND;
    }
    if (key != NULL) {
        *key = item_key(node->item);
    }
    if (value != NULL) {
        *value = item_value(node->item);
    }
    return CONCLAVE_OK;
}

static enum conclave_code memory_get(struct kv_transaction *base, struct slice key,
                                     struct slice *value)
{
    return hand_out(node_find(transaction_of(base)->root, key), NULL, value);
}

static enum conclave_code memory_seek(struct kv_transaction *base, struct slice from,
                                      struct slice *key, struct slice *value)
{
    ASSERT(key != NULL);
    const struct node *found = NULL;
    const struct node *node = transaction_of(base)->root;
    while (node != NULL) {
        if (compare(item_key(node->item), from) >= 0) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return hand_out(found, key, value);
}

static enum conclave_code memory_seek_last(struct kv_transaction *base, struct slice before,
                                           struct slice *key, struct slice *value)
{
    ASSERT(key != NULL);
    const struct node *found = NULL;
    const struct node *node = transaction_of(base)->root;
    while (node != NULL) {
        if (compare(item_key(node->item), before) < 0) {
            found = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return hand_out(found, key, value);
}

static enum conclave_code memory_put(struct kv_transaction *base, struct slice key,
                                     struct slice value)
{
    struct memory_transaction *transaction = transaction_of(base);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    if (fault(memory_of(base->kv))) {
        transaction->failure = CONCLAVE_IO;
        return CONCLAVE_IO;
    }
    struct item *item = item_create(key, value);
    if (item == NULL) {
        transaction->failure = CONCLAVE_NO_MEMORY;
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code rv = node_insert(&transaction->root, item);
    if (rv != CONCLAVE_OK) {
        item_release(item);
        transaction->failure = rv;
    }
    return rv;
}

static enum conclave_code memory_remove(struct kv_transaction *base, struct slice key)
{
    struct memory_transaction *transaction = transaction_of(base);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    if (fault(memory_of(base->kv))) {
        transaction->failure = CONCLAVE_IO;
        return CONCLAVE_IO;
    }
    if (node_find(transaction->root, key) == NULL) {
        return CONCLAVE_NOT_FOUND;
    }
    enum conclave_code rv = CONCLAVE_OK;
    struct node **link = &transaction->root;
    int order = 0;
    do {
        rv = node_own(link);
        if (rv != CONCLAVE_OK) {
            goto err;
        }
        order = compare(key, item_key((*link)->item));
        if (order != 0) {
            link = order < 0 ? &(*link)->left : &(*link)->right;
        }
    } while (order != 0);
    rv = node_cut(link);
    if (rv != CONCLAVE_OK) {
        goto err;
    }
    return CONCLAVE_OK;

err:
    ASSERT(rv != CONCLAVE_OK);
    transaction->failure = rv;
    return rv;
}

static enum conclave_code memory_commit(struct kv_transaction *base)
{
    struct memory_transaction *transaction = transaction_of(base);
    struct kv_memory *memory = memory_of(base->kv);
    enum conclave_code rv = transaction->failure;
    if (base->write) {
        if (rv == CONCLAVE_OK && fault(memory)) {
            rv = CONCLAVE_IO;
        }
        if (rv == CONCLAVE_OK && memory->full) {
            rv = CONCLAVE_DISK_FULL;
        }
        if (rv == CONCLAVE_OK) {
            node_release(memory->root);
            memory->root = node_retain(transaction->root);
        }
    }
    end(transaction);
    return rv;
}

static void memory_abort(struct kv_transaction *base)
{
    end(transaction_of(base));
}

static enum conclave_code memory_sync(struct kv *kv)
{
    (void)memory_of(kv);
    return CONCLAVE_OK;
}

static enum conclave_code memory_reserve(struct kv *kv, uint64_t bytes)
{
    (void)bytes;
    return memory_of(kv)->full ? CONCLAVE_DISK_FULL : CONCLAVE_OK;
}

static uint64_t memory_room(struct kv *kv)
{
    (void)memory_of(kv);
    return UINT64_MAX;
}

static void memory_close(struct kv *kv)
{
    struct kv_memory *memory = memory_of(kv);
    ASSERT(memory->transaction_count == 0);
    node_release(memory->root);
    memory_free(memory);
}

static const struct kv_operations memory_operations = {
    .begin = memory_begin,
    .get = memory_get,
    .put = memory_put,
    .remove = memory_remove,
    .seek = memory_seek,
    .seek_last = memory_seek_last,
    .commit = memory_commit,
    .abort = memory_abort,
    .sync = memory_sync,
    .reserve = memory_reserve,
    .room = memory_room,
    .close = memory_close,
};

enum conclave_code kv_memory_open(struct kv **kv)
{
    ASSERT(kv != NULL);
    struct kv_memory *memory = memory_allocate_zeroed(1, sizeof *memory);
    if (memory == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    memory->base.operations = &memory_operations;
    *kv = &memory->base;
    return CONCLAVE_OK;
}

void kv_memory_fault_arm(struct kv *kv, uint64_t countdown)
{
    struct kv_memory *memory = memory_of(kv);
    memory->fault_countdown = countdown;
    memory->fault_hit = false;
}

void kv_memory_fill(struct kv *kv, bool full)
{
    memory_of(kv)->full = full;
}

bool kv_memory_fault_hit(const struct kv *kv)
{
    ASSERT(kv != NULL && kv->operations == &memory_operations);
    return ((const struct kv_memory *)kv)->fault_hit;
}
