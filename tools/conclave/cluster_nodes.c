/* conclave cluster status, add, replace, promote, demote, remove, transfer, ticket.
 *
 * Each change is one signed command that says what is wanted; the leader brings it about, step by
 * step, and `cluster status` shows how far it is. What needs the nodes' own word, whether those
 * that would be left are up, is looked at here before the command is sent, and by the leader again.
 */
#include "cluster_nodes.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "auth/join.h"
#include "base/memory.h"
#include "client/connection.h"
#include "cluster_view.h"
#include "convert.h"
#include "format.h"
#include "kept_file.h"
#include "session.h"

#define OPTION_PEER                                                                     \
    {                                                                                   \
        .name = "peer", .argument = "IP:PORT", .help = "Where the other nodes reach it" \
    }
#define OPTION_CLIENT                                                             \
    {                                                                             \
        .name = "client", .argument = "IP:PORT", .help = "Where clients reach it" \
    }
#define OPTION_OUT                                                                               \
    {                                                                                            \
        .name = "out", .argument = "FILE", .help = "Write the ticket here, not to nodeID.ticket" \
    }

const struct args_option cluster_add_options[] = {
    OPTION_PEER,
    OPTION_CLIENT,
    {.name = "standby", .help = "It is to have the log, and no vote"},
    OPTION_OUT,
    ARGS_END};

const struct args_option cluster_replace_options[] = {OPTION_PEER, OPTION_CLIENT, OPTION_OUT,
                                                      ARGS_END};

const struct args_option cluster_force_options[] = {
    {.name = "force", .help = "Even if the cluster stands still then until more nodes are up"},
    ARGS_END};

const struct args_option cluster_ticket_options[] = {OPTION_OUT, ARGS_END};

/* --- Status --- */

static bool open_view(struct cli *cli, struct cluster_view *view, int *status)
{
    *view =
        (struct cluster_view){.leader = SIZE_MAX, .deadline_ms = client_now_ms() + cli->timeout_ms};
    *status = cluster_view_find(cli, view);
    if (*status == 0 && view->named) {
        *status = cluster_view_ask(cli, view, true);
    } else if (*status == 0) {
        cluster_view_judge(view);
    }
    return *status == 0;
}

static size_t majority(size_t voters)
{
    return voters / 2 + 1;
}

static size_t may_fail(const struct cluster_view *view)
{
    size_t needed = majority(view->voters);
    return view->voters_up > needed ? view->voters_up - needed : 0;
}

static const char *wanted_role(const json_t *items, const char *node)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (strcmp(convert_text(item, "id"), node) == 0) {
            return convert_text(item, "role");
        }
    }
    return "";
}

static const char *state_of(const struct cluster_node *node)
{
    return node->up ? convert_text(node->status, "state") : "down";
}

static void print_view(const struct output *output, const struct cluster_view *view,
                       const json_t *items)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "NODE", OUTPUT_LEFT);
    output_table_column(&table, "CLIENTS", OUTPUT_LEFT);
    output_table_column(&table, "WANTED", OUTPUT_LEFT);
    output_table_column(&table, "IS", OUTPUT_LEFT);
    output_table_column(&table, "STATE", OUTPUT_LEFT);
    output_table_column(&table, "BEHIND", OUTPUT_RIGHT);
    output_table_column(&table, "WHY", OUTPUT_LEFT | OUTPUT_SHRINK);
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
        const char *wanted = wanted_role(items, node->node);
        const char *seat = cluster_view_seat(view, i);
        uint64_t lag;
        char behind[24] = "-";
        if (cluster_view_lag(view, i, &lag)) {
            snprintf(behind, sizeof behind, "%" PRIu64, lag);
        }
        output_table_cell(&table, node->node);
        output_table_cell(&table, node->address);
        output_table_cell(&table, wanted);
        output_table_styled(
            &table, seat != NULL && strcmp(seat, wanted) != 0 ? OUTPUT_NOTICE : OUTPUT_PLAIN,
            seat == NULL ? "?" : seat);
        output_table_styled(&table, node->up ? OUTPUT_PLAIN : OUTPUT_BAD, state_of(node));
        output_table_cell(&table, behind);
        output_table_cell(&table, node->why);
    }
    output_table_finish(&table, output, "no nodes\n");
    output_print(output, OUTPUT_PLAIN,
                 "%zu of %zu voters are up, %zu are needed: ", view->voters_up, view->voters,
                 majority(view->voters));
    if (view->voters_up < majority(view->voters)) {
        output_print(output, OUTPUT_BAD, "no quorum\n");
    } else {
        output_print(output, OUTPUT_PLAIN, "%zu more may fail\n", may_fail(view));
    }
}

static void print_json(const struct output *output, const struct cluster_view *view,
                       const json_t *items)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
        const char *seat = cluster_view_seat(view, i);
        uint64_t lag;
        bool lag_known = cluster_view_lag(view, i, &lag);
        (void)json_array_append_new(
            nodes,
            json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:s}", "node", node->node, "client",
                      node->address, "wanted", wanted_role(items, node->node), "seat",
                      seat == NULL ? json_null() : json_string(seat), "state", state_of(node),
                      "behind", lag_known ? json_sprintf("%" PRIu64, lag) : json_null(), "why",
                      node->why));
    }
    output_json(output, "cluster_status",
                json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "health", view->health, "voters",
                          json_sprintf("%zu", view->voters), "up",
                          json_sprintf("%zu", view->voters_up), "needed",
                          json_sprintf("%zu", majority(view->voters)), "may_fail",
                          json_sprintf("%zu", may_fail(view)), "nodes", nodes));
}

int cluster_run_status(struct cli *cli)
{
    struct cluster_view view;
    int status;
    json_t *list = NULL;
    if (open_view(cli, &view, &status)) {
        list = cluster_view_ask_leader(&view, "node.list");
        if (list == NULL) { /* what is wanted is worth showing when nobody leads, too */
            cli->stale = true;
            list = session_query(cli, "node.list", NULL, &status);
        }
    }
    if (list != NULL) {
        const json_t *items = json_object_get(list, "items");
        if (cli->output.json) {
            print_json(&cli->output, &view, items);
        } else {
            print_view(&cli->output, &view, items);
        }
        status = cluster_view_no_quorum(&view) ? conclave_code_exit_status(CONCLAVE_NO_LEADER) : 0;
        json_decref(list);
    }
    cluster_view_close(&view);
    return status;
}

/* --- Changes --- */

static int take_id(struct cli *cli, size_t word, uint64_t *id)
{
    const char *text = args_word(&cli->args, word);
    if (!format_parse_u64(text, id) || *id == 0 || *id > UINT32_MAX) {
        return cli_usage(cli, "%s: not a node's id, a number from 1", text);
    }
    return 0;
}

/* Would those that are up be a majority of the voters, without this one? */
static int check_quorum(struct cli *cli, uint64_t id, const char *what)
{
    struct cluster_view view;
    int status;
    if (args_given(&cli->args, "force")) {
        return 0;
    }
    if (open_view(cli, &view, &status) &&
        view.leader != SIZE_MAX) { /* else the command itself fails */
        size_t voters = view.voters;
        size_t up = view.voters_up;
        for (size_t i = 0; i < view.node_count; i++) {
            uint64_t node;
            const char *seat = cluster_view_seat(&view, i);
            if (format_parse_u64(view.nodes[i].node, &node) && node == id && seat != NULL &&
                strcmp(seat, "voter") == 0) {
                voters--;
                up -= view.nodes[i].up;
            }
        }
        if (voters > 0 && up < majority(voters)) {
            status =
                cli_error(cli, CONCLAVE_NO_QUORUM_LEFT,
                          "bring the others up first, or replace them; --force does it all the "
                          "same, and nothing is decided then until enough are up",
                          "node %" PRIu64 " is not %s: of the %zu voters that would be left "
                          "%zu are up, and %zu are needed",
                          id, what, voters, up, majority(voters));
        }
    }
    cluster_view_close(&view);
    return status;
}

static int submit(struct cli *cli, const char *kind, struct body *body, const char *done,
                  uint64_t id)
{
    json_t *reply;
    int status = session_submit(cli, kind, body, &reply);
    return status != 0 ? status
                       : session_done(cli, reply,
                                      "node %" PRIu64 " %s; `conclave cluster status` "
                                      "shows when it is so",
                                      id, done);
}

static int change(struct cli *cli, const char *kind, const char *role, const char *done)
{
    uint64_t id;
    struct body body;
    int status = take_id(cli, 0, &id);
    if (status != 0) {
        return status;
    }
    body_init(&body);
    body_u64(&body, "id", id);
    body_text(&body, "role", role);
    if (args_given(&cli->args, "force")) {
        body_bool(&body, "force", true);
    }
    return submit(cli, kind, &body, done, id);
}

int cluster_run_promote(struct cli *cli)
{
    return change(cli, "node.update", "voter", "is to vote when it has the log");
}

static int lessen(struct cli *cli, const char *kind, const char *role, const char *what,
                  const char *done)
{
    uint64_t id;
    int status = take_id(cli, 0, &id);
    if (status == 0) {
        status = check_quorum(cli, id, what);
    }
    return status != 0 ? status : change(cli, kind, role, done);
}

int cluster_run_demote(struct cli *cli)
{
    return lessen(cli, "node.update", "standby", "demoted", "is to have no vote");
}

int cluster_run_remove(struct cli *cli)
{
    return lessen(cli, "node.remove", NULL, "removed", "is to go");
}

int cluster_run_transfer(struct cli *cli)
{
    return change(cli, "node.lead", NULL, "is to lead");
}

/* --- Tickets --- */

struct joining {
    struct join_ticket ticket;
    char path[CLI_PATH_BYTES];
};

static int take_address(struct cli *cli, const char *option, char text[LIMIT_ADDRESS_BYTES + 1])
{
    const char *given = args_text(&cli->args, option);
    if (given == NULL) {
        return cli_usage(cli, "--%s is needed: an address of the new node", option);
    }
    if (given[0] == '\0' || strlen(given) > LIMIT_ADDRESS_BYTES || strchr(given, ' ') != NULL ||
        strchr(given, ':') == NULL) {
        return cli_usage(cli, "--%s %s: not IP:PORT, such as 127.0.0.1:7104", option, given);
    }
    memcpy(text, given, strlen(given) + 1);
    return 0;
}

/* The nodes that are there now, but the one that the ticket is for, whose addresses are taken. */
static int take_nodes(struct cli *cli, struct join_ticket *ticket, bool *found)
{
    int status;
    json_t *cluster = session_query(cli, "cluster.get", NULL, &status);
    const json_t *nodes = json_object_get(cluster, "nodes");
    *found = false;
    for (size_t i = 0; i < json_array_size(nodes) && ticket->node_count < LIMIT_NODES; i++) {
        const json_t *item = json_array_get(nodes, i);
        struct join_node *node = &ticket->nodes[ticket->node_count];
        node->node_id = convert_item_u64(item, 0);
        snprintf(node->address, sizeof node->address, "%s", convert_item_text(item, 1));
        if (node->node_id != ticket->node_id) {
            ticket->node_count++;
            continue;
        }
        *found = true;
        snprintf(ticket->peer_address, sizeof ticket->peer_address, "%s", node->address);
        snprintf(ticket->client_address, sizeof ticket->client_address, "%s",
                 convert_item_text(item, 2));
    }
    json_decref(cluster);
    if (status == 0 && conclave_cluster_id(cli->client, ticket->cluster_id) != CONCLAVE_OK) {
        status = cli_failure(cli, NULL);
    }
    return status;
}

static int write_ticket(struct cli *cli, struct joining *joining)
{
    const char *out = args_text(&cli->args, "out");
    struct buffer text;
    if (out != NULL) {
        snprintf(joining->path, sizeof joining->path, "%s", out);
    } else {
        snprintf(joining->path, sizeof joining->path, "node%" PRIu64 ".ticket",
                 joining->ticket.node_id);
    }
    if (access(joining->path, F_OK) == 0) {
        return cli_error(cli, CONCLAVE_USAGE, "remove it, or choose another --out",
                         "%s is there already", joining->path);
    }
    buffer_init(&text, JOIN_TICKET_BYTES);
    join_ticket_write(&text, &joining->ticket);
    enum conclave_code code = text.status;
    if (code == CONCLAVE_OK) {
        code = kept_file_write(joining->path, buffer_slice(&text));
    }
    int why = errno;
    if (text.size > 0) {
        sodium_memzero(text.data, text.size);
    }
    buffer_close(&text);
    return code == CONCLAVE_OK
               ? 0
               : cli_error(cli, code, "", "%s cannot be written: %s", joining->path,
                           code == CONCLAVE_IO ? strerror(why) : conclave_code_text(code));
}

static void say_next(const struct cli *cli, const struct joining *joining)
{
    if (!cli->output.quiet && !cli->output.json) {
        output_print(&cli->output, OUTPUT_DIM, "Its ticket is ");
        output_safe(&cli->output, OUTPUT_DIM, joining->path);
        output_print(&cli->output, OUTPUT_DIM,
                     ": bring it to the node's machine, and start the node there with\n"
                     "  conclaved --node-id %" PRIu64 " --data-dir DIR --join TICKET\n",
                     joining->ticket.node_id);
    }
}

/* First the ticket, then the command: no node is added whose token nobody has. */
static int add(struct cli *cli, struct joining *joining, const char *role, uint64_t replaces)
{
    struct join_ticket *ticket = &joining->ticket;
    uint8_t hash[AUTH_SHA256_BYTES];
    struct body body;
    bool found;
    int status = take_nodes(cli, ticket, &found);
    if (status == 0) {
        status = take_address(cli, "peer", ticket->peer_address);
    }
    if (status == 0) {
        status = take_address(cli, "client", ticket->client_address);
    }
    if (status != 0) {
        return status;
    }
    ticket->has_token = true;
    randombytes_buf(ticket->token, sizeof ticket->token);
    join_token_hash(slice_of(ticket->token, sizeof ticket->token), hash);
    status = write_ticket(cli, joining);
    if (status != 0) {
        return status;
    }
    body_init(&body);
    body_u64(&body, "id", ticket->node_id);
    body_text(&body, "peer", ticket->peer_address);
    body_text(&body, "client", ticket->client_address);
    body_bytes(&body, "token", slice_of(hash, sizeof hash));
    body_text(&body, "role", role);
    if (replaces != 0) {
        body_u64(&body, "replaces", replaces);
    }
    status = submit(cli, "node.add", &body, "may join", ticket->node_id);
    if (status == 0) {
        say_next(cli, joining);
    } else if (status != conclave_code_exit_status(CONCLAVE_UNKNOWN_OUTCOME)) {
        (void)unlink(joining->path); /* it was not added; else the ticket may be wanted */
    }
    return status;
}

static int run_ticket(struct cli *cli, int (*run)(struct cli *cli, struct joining *joining))
{
    struct joining *joining = memory_allocate_zeroed(1, sizeof *joining);
    if (joining == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
    }
    int status = run(cli, joining);
    sodium_memzero(joining, sizeof *joining);
    memory_free(joining);
    return status;
}

static int add_new(struct cli *cli, struct joining *joining)
{
    int status = take_id(cli, 0, &joining->ticket.node_id);
    return status != 0
               ? status
               : add(cli, joining, args_given(&cli->args, "standby") ? "standby" : "voter", 0);
}

int cluster_run_add(struct cli *cli)
{
    return run_ticket(cli, add_new);
}

static int add_for(struct cli *cli, struct joining *joining)
{
    uint64_t old;
    int status = take_id(cli, 0, &old);
    if (status == 0) {
        status = take_id(cli, 1, &joining->ticket.node_id);
    }
    return status != 0 ? status : add(cli, joining, "voter", old);
}

int cluster_run_replace(struct cli *cli)
{
    return run_ticket(cli, add_for);
}

static int tell(struct cli *cli, struct joining *joining)
{
    bool found;
    int status = take_id(cli, 0, &joining->ticket.node_id);
    if (status == 0) {
        status = take_nodes(cli, &joining->ticket, &found);
    }
    if (status == 0 && !found) {
        status = cli_error(cli, CONCLAVE_UNKNOWN_NODE, "`conclave cluster status` lists them",
                           "there is no node %" PRIu64 " in the cluster", joining->ticket.node_id);
    }
    if (status == 0) {
        status = write_ticket(cli, joining);
    }
    if (status == 0) {
        say_next(cli, joining);
    }
    return status;
}

int cluster_run_ticket(struct cli *cli)
{
    return run_ticket(cli, tell);
}
