/* The cluster as all its nodes see it: see the header. */
#include "cluster_view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection.h"
#include "commands.h"
#include "convert.h"
#include "session.h"

#define ASK_MOST_MS      1000u
#define ELECTION_LOOKS   8u /* looks again while an election may be under way */
#define ELECTION_LOOK_MS 250
#define HUNG             "timed out"

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
static uint64_t ask_ms(const struct cluster_view *view, size_t to_ask)
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

static void name_nodes(struct cluster_view *view, const json_t *hello)
{
    const json_t *nodes = json_object_get(hello, "nodes");
    snprintf(view->cluster, sizeof view->cluster, "%s", convert_text(hello, "cluster"));
    snprintf(view->name, sizeof view->name, "%s", convert_text(hello, "name"));
    view->node_count = 0;
    for (size_t i = 0; i < json_array_size(nodes) && i < LIMIT_ENDPOINTS; i++) {
        struct cluster_node *node = &view->nodes[view->node_count++];
        const json_t *item = json_array_get(nodes, i);
        *node = (struct cluster_node){0};
        snprintf(node->node, sizeof node->node, "%s", convert_item_text(item, 0));
        snprintf(node->address, sizeof node->address, "%s", convert_item_text(item, 2));
    }
    view->named = view->node_count > 0;
}

/* Takes over that an endpoint hung: it is not asked a second time. */
static void take_hung(struct cluster_view *view, const struct cluster_node *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < view->node_count; j++) {
            struct cluster_node *node = &view->nodes[j];
            if (strcmp(node->address, asked[i].address) == 0 && strcmp(asked[i].why, HUNG) == 0) {
                snprintf(node->why, sizeof node->why, "%s", asked[i].why);
            }
        }
    }
}

int cluster_view_find(struct cli *cli, struct cluster_view *view)
{
    struct cluster_node asked[LIMIT_ENDPOINTS];
    size_t asked_count = 0;
    int status = session_connect(cli);
    if (status != 0) {
        return status;
    }
    /* One that knows of no leader may be one that was removed: another may know better. */
    bool leads = false;
    for (size_t i = 0; i < cli->endpoint_count && !leads; i++) {
        struct cluster_node unnamed = {0};
        struct cluster_node *node = view->named ? &unnamed : &view->nodes[view->node_count++];
        snprintf(node->node, sizeof node->node, "?");
        snprintf(node->address, sizeof node->address, "%s", cli->endpoints[i]);
        /* the last part is for the nodes' own views */
        json_t *hello = ask(cli->client, i, "hello", ask_ms(view, cli->endpoint_count - i + 1));
        if (hello == NULL) {
            snprintf(node->why, sizeof node->why, "%s",
                     short_reason(conclave_last_failure(cli->client)));
            continue;
        }
        leads = convert_u64(hello, "leader") != 0;
        if (!view->named) {
            memcpy(asked, view->nodes, i * sizeof asked[0]);
            asked_count = i;
        }
        if (!view->named || leads) {
            name_nodes(view, hello);
            take_hung(view, asked, asked_count);
        }
        json_decref(hello);
    }
    return 0;
}

static void take_status(const struct cluster_view *view, struct cluster_node *node)
{
    if (strcmp(convert_text(node->status, "cluster"), view->cluster) != 0) {
        snprintf(node->why, sizeof node->why, "wrong cluster");
    } else if (strcmp(convert_text(node->status, "node"), node->node) != 0) {
        snprintf(node->why, sizeof node->why, "another node answers there (%s)",
                 convert_text(node->status, "node"));
    } else {
        const char *refusal = convert_text(node->status, "refusal");
        node->up = true;
        if (refusal[0] != '\0') {
            snprintf(node->why, sizeof node->why, "takes no part: %s", refusal);
        } else if (!convert_bool(node->status, "ready")) {
            const char *why = convert_text(node->status, "why");
            snprintf(node->why, sizeof node->why, "not ready%s%s", why[0] == '\0' ? "" : ": ", why);
        }
    }
}

static void ask_node(struct cluster_view *view, size_t i)
{
    struct cluster_node *node = &view->nodes[i];
    json_decref(node->status);
    node->up = false;
    node->why[0] = '\0';
    node->status = ask(view->client, i, "status", ask_ms(view, view->node_count - i));
    if (node->status == NULL) {
        const struct conclave_failure *failure = conclave_last_failure(view->client);
        snprintf(node->why, sizeof node->why, "%s",
                 failure->code == CONCLAVE_OK ? "its answer is not understood"
                                              : short_reason(failure));
    } else {
        take_status(view, node);
    }
}

/* Most nodes answer, and none leads: is an election under way? The nodes were asked one after the
 * other, and one that hangs takes its time. */
static bool may_be_electing(const struct cluster_view *view)
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

/* What the leader's connections tell of the others, where they themselves say nothing of it. */
static void take_leaders_view(struct cluster_view *view)
{
    const json_t *peers = json_object_get(view->nodes[view->leader].status, "peers");
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const json_t *peer = json_array_get(peers, i);
        for (size_t j = 0; j < view->node_count; j++) {
            struct cluster_node *node = &view->nodes[j];
            if (strcmp(node->node, convert_text(peer, "node")) != 0 || node->why[0] != '\0' ||
                convert_bool(peer, "connected")) {
                continue;
            }
            const char *error = convert_text(peer, "error");
            const char *reason = convert_text(peer, "reason");
            snprintf(node->why, sizeof node->why, "the leader cannot reach it (%s%s%s)",
                     error[0] == '\0' ? "not connected" : error, reason[0] == '\0' ? "" : ": ",
                     reason);
        }
    }
}

const char *cluster_view_seat(const struct cluster_view *view, size_t place)
{
    if (view->leader == SIZE_MAX) {
        return NULL;
    }
    const json_t *status = view->nodes[view->leader].status;
    if (place == view->leader) {
        return convert_text(status, "seat");
    }
    const json_t *peers = json_object_get(status, "peers");
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const json_t *peer = json_array_get(peers, i);
        if (strcmp(convert_text(peer, "node"), view->nodes[place].node) == 0) {
            return convert_text(peer, "seat");
        }
    }
    return "none";
}

/* Without a leader nobody says who votes: all do, as far as is known. */
static void count_voters(struct cluster_view *view)
{
    view->voters = 0;
    view->voters_up = 0;
    for (size_t i = 0; i < view->node_count; i++) {
        const char *seat = cluster_view_seat(view, i);
        bool votes = seat == NULL || strcmp(seat, "voter") == 0;
        view->voters += votes;
        view->voters_up += votes && view->nodes[i].up;
    }
}

void cluster_view_judge(struct cluster_view *view)
{
    uint64_t term = 0;
    size_t well = 0;
    view->leader = SIZE_MAX;
    view->up = 0;
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
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
    count_voters(view);
    if (!view->named || view->leader == SIZE_MAX || view->voters_up * 2 <= view->voters) {
        view->health = "no quorum";
    } else {
        view->health = well == view->node_count ? "healthy" : "degraded";
    }
    if (strcmp(view->health, "degraded") == 0) {
        view->up = well; /* "2 of 3" are well, whatever the third still answers */
    }
}

static int open_client(struct cli *cli, struct cluster_view *view)
{
    const char *endpoints[LIMIT_ENDPOINTS];
    for (size_t i = 0; i < view->node_count; i++) {
        endpoints[i] = view->nodes[i].address;
    }
    return session_open(cli, endpoints, view->node_count, ASK_MOST_MS, &view->client);
}

int cluster_view_ask(struct cli *cli, struct cluster_view *view, bool patiently)
{
    int status = view->client == NULL ? open_client(cli, view) : 0;
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < view->node_count; i++) {
        if (!patiently || view->nodes[i].why[0] == '\0') {
            ask_node(view, i);
        }
    }
    for (unsigned again = 0; patiently && again < ELECTION_LOOKS && may_be_electing(view) &&
                             client_now_ms() + 2 * ELECTION_LOOK_MS < view->deadline_ms;
         again++) {
        (void)poll(NULL, 0, ELECTION_LOOK_MS);
        for (size_t i = 0; i < view->node_count; i++) {
            if (view->nodes[i].up) {
                ask_node(view, i);
            }
        }
    }
    cluster_view_judge(view);
    return 0;
}

json_t *cluster_view_ask_leader(struct cluster_view *view, const char *method)
{
    if (view->leader == SIZE_MAX) {
        return NULL;
    }
    return ask(view->client, view->leader, method, ask_ms(view, 1));
}

void cluster_view_close(struct cluster_view *view)
{
    for (size_t i = 0; i < view->node_count; i++) {
        json_decref(view->nodes[i].status);
    }
    conclave_close(view->client);
    *view = (struct cluster_view){.leader = SIZE_MAX};
}

bool cluster_view_no_quorum(const struct cluster_view *view)
{
    return strcmp(view->health, "no quorum") == 0;
}

bool cluster_view_lag(const struct cluster_view *view, size_t place, uint64_t *lag)
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
