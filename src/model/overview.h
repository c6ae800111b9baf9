/* The state in a few numbers, for those who watch the cluster: no ids in it. */
#ifndef MODEL_OVERVIEW_H
#define MODEL_OVERVIEW_H

#include "kv/kv.h"

struct model_overview {
    uint64_t time_ms; /* log time */
    uint64_t members, proposals, polls;
    uint64_t ballots;  /* accepted ever, revotes too */
    uint64_t commands; /* decided ever */
    uint64_t refused;  /* of those, by a rule */

    /* Of the polls that are open. */
    uint64_t open;
    uint64_t overdue; /* their time is over, and they are not closed yet */
    uint64_t overdue_ms_max;
    uint64_t slow;   /* more than half of their time is over, less than half of the roll voted */
    uint64_t voted;  /* members that voted, summed over the polls */
    uint64_t rolled; /* members that could */
};

/* Reads them, at wall time `now_ms`. Walks over the open polls (LIMIT_OPEN_POLLS at most). Store
 * errors. */
enum conclave_code model_overview(struct kv_transaction *transaction, uint64_t now_ms,
                                  struct model_overview *overview) MUST_USE;

#endif
