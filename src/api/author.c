/* See author.h. */
#include "api/author.h"

#include "api/answer.h"
#include "api/flood.h"
#include "api/pending.h"
#include "base/mutant.h"

static void look_up(struct api_request *request);

static void refuse(struct api_request *request, struct answer_error *error)
{
    answer_error_add_text(error, "author", request->author);
    answer_refuse(request, error);
}

void author_refuse_unknown(struct api_request *request)
{
    struct answer_error error;
    flood_charge(request, FLOOD_COST_UNKNOWN_AUTHOR);
    answer_error_set(&error, CONCLAVE_UNKNOWN_AUTHOR,
                     "the author \"%.*s\" is not a member of this cluster: a chair admits members",
                     (int)request->author.size, (const char *)request->author.data);
    refuse(request, &error);
}

void author_refuse_signature(struct api_request *request)
{
    struct answer_error error;
    flood_charge(request, FLOOD_COST_BAD_SIGNATURE);
    answer_error_set(&error, CONCLAVE_BAD_SIGNATURE,
                     "the signature does not verify with the key of \"%.*s\"",
                     (int)request->author.size, (const char *)request->author.data);
    refuse(request, &error);
}

void author_refuse_old_key(struct api_request *request)
{
    struct answer_error error;
    bool revoked = (request->keys.roles & ROLE_SET(ROLE_REVOKED)) != 0;
    answer_error_set(&error, CONCLAVE_KEY_REVOKED,
                     revoked ? "the key of \"%.*s\" was revoked: it signs nothing any more"
                             : "\"%.*s\" has another key now: sign with that one",
                     (int)request->author.size, (const char *)request->author.data);
    refuse(request, &error);
}

static void verify_with(struct api_request *request, const uint8_t key[AUTH_PUBLIC_KEY_BYTES])
{
    enum conclave_code rv = request_wait(request, REQUEST_VERIFY);
    if (rv != CONCLAVE_OK) {
        request->method->failed(request, rv);
        return;
    }
    struct api_verification *verification = &request->verification;
    *verification = (struct api_verification){.message = request->envelope};
    ASSERT(request->signature.size == sizeof verification->signature);
    memcpy(verification->signature, request->signature.data, sizeof verification->signature);
    memcpy(verification->public_key, key, sizeof verification->public_key);
    struct api *api = request->api;
    api->host->verify(api->host->context, verification);
}

/* The author may be known elsewhere, or have another key there: what this node has now is not the
 * last word. */
static void read_again(struct api_request *request)
{
    struct api *api = request->api;
    uint64_t left_ms = api_time_left_ms(request);
    enum conclave_code rv = left_ms > 0 ? request_wait(request, REQUEST_AUTHOR) : CONCLAVE_BUSY;
    if (rv == CONCLAVE_OK) {
        request->author_read = true;
        rv = api->operations->read(api->replica, request->token, left_ms);
    }
    if (rv != CONCLAVE_OK) {
        request->method->failed(request, rv);
    }
}

static void no_key_verifies(struct api_request *request)
{
    if (!request->author_read) {
        read_again(request);
    } else {
        request->method->checked(request, AUTHOR_KEY_NONE);
    }
}

static void look_up(struct api_request *request)
{
    struct api *api = request->api;
    bool tried = request->keys_found;
    uint64_t tried_index = request->keys.key_index;
    enum conclave_code rv = api->operations->author(api->replica, request->author, &request->keys);
    if (rv == CONCLAVE_UNKNOWN_AUTHOR && !request->author_read) {
        read_again(request);
    } else if (rv == CONCLAVE_UNKNOWN_AUTHOR) {
        author_refuse_unknown(request);
    } else if (rv != CONCLAVE_OK) {
        request->method->failed(request, rv);
    } else if (tried && request->keys.key_index == tried_index) {
        no_key_verifies(request); /* still the keys that did not */
    } else {
        request->keys_found = true;
        request->keys_tried = 0;
        verify_with(request, request->keys.public_key);
    }
}

void author_check(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_NEW);
    ASSERT(request->author.size > 0 && request->envelope.size > 0);
    ASSERT(request->method->checked != NULL && request->method->failed != NULL);
    look_up(request);
}

void author_readable(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_AUTHOR);
    if (request->outcome != CONCLAVE_OK) {
        /* What timed out is the read: nothing else was done. */
        bool timed_out = request->outcome == CONCLAVE_UNKNOWN_OUTCOME;
        request->method->failed(request, timed_out ? CONCLAVE_NO_LEADER : request->outcome);
        return;
    }
    look_up(request);
}

void author_verified(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_VERIFY);
    const struct model_author *keys = &request->keys;
    if (MUTANT(34) || request->verification.valid) {
        bool holds = request->keys_tried == 0 && (keys->roles & ROLE_SET(ROLE_REVOKED)) == 0;
        request->method->checked(request, holds ? AUTHOR_KEY_CURRENT : AUTHOR_KEY_OLD);
    } else if (request->keys_tried < keys->old_key_count) {
        verify_with(request, keys->old_keys[request->keys_tried++]);
    } else {
        no_key_verifies(request);
    }
}
