/* SHA-256 (FIPS 180-4): what the record is made of, so it is done by the processor's own
 * instructions where there are any. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define SHA256_BYTES 32u

void sha256(struct slice message, uint8_t digest[SHA256_BYTES]);

/* Of the parts, one after the other. */
void sha256_parts(const struct slice *parts, size_t count, uint8_t digest[SHA256_BYTES]);

#endif
