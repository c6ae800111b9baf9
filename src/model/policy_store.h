/* Policies in the state: versions by id, and the command that puts one. */
#ifndef MODEL_POLICY_STORE_H
#define MODEL_POLICY_STORE_H

#include "model/policy.h"

struct policy_version {
    uint32_t version; /* from 1 */
    struct slice author;
    uint64_t index;
    uint64_t time_ms;
    struct policy policy;
};

/* A version of a policy; `version` 0 is the newest. NOT_FOUND. The slices are the store's. */
enum conclave_code policy_load(struct kv_transaction *transaction, struct slice id,
                               uint32_t version, struct policy_version *out) MUST_USE;

/* Puts the next version of a policy, with its event. */
enum conclave_code policy_insert(struct model_context *context, struct slice id,
                                 struct slice author, const struct policy *policy,
                                 uint32_t *version) MUST_USE;

/* policy.put */
enum conclave_code policy_apply_put(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
