/* The keys of members: how one follows another, and how the last one ends.
 *
 * Signatures are checked at admission, on the node that received the command, with the key that
 * this node knew. That verdict is as good as the state machine's own while the author has had one
 * key only: there is no other that it could have been about. Once a key has been replaced or
 * revoked, the verdict may have been about the wrong one: the node lagged, or the command overtook
 * the change on its way into the log. So the signature of such an author's command is checked again
 * when the command is decided, with the key that holds at that place in the log; every node comes
 * to the same answer, and a change of key takes effect between two commands, even of one batch.
 * Authors whose key never changed pay nothing for this.
 */
#ifndef MODEL_MEMBER_KEY_H
#define MODEL_MEMBER_KEY_H

#include "model/member.h"

enum member_key_end {
    MEMBER_KEY_REPLACED = 1,
    MEMBER_KEY_REVOKED = 2
};

/* A key that has ended; `reason` is the record's. */
struct member_old_key {
    uint8_t public_key[MEMBER_KEY_BYTES];
    uint64_t from_index;  /* of the entry with which it began */
    uint64_t until_index; /* of the one with which it ended */
    uint64_t until_ms;    /* and its time */
    enum member_key_end how;
    struct slice reason; /* of a revocation; may be empty */
};

const char *member_key_end_name(enum member_key_end how);

/* The n-th key (from 1) of a member that has ended; NOT_FOUND. */
enum conclave_code member_old_key_load(struct kv_transaction *transaction, uint32_t member,
                                       uint32_t number, struct member_old_key *key) MUST_USE;

/* The author of the command has had other keys: is it signed with the one that holds now?
 * KEY_REVOKED. */
enum conclave_code member_key_check(struct model_context *context, const struct command *command)
    MUST_USE;

/* member.rotate-key and member.revoke. */
enum conclave_code member_apply_rotate_key(struct model_context *context,
                                           const struct command *command) MUST_USE;
enum conclave_code member_apply_revoke(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
