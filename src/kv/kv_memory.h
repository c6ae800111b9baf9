/* The in-memory twin of kv.h, for tests and the simulator. All of a store's use is by one thread.
 *
 * A persistent treap (Seidel and Aragon, "Randomized Search Trees", 1996): nodes are shared by
 * counting, a write transaction copies the path to what it changes, and a snapshot is a root. The
 * keys' hashes are the priorities, so the shape depends on the keys alone and a run repeats
 * exactly.
 */
#ifndef KV_KV_MEMORY_H
#define KV_KV_MEMORY_H

#include "kv/kv.h"

/* An empty store. NO_MEMORY. kv_close frees it. */
enum conclave_code kv_memory_open(struct kv **kv) MUST_USE;

/* Tests: the `countdown`-th put, remove or commit from now fails with IO, once (1 is the next; 0
 * never). */
void kv_memory_fault_arm(struct kv *kv, uint64_t countdown);
bool kv_memory_fault_hit(const struct kv *kv);

/* Tests: commits find no room on the disk from now on. */
void kv_memory_fill(struct kv *kv, bool full);

#endif
