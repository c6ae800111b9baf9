/* Whom a node talks with: its certificates, the mesh of peers, and which disks they have.
 *
 * The happy path: certificates and the list of known disks are read, the mesh opens; a peer that
 * calls is accepted when its disk is written down. The failure modes: certificates that are wrong
 * keep a node from starting, and are refused by a reload, which keeps the old ones; a disk of ours
 * that another node refuses, or the word that we were removed, makes this node take no part
 * (node_check_refused).
 */
#include "daemon/node_internal.h"

#include <stdio.h>

#include "base/logger.h"
#include "daemon/certificates.h"

/* --- certificates --- */

/* Connections to come get the certificates. */
static enum conclave_code load_certificates(struct node *node, struct settings_error *error)
{
    struct tls_context *context;
    enum conclave_code code =
        certificates_open(node->config, node->storage.identity.cluster_id, &context, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    tls_context_release(node->tls);
    node->tls = context;
    net_set_tls(node->net, context);
    certificates_warn(context, clock_wall_ms(&clock_system));
    return CONCLAVE_OK;
}

static void on_watch(uv_timer_t *timer)
{
    struct node *node = timer->data;
    if (node->tls != NULL) {
        certificates_warn(node->tls, clock_wall_ms(&clock_system));
    }
}

enum conclave_code node_open_certificates(struct node *node)
{
    if (!node->config->tls) {
        return CONCLAVE_OK;
    }
    node->watch.data = node;
    int rv = uv_timer_start(&node->watch, on_watch, CERTIFICATES_WATCH_MS, CERTIFICATES_WATCH_MS);
    ASSERT(rv == 0);
    return load_certificates(node, &node->error);
}

void node_reload_certificates(struct node *node)
{
    struct settings_error error;
    if (!node->config->tls || node->phase >= NODE_PHASE_CLOSING) {
        return;
    }
    if (load_certificates(node, &error) != CONCLAVE_OK) {
        LOG_ERROR("the certificates could not be read anew: the old ones are kept",
                  FIELD_TEXT("reason", error.text));
    } else {
        LOG_INFO("the certificates were read anew");
    }
}

/* --- disks --- */

void node_check_refused(struct node *node)
{
    const char *why = peers_refusal(node->peers);
    bool refused = why[0] != '\0';
    if (refused && !node->refused) {
        LOG_ERROR("the others refuse this node: it takes no part in the cluster",
                  FIELD_TEXT("reason", why));
        replica_give_up(node->replica);
    } else if (!refused && node->refused) {
        LOG_INFO("the others refuse this node no more");
    }
    node->refused = refused;
}

static void on_remember(void *context, const struct peers_disk *disk)
{
    known_disks_add(((struct node *)context)->known_disks, disk);
}

static void on_remembered(void *context, uint64_t node_id, enum conclave_code code)
{
    struct node *node = context;
    if (node->peers != NULL) {
        peers_remembered(node->peers, node_id, code);
    }
}

static void show_disk(const struct replica_identity *identity, struct disk_shown *disk)
{
    _Static_assert(sizeof disk->starts == sizeof identity->starts, "as many, and as long");
    memcpy(disk->id, identity->disk_id, sizeof disk->id);
    disk->generation = identity->generation;
    disk->start_count = identity->start_count;
    memcpy(disk->starts, identity->starts, sizeof disk->starts);
}

void node_security(void *context, struct api_security *security)
{
    const struct node *node = context;
    *security = (struct api_security){.encrypted = node->tls != NULL,
                                      .refusal = peers_refusal(node->peers)};
    if (node->tls != NULL) {
        security->certificate_ends_ms = tls_context_certificate(node->tls)->ends_ms;
        security->ca_ends_ms = tls_context_ca_expires_ms(node->tls);
    }
}

/* --- the mesh --- */

static void on_message(void *context, uint64_t node_id, struct slice message)
{
    struct node *node = context;
    node_check_refused(node);
    if (node->phase < NODE_PHASE_CLOSING && !node->refused) {
        replica_receive(node->replica, node_id, message);
    }
}

static void on_peer_lost(void *context, uint64_t node_id)
{
    struct node *node = context;
    if (node->replica != NULL && node->phase < NODE_PHASE_CLOSING) {
        replica_peer_lost(node->replica, node_id);
    }
}

static bool on_vouched(void *context, uint64_t node_id, struct slice token)
{
    const struct node *node = context;
    return node->replica != NULL && replica_vouches(node->replica, node_id, token);
}

/* Until the replica says who is there: those of genesis, and those that the ticket names. */
static unsigned first_nodes(const struct storage *storage, struct peers_node nodes[LIMIT_NODES])
{
    unsigned count = 0;
    if (storage->joined) {
        for (; count < storage->ticket.node_count; count++) {
            nodes[count].node_id = storage->ticket.nodes[count].node_id;
            memcpy(nodes[count].address, storage->ticket.nodes[count].address,
                   sizeof nodes[count].address);
        }
        return count;
    }
    for (; count < storage->genesis.node_count; count++) {
        nodes[count].node_id = storage->genesis.nodes[count].node_id;
        memcpy(nodes[count].address, storage->genesis.nodes[count].peer_address,
               sizeof nodes[count].address);
    }
    return count;
}

enum conclave_code node_open_peers(struct node *node)
{
    const struct storage *storage = &node->storage;
    char path[SETTINGS_VALUE_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/peers",
                   settings_text(&node->config->settings, SETTING_DATA_DIR));
    enum conclave_code code =
        known_disks_open(&node->loop, path, on_remembered, node, &node->known_disks, &node->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct peers_node nodes[LIMIT_NODES];
    struct peers_config config = {
        .net = node->net,
        .node_id = node->config->node_id,
        .program_version = CONCLAVE_VERSION,
        .nodes = nodes,
        .node_count = first_nodes(storage, nodes),
        .clock = &clock_system,
        .random = &random_system,
        .received = on_message,
        .lost = on_peer_lost,
        .remember = on_remember,
        .vouched = on_vouched,
        .context = node,
    };
    memcpy(config.cluster_id, storage->identity.cluster_id, sizeof config.cluster_id);
    show_disk(&storage->identity, &config.disk);
    if (storage->joined && storage->ticket.has_token) {
        config.token = slice_of(storage->ticket.token, sizeof storage->ticket.token);
    }
    config.disks = known_disks_list(node->known_disks, &config.disk_count);
    code = peers_open(&config, &node->peers);
    if (code != CONCLAVE_OK) {
        settings_error_set(&node->error, "cannot start: %s", conclave_code_text(code));
    }
    return code;
}
