/* What a receipt proves, for people and as JSON. */
#ifndef CONCLAVE_RECEIPT_PRINT_H
#define CONCLAVE_RECEIPT_PRINT_H

#include "audit/receipt.h"
#include "cli.h"

struct receipt_shown {
    const char *path;
    bool pinned;           /* the cluster's id came from elsewhere than the receipt */
    const char *signed_by; /* the public key that was given and verifies; NULL: none was given */
};

/* With --json the object conclave.receipt.v1 on one line, else a page. */
void receipt_print(const struct output *output, const struct audit_receipt *proven,
                   const struct receipt_shown *shown);

/* "ballot.cast by bob", "closing of 2 polls", "a command that is not in it". */
#define RECEIPT_WHAT_BYTES 192u
void receipt_what(const struct audit_receipt *proven, char text[RECEIPT_WHAT_BYTES]);

/* The poll that a ballot is for: false when it is none, or not in the receipt. */
bool receipt_poll(const struct audit_receipt *proven, char poll[LIMIT_ID_BYTES + 1]);

#endif
