/* A replica that does as it is told. */
#include "support/fake_replica.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_replica *fake_replica_open(void)
{
    struct fake_replica *fake = calloc(1, sizeof *fake);
    ASSERT(fake != NULL);
    return fake;
}

void fake_replica_close(struct fake_replica *fake)
{
    ASSERT(fake != NULL);
    for (unsigned i = 0; i < fake->submit_count; i++) {
        free(fake->submits[i].command);
    }
    free(fake);
}

static struct fake_replica *fake_of(struct replica *replica)
{
    ASSERT(replica != NULL);
    return (struct fake_replica *)replica;
}

static void fake_status(struct replica *replica, struct replica_status *status)
{
    *status = fake_of(replica)->status;
}

static enum conclave_code fake_submit(struct replica *replica, struct slice command, uint64_t token,
                                      uint64_t timeout_ms)
{
    struct fake_replica *fake = fake_of(replica);
    if (fake->submit_code != CONCLAVE_OK) {
        return fake->submit_code;
    }
    ASSERT(fake->submit_count < FAKE_CALLS);
    struct fake_call *call = &fake->submits[fake->submit_count];
    fake->submit_count++;
    *call = (struct fake_call){token, timeout_ms, malloc(command.size), command.size};
    ASSERT(call->command != NULL);
    memcpy(call->command, command.data, command.size);
    return CONCLAVE_OK;
}

static enum conclave_code fake_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
{
    struct fake_replica *fake = fake_of(replica);
    if (fake->read_code != CONCLAVE_OK) {
        return fake->read_code;
    }
    ASSERT(fake->read_count < FAKE_CALLS);
    fake->reads[fake->read_count] = (struct fake_call){.token = token, .timeout_ms = timeout_ms};
    fake->read_count++;
    return CONCLAVE_OK;
}

static enum conclave_code fake_query(struct replica *replica, struct slice method,
                                     const msgpack_object *params, struct buffer *answer,
                                     struct codec_error *error)
{
    struct fake_replica *fake = fake_of(replica);
    ASSERT(params->type == MSGPACK_OBJECT_MAP);
    if (slice_is_text(method, "cluster.get") && params->via.map.size == 0) {
        if (fake->cluster_answer.size == 0) {
            return CONCLAVE_NOT_FOUND;
        }
        buffer_append(answer, fake->cluster_answer.data, fake->cluster_answer.size);
        return CONCLAVE_OK;
    }
    (void)snprintf(fake->query_method, sizeof fake->query_method, "%.*s", (int)method.size,
                   (const char *)method.data);
    fake->query_param_count = params->via.map.size;
    fake->query_count++;
    if (fake->query_code != CONCLAVE_OK) {
        if (fake->query_error != NULL) {
            codec_error_set(error, "%s", fake->query_error);
        }
        return fake->query_code;
    }
    buffer_append(answer, fake->query_answer.data, fake->query_answer.size);
    return CONCLAVE_OK;
}

static enum conclave_code fake_author(struct replica *replica, struct slice author,
                                      struct model_author *out)
{
    struct fake_replica *fake = fake_of(replica);
    fake->author_calls++;
    if (fake->author_code != CONCLAVE_OK) {
        return fake->author_code;
    }
    for (unsigned i = 0; i < fake->author_count; i++) {
        if (slice_is_text(author, fake->authors[i].id)) {
            *out = fake->authors[i].author;
            return CONCLAVE_OK;
        }
    }
    return CONCLAVE_UNKNOWN_AUTHOR;
}

static enum conclave_code fake_reply(struct replica *replica, struct slice author,
                                     struct slice nonce, struct slice envelope,
                                     struct buffer *reply)
{
    struct fake_replica *fake = fake_of(replica);
    ASSERT(author.size > 0 && nonce.size == 16 && envelope.size > 0);
    if (fake->reply.size == 0) {
        return CONCLAVE_NOT_FOUND;
    }
    buffer_append(reply, fake->reply.data, fake->reply.size);
    return reply->status;
}

static enum conclave_code fake_reads_public(struct replica *replica, bool *reads_public)
{
    *reads_public = !fake_of(replica)->reads_members;
    return CONCLAVE_OK;
}

static enum conclave_code fake_await_receipt(struct replica *replica, const msgpack_object *params,
                                             uint64_t token, uint64_t timeout_ms,
                                             struct codec_error *error)
{
    (void)params;
    error->text[0] = 0;
    return fake_read(replica, token, timeout_ms);
}

const struct api_replica_operations fake_replica_operations = {
    .status = fake_status,
    .submit = fake_submit,
    .read = fake_read,
    .query = fake_query,
    .await_receipt = fake_await_receipt,
    .author = fake_author,
    .reply = fake_reply,
    .reads_public = fake_reads_public,
};
