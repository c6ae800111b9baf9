/* `prove`: the session is a member's, who signs the challenge of `hello`. docs/PROTOCOL.md,
 * "Sessions". */
#ifndef API_PROVE_H
#define API_PROVE_H

#include "api/state.h"

void prove_handle(struct api_request *request);

/* The ways on, after the check of the signature (author.h). */
void prove_checked(struct api_request *request, enum author_key key);
void prove_failed(struct api_request *request, enum conclave_code code);

#endif
