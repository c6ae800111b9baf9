/* Admission of commands: PROTOCOL.md, "Commands" and `submit`. */
#ifndef API_SUBMIT_H
#define API_SUBMIT_H

#include "api/state.h"

void submit_handle(struct api_request *request);

/* The ways on: after the linearizable read for an unknown author, the check of the signature, the
 * decision. */
void submit_readable(struct api_request *request);
void submit_verified(struct api_request *request);
void submit_decided(struct api_request *request);

#endif
