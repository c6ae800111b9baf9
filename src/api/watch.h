/* Watchers: connections that are told events as they happen. PROTOCOL.md, `watch` and "Events". */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/state.h"

void watch_handle(struct api_request *request);

/* The connection watches no more; nothing when it did not. */
void watch_leave(struct api *api, struct api_connection *connection);

/* Keeps an event (a packed map) for the watchers there are now. When it cannot be kept, they are
 * cut off at the next watch_flush: a stream with a hole in it would be believed. */
void watch_event(struct api *api, struct slice event);

/* Sends what was kept to every watcher. */
void watch_flush(struct api *api);

#endif
