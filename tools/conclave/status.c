/* conclave status: how the cluster is, node by node.
 *
 * One endpoint is enough: `hello` names all nodes, and each is then asked for its own view. Where
 * no endpoint answers, the endpoints themselves are shown, each with why not.
 */
#include <inttypes.h>
#include <string.h>

#include "client/connection.h"
#include "cluster_view.h"
#include "commands.h"
#include "convert.h"
#include "session.h"

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

static void print_json(const struct output *output, const struct cluster_view *view)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
        uint64_t lag;
        bool lag_known = cluster_view_lag(view, i, &lag);
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
    struct cluster_view view = {.leader = SIZE_MAX,
                                .deadline_ms = client_now_ms() + cli->timeout_ms};
    int status = cluster_view_find(cli, &view);
    if (status == 0 && view.named) {
        status = cluster_view_ask(cli, &view, true);
    }
    if (status == 0) {
        if (!view.named) {
            cluster_view_judge(&view);
        }
        if (cli->output.json) {
            print_json(&cli->output, &view);
        } else {
            cluster_view_print(&cli->output, &view);
            cluster_view_print_security(&cli->output, &view);
        }
        status = cluster_view_no_quorum(&view) ? conclave_code_exit_status(CONCLAVE_NO_LEADER) : 0;
    }
    cluster_view_close(&view);
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
