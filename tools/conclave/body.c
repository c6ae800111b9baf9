/* Bodies of commands and params of queries. */
#include "body.h"

#include <conclave/limits.h>

#include "codec/writer.h"
#include "convert.h"

void body_init(struct body *body)
{
    ASSERT(body != NULL);
    *body = (struct body){0};
    buffer_init(&body->pairs, LIMIT_FRAME_BYTES);
}

void body_close(struct body *body)
{
    ASSERT(body != NULL);
    buffer_close(&body->pairs);
}

void body_key(struct body *body, const char *key)
{
    ASSERT(body != NULL && key != NULL);
    codec_write_text(&body->pairs, key);
    body->count++;
}

void body_text(struct body *body, const char *key, const char *value)
{
    if (value != NULL) {
        body_key(body, key);
        codec_write_text(&body->pairs, value);
    }
}

void body_u64(struct body *body, const char *key, uint64_t value)
{
    body_key(body, key);
    codec_write_u64(&body->pairs, value);
}

void body_bool(struct body *body, const char *key, bool value)
{
    body_key(body, key);
    codec_write_bool(&body->pairs, value);
}

void body_bytes(struct body *body, const char *key, struct slice value)
{
    body_key(body, key);
    codec_write_bytes(&body->pairs, value);
}

void body_json(struct body *body, const char *key, const json_t *value)
{
    if (value == NULL) {
        return;
    }
    body_key(body, key);
    if (!convert_to_msgpack(&body->pairs, value, &body->problem)) {
        ASSERT(body->problem != NULL);
    }
}

enum conclave_code body_finish(struct body *body, struct buffer *packed)
{
    ASSERT(body != NULL && packed != NULL);
    if (body->problem != NULL) {
        return CONCLAVE_USAGE;
    }
    if (body->pairs.status != CONCLAVE_OK) {
        return body->pairs.status;
    }
    codec_write_map(packed, body->count);
    if (body->pairs.size > 0) {
        codec_write_raw(packed, buffer_slice(&body->pairs));
    }
    return packed->status;
}
