/* node.add, node.update, node.remove, node.lead: what chairs want the cluster to be.
 *
 * The rules here are those that need no clock and no network: ids and addresses are unique, there
 * are never more than LIMIT_NODES, and never fewer than two voters where there were two (the raft
 * core would make the last one leader in a term that may have another). Whether the nodes that
 * remain are up is for whoever sends the command to look at. */
#include "model/events.h"
#include "model/node.h"

#define VOTERS_LEAST 2u

struct node_body {
    uint64_t id;
    struct slice peer, client, token, role;
    uint64_t replaces;
    bool force;
};

/* One command at work. */
struct change {
    struct model_context *context;
    struct node_body body;
    struct node_list list;
};

static enum conclave_code begin(struct change *change, struct model_context *context,
                                const struct command *command, const struct codec_field *fields,
                                size_t field_count)
{
    change->context = context;
    change->body = (struct node_body){0};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields, field_count, true,
                                               &change->body, &context->error);
    return code == CONCLAVE_OK ? node_list_load(context->transaction, &change->list) : code;
}

/* The record before the tell: the event is of what is stored. A known node's texts end with the
 * first put, so they are copied. */
static enum conclave_code save(struct change *change, const struct node_record *node)
{
    uint8_t peer[LIMIT_ADDRESS_BYTES];
    uint8_t client[LIMIT_ADDRESS_BYTES];
    struct node_record saved = *node;
    if (node->peer.size > sizeof peer || node->client.size > sizeof client) {
        return CONCLAVE_CORRUPT;
    }
    memcpy(peer, node->peer.data, node->peer.size);
    memcpy(client, node->client.data, node->client.size);
    saved.peer.data = peer;
    saved.client.data = client;
    enum conclave_code code = node_save(change->context, &saved);
    return code == CONCLAVE_OK
               ? event_node_changed(change->context, saved.id, node_role_name(saved.role))
               : code;
}

static enum conclave_code take_role(struct model_context *context, struct slice text,
                                    enum node_role *role)
{
    if (slice_is_text(text, "voter")) {
        *role = NODE_VOTER;
    } else if (slice_is_text(text, "standby")) {
        *role = NODE_STANDBY;
    } else {
        return refuse(context, CONCLAVE_BAD_VALUE, "role \"%.*s\" is not voter or standby",
                      TEXT_ARGUMENTS(text));
    }
    return CONCLAVE_OK;
}

static enum conclave_code find_present(struct change *change, uint64_t id, struct node_record *node)
{
    const struct node_record *found = node_list_find(&change->list, id);
    if (found == NULL || found->role == NODE_REMOVED) {
        return refuse(change->context, CONCLAVE_UNKNOWN_NODE,
                      "there is no node %llu in the cluster", (unsigned long long)id);
    }
    *node = *found;
    return CONCLAVE_OK;
}

static enum conclave_code check_addresses(struct change *change, const struct node_record *node)
{
    for (uint32_t i = 0; i < change->list.count; i++) {
        const struct node_record *other = &change->list.nodes[i];
        if (other->role != NODE_REMOVED &&
            (slice_equal(other->peer, node->peer) || slice_equal(other->client, node->client) ||
             slice_equal(other->peer, node->client) || slice_equal(other->client, node->peer))) {
            return refuse(change->context, CONCLAVE_BAD_VALUE,
                          "node %llu has one of these addresses", (unsigned long long)other->id);
        }
    }
    return slice_equal(node->peer, node->client)
               ? refuse(change->context, CONCLAVE_BAD_VALUE,
                        "a node needs an address for peers and another one for clients")
               : CONCLAVE_OK;
}

static uint32_t count_of(const struct node_list *list, bool voters_only)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        count += list->nodes[i].role == NODE_VOTER ||
                 (!voters_only && list->nodes[i].role == NODE_STANDBY);
    }
    return count;
}

static enum conclave_code check_new(struct change *change, const struct node_record *node)
{
    const struct node_record *known = node_list_find(&change->list, node->id);
    if (known != NULL) {
        return refuse(change->context, CONCLAVE_DUPLICATE_ID,
                      known->role == NODE_REMOVED
                          ? "there was a node %llu: the id of a removed node is not used again"
                          : "there is a node %llu already",
                      (unsigned long long)node->id);
    }
    if (count_of(&change->list, false) >= LIMIT_NODES || change->list.count >= LIMIT_NODE_IDS) {
        return refuse(change->context, CONCLAVE_LIMIT_REACHED,
                      "at most %u nodes at a time, and %u ever", LIMIT_NODES, LIMIT_NODE_IDS);
    }
    return check_addresses(change, node);
}

/* The node that goes when the new one votes: the leader sees to the order. */
static enum conclave_code remove_replaced(struct change *change, uint64_t replaces)
{
    struct node_record old = {0};
    enum conclave_code code = find_present(change, replaces, &old);
    ASSERT(code == CONCLAVE_OK); /* it was checked before the first put */
    old.role = NODE_REMOVED;
    return save(change, &old);
}

static enum conclave_code read_new(struct change *change, struct node_record *node)
{
    struct model_context *context = change->context;
    const struct node_body *body = &change->body;
    enum conclave_code code = take_role(context, body->role, &node->role);
    if (code == CONCLAVE_OK) {
        code = check_text(context, "peer", body->peer, 1, LIMIT_ADDRESS_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "client", body->client, 1, LIMIT_ADDRESS_BYTES);
    }
    if (code == CONCLAVE_OK && body->replaces != 0 && node->role != NODE_VOTER) {
        code = refuse(context, CONCLAVE_BAD_VALUE, "only a voter replaces another node");
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    node->id = body->id;
    node->peer = body->peer;
    node->client = body->client;
    node->replaces = body->replaces;
    memcpy(node->token, body->token.data, sizeof node->token);
    return check_new(change, node);
}

/* Is there such a node, and may it go? The new one gets its vote first; where one votes, there
 * would be two then, and never fewer again: the old one could never go. */
static enum conclave_code check_replaced(struct change *change, uint64_t replaces)
{
    struct node_record old = {0};
    enum conclave_code code = find_present(change, replaces, &old);
    if (code == CONCLAVE_OK && old.role == NODE_VOTER &&
        count_of(&change->list, true) < VOTERS_LEAST) {
        code = refuse(change->context, CONCLAVE_LAST_VOTER,
                      "node %llu is the only voter: it can be removed when there are %u others",
                      (unsigned long long)replaces, VOTERS_LEAST);
    }
    return code;
}

enum conclave_code node_apply_add(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_U64, true, offsetof(struct node_body, id), 1, UINT32_MAX},
        {"peer", CODEC_STRING, true, offsetof(struct node_body, peer), 0, 0},
        {"client", CODEC_STRING, true, offsetof(struct node_body, client), 0, 0},
        {"token", CODEC_BYTES, true, offsetof(struct node_body, token), NODE_TOKEN_BYTES,
         NODE_TOKEN_BYTES},
        {"role", CODEC_STRING, true, offsetof(struct node_body, role), 0, 0},
        {"replaces", CODEC_U64, false, offsetof(struct node_body, replaces), 1, UINT32_MAX},
    };
    struct change change;
    struct node_record node = {.index = context->index, .has_token = true};
    enum conclave_code code =
        begin(&change, context, command, fields, sizeof fields / sizeof fields[0]);
    if (code == CONCLAVE_OK) {
        code = read_new(&change, &node);
    }
    if (code == CONCLAVE_OK && node.replaces != 0) {
        code = check_replaced(&change, node.replaces);
    }
    if (code == CONCLAVE_OK) {
        code = save(&change, &node);
    }
    if (code == CONCLAVE_OK && node.replaces != 0) {
        code = node_list_load(context->transaction, &change.list);
        code = code == CONCLAVE_OK ? remove_replaced(&change, node.replaces) : code;
    }
    return code;
}

static enum conclave_code check_voters(struct change *change, const struct node_record *node)
{
    uint32_t voters = count_of(&change->list, true);
    return node->role == NODE_VOTER && voters <= VOTERS_LEAST
               ? refuse(change->context, CONCLAVE_LAST_VOTER,
                        "without node %llu the cluster would have %u voters, %u are needed",
                        (unsigned long long)node->id, voters - 1, VOTERS_LEAST)
               : CONCLAVE_OK;
}

enum conclave_code node_apply_update(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_U64, true, offsetof(struct node_body, id), 1, UINT32_MAX},
        {"role", CODEC_STRING, true, offsetof(struct node_body, role), 0, 0},
        {"force", CODEC_BOOL, false, offsetof(struct node_body, force), 0, 0},
    };
    struct change change;
    struct node_record node = {0};
    enum node_role role = NODE_VOTER;
    enum conclave_code code =
        begin(&change, context, command, fields, sizeof fields / sizeof fields[0]);
    if (code == CONCLAVE_OK) {
        code = take_role(context, change.body.role, &role);
    }
    if (code == CONCLAVE_OK) {
        code = find_present(&change, change.body.id, &node);
    }
    if (code == CONCLAVE_OK && role == NODE_STANDBY) {
        code = check_voters(&change, &node);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    node.role = role;
    node.forced = change.body.force;
    return save(&change, &node);
}

enum conclave_code node_apply_remove(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_U64, true, offsetof(struct node_body, id), 1, UINT32_MAX},
        {"force", CODEC_BOOL, false, offsetof(struct node_body, force), 0, 0},
    };
    struct change change;
    struct node_record node = {0};
    enum conclave_code code =
        begin(&change, context, command, fields, sizeof fields / sizeof fields[0]);
    if (code == CONCLAVE_OK) {
        code = find_present(&change, change.body.id, &node);
    }
    if (code == CONCLAVE_OK) {
        code = check_voters(&change, &node);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    node.role = NODE_REMOVED;
    node.forced = change.body.force;
    return save(&change, &node);
}

/* Asked once: the leader of then hands over; who leads later is not bound by it. */
enum conclave_code node_apply_lead(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_U64, true, offsetof(struct node_body, id), 1, UINT32_MAX},
    };
    struct change change;
    struct node_record node = {0};
    enum conclave_code code =
        begin(&change, context, command, fields, sizeof fields / sizeof fields[0]);
    if (code == CONCLAVE_OK) {
        code = find_present(&change, change.body.id, &node);
    }
    if (code == CONCLAVE_OK && node.role != NODE_VOTER) {
        code = refuse(context, CONCLAVE_BAD_VALUE, "node %llu is a standby: it cannot lead",
                      (unsigned long long)node.id);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    node.lead_index = context->index;
    return save(&change, &node);
}
