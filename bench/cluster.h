/* The cluster that is measured: who leads, its voters, a poll for the ballots. */
#ifndef BENCH_CLUSTER_H
#define BENCH_CLUSTER_H

#include <conclave/client.h>

#include "options.h"
#include "requests.h"

struct cluster {
    const struct options *options;
    struct conclave_client *client;
    uint8_t id[CONCLAVE_CLUSTER_ID_BYTES];
    char chair[65];
    struct auth_key chair_key;
    struct voters voters;
    unsigned poll_count;
    char polls[CLUSTER_POLLS_MAX][CLUSTER_POLL_BYTES]; /* the last that were opened */
};

/* Each prints what failed, and returns false. */
bool cluster_open(struct cluster *cluster, const struct options *options);
void cluster_close(struct cluster *cluster);

/* Admits the voters that are not members yet. */
bool cluster_admit(struct cluster *cluster);

/* Opens polls over all members with this many questions; their ids are in cluster->polls. */
bool cluster_open_polls(struct cluster *cluster, unsigned polls, unsigned questions);

/* The endpoints that the options' target means, now. Returns how many; 0 on failure. */
unsigned cluster_targets(struct cluster *cluster, const char *endpoints[OPTIONS_ENDPOINTS]);

#endif
