/* The families, in groups. Names are as https://prometheus.io/docs/practices/naming/ has them; no
 * label has more values than a limit of ours: outcomes, codes, stages, nodes. */
#include "http/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

/* begin NAME as a gauge with one sample. */
static void gauge(struct exposition *to, const char *name, const char *help, uint64_t value)
{
    exposition_family(to, name, EXPOSITION_GAUGE, help);
    exposition_gauge(to, NULL, value);
}

static void counter(struct exposition *to, const char *name, const char *help, uint64_t value)
{
    exposition_family(to, name, EXPOSITION_COUNTER, help);
    exposition_counter(to, NULL, value);
}

static void histogram(struct exposition *to, const char *name, const char *help,
                      const struct metric_histogram *values)
{
    exposition_family(to, name, EXPOSITION_HISTOGRAM, help);
    exposition_histogram(to, NULL, values);
}

#define LABEL_BYTES 64u

static const char *label(char text[LABEL_BYTES], const char *name, const char *value)
{
    (void)snprintf(text, LABEL_BYTES, "%s=\"%s\"", name, value);
    return text;
}

static const char *label_number(char text[LABEL_BYTES], const char *name, uint64_t value)
{
    (void)snprintf(text, LABEL_BYTES, "%s=\"%" PRIu64 "\"", name, value);
    return text;
}

/* --- Health and consensus --- */

static void write_health(struct exposition *to, const struct metrics_source *source)
{
    char text[LABEL_BYTES];
    struct health_report report;
    health_judge(source->view, source->now_ms, &report);
    exposition_family(to, "conclave_build", EXPOSITION_INFO, "The program that runs.");
    exposition_info(to, label(text, "version", source->config->version));
    gauge(to, "conclave_ready", "1 if this node could serve a linearizable read, as /readyz says.",
          report.health != HEALTH_NOT_READY);
    gauge(to, "conclave_degraded", "1 if it is ready but not all is well.",
          report.health == HEALTH_DEGRADED);
    uint64_t age_ms =
        source->now_ms > source->view->taken_ms ? source->now_ms - source->view->taken_ms : 0;
    exposition_family(to, "conclave_loop_age_seconds", EXPOSITION_GAUGE,
                      "Time since the event loop said how it is.");
    exposition_seconds(to, NULL, age_ms * 1000);
    exposition_family(to, "conclave_loop_idle_seconds", EXPOSITION_COUNTER,
                      "Time that the event loop waited for something to do.");
    exposition_seconds_counter(to, NULL, source->view->loop_idle_us);
}

static void write_raft(struct exposition *to, const struct replica_status *status)
{
    static const struct {
        const char *name;
        enum replica_state state;
    } roles[] = {{"leader", REPLICA_LEADER},
                 {"follower", REPLICA_FOLLOWER},
                 {"candidate", REPLICA_CANDIDATE},
                 {"unavailable", REPLICA_UNAVAILABLE}};
    char text[LABEL_BYTES];
    exposition_family(to, "conclave_raft_role", EXPOSITION_GAUGE,
                      "1 for the role that this node has.");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        exposition_gauge(to, label(text, "role", roles[i].name), status->state == roles[i].state);
    }
    gauge(to, "conclave_raft_leader_known", "1 if this node knows a leader.",
          status->leader_id != 0);
    gauge(to, "conclave_raft_term", "The term this node is in.", status->term);
    gauge(to, "conclave_raft_last_index", "The last entry of the log, committed or not.",
          status->last_index);
    gauge(to, "conclave_raft_commit_index", "The last entry known to be on a majority.",
          status->commit_index);
    gauge(to, "conclave_raft_applied_index", "The last entry applied to the state.",
          status->applied_index);
    counter(to, "conclave_raft_messages_dropped", "Messages of peers that were put aside.",
            status->messages_dropped);
    counter(to, "conclave_raft_messages_malformed", "Messages of peers that made no sense.",
            status->messages_malformed);
    exposition_family(to, "conclave_raft_mitigations", EXPOSITION_COUNTER,
                      "How often each workaround of a fault of the raft library acted.");
    for (uint64_t i = 1; i <= 8; i++) {
        (void)snprintf(text, sizeof text, "mitigation=\"M%" PRIu64 "\"", i);
        exposition_counter(to, text, status->mitigations[i]);
    }
}

static void write_peers(struct exposition *to, const struct http_view *view)
{
    char text[LABEL_BYTES];
    exposition_family(to, "conclave_peer_connected", EXPOSITION_GAUGE,
                      "1 if this node can send to the peer.");
    for (unsigned i = 0; i < view->peer_count; i++) {
        exposition_gauge(to, label_number(text, "peer", view->peers[i].node_id),
                         view->peers[i].connected);
    }
    exposition_family(to, "conclave_replication_lag_entries", EXPOSITION_GAUGE,
                      "Entries that a peer does not have yet, as the leader knows; only it says.");
    for (unsigned i = 0; i < view->replica.peer_count; i++) {
        const struct replica_peer *peer = &view->replica.peers[i];
        if (peer->has_match) {
            exposition_gauge(to, label_number(text, "peer", peer->node_id), peer->lag);
        }
    }
}

static void write_replica(struct exposition *to, const struct replica_metrics *replica)
{
    exposition_family(to, "conclave_raft_elections", EXPOSITION_COUNTER,
                      "Elections that this node began, and those that it won.");
    exposition_counter(to, "result=\"begun\"", metric_value(&replica->candidacies));
    exposition_counter(to, "result=\"won\"", metric_value(&replica->elections_won));
    counter(to, "conclave_raft_leader_changes", "How often this node learned of a leader.",
            metric_value(&replica->leader_changes));
    counter(to, "conclave_raft_leader_losses", "How often it knew a leader, and then none.",
            metric_value(&replica->leader_losses));
    counter(to, "conclave_commands_applied", "Commands decided here, as on every node.",
            metric_value(&replica->commands_applied));
    histogram(to, "conclave_batch_commands", "Commands in each log entry that this node proposed.",
              &replica->batch_commands);
    histogram(to, "conclave_replication_duration_seconds",
              "From proposing a log entry to its majority; on the leader.", &replica->replicate_us);
    histogram(to, "conclave_apply_duration_seconds", "Transactions of the state.",
              &replica->apply_us);
}

/* --- Requests --- */

static void write_outcomes(struct exposition *to, const char *name, const char *help,
                           const struct metric_counter *counters)
{
    static const char *const outcomes[API_OUTCOMES] = {"answered", "refused", "failed", "unknown"};
    char text[LABEL_BYTES];
    exposition_family(to, name, EXPOSITION_COUNTER, help);
    for (int i = 0; i < API_OUTCOMES; i++) {
        exposition_counter(to, label(text, "outcome", outcomes[i]), metric_value(&counters[i]));
    }
}

static void write_api(struct exposition *to, const struct api_metrics *api)
{
    static const char *const kinds[API_KINDS] = {"command", "read", "local"};
    static const char *const stages[API_STAGES] = {"author", "verify", "decide", "read"};
    char text[LABEL_BYTES];
    write_outcomes(to, "conclave_requests",
                   "Requests of clients, by what came of them: failed ones are the node's or the "
                   "cluster's fault.",
                   api->requests);
    write_outcomes(to, "conclave_ballots", "Ballots that were cast here, by what came of them.",
                   api->ballots);
    exposition_family(to, "conclave_refusals", EXPOSITION_COUNTER,
                      "Requests that were not done, by code.");
    for (int code = CONCLAVE_OK + 1; code < CONCLAVE_CODE_COUNT; code++) {
        exposition_counter(to, label(text, "code", conclave_code_name((enum conclave_code)code)),
                           metric_value(&api->codes[code]));
    }
    exposition_family(to, "conclave_request_duration_seconds", EXPOSITION_HISTOGRAM,
                      "From the whole request to its answer.");
    for (int i = 0; i < API_KINDS; i++) {
        exposition_histogram(to, label(text, "kind", kinds[i]), &api->request_us[i]);
    }
    exposition_family(to, "conclave_request_stage_duration_seconds", EXPOSITION_HISTOGRAM,
                      "What requests waited for: an author to be looked up, a signature to be "
                      "checked, a command to be decided, a read to be safe.");
    for (int i = 0; i < API_STAGES; i++) {
        exposition_histogram(to, label(text, "stage", stages[i]), &api->stage_us[i]);
    }
}

/* Each with its limit, so that a rule can say how full it is. */
static void write_queues(struct exposition *to, const struct http_view *view)
{
    gauge(to, "conclave_connections", "Connections of clients.", view->connections);
    gauge(to, "conclave_connections_limit", "Connections of clients that are taken.",
          LIMIT_CONNECTIONS);
    exposition_family(to, "conclave_queue_length", EXPOSITION_GAUGE, "Requests under way.");
    exposition_gauge(to, "queue=\"commands\"", view->commands_under_way);
    exposition_gauge(to, "queue=\"reads\"", view->reads_under_way);
    exposition_family(to, "conclave_queue_limit", EXPOSITION_GAUGE,
                      "Requests under way that are taken; more are told that the node is busy.");
    exposition_gauge(to, "queue=\"commands\"", LIMIT_COMMANDS_IN_FLIGHT);
    exposition_gauge(to, "queue=\"reads\"", LIMIT_READS_IN_FLIGHT);
}

/* --- The state, the disk, the process --- */

static void write_overview(struct exposition *to, const struct model_overview *overview)
{
    exposition_family(to, "conclave_log_time_seconds", EXPOSITION_GAUGE,
                      "The time of the last batch applied, since 1970.");
    exposition_seconds(to, NULL, overview->time_ms * 1000);
    gauge(to, "conclave_members", "Members admitted ever.", overview->members);
    gauge(to, "conclave_proposals", "Proposals submitted ever.", overview->proposals);
    gauge(to, "conclave_polls", "Polls opened ever.", overview->polls);
    counter(to, "conclave_cluster_ballots", "Ballots that the cluster ever accepted.",
            overview->ballots);
    counter(to, "conclave_cluster_commands", "Commands that the cluster ever decided.",
            overview->commands);
    counter(to, "conclave_cluster_commands_refused", "Those of them that a rule refused.",
            overview->refused);
    gauge(to, "conclave_polls_open", "Polls that are open.", overview->open);
    gauge(to, "conclave_polls_overdue", "Open polls whose time is over.", overview->overdue);
    exposition_family(to, "conclave_polls_overdue_seconds", EXPOSITION_GAUGE,
                      "How long the time of the most overdue poll has been over.");
    exposition_seconds(to, NULL, overview->overdue_ms_max * 1000);
    gauge(to, "conclave_polls_slow",
          "Open polls with half of their time over and less than half of their voters heard.",
          overview->slow);
    gauge(to, "conclave_polls_open_voters", "Voters on the rolls of open polls, summed.",
          overview->rolled);
    gauge(to, "conclave_polls_open_voted", "Those of them that have voted.", overview->voted);
}

static void write_stores(struct exposition *to, const struct http_config *config, bool disk_full)
{
    struct log_usage log;
    struct kv_usage state;
    log_usage(config->log, &log);
    kv_usage(config->kv, &state);
    exposition_family(to, "conclave_store_map_bytes", EXPOSITION_GAUGE,
                      "Room that a store may take; it is doubled before it is full.");
    exposition_gauge(to, "store=\"log\"", log.map_bytes);
    exposition_gauge(to, "store=\"state\"", state.map_bytes);
    exposition_family(to, "conclave_store_used_bytes", EXPOSITION_GAUGE,
                      "Room that a store has taken.");
    exposition_gauge(to, "store=\"log\"", log.used_bytes);
    exposition_gauge(to, "store=\"state\"", state.used_bytes);
    gauge(to, "conclave_disk_full", "1 while nothing is taken in for want of room on the disk.",
          disk_full);
    histogram(to, "conclave_log_write_duration_seconds", "Writes of the log, each with its sync.",
              &config->instruments->sync_us);
    histogram(to, "conclave_log_write_entries", "Log entries in each write.",
              &config->instruments->write_entries);
}

static void write_scrub(struct exposition *to, const struct http_instruments *instruments)
{
    counter(to, "conclave_scrub_bytes", "Stored bytes that were read to look for damage.",
            metric_value(&instruments->scrub_bytes));
    counter(to, "conclave_scrub_rounds", "How often everything that is stored was read.",
            metric_value(&instruments->scrub_rounds));
    gauge(to, "conclave_scrub_index", "The log entry that the reading for damage has come to.",
          atomic_load(&instruments->scrub_index));
    exposition_family(to, "conclave_scrub_findings", EXPOSITION_COUNTER,
                      "Damage that was found by reading for it.");
    exposition_counter(to, "store=\"log\"", metric_value(&instruments->scrub_log_findings));
    exposition_counter(to, "store=\"state\"", metric_value(&instruments->scrub_state_findings));
    counter(to, "conclave_log_repairs", "Entries of the log that were damaged, and fetched anew.",
            metric_value(&instruments->repairs));
}

static void write_process(struct exposition *to, const struct process_usage *process)
{
    gauge(to, "conclave_disk_size_bytes", "The disk with the data directory.", process->disk_bytes);
    gauge(to, "conclave_disk_free_bytes", "What is free of it for this process.",
          process->disk_free_bytes);
    gauge(to, "conclave_memory_limit_bytes", "Memory of the control group, or of the machine.",
          process->memory_limit_bytes);
    gauge(to, "conclave_cpus", "Processors that the node may use.", process->cpus);
    exposition_family(to, "process_cpu_seconds", EXPOSITION_COUNTER,
                      "User and system time of the process.");
    exposition_seconds_counter(to, NULL, process->cpu_us);
    gauge(to, "process_resident_memory_bytes", "Resident memory.", process->resident_bytes);
    gauge(to, "process_virtual_memory_bytes", "Virtual memory; maps of the stores count in full.",
          process->virtual_bytes);
    gauge(to, "process_open_fds", "Open file descriptors.", process->open_files);
    gauge(to, "process_max_fds", "Most file descriptors.", process->max_files);
    exposition_family(to, "process_start_time_seconds", EXPOSITION_GAUGE,
                      "When the process began, since 1970.");
    exposition_seconds(to, NULL, process->start_ms * 1000);
}

void metrics_write(struct exposition *exposition, const struct metrics_source *source)
{
    ASSERT(exposition != NULL && source != NULL);
    write_health(exposition, source);
    write_raft(exposition, &source->view->replica);
    write_peers(exposition, source->view);
    if (source->replica != NULL) {
        write_replica(exposition, source->replica);
    }
    if (source->api != NULL) {
        write_api(exposition, source->api);
        write_queues(exposition, source->view);
    }
    if (source->overview != NULL) {
        write_overview(exposition, source->overview);
    }
    write_stores(exposition, source->config, source->view->replica.disk_full);
    write_scrub(exposition, source->config->instruments);
    write_process(exposition, source->process);
    exposition_end(exposition);
}
