/* Allocation, with a fault point: tests make the n-th allocation fail and raise n until nothing
 * does (as SQLite's tests do). All of our code allocates here, never by malloc directly.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

/* As malloc, calloc, realloc and free; NULL when there is no memory. Sizes of 0 are not allowed. */
void *memory_allocate(size_t size) MUST_USE;
void *memory_allocate_zeroed(size_t count, size_t size) MUST_USE;
void *memory_resize(void *data, size_t size) MUST_USE;
void memory_free(void *data);

/* A fault point for libraries that allocate by themselves: nonzero when the allocation of ours that
 * stands in for theirs is the one to fail. Ask it before calling them. */
int memory_fault_next(void) MUST_USE;

/* Tests only: the `countdown`-th allocation from now fails, once (1 is the next; 0 means never).
 * memory_fault_hit() says whether it happened since it was armed. Not for use with threads running.
 */
void memory_fault_arm(uint64_t countdown);
int memory_fault_hit(void);

#endif
