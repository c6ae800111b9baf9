/* Changes of members that stand on the roll of an open poll: they keep their place as it was
 * frozen, and the decision says so.
 */
#ifndef MODEL_ROLL_CHANGE_H
#define MODEL_ROLL_CHANGE_H

#include "model/context.h"

#define ROLL_CHANGES_MAX 100u /* kept of one poll */

enum roll_change_kind {
    ROLL_CHANGE_SUSPENDED = 1,
    ROLL_CHANGE_RETIRED,
    ROLL_CHANGE_ACTIVE,
    ROLL_CHANGE_WEIGHT,
    ROLL_CHANGE_CLASSES,
    ROLL_CHANGE_ROLES,
    ROLL_CHANGE_REVOKED
};

/* What one command changed of one member. */
struct roll_change_set {
    uint32_t count;
    enum roll_change_kind kinds[4];
};

void roll_change_add(struct roll_change_set *set, enum roll_change_kind kind);

/* Notes the changes at every open poll that has the member on its roll. */
enum conclave_code roll_change_note(struct model_context *context, uint32_t member,
                                    const struct roll_change_set *set) MUST_USE;

struct roll_change {
    uint32_t member;
    enum roll_change_kind kind;
    uint64_t index;
};

/* The changes of a poll, in order, from `*sequence` (0 at first) on; NOT_FOUND at the end. */
enum conclave_code roll_change_next(struct kv_transaction *transaction, uint32_t poll,
                                    uint32_t *sequence, struct roll_change *change) MUST_USE;

const char *roll_change_name(enum roll_change_kind kind);

#endif
