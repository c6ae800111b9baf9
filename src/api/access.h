/* Who is at the other end of a connection, and what they may do: the rules of auth/roles.h with the
 * session's member as the state has it now.
 *
 * A session is a member's from `prove` on, as long as the member is active or retired and has the
 * key that proved it. What the state said is remembered until an event tells of a change of members
 * or of the cluster, and for a second at most.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/state.h"

/* May the session use its method? Else the request is refused (and gone) and the result false. */
bool access_check(struct api_request *request) MUST_USE;

/* The session is a member's now. */
void access_grant(struct api *api, struct api_connection *connection, struct slice member,
                  const struct model_author *author);

/* Whether reads are public; false too when that cannot be told (`code`). */
bool access_reads_public(struct api *api, enum conclave_code *code);

/* Takes note of an event (a packed map). */
void access_event(struct api *api, struct slice event);

/* Ends the connections of watchers who may not watch any more. */
void access_check_watchers(struct api *api);

#endif
