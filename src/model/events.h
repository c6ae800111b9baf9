/* What watchers are told (PROTOCOL.md, "Events"). Each function packs one map and hands it to the
 * sink; the codes are failures only.
 */
#ifndef MODEL_EVENTS_H
#define MODEL_EVENTS_H

#include "model/context.h"

enum conclave_code event_cluster_changed(struct model_context *context, const char *reads) MUST_USE;
enum conclave_code event_member_changed(struct model_context *context, struct slice member,
                                        const char *status) MUST_USE;
enum conclave_code event_node_changed(struct model_context *context, uint64_t node,
                                      const char *role) MUST_USE;
enum conclave_code event_policy_changed(struct model_context *context, struct slice policy,
                                        uint32_t version) MUST_USE;
enum conclave_code event_proposal_changed(struct model_context *context, struct slice proposal,
                                          const char *stage, uint32_t revision) MUST_USE;
enum conclave_code event_poll_opened(struct model_context *context, struct slice poll,
                                     struct slice title, uint64_t closes_at_ms) MUST_USE;
enum conclave_code event_ballot_in(struct model_context *context, struct slice poll,
                                   struct slice member, uint32_t ballot, uint32_t ballots) MUST_USE;
/* `decisions`: the packed array of [question id, outcome]. */
enum conclave_code event_poll_closed(struct model_context *context, struct slice poll,
                                     const char *by, struct slice decisions) MUST_USE;

#endif
