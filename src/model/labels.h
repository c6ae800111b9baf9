/* Lists of labels: the classes and roles of members, the electorate of a poll.
 *
 * The lists of classes that members have are kept once each and numbered (class sets), so that a
 * poll's roll can freeze a member's classes in four bytes.
 */
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include "model/context.h"

#define LABELS_MAX 16u
_Static_assert(LABELS_MAX >= LIMIT_CLASSES && LABELS_MAX >= LIMIT_ROLES, "room for the limits");

struct labels {
    uint32_t count;
    struct slice items[LABELS_MAX];
};

/* From the body of a command. LIMIT_REACHED over `count_max`, BAD_VALUE for what is no label or
 * comes twice. */
enum conclave_code labels_parse(struct model_context *context, const char *field,
                                const msgpack_object *array, uint32_t count_max,
                                struct labels *labels) MUST_USE;

bool labels_have(const struct labels *labels, struct slice label);
bool labels_have_any(const struct labels *labels, const struct labels *wanted);
bool labels_equal(const struct labels *a, const struct labels *b);

/* In a record, and as the packed array of a query's answer. */
void labels_encode(struct buffer *buffer, const struct labels *labels);
void labels_decode(struct decoder *decoder, struct labels *labels);
void labels_write(struct buffer *buffer, const struct labels *labels);

/* The number of a class set, which is made if it is new. */
enum conclave_code class_set_number(struct model_context *context, const struct labels *labels,
                                    uint32_t *number) MUST_USE;

/* The labels of a class set; the slices are the store's. */
enum conclave_code class_set_load(struct kv_transaction *transaction, uint32_t number,
                                  struct labels *labels) MUST_USE;

#endif
