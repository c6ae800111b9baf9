/* `status`: this node's own view. PROTOCOL.md, "Shapes". */
#ifndef API_STATUS_H
#define API_STATUS_H

#include "api/state.h"

void status_handle(struct api_request *request);

#endif
