/* See events.h. */
#include "model/events.h"

/* The head that all have; `pairs` more follow. */
static struct buffer *begin(struct model_context *context, const char *type, uint32_t pairs)
{
    struct buffer *event = &context->event;
    buffer_clear(event);
    codec_write_map(event, 3 + pairs);
    codec_write_text(event, "type");
    codec_write_text(event, type);
    codec_write_text(event, "index");
    codec_write_u64(event, context->index);
    codec_write_text(event, "time");
    codec_write_u64(event, context->head.time_ms);
    return event;
}

static void pair_string(struct buffer *event, const char *key, struct slice value)
{
    codec_write_text(event, key);
    codec_write_string(event, value);
}

static void pair_text(struct buffer *event, const char *key, const char *value)
{
    codec_write_text(event, key);
    codec_write_text(event, value);
}

static void pair_u64(struct buffer *event, const char *key, uint64_t value)
{
    codec_write_text(event, key);
    codec_write_u64(event, value);
}

static enum conclave_code end(struct model_context *context)
{
    if (context->event.status != CONCLAVE_OK) {
        return context->event.status == CONCLAVE_NO_MEMORY ? CONCLAVE_NO_MEMORY : CONCLAVE_INTERNAL;
    }
    context->sink->event(context->sink->context, buffer_slice(&context->event));
    return CONCLAVE_OK;
}

enum conclave_code event_cluster_changed(struct model_context *context, const char *reads)
{
    struct buffer *event = begin(context, "cluster.changed", 1);
    pair_text(event, "reads", reads);
    return end(context);
}

enum conclave_code event_member_changed(struct model_context *context, struct slice member,
                                        const char *status)
{
    struct buffer *event = begin(context, "member.changed", 2);
    pair_string(event, "member", member);
    pair_text(event, "status", status);
    return end(context);
}

enum conclave_code event_node_changed(struct model_context *context, uint64_t node,
                                      const char *role)
{
    struct buffer *event = begin(context, "node.changed", 2);
    pair_u64(event, "node", node);
    pair_text(event, "role", role);
    return end(context);
}

enum conclave_code event_policy_changed(struct model_context *context, struct slice policy,
                                        uint32_t version)
{
    struct buffer *event = begin(context, "policy.changed", 2);
    pair_string(event, "policy", policy);
    pair_u64(event, "version", version);
    return end(context);
}

enum conclave_code event_proposal_changed(struct model_context *context, struct slice proposal,
                                          const char *stage, uint32_t revision)
{
    struct buffer *event = begin(context, "proposal.changed", 3);
    pair_string(event, "proposal", proposal);
    pair_text(event, "stage", stage);
    pair_u64(event, "revision", revision);
    return end(context);
}

enum conclave_code event_poll_opened(struct model_context *context, struct slice poll,
                                     struct slice title, uint64_t closes_at_ms)
{
    struct buffer *event = begin(context, "poll.opened", 3);
    pair_string(event, "poll", poll);
    pair_string(event, "title", title);
    pair_u64(event, "closes_at", closes_at_ms);
    return end(context);
}

enum conclave_code event_ballot_in(struct model_context *context, struct slice poll,
                                   struct slice member, uint32_t ballot, uint32_t ballots)
{
    struct buffer *event = begin(context, "ballot.in", 4);
    pair_string(event, "poll", poll);
    pair_string(event, "member", member);
    pair_u64(event, "ballot", ballot);
    pair_u64(event, "ballots", ballots);
    return end(context);
}

enum conclave_code event_poll_closed(struct model_context *context, struct slice poll,
                                     const char *by, struct slice decisions)
{
    struct buffer *event = begin(context, "poll.closed", 3);
    pair_string(event, "poll", poll);
    pair_text(event, "by", by);
    codec_write_text(event, "decisions");
    codec_write_raw(event, decisions);
    return end(context);
}
