/* Connections: their bytes cut into messages, their limits, their end. */
#ifndef API_SESSION_H
#define API_SESSION_H

#include "api/state.h"

struct api_connection *session_find(struct api *api, uint64_t connection_id);

/* BUSY at LIMIT_CONNECTIONS; NO_MEMORY. */
enum conclave_code session_open(struct api *api, uint64_t connection_id) MUST_USE;

/* Takes what a connection received, message by message. What is malformed or too large is answered,
 * where its msgid can be told, and ends the connection. */
void session_receive(struct api *api, struct api_connection *connection, struct slice bytes);

/* Goes on with what stands in the input of a connection that is held no longer. */
void session_go_on(struct api *api, struct api_connection *connection);

/* Asks the host to close the connection; nothing goes in or out any more. */
void session_end(struct api *api, struct api_connection *connection);

/* The connection is closed: frees it and lets go of its requests. */
void session_close(struct api *api, struct api_connection *connection);

#endif
