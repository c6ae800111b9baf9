/* A running node. Everything happens on one loop: events come in (net, signals, ends of writes and
 * checks), and once a turn, before the loop waits, node_turn does what they gathered and sets the
 * timer anew. Writes of the log and checks of signatures are on threads of their own.
 *
 * The happy path: open the storage, replica, api, listeners; READY; run; node_stop.c ends it. The
 * failure modes: whatever keeps it from starting is one line and an exit status; a replica that
 * cannot go on ends the process on the spot, because after a failed write nothing may be answered.
 */
#include "daemon/node_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "daemon/port_holder.h"
#include "daemon/state_trust.h"

/* --- the replica's host --- */

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    struct node *node = context;
    if (node->peers != NULL && node->phase < NODE_PHASE_CLOSING && !node->refused) {
        peers_send(node->peers, node_id, message);
    }
}

static void host_persist(void *context, const struct replica_write *write)
{
    struct node *node = context;
    log_writer_write(node->writer, write);
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    struct node *node = context;
    ASSERT(node->api != NULL); /* tokens are the api's */
    api_decided(node->api, token, code, reply);
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    struct node *node = context;
    if (token == SEEING_TOKEN) {
        seeing_readable(node, code);
        return;
    }
    ASSERT(node->api != NULL);
    api_readable(node->api, token, code);
}

static void host_event(void *context, struct slice event)
{
    struct node *node = context;
    if (node->api != NULL) { /* while the replica opens there are no watchers */
        api_event(node->api, event);
    }
}

static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    struct node *node = context;
    struct peers_node nodes[LIMIT_NODES];
    unsigned voters = 0;
    bool own = false;
    for (unsigned i = 0; i < count; i++) {
        own = own || seats[i].node_id == node->config->node_id;
        voters += seats[i].voter;
        nodes[i].node_id = seats[i].node_id;
        memcpy(nodes[i].address, seats[i].address, sizeof nodes[i].address);
    }
    /* A node that comes reads the log from its beginning: of times before it was one of them it
     * learns nothing about who is there now. */
    if (own && node->phase < NODE_PHASE_CLOSING) {
        peers_seat(node->peers, nodes, count);
    }
    LOG_INFO("the nodes of the cluster", FIELD_U64("nodes", count), FIELD_U64("voters", voters));
}

/* One line on standard error, and one in the log if that goes elsewhere. */
static void complain(const struct node *node, const char *message, const char *reason)
{
    if (settings_text(&node->config->settings, SETTING_LOG_FILE)[0] != '\0') {
        LOG_ERROR(message, FIELD_TEXT("reason", reason));
    }
    (void)fprintf(stderr, "conclaved: %s\n", reason);
}

/* What does not match its checksum may be the log or the state: the state can be made anew. */
static void distrust_state(const struct node *node, enum conclave_code code)
{
    if (code == CONCLAVE_CORRUPT &&
        state_trust_withdraw(node->storage.data_dir.state) == CONCLAVE_OK) {
        LOG_WARN("at its next start the node makes its state anew from the log");
    }
}

/* Nothing that is still in a buffer may leave: no ordinary end. */
static void host_failed(void *context, enum conclave_code code, const char *what)
{
    char reason[512];
    distrust_state(context, code);
    (void)snprintf(reason, sizeof reason, "%s: %s", what, conclave_code_text(code));
    complain(context, "the node cannot go on and stops", reason);
    _exit(NODE_FAILED);
}

/* The scrub goes on where it was, once nothing is being repaired. */
static void look_again(struct node *node, bool repairs)
{
    if (node->scrub != NULL && node->scrub_index != 0 && !repairs) {
        scrub_go_on(node->scrub, node->scrub_index);
        node->scrub_index = 0;
    }
}

static void host_repaired(void *context, uint64_t index)
{
    struct node *node = context;
    metric_add(&node->seeing.instruments.repairs, 1);
    LOG_INFO("the log is whole again at this entry: the node votes",
             FIELD_TEXT("log", node->storage.data_dir.log), FIELD_U64("index", index));
    look_again(node, false);
}

/* Found by reading for it. An entry of the log comes from another node if its head is sound; the
 * state is made anew by the next start. */
static void on_damage(void *context, const struct scrub_finding *finding)
{
    struct node *node = context;
    char reason[DATA_DIR_PATH_BYTES + 256];
    if (finding->store == SCRUB_STATE) {
        distrust_state(node, CONCLAVE_CORRUPT);
        (void)snprintf(reason, sizeof reason,
                       "%s: a value does not match its checksum: start the node again, it makes "
                       "its state anew from the log",
                       node->storage.data_dir.state);
    } else {
        enum conclave_code code = replica_repair(node->replica, finding->index);
        if (code != CONCLAVE_CORRUPT) {
            /* Repaired soon, or gone; BUSY: another one comes first. */
            node->scrub_index = finding->index;
            look_again(node, code == CONCLAVE_OK || code == CONCLAVE_BUSY);
            return;
        }
        (void)snprintf(reason, sizeof reason,
                       "%s: entry %" PRIu64 " does not match its checksum: replace the node "
                       "(conclave cluster replace), and its disk",
                       node->storage.data_dir.log, finding->index);
    }
    complain(node, "what is stored is damaged: the node stops", reason);
    _exit(NODE_FAILED);
}

static enum conclave_code open_scrub(struct node *node)
{
    const struct scrub_config config = {.loop = &node->loop,
                                        .log = node->storage.log,
                                        .kv = node->storage.kv,
                                        .instruments = &node->seeing.instruments,
                                        .bytes_a_second = LIMIT_SCRUB_BYTES_A_SECOND,
                                        .rest_ms = LIMIT_SCRUB_REST_MS,
                                        .found = on_damage,
                                        .context = node};
    enum conclave_code code = scrub_open(&config, &node->scrub);
    if (code != CONCLAVE_OK) {
        settings_error_set(&node->error, "cannot start: %s", conclave_code_text(code));
    }
    return code;
}

/* --- the api's host --- */

static void host_client_send(void *context, uint64_t connection_id, struct slice bytes)
{
    clients_send(((struct node *)context)->clients, connection_id, bytes);
}

static void host_client_close(void *context, uint64_t connection_id)
{
    clients_hang_up(((struct node *)context)->clients, connection_id);
}

static size_t host_client_unsent(void *context, uint64_t connection_id)
{
    return clients_unsent(((struct node *)context)->clients, connection_id);
}

static void host_client_pause(void *context, uint64_t connection_id, bool paused)
{
    clients_pause(((struct node *)context)->clients, connection_id, paused);
}

static void host_verify(void *context, struct api_verification *verification)
{
    verifier_add(((struct node *)context)->verifier, verification);
}

static bool host_channel_binding(void *context, uint64_t connection_id, uint8_t binding[32])
{
    return clients_binding(((struct node *)context)->clients, connection_id, binding);
}

static void host_random_bytes(void *context, uint8_t *bytes, size_t size)
{
    (void)context;
    randombytes_buf(bytes, size);
}

static unsigned host_peers(void *context, struct api_peer *peers)
{
    struct node *node = context;
    struct peers_status status[LIMIT_NODES];
    unsigned count = peers_status(node->peers, status);
    uint64_t now_ms = clock_monotonic_ms(&clock_system);
    for (unsigned i = 0; i < count; i++) {
        peers[i] = (struct api_peer){
            .node_id = status[i].node_id,
            .connected = status[i].connected,
            .error = net_error_text(status[i].error),
            .reason = status[i].reason,
            .seen = status[i].seen,
            .last_seen_ms_ago = status[i].seen && now_ms > status[i].last_seen_ms
                                    ? now_ms - status[i].last_seen_ms
                                    : 0,
        };
    }
    return count;
}

_Static_assert(API_WHY_BYTES >= HEALTH_WHY_BYTES, "room for the reason");

static void host_health(void *context, struct api_health *health)
{
    struct node *node = context;
    struct health_report report;
    seeing_report(node, &report);
    health->state = health_name(report.health);
    health_reason(&report, health->why);
    health->http = settings_text(&node->config->settings, SETTING_HTTP_ADDRESS);
}

/* --- events of the loop --- */

static void on_written(void *context, enum conclave_code code)
{
    struct node *node = context;
    if (node->phase < NODE_PHASE_CLOSING) {
        replica_persisted(node->replica, code);
    }
}

static void on_verified(void *context, struct api_verification *verification)
{
    api_verified(((struct node *)context)->api, verification);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    if (node->phase < NODE_PHASE_CLOSING) {
        replica_tick(node->replica);
    }
}

static void set_timer(struct node *node)
{
    uint64_t now_ms = clock_monotonic_ms(&clock_system);
    uint64_t deadline_ms = replica_deadline_ms(node->replica);
    uint64_t seeing_ms = seeing_deadline_ms(node);
    uint64_t api_ms = api_deadline_ms(node->api);
    deadline_ms = seeing_ms < deadline_ms ? seeing_ms : deadline_ms;
    deadline_ms = api_ms < deadline_ms ? api_ms : deadline_ms;
    if (node->phase > NODE_PHASE_RUNNING && node->phase_deadline_ms < deadline_ms) {
        deadline_ms = node->phase_deadline_ms;
    }
    /* The loop's time is that of the turn's begin: never less than 1, or it would run hot. */
    uint64_t delay_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 1;
    if (api_has_work(node->api)) {
        delay_ms = 0; /* what made room for others goes on after them */
    }
    int rv = uv_timer_start(&node->timer, on_timer, delay_ms, 0);
    ASSERT(rv == 0);
}

/* The disk is full, or is not any more. */
static void tell_disk(struct node *node)
{
    bool full = replica_disk_full(node->replica);
    if (full == node->disk_full) {
        return;
    }
    const char *data_dir = settings_text(&node->config->settings, SETTING_DATA_DIR);
    struct statvfs status;
    uint64_t free_bytes =
        statvfs(data_dir, &status) == 0 ? (uint64_t)status.f_bavail * status.f_frsize : 0;
    node->disk_full = full;
    if (full) {
        LOG_ERROR("the disk is full: commands are refused until there is room on it; the node then "
                  "goes on by itself",
                  FIELD_TEXT("data_dir", data_dir), FIELD_U64("free_bytes", free_bytes));
    } else {
        LOG_INFO("there is room on the disk again", FIELD_TEXT("data_dir", data_dir),
                 FIELD_U64("free_bytes", free_bytes));
    }
}

/* Once a turn, before what was sent leaves and the loop waits. */
static void node_turn(void *context)
{
    struct node *node = context;
    if (node->api == NULL || node->phase >= NODE_PHASE_CLOSING) {
        return;
    }
    node_check_refused(node);
    tell_disk(node);
    api_run(node->api);
    seeing_turn(node);
    verifier_run(node->verifier);
    if (node->phase > NODE_PHASE_RUNNING) {
        node_stop_turn(node);
    }
    if (node->phase < NODE_PHASE_CLOSING) {
        set_timer(node);
    }
}

/* The log file may have been moved, and certificates renewed. */
static void reload(struct node *node)
{
    notify_reloading();
    if (logger_reopen() != CONCLAVE_OK) {
        LOG_ERROR("the log file could not be reopened: the old one is kept");
    } else {
        LOG_INFO("the log file was reopened");
    }
    node_reload_certificates(node);
    notify_ready();
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct node *node = signal->data;
    if (number == SIGHUP) {
        reload(node);
        return;
    }
    if (node->phase != NODE_PHASE_RUNNING) {
        LOG_WARN("stopped at once, on a second request");
        _exit(NODE_FAILED);
    }
    LOG_INFO("stopping", FIELD_TEXT("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    notify_stopping();
    node_stop(node);
}

/* --- start --- */

static void open_signal(struct node *node, uv_signal_t *signal, int number)
{
    int rv = uv_signal_init(&node->loop, signal);
    ASSERT(rv == 0);
    signal->data = node;
    rv = uv_signal_start(signal, on_signal, number);
    ASSERT(rv == 0);
}

/* What hangs on the loop alone. */
static enum conclave_code open_base(struct node *node)
{
    int rv = uv_timer_init(&node->loop, &node->timer);
    ASSERT(rv == 0);
    node->timer.data = node;
    rv = uv_timer_init(&node->loop, &node->watch);
    ASSERT(rv == 0);
    open_signal(node, &node->terminate, SIGTERM);
    open_signal(node, &node->interrupt, SIGINT);
    open_signal(node, &node->hang_up, SIGHUP);
    enum conclave_code code = net_open(&node->loop, node_turn, node, &node->net);
    if (code == CONCLAVE_OK) {
        code = clients_open(node->net, &node->clients);
    }
    if (code == CONCLAVE_OK) {
        code = log_writer_open(&node->loop, node->storage.log, &node->seeing.instruments,
                               on_written, node, &node->writer);
    }
    if (code == CONCLAVE_OK) {
        code =
            verifier_open(&node->loop, node->config->workers, on_verified, node, &node->verifier);
    }
    if (code != CONCLAVE_OK) {
        settings_error_set(&node->error, "cannot start: %s", conclave_code_text(code));
        return code;
    }
    return node_open_certificates(node);
}

static void host_keep(void *context, struct slice bytes)
{
    keeper_keep(&((struct node *)context)->keeper, bytes);
}

static void on_kept(void *context, enum conclave_code code)
{
    struct node *node = context;
    if (node->replica != NULL && node->phase < NODE_PHASE_CLOSING) {
        replica_kept(node->replica, code);
    }
}

static enum conclave_code open_keeper(struct node *node)
{
    node->keeper_open = true;
    enum conclave_code code = keeper_open(&node->keeper, &node->loop, node->config,
                                          &node->storage.genesis, on_kept, node, &node->error);
    if (code == CONCLAVE_NO_MEMORY) {
        settings_error_set(&node->error, "cannot start: %s", conclave_code_text(code));
    }
    return code;
}

static enum conclave_code open_replica(struct node *node)
{
    enum conclave_code code = open_keeper(node);
    if (code != CONCLAVE_OK) {
        return code;
    }
    node->replica_host = (struct replica_host){
        .context = node,
        .send = host_send,
        .persist = host_persist,
        .decided = host_decided,
        .readable = host_readable,
        .event = host_event,
        .keep = host_keep,
        .seated = host_seated,
        .failed = host_failed,
        .repaired = host_repaired,
    };
    node->api_host = (struct api_host){
        .context = node,
        .send = host_client_send,
        .close = host_client_close,
        .pause = host_client_pause,
        .unsent = host_client_unsent,
        .verify = host_verify,
        .random_bytes = host_random_bytes,
        .channel_binding = host_channel_binding,
        .peers = host_peers,
        .health = host_health,
        .security = node_security,
    };
    const struct replica_config replica_config = {
        .node_id = node->config->node_id,
        .heartbeat_ms = node->config->heartbeat_ms,
        .election_ms = node->config->election_ms,
        .log = node->storage.log,
        .kv = node->storage.kv,
        .clock = &clock_system,
        .random = &random_system,
        .host = &node->replica_host,
        .signer = node->keeper.signs ? &node->keeper.signer : NULL,
        .kept = buffer_slice(&node->keeper.kept),
    };
    code = replica_open(&replica_config, &node->replica);
    if (code == CONCLAVE_OK) {
        const struct api_config api_config = {
            .replica = node->replica,
            .clock = &clock_system,
            .host = &node->api_host,
            .version = CONCLAVE_VERSION,
            .data_dir = settings_text(&node->config->settings, SETTING_DATA_DIR),
            .limits = api_limits_of(node->config->connection_rate, node->config->member_rate,
                                    node->config->idle_ms),
        };
        code = api_open(&api_config, &node->api);
    }
    if (code != CONCLAVE_OK) {
        distrust_state(node, code);
        settings_error_set(&node->error, "%s: %s",
                           settings_text(&node->config->settings, SETTING_DATA_DIR),
                           conclave_code_text(code));
    }
    return code;
}

/* A port in use is worth the name of who has it. */
static enum conclave_code refuse_listen(struct node *node, enum conclave_code code,
                                        const char *address, const char *why)
{
    long pid = code == CONCLAVE_BUSY ? port_holder_find(address) : 0;
    if (pid != 0) {
        settings_error_set(&node->error, "%s (by the process with pid %ld)", why, pid);
    } else {
        settings_error_set(&node->error, "%s", why);
    }
    return code == CONCLAVE_BAD_VALUE ? CONCLAVE_CONFIG : code;
}

static enum conclave_code listen_all(struct node *node)
{
    const struct settings *settings = &node->config->settings;
    const struct storage *storage = &node->storage;
    const struct genesis_file_node *self =
        genesis_file_find(&storage->genesis, node->config->node_id);
    ASSERT(storage->joined || self != NULL);
    struct codec_error why;
    const char *peer = settings_text(settings, SETTING_LISTEN_PEER);
    const char *client = settings_text(settings, SETTING_LISTEN_CLIENT);
    if (peer[0] == '\0') {
        peer = storage->joined ? storage->ticket.peer_address : self->peer_address;
    }
    if (client[0] == '\0') {
        client = storage->joined ? storage->ticket.client_address : self->client_address;
    }
    enum conclave_code code = peers_listen(node->peers, peer, &why);
    if (code != CONCLAVE_OK) {
        return refuse_listen(node, code, peer, why.text);
    }
    code = clients_listen(node->clients, client, node->config->client_certificates_required, &why);
    if (code != CONCLAVE_OK) {
        return refuse_listen(node, code, client, why.text);
    }
    LOG_INFO("listening", FIELD_TEXT("peers", peer), FIELD_TEXT("clients", client),
             FIELD_TEXT("tls", node->tls == NULL ? "off" : "on"));
    return CONCLAVE_OK;
}

static enum conclave_code node_open(struct node *node)
{
    enum conclave_code code = open_base(node);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = node_open_peers(node);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = listen_all(node); /* first: a node that cannot be reached must not take part */
    if (code == CONCLAVE_OK) {
        code = seeing_open(node, &node->error); /* a state that is made anew takes long */
    }
    if (code == CONCLAVE_OK) {
        code = open_replica(node);
    }
    if (code == CONCLAVE_OK) {
        code = open_scrub(node);
    }
    if (code == CONCLAVE_OK) {
        seeing_serve(node);
        clients_serve(node->clients, node->api);
        peers_start(node->peers);
        set_timer(node);
    }
    return code;
}

static enum node_status report(const struct node *node, enum conclave_code code)
{
    complain(node, "the node did not start", node->error.text);
    return code == CONCLAVE_CONFIG || code == CONCLAVE_WRONG_CLUSTER ? NODE_CONFIG : NODE_FAILED;
}

static void log_start(const struct node *node)
{
    char cluster[33];
    sodium_bin2hex(cluster, sizeof cluster, node->storage.identity.cluster_id, 16);
    LOG_INFO("started", FIELD_TEXT("version", CONCLAVE_VERSION), FIELD_TEXT("cluster", cluster),
             FIELD_TEXT("data_dir", settings_text(&node->config->settings, SETTING_DATA_DIR)),
             FIELD_U64("nodes", node->storage.genesis.node_count),
             FIELD_U64("last", log_last_index(node->storage.log)),
             FIELD_U64("pid", (uint64_t)getpid()));
}

enum node_status node_run(const struct config *config)
{
    ASSERT(config != NULL);
    static struct node node; /* one a process; it is large */
    node = (struct node){.config = config};
    enum conclave_code code = storage_open(config, &node.storage, &node.error);
    if (code != CONCLAVE_OK) {
        return report(&node, code);
    }
    int rv = uv_loop_init(&node.loop);
    if (rv == 0) {
        rv = uv_loop_configure(&node.loop, UV_METRICS_IDLE_TIME);
    }
    if (rv != 0) {
        settings_error_set(&node.error, "cannot start: %s", uv_strerror(rv));
        storage_close(&node.storage);
        return report(&node, CONCLAVE_IO);
    }
    enum node_status status = NODE_STOPPED;
    code = node_open(&node);
    if (code == CONCLAVE_OK) {
        log_start(&node);
        notify_ready();
    } else {
        status = report(&node, code);
        node_close(&node);
    }
    rv = uv_run(&node.loop, UV_RUN_DEFAULT);
    ASSERT(rv == 0);
    rv = uv_loop_close(&node.loop);
    ASSERT(rv == 0);
    seeing_close(&node);
    tls_context_release(node.tls);
    known_disks_close(node.known_disks);
    if (node.replica != NULL) {
        replica_close(node.replica);
    }
    if (node.keeper_open) {
        keeper_close(&node.keeper);
    }
    api_close(node.api);
    if (node.verifier != NULL) {
        verifier_close(node.verifier);
    }
    if (node.clients != NULL) {
        clients_close(node.clients);
    }
    if (status != NODE_STOPPED) {
        storage_close(&node.storage);
        return status;
    }
    if (storage_close_clean(&node.storage) != CONCLAVE_OK) {
        LOG_WARN("the state could not be synced: it is rebuilt if the machine stops now");
    }
    LOG_INFO("stopped");
    return status;
}
