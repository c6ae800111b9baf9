/* Answers: results and errors of requests, written and sent. Every one of these ends its request.
 *
 * An error always gets out, even without memory: its buffer is there from the start.
 */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/state.h"

#define ANSWER_TEXT_BYTES    320u
#define ANSWER_DETAILS       4u
#define ANSWER_REFUSAL_BYTES 2048u /* room for the largest error */

enum answer_detail_type {
    ANSWER_DETAIL_U64,
    ANSWER_DETAIL_TEXT,
    ANSWER_DETAIL_BYTES
};

struct answer_detail {
    const char *name;
    enum answer_detail_type type;
    uint64_t number;
    struct slice bytes; /* TEXT, BYTES: at most LIMIT_ID_BYTES, for refusals to fit */
};

struct answer_error {
    enum conclave_code code;
    char text[ANSWER_TEXT_BYTES];
    uint32_t detail_count;
    struct answer_detail details[ANSWER_DETAILS];
};

/* An error with a sentence, cut where it is too long, and no details yet. */
void answer_error_set(struct answer_error *error, enum conclave_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void answer_error_add_u64(struct answer_error *error, const char *name, uint64_t number);
void answer_error_add_text(struct answer_error *error, const char *name, struct slice text);
void answer_error_add_bytes(struct answer_error *error, const char *name, struct slice bytes);

/* Sends [1, msgid, [code, message, details], nil]. */
void answer_refusal(struct api *api, struct api_connection *connection, uint32_t message_id,
                    const struct answer_error *error);

/* The same for a request, and ends it. */
void answer_refuse(struct api_request *request, const struct answer_error *error);

/* An error without details: `text` or, when it is empty, the code's own sentence. */
void answer_refuse_code(struct api_request *request, enum conclave_code code, const char *text);

/* Starts [1, msgid, nil, ...] and returns the buffer to write the result to, one value; then
 * answer_finish sends it, or an error when it could not be written, and ends the request. The
 * request must have its connection. */
struct buffer *answer_start(struct api_request *request) MUST_USE;
void answer_finish(struct api_request *request);

/* The same where the result is a reply that says that a rule refused the command. */
void answer_finish_decided(struct api_request *request, enum conclave_code decided);

#endif
