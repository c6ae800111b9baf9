/* Bodies of commands and params of queries: packed maps, written field by field.
 *
 * A map's head tells how many pairs follow, and optional fields make that number known only at the
 * end: so the pairs are gathered first.
 */
#ifndef CONCLAVE_BODY_H
#define CONCLAVE_BODY_H

#include <jansson.h>

#include "base/buffer.h"

struct body {
    struct buffer pairs;
    uint32_t count;
    const char *problem; /* static text, when a JSON value could not be taken */
};

void body_init(struct body *body);
void body_close(struct body *body);

void body_text(struct body *body, const char *key, const char *value); /* NULL: left out */
void body_u64(struct body *body, const char *key, uint64_t value);
void body_bool(struct body *body, const char *key, bool value);
void body_bytes(struct body *body, const char *key, struct slice value);
void body_json(struct body *body, const char *key, const json_t *value); /* NULL: left out */

/* The key alone: the caller writes one value into body->pairs. */
void body_key(struct body *body, const char *key);

/* Writes the packed map into `packed`; the status of what went wrong, if anything did. */
enum conclave_code body_finish(struct body *body, struct buffer *packed) MUST_USE;

#endif
