/* Allocation with a countdown to one failure. */
#include "base/memory.h"

#include <stdlib.h>

static uint64_t fault_countdown; /* 0: not armed */
static int fault_hit;

int memory_fault_next(void)
{
    if (__builtin_expect(fault_countdown == 0, 1)) {
        return 0;
    }
    fault_countdown--;
    if (fault_countdown > 0) {
        return 0;
    }
    fault_hit = 1;
    return 1;
}

void *memory_allocate(size_t size)
{
    ASSERT(size > 0);
    return memory_fault_next() ? NULL : malloc(size);
}

void *memory_allocate_zeroed(size_t count, size_t size)
{
    ASSERT(count > 0 && size > 0);
    if (count > SIZE_MAX / size) {
        return NULL;
    }
    return memory_fault_next() ? NULL : calloc(count, size);
}

void *memory_resize(void *data, size_t size)
{
    ASSERT(size > 0);
    return memory_fault_next() ? NULL : realloc(data, size);
}

void memory_free(void *data)
{
    free(data);
}

void memory_fault_arm(uint64_t countdown)
{
    fault_countdown = countdown;
    fault_hit = 0;
}

int memory_fault_hit(void)
{
    return fault_hit;
}
