/* `hello`: who this node is, and whether it is of the cluster that the client means. */
#ifndef API_HELLO_H
#define API_HELLO_H

#include "api/state.h"

void hello_handle(struct api_request *request);

#endif
