/* The commands of `conclave cluster` that are about nodes. */
#ifndef CONCLAVE_CLUSTER_NODES_H
#define CONCLAVE_CLUSTER_NODES_H

#include "cli.h"

extern const struct args_option cluster_add_options[];
extern const struct args_option cluster_replace_options[];
extern const struct args_option cluster_force_options[];
extern const struct args_option cluster_ticket_options[];

int cluster_run_status(struct cli *cli);
int cluster_run_add(struct cli *cli);
int cluster_run_replace(struct cli *cli);
int cluster_run_promote(struct cli *cli);
int cluster_run_demote(struct cli *cli);
int cluster_run_remove(struct cli *cli);
int cluster_run_transfer(struct cli *cli);
int cluster_run_ticket(struct cli *cli);

#endif
