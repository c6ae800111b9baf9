/* The tree in a key-value store: one value for each log entry that has leaves, written once and
 * never again, with the nodes that the entry completed; and what is needed to write its leaves
 * anew beside the log.
 *
 *   key     0x01, number of the entry's first leaf (u64, big endian)
 *   value   version 1 (u8), closing leaf: 0 or 1 (u8), commands (u32), log index (u64), log time
 *           (u64), all big endian; for each command its kind of leaf (u8); for each command the
 *           SHA-256 of its reply; the hashes of the nodes that were completed, in the order of
 *           merkle.h
 *
 * The closing leaf, if there is one, is the entry's first. So appending is one put an entry, a node
 * is one read, a proof O(log n) reads, and no index is needed: an entry is found by bisection.
 */
#ifndef RECORD_TREE_H
#define RECORD_TREE_H

#include "base/buffer.h"
#include "kv/kv.h"
#include "record/leaf.h"
#include "record/merkle.h"

/* --- Appending: the leaves of one log entry --- */

struct tree_append {
    struct merkle_tree *tree; /* not owned; grows */
    uint64_t first;           /* leaf number of the first */
    uint64_t index;
    uint64_t time_ms;
    bool closing;
    uint32_t command_count;
    enum conclave_code status;
    struct buffer leaf; /* scratch */
    struct buffer kinds;
    struct buffer replies;
    struct buffer nodes;
};

/* tree_append_open takes memory once; tree_append_begin starts an entry (and drops one that was not
 * finished). */
void tree_append_open(struct tree_append *append);
void tree_append_close(struct tree_append *append);
void tree_append_begin(struct tree_append *append, struct merkle_tree *tree, uint64_t index,
                       uint64_t time_ms);

/* The polls that the leader closed in this entry; first, if there are any. */
void tree_append_closing(struct tree_append *append, const msgpack_object *closes,
                         uint32_t close_count);

/* A command or copy; index, position and time are the entry's. `reply` is the reply itself. */
void tree_append_command(struct tree_append *append, const struct leaf *leaf, struct slice reply);

/* Writes the entry's value. NO_MEMORY, store errors. After an error the tree is of no use. */
enum conclave_code tree_append_finish(struct tree_append *append,
                                      struct kv_transaction *transaction) MUST_USE;

/* --- Reading --- */

/* The tree as the store has it, to go on appending. CORRUPT; store errors. */
enum conclave_code tree_load(struct kv_transaction *transaction, struct merkle_tree *tree) MUST_USE;

/* How many leaves the store has. */
enum conclave_code tree_size(struct kv_transaction *transaction, uint64_t *size) MUST_USE;

/* The nodes in the store, for merkle.h's proofs; valid as long as the transaction. */
struct merkle_reader tree_reader(struct kv_transaction *transaction);

/* The leaves of one entry, as stored; slices are the store's. */
struct tree_entry {
    uint64_t first; /* leaf number */
    uint64_t index;
    uint64_t time_ms;
    bool closing;
    uint32_t command_count;
    uint32_t leaf_count;  /* command_count, and 1 for the closing leaf */
    struct slice kinds;   /* a byte for each command */
    struct slice replies; /* LEAF_DIGEST_BYTES for each command */
    struct slice nodes;
};

/* The entry with leaf `number`, or with log index `index`. NOT_FOUND when there is none (an entry
 * without commands has no leaves). */
enum conclave_code tree_entry_of_leaf(struct kv_transaction *transaction, uint64_t number,
                                      struct tree_entry *entry) MUST_USE;
enum conclave_code tree_entry_of_index(struct kv_transaction *transaction, uint64_t index,
                                       struct tree_entry *entry) MUST_USE;

#endif
