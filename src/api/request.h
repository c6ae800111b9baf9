/* From a message to its method: shape, limits, dispatch, and the way on when something came back.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/state.h"

/* Checks a new request and hands it to its method. It is answered, waits, or (another shape) ends
 * its connection. */
void request_handle(struct api_request *request);

/* What the request waited for came back: `outcome` and what goes with it are set. */
void request_resume(struct api_request *request);

/* The method with this name, NULL when there is none. */
const struct api_method *request_method(struct slice name);

/* A node that the others have shut out (api_security) gets no answer from them: a request that
 * needs one is refused at once, and false. */
bool request_check_part(struct api_request *request) MUST_USE;

/* Decodes the params that every method that waits has, and sets its deadline; when they are wrong,
 * the request is refused (and gone) and the result false. `stale` may be NULL. */
bool request_decode_wait(struct api_request *request, bool *stale) MUST_USE;

#endif
