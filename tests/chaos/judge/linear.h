/* Whether operations on one register can have happened one after the other, each at an instant
 * between its invocation and its return: the search of Wing and Gong ("Testing and verifying
 * concurrent objects", JPDC 1993) with Lowe's memory of what was tried ("Testing for
 * linearizability", 2017). */
#ifndef CHAOS_LINEAR_H
#define CHAOS_LINEAR_H

#include "history.h"

#define LINEAR_OPERATIONS_MAX 4096u

enum linear_verdict {
    LINEAR_YES,
    LINEAR_NO,
    LINEAR_TOO_MANY
};

/* The operations are of one register, by time of invocation. A pending write may have taken effect
 * at any time after its invocation, or never. */
enum linear_verdict linear_check(const struct history_operation *operations, size_t count);

#endif
