/* Queries: linearizable by a read round, or stale when asked for. PROTOCOL.md, "Methods". */
#ifndef API_QUERY_H
#define API_QUERY_H

#include "api/state.h"

void query_handle(struct api_request *request);

/* The way on after the read round. */
void query_readable(struct api_request *request);

/* The way on when a final checkpoint came, or did not. */
void query_final(struct api_request *request);

#endif
