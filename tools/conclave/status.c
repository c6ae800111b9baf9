/* conclave status: how the cluster is, node by node.
 *
 * One endpoint is enough: `hello` names all nodes, and each is then asked for its own view. Where
 * no endpoint answers, the endpoints themselves are shown, each with why not.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

#define ASK_MOST_MS      1000u
#define ELECTION_LOOKS   8u /* looks again while an election may be under way */
#define ELECTION_LOOK_MS 250
#define HUNG             "timed out"

struct status_node {
    char node[24];
    char address[LIMIT_ADDRESS_BYTES + 33];
    bool up;
    char why[200];  /* "" when all is well */
    json_t *status; /* its answer; NULL: none */
};

struct status_view {
    uint64_t deadline_ms; /* of the whole command */
    char cluster[CONCLAVE_CLUSTER_ID_BYTES * 2 + 1];
    char name[LIMIT_NAME_BYTES + 1];
    struct status_node nodes[LIMIT_ENDPOINTS];
    size_t node_count;
    bool named; /* the nodes are the cluster's own list */
    size_t up;
    size_t leader; /* place in `nodes`; SIZE_MAX: none */
    const char *health;
};

/* A failure in the few words of a table. */
static const char *short_reason(const struct conclave_failure *failure)
{
    if (failure->code == CONCLAVE_UNKNOWN_OUTCOME ||
        strstr(failure->message, "timed out") != NULL) {
        return HUNG;
    }
    if (strstr(failure->message, "refused") != NULL) {
        return "refused";
    }
    if (strstr(failure->message, "does not speak") != NULL) {
        return "does not speak Conclave's protocol";
    }
    return failure->code == CONCLAVE_UNREACHABLE     ? failure->message
           : failure->code == CONCLAVE_UNAUTHORISED  ? "unauthorised"
           : failure->code == CONCLAVE_WRONG_CLUSTER ? "wrong cluster"
                                                     : conclave_code_text(failure->code);
}

/* How long one node may take when `to_ask` are still to be asked: a fair part of what remains. */
static uint64_t ask_ms(const struct status_view *view, size_t to_ask)
{
    ASSERT(to_ask > 0);
    uint64_t now_ms = client_now_ms();
    uint64_t left_ms = view->deadline_ms > now_ms ? view->deadline_ms - now_ms : 0;
    uint64_t fair_ms = left_ms / to_ask;
    return fair_ms == 0 ? 1 : fair_ms < ASK_MOST_MS ? fair_ms : ASK_MOST_MS;
}

/* One question to one endpoint of a client; NULL when it fails. */
static json_t *ask(struct conclave_client *client, size_t endpoint, const char *method, uint64_t ms)
{
    struct conclave_bytes result;
    if (conclave_ask(client, endpoint, method, NULL, 0, ms, &result) != CONCLAVE_OK) {
        return NULL;
    }
    json_t *answer = convert_packed_to_json(slice_of(result.data, result.size));
    if (!json_is_object(answer)) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

static void name_nodes(struct status_view *view, const json_t *hello)
{
    const json_t *nodes = json_object_get(hello, "nodes");
    snprintf(view->cluster, sizeof view->cluster, "%s", convert_text(hello, "cluster"));
    snprintf(view->name, sizeof view->name, "%s", convert_text(hello, "name"));
    view->node_count = 0;
    for (size_t i = 0; i < json_array_size(nodes) && i < LIMIT_ENDPOINTS; i++) {
        struct status_node *node = &view->nodes[view->node_count++];
        const json_t *item = json_array_get(nodes, i);
        *node = (struct status_node){0};
        snprintf(node->node, sizeof node->node, "%s", convert_item_text(item, 0));
        snprintf(node->address, sizeof node->address, "%s", convert_item_text(item, 2));
    }
    view->named = view->node_count > 0;
}

/* Takes over that an endpoint hung: it is not asked a second time. */
static void take_hung(struct status_view *view, const struct status_node *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < view->node_count; j++) {
            struct status_node *node = &view->nodes[j];
            if (strcmp(node->address, asked[i].address) == 0 && strcmp(asked[i].why, HUNG) == 0) {
                snprintf(node->why, sizeof node->why, "%s", asked[i].why);
            }
        }
    }
}

/* Asks the endpoints in turn until one says which nodes there are. */
static int find_nodes(struct cli *cli, struct status_view *view)
{
    struct status_node asked[LIMIT_ENDPOINTS];
    int status = session_connect(cli);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < cli->endpoint_count && !view->named; i++) {
        struct status_node *node = &view->nodes[view->node_count++];
        snprintf(node->node, sizeof node->node, "?");
        snprintf(node->address, sizeof node->address, "%s", cli->endpoints[i]);
        /* the last part is for the nodes' own views */
        json_t *hello = ask(cli->client, i, "hello", ask_ms(view, cli->endpoint_count - i + 1));
        if (hello == NULL) {
            snprintf(node->why, sizeof node->why, "%s",
                     short_reason(conclave_last_failure(cli->client)));
            continue;
        }
        memcpy(asked, view->nodes, i * sizeof asked[0]);
        name_nodes(view, hello);
        take_hung(view, asked, i);
        json_decref(hello);
    }
    return 0;
}

static void take_status(const struct status_view *view, struct status_node *node)
{
    if (strcmp(convert_text(node->status, "cluster"), view->cluster) != 0) {
        snprintf(node->why, sizeof node->why, "wrong cluster");
    } else if (strcmp(convert_text(node->status, "node"), node->node) != 0) {
        snprintf(node->why, sizeof node->why, "another node answers there (%s)",
                 convert_text(node->status, "node"));
    } else {
        node->up = true;
        if (!convert_bool(node->status, "ready")) {
            snprintf(node->why, sizeof node->why, "not ready");
        }
    }
}

static void ask_node(struct conclave_client *client, struct status_view *view, size_t i)
{
    struct status_node *node = &view->nodes[i];
    json_decref(node->status);
    node->up = false;
    node->why[0] = '\0';
    node->status = ask(client, i, "status", ask_ms(view, view->node_count - i));
    if (node->status == NULL) {
        const struct conclave_failure *failure = conclave_last_failure(client);
        snprintf(node->why, sizeof node->why, "%s",
                 failure->code == CONCLAVE_OK ? "its answer is not understood"
                                              : short_reason(failure));
    } else {
        take_status(view, node);
    }
}

/* Most nodes answer, and none leads: is an election under way? The nodes were asked one after the
 * other, and one that hangs takes its time. */
static bool may_be_electing(const struct status_view *view)
{
    size_t up = 0;
    for (size_t i = 0; i < view->node_count; i++) {
        up += view->nodes[i].up;
        if (view->nodes[i].up &&
            strcmp(convert_text(view->nodes[i].status, "state"), "leader") == 0) {
            return false;
        }
    }
    return up * 2 > view->node_count;
}

/* Asks every node for its own view. Nonzero: the exit status. */
static int ask_nodes(struct cli *cli, struct status_view *view)
{
    const char *endpoints[LIMIT_ENDPOINTS];
    for (size_t i = 0; i < view->node_count; i++) {
        endpoints[i] = view->nodes[i].address;
    }
    const struct conclave_options options = {
        .endpoints = endpoints, .endpoint_count = view->node_count, .timeout_ms = ASK_MOST_MS};
    struct conclave_client *client;
    enum conclave_code code = conclave_open(&options, &client);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, CONCLAVE_INTERNAL, "", "the cluster names a node without an address");
    }
    for (size_t i = 0; i < view->node_count; i++) {
        if (view->nodes[i].why[0] == '\0') {
            ask_node(client, view, i);
        }
    }
    for (unsigned again = 0; again < ELECTION_LOOKS && may_be_electing(view) &&
                             client_now_ms() + 2 * ELECTION_LOOK_MS < view->deadline_ms;
         again++) {
        (void)poll(NULL, 0, ELECTION_LOOK_MS);
        for (size_t i = 0; i < view->node_count; i++) {
            if (view->nodes[i].up) {
                ask_node(client, view, i);
            }
        }
    }
    conclave_close(client);
    return 0;
}

/* What the leader's connections tell of the others, where they themselves say nothing of it. */
static void take_leaders_view(struct status_view *view)
{
    const json_t *peers = json_object_get(view->nodes[view->leader].status, "peers");
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const json_t *peer = json_array_get(peers, i);
        for (size_t j = 0; j < view->node_count; j++) {
            struct status_node *node = &view->nodes[j];
            if (strcmp(node->node, convert_text(peer, "node")) != 0 || node->why[0] != '\0' ||
                convert_bool(peer, "connected")) {
                continue;
            }
            const char *error = convert_text(peer, "error");
            snprintf(node->why, sizeof node->why, "the leader cannot reach it (%s)",
                     error[0] == '\0' ? "not connected" : error);
        }
    }
}

static void judge(struct status_view *view)
{
    uint64_t term = 0;
    size_t well = 0;
    view->leader = SIZE_MAX;
    for (size_t i = 0; i < view->node_count; i++) {
        const struct status_node *node = &view->nodes[i];
        view->up += node->up;
        if (node->up && strcmp(convert_text(node->status, "state"), "leader") == 0 &&
            convert_u64(node->status, "term") >= term) {
            term = convert_u64(node->status, "term");
            view->leader = i;
        }
    }
    if (view->leader != SIZE_MAX) {
        take_leaders_view(view);
    }
    for (size_t i = 0; i < view->node_count; i++) {
        well += view->nodes[i].up && view->nodes[i].why[0] == '\0';
    }
    if (!view->named || view->leader == SIZE_MAX || view->up * 2 <= view->node_count) {
        view->health = "no quorum";
    } else {
        view->health = well == view->node_count ? "healthy" : "degraded";
    }
    if (strcmp(view->health, "degraded") == 0) {
        view->up = well; /* "2 of 3" are well, whatever the third still answers */
    }
}

static bool is_no_quorum(const struct status_view *view)
{
    return strcmp(view->health, "no quorum") == 0;
}

/* Entries of the leader's log that a node has not stored yet, as the leader knows it; false when
 * nobody does. What a node has applied may be one heartbeat older: that is no lag. */
static bool find_lag(const struct status_view *view, size_t place, uint64_t *lag)
{
    *lag = 0;
    if (view->leader == SIZE_MAX || place == view->leader) {
        return view->leader != SIZE_MAX;
    }
    const json_t *peers = json_object_get(view->nodes[view->leader].status, "peers");
    size_t i;
    const json_t *peer;
    json_array_foreach(peers, i, peer)
    {
        if (strcmp(convert_text(peer, "node"), view->nodes[place].node) == 0) {
            *lag = convert_u64(peer, "lag");
            return !convert_is_null(peer, "lag");
        }
    }
    return false;
}

static void print_table(const struct output *output, const struct status_view *view)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "NODE", OUTPUT_RIGHT);
    output_table_column(&table, "ADDRESS", OUTPUT_LEFT);
    output_table_column(&table, "ROLE", OUTPUT_LEFT);
    output_table_column(&table, "TERM", OUTPUT_RIGHT);
    output_table_column(&table, "APPLIED", OUTPUT_RIGHT);
    output_table_column(&table, "LAG", OUTPUT_RIGHT);
    output_table_column(&table, "UP SINCE", OUTPUT_RIGHT);
    output_table_column(&table, "WHY", OUTPUT_SHRINK);
    for (size_t i = 0; i < view->node_count; i++) {
        const struct status_node *node = &view->nodes[i];
        const char *state = convert_text(node->status, "state");
        char lag_text[24] = "-";
        char uptime[FORMAT_DURATION_BYTES] = "-";
        uint64_t lag;
        if (find_lag(view, i, &lag)) {
            snprintf(lag_text, sizeof lag_text, "%" PRIu64, lag);
        }
        if (node->up) {
            format_duration(convert_u64(node->status, "uptime_ms"), uptime);
        }
        output_table_cell(&table, node->node);
        output_table_cell(&table, node->address);
        output_table_styled(&table,
                            !node->up           ? OUTPUT_BAD
                            : i == view->leader ? OUTPUT_GOOD
                                                : OUTPUT_PLAIN,
                            node->up ? state : "down");
        output_table_cell(&table, node->up ? convert_text(node->status, "term") : "-");
        output_table_cell(&table, node->up ? convert_text(node->status, "applied") : "-");
        output_table_cell(&table, lag_text);
        output_table_cell(&table, uptime);
        output_table_styled(&table, OUTPUT_NOTICE, node->why);
    }
    output_table_finish(&table, output, "no nodes");
}

static void print_view(const struct output *output, const struct status_view *view)
{
    if (view->named) {
        output_print(output, OUTPUT_PLAIN, "cluster ");
        output_safe(output, OUTPUT_BOLD, view->name);
        output_print(output, OUTPUT_DIM, " (%s)", view->cluster);
        output_print(output, OUTPUT_PLAIN, ": ");
    }
    bool degraded = strcmp(view->health, "degraded") == 0;
    output_print(output,
                 is_no_quorum(view) ? OUTPUT_BAD
                 : degraded         ? OUTPUT_NOTICE
                                    : OUTPUT_GOOD,
                 "%s", view->health);
    if (degraded || (is_no_quorum(view) && view->named)) {
        output_print(output, OUTPUT_PLAIN, ", %zu of %zu", view->up, view->node_count);
    }
    output_print(output, OUTPUT_PLAIN, "\n\n");
    print_table(output, view);
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

static void print_json(const struct output *output, const struct status_view *view)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < view->node_count; i++) {
        const struct status_node *node = &view->nodes[i];
        uint64_t lag;
        bool lag_known = find_lag(view, i, &lag);
        json_t *item = json_pack("{s:s, s:s, s:b, s:o, s:o, s:O?}", "node", node->node, "address",
                                 node->address, "up", node->up, "why", text_or_null(node->why),
                                 "lag", lag_known ? json_sprintf("%" PRIu64, lag) : json_null(),
                                 "status", node->status);
        (void)json_array_append_new(nodes, item);
    }
    const char *leader = view->leader == SIZE_MAX ? "" : view->nodes[view->leader].node;
    output_json(output, "status",
                json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "health", view->health, "up",
                          json_sprintf("%zu", view->up), "of",
                          json_sprintf("%zu", view->node_count), "cluster",
                          text_or_null(view->cluster), "name", text_or_null(view->name), "leader",
                          text_or_null(leader), "nodes", nodes));
}

static int run_status(struct cli *cli)
{
    struct status_view view = {.leader = SIZE_MAX,
                               .deadline_ms = client_now_ms() + cli->timeout_ms};
    int status = find_nodes(cli, &view);
    if (status == 0 && view.named) {
        status = ask_nodes(cli, &view);
    }
    if (status == 0) {
        judge(&view);
        if (cli->output.json) {
            print_json(&cli->output, &view);
        } else {
            print_view(&cli->output, &view);
        }
        status = is_no_quorum(&view) ? conclave_code_exit_status(CONCLAVE_NO_LEADER) : 0;
    }
    for (size_t i = 0; i < view.node_count; i++) {
        json_decref(view.nodes[i].status);
    }
    return status;
}

static const struct command status_commands[] = {
    {.summary = "Show how the cluster is: each node's role, lag, and why it is down",
     .details = "One endpoint is enough: all nodes are found from it and asked. Prints healthy, "
                "degraded or no quorum. Exit status: 0 healthy or degraded, 5 no quorum or nobody "
                "reachable.",
     .examples = "conclave status\nconclave status --endpoint 127.0.0.1:7202\n"
                 "conclave status --json | jq -r .health\n",
     .run = run_status},
};

const struct command_group cli_group_status = {"status", "Show how the cluster is", status_commands,
                                               1};
