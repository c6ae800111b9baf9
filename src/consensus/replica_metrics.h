/* What a replica counts of its own work, for whoever shows it. Times are microseconds. */
#ifndef CONSENSUS_REPLICA_METRICS_H
#define CONSENSUS_REPLICA_METRICS_H

#include "base/metric.h"

struct replica_metrics {
    struct metric_counter candidacies;      /* elections that this node began */
    struct metric_counter elections_won;    /* and those it won */
    struct metric_counter leader_changes;   /* another leader, or a known one again */
    struct metric_counter leader_losses;    /* a leader was known, and is not any more */
    struct metric_counter commands_applied; /* decided here, as on every node */
    struct metric_histogram batch_commands; /* leader: in each entry proposed */
    struct metric_histogram replicate_us;   /* leader: from proposing an entry to its majority */
    struct metric_histogram apply_us;       /* of each transaction of the state */
};

#endif
