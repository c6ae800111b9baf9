/* See checkpoint_spread.h. Nodes that joined after genesis sign nothing, and are sent it too. */
#include "consensus/checkpoint_spread.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct checkpoint_holder *find(const struct checkpoints *checkpoints, uint64_t node_id)
{
    for (size_t i = 0; i < COUNT_OF(checkpoints->holders); i++) {
        if (checkpoints->holders[i].node_id == node_id) {
            return &checkpoints->holders[i];
        }
    }
    return NULL;
}

static bool lacks(const struct replica *replica, uint64_t node_id)
{
    const struct checkpoints *checkpoints = &replica->checkpoints;
    const struct checkpoint_holder *holder = find(checkpoints, node_id);
    return node_id != replica->config.node_id &&
           (holder == NULL ? 0 : holder->size) < checkpoints->final.size;
}

void checkpoint_spread_reset(struct checkpoints *checkpoints)
{
    memset(checkpoints->holders, 0, sizeof checkpoints->holders);
}

bool checkpoint_spread_lacking(const struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (lacks(replica, configuration->servers[i].id)) {
            return true;
        }
    }
    return false;
}

void checkpoint_spread_to(struct replica *replica, uint64_t node_id)
{
    message_write_checkpoint_final(&replica->message,
                                   buffer_slice(&replica->checkpoints.final_note));
    replica_send(replica, node_id);
}

void checkpoint_spread_run(struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (lacks(replica, configuration->servers[i].id)) {
            checkpoint_spread_to(replica, configuration->servers[i].id);
        }
    }
}

/* The place of a node, or that of the one which has least: it is sent it once more. */
void checkpoint_held(struct replica *replica, uint64_t node_id, uint64_t size)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_holder *place = &checkpoints->holders[0];
    for (size_t i = 0; i < COUNT_OF(checkpoints->holders); i++) {
        struct checkpoint_holder *holder = &checkpoints->holders[i];
        if (holder->node_id == node_id) {
            place = holder;
            break;
        }
        place = holder->size < place->size ? holder : place;
    }
    uint64_t before = place->node_id == node_id ? place->size : 0;
    *place = (struct checkpoint_holder){.node_id = node_id, .size = size > before ? size : before};
}
