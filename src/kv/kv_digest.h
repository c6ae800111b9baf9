/* A write transaction that folds every put and remove into a running digest (XXH3-128), in order.
 *
 * Two replicas that made the same writes from the same start have the same digest: this is how I3
 * (different state digests at one applied index) is watched. It guards against accidents, not
 * against liars.
 */
#ifndef KV_KV_DIGEST_H
#define KV_KV_DIGEST_H

#include "kv/kv.h"

#define KV_DIGEST_BYTES 16u

struct kv_digest {
    struct kv_transaction base; /* first: it is used as a kv_transaction */
    struct kv_transaction *inner;
    void *state; /* XXH3 state, owned */
};

/* Wraps `inner` (not owned). `previous` is where the digest starts from. NO_MEMORY. */
enum conclave_code kv_digest_open(struct kv_digest *digest, struct kv_transaction *inner,
                                  const uint8_t previous[KV_DIGEST_BYTES]) MUST_USE;

/* The digest over `previous` and all writes so far. */
void kv_digest_value(const struct kv_digest *digest, uint8_t value[KV_DIGEST_BYTES]);

/* Frees what kv_digest_open took; does not end `inner`. Commit and abort are called on `inner`,
 * never on the wrapper. */
void kv_digest_close(struct kv_digest *digest);

#endif
