/* Looking into packed answers: values by a path of map keys and array places, "items.0.code". */
#ifndef TESTS_SUPPORT_PACKED_H
#define TESTS_SUPPORT_PACKED_H

#include <stdbool.h>

#include "base/slice.h"

/* Is there a text at `path`, and is it `expected`? */
bool packed_is(struct slice packed, const char *path, const char *expected);

/* The unsigned integer at `path`. Aborts when there is none. */
uint64_t packed_u64(struct slice packed, const char *path);

/* How many items the array or map at `path` has; aborts when there is none. */
uint32_t packed_count(struct slice packed, const char *path);

/* The bin at `path`, which points into `packed`; empty when there is none. */
struct slice packed_bytes(struct slice packed, const char *path);

#endif
