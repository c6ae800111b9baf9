/* conclave verify RECEIPT...: receipts, checked without a server. */
#ifndef CONCLAVE_VERIFY_RECEIPT_H
#define CONCLAVE_VERIFY_RECEIPT_H

#include "cli.h"

/* The files are the command's words; --public-key is heeded. `cluster_id`: the cluster that they
 * must be of, or NULL. Returns the exit status: of the first that is not proven. */
int verify_receipts(struct cli *cli, const uint8_t *cluster_id);

#endif
