/* A command's way in: form, limits, cluster, author's key, signature, then the replica.
 *
 * Whether the author may do it, and whether `not_after` has passed, is the state machine's to say,
 * at the command's place in the log. What is refused here is not in the log.
 */
#include "api/submit.h"

#include <inttypes.h>

#include "api/answer.h"
#include "api/author.h"
#include "api/flood.h"
#include "api/pending.h"
#include "api/request.h"
#include "api/view.h"
#include "codec/writer.h"

struct submit_params {
    struct slice command;
};

static const struct codec_field submit_fields[] = {
    {"command", CODEC_BYTES, true, offsetof(struct submit_params, command), 0, 0},
};

static void refuse_large(struct api_request *request, const char *text, size_t limit)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_TOO_LARGE, "%s", text);
    answer_error_add_u64(&error, "limit", limit);
    answer_refuse(request, &error);
}

/* The form of the command and what can be told without the state. Keeps in the request what is
 * needed later: slices of its own copy of the message. */
static bool admit_form(struct api_request *request, struct slice command)
{
    struct envelope envelope;
    struct codec_error error;
    enum conclave_code rv = envelope_decode(&envelope, command, &error);
    if (rv == CONCLAVE_TOO_LARGE) {
        refuse_large(request, error.text, LIMIT_COMMAND_BYTES);
        return false;
    }
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, error.text);
        return false;
    }
    request->command = command;
    request->envelope = envelope.bytes;
    request->signature = envelope.signature;
    request->author = envelope.author;
    request->nonce = envelope.nonce;
    struct slice cluster = envelope.cluster;
    request->is_ballot = slice_is_text(envelope.kind, "ballot.cast");
    envelope_close(&envelope);

    if (request->is_ballot && request->envelope.size > LIMIT_BALLOT_BYTES) {
        codec_error_set(&error, "the envelope of a ballot has %zu bytes, at most %u are allowed",
                        request->envelope.size, LIMIT_BALLOT_BYTES);
        refuse_large(request, error.text, LIMIT_BALLOT_BYTES);
        return false;
    }
    const uint8_t *own = view_cluster_id(request->api);
    if (!slice_equal(cluster, slice_of(own, AUTH_CLUSTER_ID_BYTES))) {
        struct answer_error refusal;
        view_wrong_cluster(request->api, &refusal, "the command is signed for", cluster);
        answer_refuse(request, &refusal);
        return false;
    }
    return true;
}

static void refuse_late(struct api_request *request)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_BUSY,
                     "the node could not check the command within %" PRIu64
                     " ms; it is not in the log: send it again",
                     request->timeout_ms);
    answer_error_add_u64(&error, "timeout_ms", request->timeout_ms);
    answer_refuse(request, &error);
}

/* A refusal by the replica before it took the command or the read. */
void submit_failed(struct api_request *request, enum conclave_code code)
{
    ASSERT(code != CONCLAVE_OK);
    struct answer_error error;
    if (code == CONCLAVE_DISK_FULL) {
        view_disk_full(request->api, &error, "the command is not in the log");
    } else {
        answer_error_set(&error, code, "%s; the command is not in the log: send it again",
                         conclave_code_text(code));
    }
    answer_refuse(request, &error);
}

void submit_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_NEW);
    struct submit_params params = {0};
    struct codec_error error;
    if (codec_decode_map(request->params, submit_fields, 1, false, &params, &error) !=
        CONCLAVE_OK) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST, error.text);
        return;
    }
    if (!request_decode_wait(request, NULL) || !admit_form(request, params.command) ||
        !request_check_part(request)) {
        return;
    }
    /* From here on the slices of the message are enough; a waiting request keeps no more than it
     * must. */
    codec_tree_close(&request->tree);
    request->params = NULL;

    author_check(request);
}

/* A key that has ended signs nothing new; but what it signed before, and was decided, has its reply
 * for whoever sends it again. (This node has applied the end of the key, so it has that reply.) */
static void answer_old_key(struct api_request *request)
{
    struct api *api = request->api;
    struct buffer *answer = answer_start(request);
    enum conclave_code rv = api->operations->reply(api->replica, request->author, request->nonce,
                                                   request->envelope, answer);
    if (rv == CONCLAVE_OK) {
        answer_finish(request);
    } else if (rv == CONCLAVE_NOT_FOUND) {
        author_refuse_old_key(request);
    } else {
        submit_failed(request, rv);
    }
}

void submit_checked(struct api_request *request, enum author_key key)
{
    ASSERT(request != NULL);
    ASSERT(request->stage == REQUEST_VERIFY || key == AUTHOR_KEY_NONE);
    struct api *api = request->api;
    if (key == AUTHOR_KEY_NONE) {
        author_refuse_signature(request);
        return;
    }
    if (key == AUTHOR_KEY_OLD) {
        answer_old_key(request);
        return;
    }
    if (!flood_admit_member(request)) {
        return;
    }
    uint64_t left_ms = api_time_left_ms(request);
    if (left_ms == 0) {
        refuse_late(request);
        return;
    }
    enum conclave_code rv = request_wait(request, REQUEST_DECIDE);
    ASSERT(rv == CONCLAVE_OK); /* it has its place already */
    rv = api->operations->submit(api->replica, request->command, request->token, left_ms);
    if (rv != CONCLAVE_OK) {
        submit_failed(request, rv);
    }
}

static void refuse_unknown_outcome(struct api_request *request, const char *why)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_UNKNOWN_OUTCOME,
                     "%s: the command may or may not be decided; ask `request` with its author and "
                     "nonce, or send the same command again, which is safe",
                     why);
    answer_error_add_text(&error, "author", request->author);
    answer_error_add_bytes(&error, "nonce", request->nonce);
    answer_refuse(request, &error);
}

/* The code in a reply (docs/PROTOCOL.md, "Reply"), for counting. The state machine packs it first:
 * a map of up to 15 pairs, the key, a text of up to 31 bytes. */
static enum conclave_code reply_code(struct slice reply)
{
    static const char key[] = "\xa4"
                              "code";
    const size_t head_bytes = 1 + sizeof key - 1 + 1;
    if (reply.size < head_bytes || (reply.data[0] & 0xf0) != 0x80 ||
        memcmp(reply.data + 1, key, sizeof key - 1) != 0 ||
        (reply.data[head_bytes - 1] & 0xe0) != 0xa0) {
        return CONCLAVE_INTERNAL;
    }
    size_t size = reply.data[head_bytes - 1] & 0x1f;
    enum conclave_code code = CONCLAVE_CODE_COUNT;
    if (size <= reply.size - head_bytes) {
        code = conclave_code_from_name((const char *)reply.data + head_bytes, size);
    }
    return code == CONCLAVE_CODE_COUNT ? CONCLAVE_INTERNAL : code;
}

void submit_decided(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_DECIDE);
    if (request->outcome == CONCLAVE_UNKNOWN_OUTCOME) {
        refuse_unknown_outcome(request, "the cluster did not answer in time");
        return;
    }
    if (request->outcome != CONCLAVE_OK) {
        submit_failed(request, request->outcome);
        return;
    }
    if (request->reply_lost) {
        refuse_unknown_outcome(request, "the node had no memory for the reply");
        return;
    }
    struct buffer *answer = answer_start(request);
    codec_write_raw(answer, slice_of(request->reply, request->reply_size));
    if (answer->status != CONCLAVE_OK) {
        refuse_unknown_outcome(request, "the node had no memory for the reply");
        return;
    }
    answer_finish_decided(request, reply_code(slice_of(request->reply, request->reply_size)));
}
