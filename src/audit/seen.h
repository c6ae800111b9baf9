/* Which commands had their effect already, by author and nonce: the auditor's own table, so that a
 * copy that stands in the log again is not counted again. Fingerprints of 128 bits, keyed by a
 * secret of this run (SipHash-2-4): nobody can make two commands collide on purpose. */
#ifndef AUDIT_SEEN_H
#define AUDIT_SEEN_H

#include <conclave/codes.h>
#include <sodium.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/slice.h"

struct audit_seen {
    uint8_t secret[crypto_shorthash_siphashx24_KEYBYTES];
    struct fingerprint *places; /* open addressing, linear probing */
    size_t place_count, count;
};

void audit_seen_open(struct audit_seen *seen);
void audit_seen_close(struct audit_seen *seen);

/* Is the pair there? */
bool audit_seen_has(const struct audit_seen *seen, uint32_t author, struct slice nonce);

/* Notes the pair; `again` says whether it was there. NO_MEMORY. */
enum conclave_code audit_seen_note(struct audit_seen *seen, uint32_t author, struct slice nonce,
                                   bool *again) MUST_USE;

#endif
