/* The register of members. Found by id in a balanced tree (tsearch), by number in an array. */
#include "audit/people.h"

#include <search.h>

#include "base/memory.h"

#define PEOPLE_FIRST_CAPACITY 64u

static const char CHAIR[] = "chair";

static int compare_ids(const void *left, const void *right)
{
    const struct audit_person *one = left;
    const struct audit_person *other = right;
    return strcmp(one->id, other->id);
}

static void free_nothing(void *node)
{
    (void)node;
}

void audit_people_close(struct audit_people *people)
{
    tdestroy(people->by_id, free_nothing);
    for (size_t i = 0; i < people->count; i++) {
        memory_free(people->all[i]->old_keys);
        memory_free(people->all[i]->classes.items);
        memory_free(people->all[i]->roles.items);
        memory_free(people->all[i]);
    }
    memory_free(people->all);
    *people = (struct audit_people){0};
}

/* False when it is no id: too long, empty, or with a zero byte. */
static bool copy_id(char id[LIMIT_ID_BYTES + 1], struct slice text)
{
    if (text.size == 0 || text.size > LIMIT_ID_BYTES || memchr(text.data, 0, text.size) != NULL) {
        return false;
    }
    memset(id, 0, LIMIT_ID_BYTES + 1);
    memcpy(id, text.data, text.size);
    return true;
}

struct audit_person *audit_people_find(const struct audit_people *people, struct slice id)
{
    struct audit_person wanted;
    if (!copy_id(wanted.id, id)) {
        return NULL;
    }
    void *const *found = tfind(&wanted, &people->by_id, compare_ids);
    return found == NULL ? NULL : *found;
}

static enum conclave_code set_labels(struct audit_labels *labels, const msgpack_object *array)
{
    if (array == NULL) {
        return CONCLAVE_OK;
    }
    uint32_t count = value_count(array);
    char(*items)[LIMIT_LABEL_BYTES + 1] = NULL;
    if (count > 0) {
        items = memory_allocate_zeroed(count, sizeof *items);
        if (items == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slice text = value_bytes(value_item(array, i));
        if (text.size > LIMIT_LABEL_BYTES) {
            memory_free(items);
            return CONCLAVE_BAD_REQUEST;
        }
        memcpy(items[i], text.data, text.size);
    }
    memory_free(labels->items);
    labels->items = items;
    labels->count = count;
    return CONCLAVE_OK;
}

static enum conclave_code change(struct audit_person *person, const msgpack_object *body)
{
    person->weight = value_u64(value_get(body, "weight"), person->weight);
    const msgpack_object *status = value_get(body, "status");
    if (status != NULL) {
        person->active = value_is(status, "active");
    }
    enum conclave_code code = set_labels(&person->classes, value_get(body, "classes"));
    return code == CONCLAVE_OK ? set_labels(&person->roles, value_get(body, "roles")) : code;
}

static enum conclave_code grow(struct audit_people *people)
{
    if (people->count < people->capacity) {
        return CONCLAVE_OK;
    }
    size_t capacity = people->capacity == 0 ? PEOPLE_FIRST_CAPACITY : 2 * people->capacity;
    struct audit_person **all = people->all == NULL
                                    ? memory_allocate(capacity * sizeof *all)
                                    : memory_resize(people->all, capacity * sizeof *all);
    if (all == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    people->all = all;
    people->capacity = capacity;
    return CONCLAVE_OK;
}

/* Takes `person` into the register, which then owns it. */
static enum conclave_code insert(struct audit_people *people, struct audit_person *person)
{
    enum conclave_code code = grow(people);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (tsearch(person, &people->by_id, compare_ids) == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    person->number = (uint32_t)people->count;
    people->all[people->count++] = person;
    return CONCLAVE_OK;
}

enum conclave_code audit_people_admit(struct audit_people *people, const msgpack_object *body,
                                      struct audit_person **person)
{
    struct slice key = value_bytes(value_get(body, "key"));
    struct slice id = value_bytes(value_get(body, "id"));
    if (key.size != AUDIT_KEY_BYTES || audit_people_find(people, id) != NULL) {
        return CONCLAVE_BAD_REQUEST;
    }
    struct audit_person *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->weight = 1;
    made->active = true;
    memcpy(made->key, key.data, sizeof made->key);
    enum conclave_code code = copy_id(made->id, id) ? change(made, body) : CONCLAVE_BAD_REQUEST;
    if (code == CONCLAVE_OK) {
        code = insert(people, made);
    }
    if (code != CONCLAVE_OK) {
        memory_free(made->classes.items);
        memory_free(made->roles.items);
        memory_free(made);
        return code;
    }
    *person = made;
    return CONCLAVE_OK;
}

enum conclave_code audit_people_update(struct audit_people *people, const msgpack_object *body)
{
    struct audit_person *person = audit_people_find(people, value_bytes(value_get(body, "id")));
    return person == NULL ? CONCLAVE_NOT_FOUND : change(person, body);
}

enum conclave_code audit_people_rotate(struct audit_person *person, const msgpack_object *body)
{
    ASSERT(person != NULL);
    struct slice key = value_bytes(value_get(body, "key"));
    if (key.size != AUDIT_KEY_BYTES || person->revoked) {
        return CONCLAVE_BAD_REQUEST;
    }
    size_t size = (person->old_key_count + 1u) * sizeof *person->old_keys;
    void *grown = person->old_keys == NULL ? memory_allocate(size)
                                           : memory_resize(person->old_keys, size);
    if (grown == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    person->old_keys = grown;
    memcpy(person->old_keys[person->old_key_count++], person->key, AUDIT_KEY_BYTES);
    memcpy(person->key, key.data, AUDIT_KEY_BYTES);
    return CONCLAVE_OK;
}

enum conclave_code audit_people_revoke(struct audit_people *people, const msgpack_object *body)
{
    struct audit_person *person = audit_people_find(people, value_bytes(value_get(body, "id")));
    if (person == NULL) {
        return CONCLAVE_NOT_FOUND;
    }
    person->revoked = true;
    person->active = false;
    return CONCLAVE_OK;
}

enum conclave_code audit_people_make_chair(struct audit_person *person)
{
    ASSERT(person->roles.items == NULL);
    person->roles.items = memory_allocate_zeroed(1, sizeof *person->roles.items);
    if (person->roles.items == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    memcpy(person->roles.items[0], CHAIR, sizeof CHAIR);
    person->roles.count = 1;
    return CONCLAVE_OK;
}

bool audit_labels_have(const struct audit_labels *labels, const char *prefix, struct slice label)
{
    size_t size = strlen(prefix);
    for (uint32_t i = 0; i < labels->count; i++) {
        const char *item = labels->items[i];
        if (strncmp(item, prefix, size) == 0 && slice_is_text(label, item + size)) {
            return true;
        }
    }
    return false;
}
