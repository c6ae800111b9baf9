/* conclave verify --export: a whole export, checked without a server. */
#ifndef CONCLAVE_VERIFY_EXPORT_H
#define CONCLAVE_VERIFY_EXPORT_H

#include "cli.h"

#include "audit/audit.h"

struct verify_wish {
    const char *path;          /* "-": standard input */
    const uint8_t *cluster_id; /* 16 bytes: the cluster it must be of; NULL: any */
    size_t first_receipt;      /* the words from this one on name receipts */
    /* NULL, or: called when all is proven, instead of printing; the exit status is its. */
    int (*proven)(struct cli *cli, struct audit *audit, void *context);
    void *context;
};

/* Reads an export or a backup, holds it against the rules and against the receipts, prints what was
 * found, and returns the exit status. */
int verify_export(struct cli *cli, const struct verify_wish *wish) MUST_USE;

#endif
