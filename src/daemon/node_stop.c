/* The end of a node, in phases that each have a deadline:
 * hand leadership over (still serving those who ask), let what is under way finish, end the
 * connections, and last the loop. */
#include "daemon/node_internal.h"

#define DRAIN_MS_MIN 1000u

static void set_phase(struct node *node, enum node_phase phase, uint64_t timeout_ms)
{
    ASSERT(phase > node->phase);
    node->phase = phase;
    node->phase_deadline_ms = clock_monotonic_ms(&clock_system) + timeout_ms;
}

void node_stop(struct node *node)
{
    ASSERT(node->phase == NODE_PHASE_RUNNING);
    clients_stop_listening(node->clients);
    api_stop(node->api);
    replica_transfer(node->replica);
    set_phase(node, NODE_PHASE_HANDING_OVER, 2ull * node->config->election_ms);
}

static bool leads(struct node *node)
{
    struct replica_status status;
    replica_status(node->replica, &status);
    return status.state == REPLICA_LEADER && status.peer_count > 1;
}

void node_stop_turn(struct node *node)
{
    ASSERT(node->phase > NODE_PHASE_RUNNING && node->phase < NODE_PHASE_CLOSING);
    bool late = clock_monotonic_ms(&clock_system) >= node->phase_deadline_ms;
    if (node->phase == NODE_PHASE_HANDING_OVER && (late || !leads(node))) {
        uint64_t timeout_ms = 2ull * node->config->election_ms;
        set_phase(node, NODE_PHASE_DRAINING, timeout_ms < DRAIN_MS_MIN ? DRAIN_MS_MIN : timeout_ms);
        late = false;
    }
    if (node->phase == NODE_PHASE_DRAINING &&
        (late || (api_requests_under_way(node->api) == 0 && !log_writer_busy(node->writer) &&
                  !verifier_busy(node->verifier)))) {
        if (late) {
            LOG_WARN("requests were left without an answer",
                     FIELD_U64("count", api_requests_under_way(node->api)));
        }
        node_close(node);
    }
}

static void on_net_closed(void *context)
{
    ((struct node *)context)->net = NULL;
}

/* All connections are gone: end the rest, and with it the loop. */
static void end_if_closed(struct node *node)
{
    if (!node->peers_closed || !node->clients_closed || node->phase == NODE_PHASE_ENDED) {
        return;
    }
    node->phase = NODE_PHASE_ENDED;
    if (node->net != NULL) {
        net_close(node->net, on_net_closed, node);
    }
}

static void on_peers_closed(void *context)
{
    struct node *node = context;
    node->peers = NULL;
    node->peers_closed = true;
    end_if_closed(node);
}

static void on_clients_closed(void *context)
{
    struct node *node = context;
    node->clients_closed = true;
    end_if_closed(node);
}

void node_close(struct node *node)
{
    ASSERT(node->phase < NODE_PHASE_CLOSING);
    node->phase = NODE_PHASE_CLOSING;
    uv_close((uv_handle_t *)&node->timer, NULL);
    uv_close((uv_handle_t *)&node->watch, NULL);
    uv_close((uv_handle_t *)&node->terminate, NULL);
    uv_close((uv_handle_t *)&node->interrupt, NULL);
    uv_close((uv_handle_t *)&node->hang_up, NULL);
    if (node->writer != NULL) {
        log_writer_close(node->writer);
        node->writer = NULL;
    }
    if (node->scrub != NULL) {
        scrub_close(node->scrub);
        node->scrub = NULL;
    }
    node->peers_closed = node->peers == NULL;
    if (node->peers != NULL) {
        peers_close(node->peers, on_peers_closed, node);
    }
    node->clients_closed = node->clients == NULL;
    if (node->clients != NULL) {
        clients_stop_listening(node->clients);
        clients_finish(node->clients, on_clients_closed, node);
    }
    end_if_closed(node);
}
