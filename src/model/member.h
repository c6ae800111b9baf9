/* Members: who they are, and the commands that admit and change them. */
#ifndef MODEL_MEMBER_H
#define MODEL_MEMBER_H

#include "model/labels.h"

#define MEMBER_KEY_BYTES 32u

enum member_kind {
    MEMBER_MODEL = 1,
    MEMBER_PERSON = 2,
    MEMBER_SERVICE = 3
};
enum member_status {
    MEMBER_ACTIVE = 1,
    MEMBER_SUSPENDED = 2,
    MEMBER_RETIRED = 3,
    MEMBER_REVOKED = 4 /* its key has ended, and there will be no other */
};

/* A member as its record has it; the slices point into the record. */
struct member {
    uint32_t number; /* from 1, in the order of admission */
    struct slice id;
    struct slice name;
    enum member_kind kind;
    enum member_status status;
    uint8_t public_key[MEMBER_KEY_BYTES]; /* the last one */
    uint32_t keys;                        /* it has had, with this one */
    uint64_t key_index;                   /* of the entry with which this one began */
    uint32_t weight;                      /* 1..LIMIT_WEIGHT */
    uint32_t class_set;                   /* the number of `classes` (labels.h) */
    struct labels classes;
    struct labels roles;
    uint64_t index; /* of the entry that admitted it */
    uint64_t time_ms;
};

const char *member_kind_name(enum member_kind kind);
const char *member_status_name(enum member_status status);
bool member_is_active_chair(const struct member *member);

/* The roles that the status and the member's own roles give. */
role_set member_roles(const struct member *member);

/* The number of the member with this id, or NOT_FOUND. `key_changed`: it has had another key than
 * the one it was admitted with, or was revoked. */
enum conclave_code member_find(struct kv_transaction *transaction, struct slice id,
                               uint32_t *number, bool *key_changed) MUST_USE;

/* What the value of a MEMBER_ID key says. CORRUPT. */
enum conclave_code member_find_decode(struct slice value, uint32_t *number, bool *key_changed)
    MUST_USE;

/* The member with this number, which exists: CORRUPT otherwise. The slices are the store's. */
enum conclave_code member_load(struct kv_transaction *transaction, uint32_t number,
                               struct member *member) MUST_USE;

/* The same, its record copied into `copy`, which is initialised: the slices hold over puts. */
enum conclave_code member_load_copy(struct kv_transaction *transaction, uint32_t number,
                                    struct buffer *copy, struct member *member) MUST_USE;

/* The same, of the member with this id. Refused with UNKNOWN_MEMBER when there is none. */
enum conclave_code member_named(struct model_context *context, struct slice id, struct buffer *copy,
                                struct member *member) MUST_USE;

/* Writes its record. No slice of `member` may be the store's. */
enum conclave_code member_save(struct model_context *context, const struct member *member) MUST_USE;

/* Writes what its id and its key lead to. */
enum conclave_code member_save_id(struct model_context *context, const struct member *member)
    MUST_USE;
enum conclave_code member_save_key(struct model_context *context, const struct member *member)
    MUST_USE;

/* DUPLICATE_KEY when another member has this key, or had it. */
enum conclave_code member_check_key_free(struct model_context *context,
                                         const uint8_t key[MEMBER_KEY_BYTES]) MUST_USE;

/* LAST_CHAIR when `after` leaves the cluster without an active chair. */
enum conclave_code member_check_chairs(struct model_context *context, const struct member *before,
                                       const struct member *after) MUST_USE;

/* Writes what changed between two states of a member, with the changes of open polls' rolls and the
 * event. */
enum conclave_code member_replace(struct model_context *context, const struct member *before,
                                  struct member *after) MUST_USE;

/* Decodes a record. CORRUPT. */
enum conclave_code member_decode(struct slice record, struct member *member) MUST_USE;

/* Admits: gives `member` its number, class set, index and time, and writes it with its indexes and
 * event. The id and key are known to be free. LIMIT_REACHED. */
enum conclave_code member_insert(struct model_context *context, struct member *member) MUST_USE;

/* member.admit and member.update. */
enum conclave_code member_apply_admit(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code member_apply_update(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
