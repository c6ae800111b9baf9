/* Who is who, as the accepted commands of the log say it, in log order: the auditor's own register
 * of members, their keys, weights, classes and roles. It shares nothing with src/model. */
#ifndef AUDIT_PEOPLE_H
#define AUDIT_PEOPLE_H

#include <conclave/limits.h>

#include "audit/value.h"

#define AUDIT_KEY_BYTES 32u

struct audit_labels {
    char (*items)[LIMIT_LABEL_BYTES + 1];
    uint32_t count;
};

struct audit_person {
    char id[LIMIT_ID_BYTES + 1];
    uint32_t number;                      /* in the order of admission, from 0 */
    uint8_t key[AUDIT_KEY_BYTES];         /* the one that holds */
    uint8_t (*old_keys)[AUDIT_KEY_BYTES]; /* those before it */
    uint32_t old_key_count;
    bool revoked;
    uint64_t weight;
    bool active;
    struct audit_labels classes, roles;
};

struct audit_people {
    struct audit_person **all; /* by number */
    size_t count, capacity;
    void *by_id; /* tsearch's */
};

void audit_people_close(struct audit_people *people);

struct audit_person *audit_people_find(const struct audit_people *people, struct slice id);

/* member.admit's body, or the chair of a genesis. BAD_REQUEST when the id is none or taken, or the
 * key is none; NO_MEMORY. */
enum conclave_code audit_people_admit(struct audit_people *people, const msgpack_object *body,
                                      struct audit_person **person) MUST_USE;

/* member.update's body: what is given is replaced. NOT_FOUND; NO_MEMORY. */
enum conclave_code audit_people_update(struct audit_people *people, const msgpack_object *body)
    MUST_USE;

/* member.rotate-key's body: another key from now on. BAD_REQUEST when it is none; NO_MEMORY. */
enum conclave_code audit_people_rotate(struct audit_person *person, const msgpack_object *body)
    MUST_USE;

/* member.revoke's body. NOT_FOUND. */
enum conclave_code audit_people_revoke(struct audit_people *people, const msgpack_object *body)
    MUST_USE;

/* The first chair: genesis gives the role. NO_MEMORY. */
enum conclave_code audit_people_make_chair(struct audit_person *person) MUST_USE;

/* Is `prefix` with `label` after it among the labels? */
bool audit_labels_have(const struct audit_labels *labels, const char *prefix, struct slice label);

#endif
