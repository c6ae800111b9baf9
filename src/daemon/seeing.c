/* See the header. */
#include "daemon/seeing.h"

#include "daemon/node_internal.h"
#include "net/address.h"

#define ASK_MS      500u /* between two reads of the node's own */
#define ASK_MOST_MS 1000u
#define PUBLISH_MS  100u

enum conclave_code seeing_open(struct node *node, struct settings_error *error)
{
    const struct settings *settings = &node->config->settings;
    const char *text = settings_text(settings, SETTING_HTTP_ADDRESS);
    struct seeing *seeing = &node->seeing;
    metric_histogram_init(&seeing->instruments.sync_us, &metric_scale_us);
    metric_histogram_init(&seeing->instruments.write_entries, &metric_scale_count);
    if (text[0] == '\0') {
        return CONCLAVE_OK;
    }
    union net_address address;
    struct codec_error why;
    enum conclave_code code = net_address_parse(text, false, &address, &why);
    ASSERT(code == CONCLAVE_OK); /* it was, when it was set */
    const struct http_config config = {
        .address = &address.any,
        .address_bytes = address.any.sa_family == AF_INET ? sizeof address.v4 : sizeof address.v6,
        .version = CONCLAVE_VERSION,
        .data_dir = settings_text(settings, SETTING_DATA_DIR),
        .node_id = node->config->node_id,
        .clock = &clock_system,
        .log = node->storage.log,
        .kv = node->storage.kv,
        .instruments = &seeing->instruments,
    };
    code = http_open(&config, &seeing->http);
    if (code == CONCLAVE_OK) {
        LOG_INFO("serving HTTP", FIELD_TEXT("address", text));
        return code;
    }
    settings_error_set(error, "%s: http address %s: %s",
                       settings_where(settings, SETTING_HTTP_ADDRESS), text,
                       code == CONCLAVE_BUSY        ? "it is in use"
                       : code == CONCLAVE_BAD_VALUE ? "it is no address of this machine"
                                                    : conclave_code_text(code));
    return code == CONCLAVE_BAD_VALUE ? CONCLAVE_CONFIG : code;
}

static void fill_view(struct node *node, struct http_view *view)
{
    struct seeing *seeing = &node->seeing;
    *view = (struct http_view){
        .phase = node->phase == NODE_PHASE_RUNNING ? HTTP_RUNNING : HTTP_STOPPING,
        .taken_ms = clock_monotonic_ms(&clock_system),
        .data_dir = settings_text(&node->config->settings, SETTING_DATA_DIR),
        .read_known = seeing->read_known,
        .read_ok_ms = seeing->read_ok_ms,
        .connections = api_connection_count(node->api),
        .commands_under_way = api_commands_under_way(node->api),
        .loop_idle_us = uv_metrics_idle_time(&node->loop) / 1000,
    };
    view->reads_under_way = api_requests_under_way(node->api) - view->commands_under_way;
    replica_status(node->replica, &view->replica);
    view->peer_count = node->api_host.peers(node, view->peers);
}

static void publish(struct node *node, uint64_t now_ms)
{
    struct http_view view;
    if (node->seeing.http != NULL) {
        fill_view(node, &view);
        http_publish(node->seeing.http, &view);
    }
    node->seeing.published_ms = now_ms;
}

void seeing_serve(struct node *node)
{
    ASSERT(node->replica != NULL && node->api != NULL);
    if (node->seeing.http != NULL) {
        http_serve(node->seeing.http, replica_metrics(node->replica), api_metrics(node->api));
    }
    publish(node, clock_monotonic_ms(&clock_system));
}

static void ask(struct node *node, uint64_t now_ms)
{
    struct seeing *seeing = &node->seeing;
    seeing->asked_ms = now_ms;
    /* No leader, or too much under way: the last answer grows old, which is all there is to say. */
    seeing->asking = replica_read(node->replica, SEEING_TOKEN, ASK_MOST_MS) == CONCLAVE_OK;
}

void seeing_turn(struct node *node)
{
    struct seeing *seeing = &node->seeing;
    uint64_t now_ms = clock_monotonic_ms(&clock_system);
    if (!seeing->asking && now_ms - seeing->asked_ms >= ASK_MS) {
        ask(node, now_ms);
    }
    if (now_ms - seeing->published_ms >= PUBLISH_MS) {
        publish(node, now_ms);
    }
}

uint64_t seeing_deadline_ms(const struct node *node)
{
    const struct seeing *seeing = &node->seeing;
    return seeing->asking ? UINT64_MAX : seeing->asked_ms + ASK_MS;
}

void seeing_readable(struct node *node, enum conclave_code code)
{
    struct seeing *seeing = &node->seeing;
    ASSERT(seeing->asking);
    seeing->asking = false;
    if (code == CONCLAVE_OK) {
        seeing->read_known = true;
        seeing->read_ok_ms = clock_monotonic_ms(&clock_system);
    }
}

void seeing_report(struct node *node, struct health_report *report)
{
    struct http_view view;
    fill_view(node, &view);
    health_judge(&view, view.taken_ms, report);
}

void seeing_close(struct node *node)
{
    http_close(node->seeing.http);
    node->seeing.http = NULL;
}
