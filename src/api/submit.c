/* A command's way in: form, limits, cluster, author's key, signature, then the replica.
 *
 * Whether the author may do it, and whether `not_after` has passed, is the state machine's to say,
 * at the command's place in the log. What is refused here is not in the log.
 */
#include "api/submit.h"

#include <inttypes.h>

#include "api/answer.h"
#include "api/pending.h"
#include "api/request.h"
#include "api/view.h"
#include "codec/writer.h"
#include "model/model.h"

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
    bool is_ballot = slice_is_text(envelope.kind, "ballot.cast");
    envelope_close(&envelope);

    if (is_ballot && request->envelope.size > LIMIT_BALLOT_BYTES) {
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

static void refuse_author(struct api_request *request)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_UNKNOWN_AUTHOR,
                     "the author \"%.*s\" is not a member of this cluster: a chair admits members",
                     (int)request->author.size, (const char *)request->author.data);
    answer_error_add_text(&error, "author", request->author);
    answer_refuse(request, &error);
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
static void refuse_before_log(struct api_request *request, enum conclave_code code)
{
    ASSERT(code != CONCLAVE_OK);
    struct answer_error error;
    answer_error_set(&error, code, "%s; the command is not in the log: send it again",
                     conclave_code_text(code));
    answer_refuse(request, &error);
}

static void start_verification(struct api_request *request, const struct model_author *author)
{
    enum conclave_code rv = request_wait(request, REQUEST_VERIFY);
    if (rv != CONCLAVE_OK) {
        refuse_before_log(request, rv);
        return;
    }
    struct api_verification *verification = &request->verification;
    *verification = (struct api_verification){.message = request->envelope};
    ASSERT(request->signature.size == sizeof verification->signature);
    memcpy(verification->signature, request->signature.data, sizeof verification->signature);
    memcpy(verification->public_key, author->public_key, sizeof verification->public_key);
    struct api *api = request->api;
    api->host->verify(api->host->context, verification);
}

/* The author may be known elsewhere: what this node has now is not the last word. */
static void start_author_read(struct api_request *request)
{
    struct api *api = request->api;
    enum conclave_code rv = request_wait(request, REQUEST_AUTHOR);
    if (rv == CONCLAVE_OK) {
        rv = api->operations->read(api->replica, request->token, request->timeout_ms);
    }
    if (rv != CONCLAVE_OK) {
        refuse_before_log(request, rv);
    }
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
    if (!request_decode_wait(request, NULL) || !admit_form(request, params.command)) {
        return;
    }
    /* From here on the slices of the message are enough; a waiting request keeps no more than it
     * must. */
    codec_tree_close(&request->tree);
    request->params = NULL;

    struct api *api = request->api;
    struct model_author author;
    enum conclave_code rv = api->operations->author(api->replica, request->author, &author);
    if (rv == CONCLAVE_UNKNOWN_AUTHOR) {
        start_author_read(request);
    } else if (rv != CONCLAVE_OK) {
        refuse_before_log(request, rv);
    } else {
        start_verification(request, &author);
    }
}

void submit_readable(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_AUTHOR);
    if (request->outcome != CONCLAVE_OK) {
        /* What timed out is the read: the command's outcome is certain. */
        bool timed_out = request->outcome == CONCLAVE_UNKNOWN_OUTCOME;
        refuse_before_log(request, timed_out ? CONCLAVE_NO_LEADER : request->outcome);
        return;
    }
    struct api *api = request->api;
    struct model_author author;
    enum conclave_code rv = api->operations->author(api->replica, request->author, &author);
    if (rv == CONCLAVE_UNKNOWN_AUTHOR) {
        refuse_author(request);
    } else if (rv != CONCLAVE_OK) {
        refuse_before_log(request, rv);
    } else {
        start_verification(request, &author);
    }
}

void submit_verified(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_VERIFY);
    struct api *api = request->api;
    if (!request->verification.valid) {
        struct answer_error error;
        answer_error_set(&error, CONCLAVE_BAD_SIGNATURE,
                         "the signature does not verify with the key of \"%.*s\"",
                         (int)request->author.size, (const char *)request->author.data);
        answer_error_add_text(&error, "author", request->author);
        answer_refuse(request, &error);
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
        refuse_before_log(request, rv);
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

void submit_decided(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_DECIDE);
    if (request->outcome == CONCLAVE_UNKNOWN_OUTCOME) {
        refuse_unknown_outcome(request, "the cluster did not answer in time");
        return;
    }
    if (request->outcome != CONCLAVE_OK) {
        refuse_before_log(request, request->outcome);
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
    answer_finish(request);
}
