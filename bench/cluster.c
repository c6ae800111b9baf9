/* Making a cluster ready to be measured. */
#include "cluster.h"

#include <inttypes.h>
#include <stdio.h>

#include "auth/key_file.h"
#include "base/clock.h"
#include "load.h"
#include "codec/reader.h"
#include "codec/writer.h"

#define ASK_TIMEOUT_MS 2000u
#define TARGET_TRIES   20u
#define POLL_OPEN_MS   (24u * 3600u * 1000u)

static bool failed(const struct cluster *cluster, const char *what)
{
    const struct conclave_failure *failure = conclave_last_failure(cluster->client);
    (void)fprintf(stderr, "conclave-bench: %s: %s (%s)\n", what, failure->message,
                  conclave_code_name(failure->code));
    return false;
}

bool cluster_open(struct cluster *cluster, const struct options *options)
{
    *cluster = (struct cluster){.options = options};
    enum conclave_code code = auth_init();
    if (code == CONCLAVE_OK) {
        code = auth_key_load(options->key_path, cluster->chair, &cluster->chair_key);
    }
    if (code != CONCLAVE_OK) {
        (void)fprintf(stderr, "conclave-bench: %s: %s\n", options->key_path,
                      conclave_code_text(code));
        return false;
    }
    const struct conclave_options client_options = {.endpoints = options->endpoints,
                                                    .endpoint_count = options->endpoint_count,
                                                    .timeout_ms = 20000};
    code = conclave_open(&client_options, &cluster->client);
    if (code != CONCLAVE_OK) {
        (void)fprintf(stderr, "conclave-bench: --endpoint: %s\n", conclave_code_text(code));
        return false;
    }
    if (conclave_cluster_id(cluster->client, cluster->id) != CONCLAVE_OK) {
        return failed(cluster, "the cluster could not be asked for its id");
    }
    voters_open(&cluster->voters, options->voters);
    return true;
}

void cluster_close(struct cluster *cluster)
{
    if (cluster->client != NULL) {
        conclave_close(cluster->client);
    }
    if (cluster->voters.keys != NULL) {
        voters_close(&cluster->voters);
    }
    auth_key_wipe(&cluster->chair_key);
}

/* --- who leads --- */

struct node_status {
    uint64_t node, leader;
};

static bool ask_status(struct cluster *cluster, unsigned endpoint, struct node_status *status)
{
    static const struct codec_field fields[] = {
        {"node", CODEC_U64, true, offsetof(struct node_status, node), 0, 0},
        {"leader", CODEC_U64, true, offsetof(struct node_status, leader), 0, 0},
    };
    struct conclave_bytes bytes;
    struct codec_tree tree;
    struct codec_error error;
    if (conclave_ask(cluster->client, endpoint, "status", NULL, 0, ASK_TIMEOUT_MS, &bytes) !=
            CONCLAVE_OK ||
        codec_parse(&tree, slice_of(bytes.data, bytes.size)) != CONCLAVE_OK) {
        return false;
    }
    bool good = codec_decode_map(&tree.root, fields, 2, false, status, &error) == CONCLAVE_OK;
    codec_tree_close(&tree);
    return good;
}

unsigned cluster_targets(struct cluster *cluster, const char *endpoints[OPTIONS_ENDPOINTS])
{
    const struct options *options = cluster->options;
    struct conclave_bytes answer;
    for (unsigned tries = 0; tries < TARGET_TRIES; tries++) {
        unsigned count = 0;
        /* A linearizable read first: it waits for a leader. */
        if (conclave_query(cluster->client, "cluster.get", NULL, 0, &answer) != CONCLAVE_OK) {
            (void)failed(cluster, "there is no leader");
            return 0;
        }
        for (unsigned i = 0; i < options->endpoint_count; i++) {
            struct node_status status;
            bool known = ask_status(cluster, i, &status);
            bool leads = known && status.node == status.leader;
            if (options->target == TARGET_ALL || (options->target == TARGET_LEADER && leads) ||
                (options->target == TARGET_FOLLOWERS && known && !leads)) {
                endpoints[count++] = options->endpoints[i];
            }
        }
        if (count > 0) {
            return count;
        }
    }
    (void)fputs("conclave-bench: no endpoint is of the node that --target means\n", stderr);
    return 0;
}

/* --- voters --- */

static bool is_member(struct cluster *cluster, uint32_t number, bool *is)
{
    char id[VOTER_ID_BYTES];
    struct buffer params;
    struct conclave_bytes answer;
    voter_id(number, id);
    buffer_init(&params, 256);
    codec_write_map(&params, 1);
    codec_write_text(&params, "id");
    codec_write_text(&params, id);
    enum conclave_code code = params.status;
    if (code == CONCLAVE_OK) {
        code = conclave_query(cluster->client, "member.get", params.data, params.size, &answer);
    }
    buffer_close(&params);
    *is = code == CONCLAVE_OK;
    return code == CONCLAVE_OK || code == CONCLAVE_UNKNOWN_MEMBER ||
           failed(cluster, "the members could not be read");
}

bool cluster_admit(struct cluster *cluster)
{
    /* They were admitted in order: the first that is missing, by halving. */
    uint32_t known = 0, missing = cluster->voters.count;
    while (known < missing) {
        bool is;
        uint32_t middle = known + (missing - known) / 2;
        if (!is_member(cluster, middle, &is)) {
            return false;
        }
        if (is) {
            known = middle + 1;
        } else {
            missing = middle;
        }
    }
    if (known == cluster->voters.count) {
        return true;
    }
    struct request_set admits;
    const char *endpoints[OPTIONS_ENDPOINTS];
    unsigned endpoint_count = cluster_targets(cluster, endpoints);
    if (endpoint_count == 0) {
        return false;
    }
    requests_make_admits(&admits, cluster->id, cluster->chair, &cluster->chair_key,
                         &cluster->voters, known);
    const struct load_config config = {.endpoints = endpoints,
                                       .endpoint_count = endpoint_count,
                                       .connections = 1, /* one: in order */
                                       .pipeline = LOAD_PIPELINE_MAX,
                                       .threads = 1,
                                       .requests = &admits};
    static struct load_result result;
    load_run(&config, &result, NULL, NULL, NULL);
    (void)fprintf(stderr, "admitted %" PRIu64 " voters in %.1f s\n", result.accepted,
                  (double)result.measured_us / 1e6);
    bool good = result.accepted == admits.count;
    if (!good) {
        (void)fprintf(stderr, "conclave-bench: %" PRIu64 " of %u voters were admitted: %s%s\n",
                      result.accepted, admits.count, result.refusal, result.failure);
    }
    requests_close(&admits);
    return good;
}

/* --- the poll --- */

static void write_poll(struct buffer *body, const char *poll, unsigned questions)
{
    codec_write_map(body, 4);
    codec_write_text(body, "id");
    codec_write_text(body, poll);
    codec_write_text(body, "title");
    codec_write_text(body, "a measurement");
    codec_write_text(body, "open_for_ms");
    codec_write_u64(body, POLL_OPEN_MS);
    codec_write_text(body, "questions");
    codec_write_array(body, questions);
    for (unsigned i = 0; i < questions; i++) {
        char question[16];
        (void)snprintf(question, sizeof question, "q%u", i + 1);
        codec_write_map(body, 3);
        codec_write_text(body, "id");
        codec_write_text(body, question);
        codec_write_text(body, "title");
        codec_write_text(body, "measured?");
        codec_write_text(body, "policy");
        codec_write_text(body, "simple-majority");
    }
}

static bool open_poll(struct cluster *cluster, const char *poll, unsigned questions)
{
    uint8_t nonce[CONCLAVE_NONCE_BYTES];
    struct conclave_bytes reply;
    struct buffer body;
    buffer_init(&body, 65536);
    write_poll(&body, poll, questions);
    enum conclave_code code = body.status;
    uint64_t start_us = load_now_us();
    if (code == CONCLAVE_OK) {
        code = conclave_submit(cluster->client, cluster->chair, cluster->chair_key.secret_key,
                               "poll.open", body.data, body.size, nonce, &reply);
    }
    buffer_close(&body);
    (void)fprintf(stderr, "opened a poll of %u questions in %.0f ms\n", questions,
                  (double)(load_now_us() - start_us) / 1e3);
    return code == CONCLAVE_OK || failed(cluster, "the poll could not be opened");
}

bool cluster_open_polls(struct cluster *cluster, unsigned polls, unsigned questions)
{
    ASSERT(polls >= 1 && polls <= CLUSTER_POLLS_MAX);
    for (unsigned i = 0; i < polls; i++) {
        (void)snprintf(cluster->polls[i], CLUSTER_POLL_BYTES, "bench-%" PRIx64 "-%u",
                       clock_wall_ms(&clock_system), cluster->poll_count++);
        if (!open_poll(cluster, cluster->polls[i], questions)) {
            return false;
        }
    }
    return true;
}
