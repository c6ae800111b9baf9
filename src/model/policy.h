/* A policy: the rule by which a question is decided, as a struct, as the map that people write and
 * read, and as a record.
 *
 * docs/PROTOCOL.md, "policy map", has the keys; docs/SEMANTICS.md what they mean.
 */
#ifndef MODEL_POLICY_H
#define MODEL_POLICY_H

#include "model/context.h"
#include "tally/tally.h"

enum rationale_mode {
    RATIONALE_NONE = 1,
    RATIONALE_OPTIONAL = 2,
    RATIONALE_REQUIRED = 3
};

/* The slices point into what it was read from. */
struct policy {
    struct slice title;
    struct slice purpose; /* key "for": what proposals it is for */
    struct tally_rule rule;
    struct slice veto_class;    /* rule.has_veto only */
    uint32_t justification_min; /* bytes; rule.has_veto only */
    struct slice expert_domain; /* rule.has_experts only */
    enum rationale_mode rationale;
    uint32_t rationale_min; /* bytes */
    uint32_t rationale_max;
    uint32_t section_count;
    struct slice sections[LIMIT_SECTIONS];
    bool revote_allowed;
    bool early_close;
    uint64_t min_open_ms; /* early_close only */
};

/* From a policy map. BAD_REQUEST, BAD_VALUE, LIMIT_REACHED. */
enum conclave_code policy_parse(struct model_context *context, const msgpack_object *map,
                                struct policy *policy) MUST_USE;

/* As a policy map with every default written out. policy_parse reads it back to the same policy. */
void policy_write(struct buffer *buffer, const struct policy *policy);

/* In a record. */
void policy_encode(struct buffer *buffer, const struct policy *policy);
void policy_decode(struct decoder *decoder, struct policy *policy);

/* The presets that every cluster has: `count` of them, with ids that do not change. */
struct policy_preset {
    const char *id;
    struct policy policy;
};
const struct policy_preset *policy_presets(size_t *count);

#endif
