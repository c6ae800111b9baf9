/* Requests under way: from their first byte's meaning to their answer, found again by token. */
#ifndef API_PENDING_H
#define API_PENDING_H

#include "api/state.h"

/* A request on a connection, with its own copy of the message, parsed; not counted yet. NO_MEMORY,
 * BAD_REQUEST (malformed). */
enum conclave_code request_open(struct api *api, struct api_connection *connection,
                                struct slice message, struct api_request **request) MUST_USE;

/* Frees it and whatever it holds. It must not be in the queue of what came back. */
void request_close(struct api_request *request);

/* The connection closes: the request goes on without it until what it waits for comes back. */
void request_detach(struct api_request *request);

/* Moves a request to a stage that waits, and gives it a token the first time. BUSY when too many
 * wait already: nothing has changed then. */
enum conclave_code request_wait(struct api_request *request, enum request_stage stage) MUST_USE;

/* What a request waited for came back: its outcome is set, and api_run goes on with it. */
void request_ready(struct api_request *request, enum conclave_code outcome);

/* The next request in the queue of what came back, in order, out of the queue; NULL when there is
 * none. */
struct api_request *request_next_ready(struct api *api);

/* The request with this token; NULL when there is none. */
struct api_request *request_find(struct api *api, uint64_t token);

#endif
