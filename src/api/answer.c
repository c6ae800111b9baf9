/* Responses: docs/PROTOCOL.md, "Connections". */
#include "api/answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/pending.h"
#include "codec/utf8.h"
#include "codec/writer.h"

#define ANSWER_TYPE_RESPONSE 1u

/* Cutting a sentence may have cut a character. */
static void drop_cut_character(char *text)
{
    size_t size = strlen(text);
    for (unsigned i = 0; i < 4 && size > 0 && !codec_utf8_valid(slice_of(text, size)); i++) {
        size--;
        text[size] = '\0';
    }
}

void answer_error_set(struct answer_error *error, enum conclave_code code, const char *format, ...)
{
    ASSERT(error != NULL && format != NULL);
    ASSERT(code != CONCLAVE_OK && code < CONCLAVE_CODE_COUNT);
    *error = (struct answer_error){.code = code};
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    ASSERT(written >= 0);
    drop_cut_character(error->text);
    if (!codec_utf8_valid(slice_of_text(error->text))) {
        (void)snprintf(error->text, sizeof error->text, "%s", conclave_code_text(code));
    }
}

static void count_code(struct api *api, enum conclave_code code)
{
    metric_add(&api->metrics.requests[api_outcome(code)], 1);
    if (code != CONCLAVE_OK) {
        metric_add(&api->metrics.codes[code], 1);
    }
}

/* A request has its answer, whether there is still somebody to send it to or not. */
static void count_request(struct api_request *request, enum conclave_code code)
{
    struct api *api = request->api;
    enum api_kind kind = request->token == 0   ? API_KIND_LOCAL
                         : request->is_command ? API_KIND_COMMAND
                                               : API_KIND_READ;
    count_code(api, code);
    metric_add(&api->metrics.ballots[api_outcome(code)], request->is_ballot);
    metric_observe(&api->metrics.request_us[kind],
                   clock_monotonic_us(api->clock) - request->opened_us);
}

static struct answer_detail *add_detail(struct answer_error *error, const char *name)
{
    ASSERT(error != NULL && name != NULL);
    ASSERT(error->detail_count < ANSWER_DETAILS);
    struct answer_detail *detail = &error->details[error->detail_count];
    error->detail_count++;
    detail->name = name;
    return detail;
}

void answer_error_add_u64(struct answer_error *error, const char *name, uint64_t number)
{
    struct answer_detail *detail = add_detail(error, name);
    detail->type = ANSWER_DETAIL_U64;
    detail->number = number;
}

void answer_error_add_text(struct answer_error *error, const char *name, struct slice text)
{
    ASSERT(text.size <= LIMIT_ID_BYTES);
    struct answer_detail *detail = add_detail(error, name);
    detail->type = ANSWER_DETAIL_TEXT;
    detail->bytes = text;
}

void answer_error_add_bytes(struct answer_error *error, const char *name, struct slice bytes)
{
    ASSERT(bytes.size <= LIMIT_ID_BYTES);
    struct answer_detail *detail = add_detail(error, name);
    detail->type = ANSWER_DETAIL_BYTES;
    detail->bytes = bytes;
}

static void write_detail(struct buffer *buffer, const struct answer_detail *detail)
{
    codec_write_text(buffer, detail->name);
    switch (detail->type) {
    case ANSWER_DETAIL_U64:
        codec_write_u64(buffer, detail->number);
        return;
    case ANSWER_DETAIL_TEXT:
        codec_write_string(buffer, detail->bytes);
        return;
    case ANSWER_DETAIL_BYTES:
        codec_write_bytes(buffer, detail->bytes);
        return;
    }
    UNREACHABLE("type of detail");
}

/* Sends [1, msgid, [code, message, details], nil]. */
static void send_refusal(struct api *api, struct api_connection *connection, uint32_t message_id,
                         const struct answer_error *error)
{
    ASSERT(api != NULL && connection != NULL && error != NULL);
    if (connection->closing) {
        return;
    }
    struct buffer *buffer = &api->refusal;
    buffer_clear(buffer);
    codec_write_array(buffer, 4);
    codec_write_u64(buffer, ANSWER_TYPE_RESPONSE);
    codec_write_u64(buffer, message_id);
    codec_write_array(buffer, 3);
    codec_write_text(buffer, conclave_code_name(error->code));
    codec_write_text(buffer, error->text);
    codec_write_map(buffer, error->detail_count);
    for (uint32_t i = 0; i < error->detail_count; i++) {
        write_detail(buffer, &error->details[i]);
    }
    codec_write_nil(buffer);
    ASSERT(buffer->status == CONCLAVE_OK); /* its memory is there, and the parts are bounded */
    api->host->send(api->host->context, connection->id, buffer_slice(buffer));
}

void answer_refusal(struct api *api, struct api_connection *connection, uint32_t message_id,
                    const struct answer_error *error)
{
    count_code(api, error->code);
    send_refusal(api, connection, message_id, error);
}

void answer_refuse(struct api_request *request, const struct answer_error *error)
{
    ASSERT(request != NULL);
    count_request(request, error->code);
    if (request->connection != NULL) {
        send_refusal(request->api, request->connection, request->message_id, error);
    }
    request_close(request);
}

void answer_refuse_code(struct api_request *request, enum conclave_code code, const char *text)
{
    ASSERT(text != NULL);
    struct answer_error error;
    answer_error_set(&error, code, "%s", text[0] != '\0' ? text : conclave_code_text(code));
    answer_refuse(request, &error);
}

struct buffer *answer_start(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct buffer *buffer = &request->api->answer;
    buffer_clear(buffer);
    codec_write_array(buffer, 4);
    codec_write_u64(buffer, ANSWER_TYPE_RESPONSE);
    codec_write_u64(buffer, request->message_id);
    codec_write_nil(buffer);
    return buffer;
}

void answer_finish(struct api_request *request)
{
    answer_finish_decided(request, CONCLAVE_OK);
}

void answer_finish_decided(struct api_request *request, enum conclave_code decided)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct api *api = request->api;
    if (api->answer.status == CONCLAVE_TOO_LARGE) {
        struct answer_error error;
        answer_error_set(&error, CONCLAVE_TOO_LARGE,
                         "the answer would have more than %u bytes: ask for less with `limit`",
                         LIMIT_ANSWER_BYTES);
        answer_error_add_u64(&error, "limit", LIMIT_ANSWER_BYTES);
        answer_refuse(request, &error);
        return;
    }
    if (api->answer.status != CONCLAVE_OK) {
        answer_refuse_code(request, api->answer.status,
                           "the node has no memory for the answer: try again");
        return;
    }
    count_request(request, decided);
    if (!request->connection->closing) {
        api->host->send(api->host->context, request->connection->id, buffer_slice(&api->answer));
    }
    request_close(request);
}
