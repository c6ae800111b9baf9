/* Admission of commands: PROTOCOL.md, "Commands" and `submit`. */
#ifndef API_SUBMIT_H
#define API_SUBMIT_H

#include "api/state.h"

void submit_handle(struct api_request *request);

/* The ways on: after the check of the signature (author.h), or when that could not be done; after
 * the decision. */
void submit_checked(struct api_request *request, enum author_key key);
void submit_failed(struct api_request *request, enum conclave_code code);
void submit_decided(struct api_request *request);

#endif
