/* What a ballot costs in instructions, on the leader and on a follower: the load for
 * bench/budget/run, which counts with callgrind what happens within on_leader and on_follower.
 *
 * Two nodes of a cluster of three, with their states in LMDB, in one process: replicas and, at the
 * leader, the api. Ballots come in as the bytes of requests, in turns of TURN ballots. Time, chance
 * and the order of everything are the same in each run. What is not counted is what daemons do on
 * other threads (checks of signatures, writes of the log) and in the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "codec/writer.h"
#include "kv/kv_lmdb.h"
#include "log/log_memory.h"
#include "support/actors.h"

#define NODES      2u
#define VOTERS     256u
#define TURN       64u
#define WARM_TURNS 4u
#define BEGIN_MS   UINT64_C(1700000000000)
#define DAY_MS     (24u * 3600u * 1000u)
#define CONNECTION 1u
#define SETTLE_MAX 10000u

struct parcel {
    struct parcel *next;
    unsigned from, to;
    size_t size;
    uint8_t bytes[];
};

struct node {
    unsigned id;
    struct log *log;
    struct kv *kv;
    struct replica_host host;
    struct replica *replica;
    const struct replica_write *write;
    struct random random;
    uint64_t random_state;
};

static struct node nodes[NODES + 1]; /* from 1 */
static struct parcel *first_parcel, **last_parcel = &first_parcel;
static struct api *api; /* of the leader */
static struct node *leader, *follower;
static struct api_verification *verifications;
static unsigned verification_count;
static uint64_t now_ms = 1000;
static uint64_t answers, refusals;
static uint8_t cluster_id[16];

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "conclave-budget: %s\n", what);
        exit(1);
    }
}

/* --- What is counted: what happens within these two functions --- */

typedef void (*node_work)(struct node *node, const void *argument);

static bool counting; /* the polls are open, and warm */

__attribute__((noinline)) static void on_leader(node_work work, const void *argument)
{
    work(leader, argument);
    __asm__ volatile(""); /* no tail call: the counting ends where this function does */
}

__attribute__((noinline)) static void on_follower(node_work work, const void *argument)
{
    work(follower, argument);
    __asm__ volatile("");
}

static void on_node(struct node *node, node_work work, const void *argument)
{
    if (!counting) {
        work(node, argument);
    } else if (node == leader) {
        on_leader(work, argument);
    } else {
        on_follower(work, argument);
    }
}

static void do_receive(struct node *node, const void *argument)
{
    const struct parcel *parcel = argument;
    replica_receive(node->replica, parcel->from, slice_of(parcel->bytes, parcel->size));
    if (node == leader) {
        api_run(api);
    }
}

static void do_persisted(struct node *node, const void *argument)
{
    (void)argument;
    replica_persisted(node->replica, CONCLAVE_OK);
    if (node == leader) {
        api_run(api);
    }
}

static void do_tick(struct node *node, const void *argument)
{
    (void)argument;
    replica_tick(node->replica);
    if (node == leader) {
        api_run(api);
    }
}

static void do_request(struct node *node, const void *argument)
{
    (void)node;
    api_connection_received(api, CONNECTION, *(const struct slice *)argument);
}

static void do_verified(struct node *node, const void *argument)
{
    (void)node;
    (void)argument;
    while (verifications != NULL) {
        struct api_verification *verification = verifications;
        verifications = verification->next;
        api_verified(api, verification);
    }
    api_run(api);
}

/* --- The hosts --- */

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    const struct node *node = context;
    if (node_id > NODES) {
        return; /* the third is down */
    }
    struct parcel *parcel = malloc(sizeof *parcel + message.size);
    must(parcel != NULL, "no memory");
    *parcel = (struct parcel){.from = node->id, .to = (unsigned)node_id, .size = message.size};
    memcpy(parcel->bytes, message.data, message.size);
    *last_parcel = parcel;
    last_parcel = &parcel->next;
}

static void host_persist(void *context, const struct replica_write *write)
{
    ((struct node *)context)->write = write;
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    must(context == leader, "an answer at another node");
    api_decided(api, token, code, reply);
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    must(context == leader, "an answer at another node");
    api_readable(api, token, code);
}

static void host_event(void *context, struct slice event)
{
    if (context == leader && api != NULL) {
        api_event(api, event);
    }
}

static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    (void)context;
    (void)seats;
    (void)count;
}

static void host_failed(void *context, enum conclave_code code, const char *what)
{
    (void)context;
    (void)fprintf(stderr, "conclave-budget: %s: %s\n", what, conclave_code_text(code));
    exit(1);
}

static void api_send(void *context, uint64_t connection_id, struct slice bytes)
{
    (void)context;
    (void)connection_id;
    /* [1, msgid, error, result]: what is not nil in the third place is a refusal. */
    struct codec_tree tree;
    must(codec_parse(&tree, bytes) == CONCLAVE_OK, "an answer that is none");
    refusals += tree.root.via.array.ptr[2].type != MSGPACK_OBJECT_NIL;
    answers++;
    codec_tree_close(&tree);
}

static void api_hang_up(void *context, uint64_t connection_id)
{
    (void)context;
    (void)connection_id;
    must(false, "the api hung up");
}

static void api_verify(void *context, struct api_verification *verification)
{
    (void)context;
    verification->next = verifications;
    verifications = verification;
    verification_count++;
}

static unsigned api_peers(void *context, struct api_peer *peers)
{
    (void)context;
    (void)peers;
    return 0;
}

static uint64_t clock_ms(void *context)
{
    (void)context;
    return now_ms;
}

static uint64_t clock_day_ms(void *context)
{
    (void)context;
    return BEGIN_MS + now_ms;
}

static const struct clock clock_of_runs = {.monotonic_ms = clock_ms, .wall_ms = clock_day_ms};

static uint64_t next_random(void *context)
{
    struct node *node = context;
    node->random_state = node->random_state * UINT64_C(6364136223846793005) + 1;
    return node->random_state >> 16;
}

/* --- The run --- */

static bool deliver_one(void)
{
    struct parcel *parcel = first_parcel;
    if (parcel == NULL) {
        return false;
    }
    first_parcel = parcel->next;
    if (first_parcel == NULL) {
        last_parcel = &first_parcel;
    }
    on_node(&nodes[parcel->to], do_receive, parcel);
    free(parcel);
    return true;
}

static bool write_one(void)
{
    for (unsigned id = 1; id <= NODES; id++) {
        struct node *node = &nodes[id];
        const struct replica_write *write = node->write;
        if (write != NULL) {
            node->write = NULL;
            must(log_append(node->log, write->first_index, write->entries, write->entry_count) ==
                     CONCLAVE_OK,
                 "a write failed");
            on_node(node, do_persisted, NULL);
            return true;
        }
    }
    return false;
}

static bool verify_all(void)
{
    if (verifications == NULL) {
        return false;
    }
    for (struct api_verification *at = verifications; at != NULL; at = at->next) {
        at->valid = auth_verify(at->public_key, at->message, at->signature);
    }
    on_node(leader, do_verified, NULL);
    return true;
}

static bool tick_due(void)
{
    for (unsigned id = 1; id <= NODES; id++) {
        if (replica_deadline_ms(nodes[id].replica) <= now_ms) {
            on_node(&nodes[id], do_tick, NULL);
            return true;
        }
    }
    return false;
}

/* Until nothing is left to do at this time. */
static void settle(void)
{
    for (unsigned i = 0; deliver_one() || verify_all() || write_one() || tick_due(); i++) {
        must(i < SETTLE_MAX, "it never comes to rest");
    }
}

static void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        now_ms++;
        settle();
    }
}

static void open_node(unsigned id, const char *directory, struct slice genesis)
{
    struct node *node = &nodes[id];
    char path[512];
    struct codec_error error;
    node->id = id;
    node->random_state = id * 77u;
    node->random = (struct random){.context = node, .next = next_random};
    node->host = (struct replica_host){.context = node,
                                       .send = host_send,
                                       .persist = host_persist,
                                       .decided = host_decided,
                                       .readable = host_readable,
                                       .event = host_event,
                                       .seated = host_seated,
                                       .failed = host_failed};
    (void)snprintf(path, sizeof path, "%s/state%u", directory, id);
    must(log_memory_open(&node->log) == CONCLAVE_OK, "no log");
    must(kv_lmdb_open(path, 0, &node->kv) == CONCLAVE_OK, "no state");
    must(replica_bootstrap(node->log, genesis, id, &node->random, &error) == CONCLAVE_OK,
         "no bootstrap");
    const struct replica_config config = {.node_id = id,
                                          .heartbeat_ms = 50,
                                          .election_ms = 300,
                                          .log = node->log,
                                          .kv = node->kv,
                                          .clock = &clock_of_runs,
                                          .random = &node->random,
                                          .host = &node->host};
    must(replica_open(&config, &node->replica) == CONCLAVE_OK, "no replica");
}

static void find_leader(void)
{
    for (unsigned i = 0; i < 5000; i++) {
        pass_ms(1);
        for (unsigned id = 1; id <= NODES; id++) {
            struct replica_status status;
            replica_status(nodes[id].replica, &status);
            if (status.state == REPLICA_LEADER && status.ready) {
                leader = &nodes[id];
                follower = &nodes[NODES + 1 - id];
                return;
            }
        }
    }
    must(false, "nobody leads");
}

static void open_api(void)
{
    static const struct api_host host = {
        .send = api_send, .close = api_hang_up, .verify = api_verify, .peers = api_peers};
    const struct api_config config = {.replica = leader->replica,
                                      .clock = &clock_of_runs,
                                      .host = &host,
                                      .version = "budget",
                                      .limits = api_limits_of(RATE_MOST, RATE_MOST, LIMIT_IDLE_MS)};
    must(api_open(&config, &api) == CONCLAVE_OK, "no api");
    must(api_connection_opened(api, CONNECTION) == CONCLAVE_OK, "no connection");
}

/* A `submit` around a signed command. */
static void make_request(struct buffer *request, uint32_t msgid, struct slice command)
{
    buffer_clear(request);
    codec_write_array(request, 4);
    codec_write_u64(request, 0);
    codec_write_u64(request, msgid);
    codec_write_text(request, "submit");
    codec_write_array(request, 1);
    codec_write_map(request, 1);
    codec_write_text(request, "command");
    codec_write_bytes(request, command);
    must(request->status == CONCLAVE_OK, "no memory");
}

static struct actor chair, voters[VOTERS];
static struct buffer command, request;
static uint32_t msgid;

static void submit(void)
{
    make_request(&request, msgid++, buffer_slice(&command));
    struct slice bytes = buffer_slice(&request);
    on_node(leader, do_request, &bytes);
}

static void admit_voters(void)
{
    for (unsigned i = 0; i < VOTERS; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "voter-%04u", i);
        actor_init(&voters[i], id);
        actor_admit(&chair, &command, cluster_id, BEGIN_MS + DAY_MS / 2, &voters[i]);
        submit();
    }
    settle();
}

static void vote_turns(const char *poll, unsigned turns)
{
    for (unsigned i = 0; i < turns * TURN; i++) {
        actor_vote(&voters[i % VOTERS], &command, cluster_id, BEGIN_MS + DAY_MS / 2, poll,
                   i % 3 == 0 ? "no" : "yes");
        submit();
        if (i % TURN == TURN - 1) {
            settle();
            pass_ms(3);
        }
    }
}

int main(int argc, char **argv)
{
    long turns = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (turns < 1 || turns > 10000) {
        (void)fprintf(stderr, "usage: conclave-budget DIRECTORY TURNS\n");
        return 2;
    }
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&request, LIMIT_FRAME_BYTES);
    actor_init(&chair, "chair");
    actor_genesis(&chair, &command, 3, BEGIN_MS);
    for (unsigned id = 1; id <= NODES; id++) {
        open_node(id, argv[1], buffer_slice(&command));
    }
    struct replica_identity identity;
    must(replica_identity(nodes[1].log, &identity) == CONCLAVE_OK, "no identity");
    memcpy(cluster_id, identity.cluster_id, sizeof cluster_id);
    find_leader();
    open_api();
    admit_voters();
    static const char *const polls[] = {"warm", "measured"};
    for (unsigned i = 0; i < 2; i++) {
        actor_open(&chair, &command, cluster_id, BEGIN_MS + DAY_MS / 2, polls[i], "simple-majority",
                   DAY_MS);
        submit();
        settle();
    }
    vote_turns("warm", WARM_TURNS);
    must(refusals == 0, "something was refused");
    uint64_t before = answers;
    counting = true;
    vote_turns("measured", (unsigned)turns);
    counting = false;
    pass_ms(100);
    must(refusals == 0 && answers == before + (uint64_t)turns * TURN, "not all was answered");
    (void)printf("ballots %llu\n", (unsigned long long)(answers - before));
    return 0;
}
