/* The loop over endpoints: client/client.h tells its story. */
#include "client/client.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "codec/writer.h"

/* Of the first round, where a node may hang: what is sent goes to another node soon. Of later ones,
 * and where a command goes to a node that answered already: time enough for a slow cluster. */
#define TRY_FIRST_MS     1000u
#define TRY_LEAST_MS     1000u
#define TRY_SHARE        3u    /* a later try gets this share of the call's time, or the least */
#define CONNECT_MOST_MS  3000u /* of a try, connecting gets no more than this */
#define ANSWER_GRACE_MS  250u  /* the node is told to answer this much earlier than we wait */
#define BACKOFF_FIRST_MS 40u
#define BACKOFF_MOST_MS  1000u

/* What the loop has seen so far. */
struct seen {
    bool taken;                 /* a node may have the request, and said nothing final */
    enum conclave_code refused; /* by the last node that could not take it; OK: none */
    size_t failures;            /* in a row */
    size_t ill;                 /* answers of nodes that are ill */
    size_t distrusted;          /* certificates refused, in a row */
    uint64_t backoff_ms;
    uint64_t retry_after_ms; /* the node that is asked next wants to be left alone so long */
};

/* The params with `timeout_ms` added: the head of a map is rewritten, the rest copied. */
static void write_params(struct buffer *buffer, struct slice params, uint64_t timeout_ms)
{
    ASSERT(params.size > 0);
    uint32_t count;
    size_t head_bytes;
    if ((params.data[0] & 0xf0u) == 0x80u) {
        count = params.data[0] & 0x0fu;
        head_bytes = 1;
    } else {
        ASSERT(params.data[0] == 0xdeu && params.size >= 3); /* callers hand in maps */
        count = (uint32_t)params.data[1] << 8 | params.data[2];
        head_bytes = 3;
    }
    codec_write_map(buffer, count + 1);
    if (params.size > head_bytes) {
        codec_write_raw(buffer, slice_of(params.data + head_bytes, params.size - head_bytes));
    }
    codec_write_text(buffer, "timeout_ms");
    codec_write_u64(buffer, timeout_ms);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void client_try(struct conclave_client *client, struct client_endpoint *endpoint,
                struct client_connection *connection, const struct client_call *call,
                uint64_t wait_ms, struct client_rpc_outcome *outcome)
{
    ASSERT(client != NULL && endpoint != NULL && connection != NULL);
    ASSERT(call != NULL && outcome != NULL);
    *outcome = (struct client_rpc_outcome){.code = CONCLAVE_INTERNAL};
    uint64_t start_ms = client_now_ms();
    client_connection_check(connection);
    if (!client_connection_is_open(connection)) {
        enum conclave_code rv = client_connection_open(connection, &endpoint->address, client->tls,
                                                       start_ms + least(wait_ms, CONNECT_MOST_MS));
        if (rv != CONCLAVE_OK) {
            outcome->code = rv;
            snprintf(outcome->message, sizeof outcome->message, "%s", connection->why);
            goto done;
        }
    }
    struct buffer params;
    buffer_init(&params, LIMIT_FRAME_BYTES);
    write_params(&params, call->params,
                 least(wait_ms - least(wait_ms / 4, ANSWER_GRACE_MS), LIMIT_REQUEST_TIMEOUT_MS));
    if (params.status != CONCLAVE_OK) {
        outcome->code = params.status;
        snprintf(outcome->message, sizeof outcome->message, "%s",
                 conclave_code_text(params.status));
    } else {
        uint64_t deadline_ms = start_ms + wait_ms;
        client->last_msgid++;
        outcome->code = client_rpc_call(connection, client->last_msgid, call->method,
                                        buffer_slice(&params), deadline_ms, outcome);
        if (outcome->code == CONCLAVE_PROOF_NEEDED && client_identify(client) &&
            client_prove(client, connection, client_now_ms() + wait_ms, outcome) == CONCLAVE_OK) {
            client->last_msgid++;
            outcome->code = client_rpc_call(connection, client->last_msgid, call->method,
                                            buffer_slice(&params), client_now_ms() + wait_ms,
                                            outcome);
        }
    }
    buffer_close(&params);
done:
    outcome->distrusted = !outcome->answered && connection->distrusted;
    snprintf(endpoint->why, sizeof endpoint->why, "%.*s", (int)sizeof endpoint->why - 1,
             outcome->code == CONCLAVE_OK ? "" : outcome->message);
}

/* The node cannot take requests now; this one is not decided by it. */
static bool means_not_taken(enum conclave_code code)
{
    return code == CONCLAVE_NO_LEADER || code == CONCLAVE_NOT_LEADER || code == CONCLAVE_BUSY ||
           code == CONCLAVE_SHUTTING_DOWN || code == CONCLAVE_RATE_LIMITED ||
           code == CONCLAVE_DISK_FULL;
}

/* The node is ill or ran out of time: what became of the request is not known. */
static bool means_ill(enum conclave_code code)
{
    return code == CONCLAVE_UNKNOWN_OUTCOME || code == CONCLAVE_NO_MEMORY || code == CONCLAVE_IO ||
           code == CONCLAVE_CORRUPT || code == CONCLAVE_INTERNAL;
}

/* A refusal that depends on nothing but the command's bytes: the same at every try. */
static bool depends_on_bytes_only(enum conclave_code code)
{
    return code == CONCLAVE_BAD_REQUEST || code == CONCLAVE_BAD_VERSION ||
           code == CONCLAVE_TOO_LARGE || code == CONCLAVE_UNKNOWN_KIND ||
           code == CONCLAVE_UNKNOWN_METHOD || code == CONCLAVE_WRONG_CLUSTER ||
           code == CONCLAVE_BAD_SIGNATURE;
}

/* Takes note of a try. True when the call is over: then outcome->code is its answer. */
static bool judge(const struct conclave_client *client, const struct client_call *call,
                  const struct client_rpc_outcome *outcome, struct seen *seen)
{
    if (outcome->code == CONCLAVE_OK) {
        return true;
    }
    seen->distrusted = outcome->distrusted ? seen->distrusted + 1 : 0;
    if (!outcome->answered) {
        seen->taken = seen->taken || outcome->sent_any;
        return outcome->code == CONCLAVE_NO_MEMORY || outcome->code == CONCLAVE_TOO_LARGE;
    }
    if (means_not_taken(outcome->code)) {
        seen->refused = outcome->code;
        seen->retry_after_ms = outcome->retry_after_ms;
        return false;
    }
    if (means_ill(outcome->code)) {
        seen->taken = true;
        seen->ill += outcome->code != CONCLAVE_UNKNOWN_OUTCOME;
        return !call->command && seen->ill >= client->endpoint_count;
    }
    return true;
}

/* Waits before the next round: half of the backoff, and up to as much again by chance. */
static void back_off(struct seen *seen, uint64_t deadline_ms)
{
    seen->backoff_ms = seen->backoff_ms == 0 ? BACKOFF_FIRST_MS
                                             : least(seen->backoff_ms * 2, BACKOFF_MOST_MS);
    uint64_t wait_ms = seen->backoff_ms / 2 + random_next(&random_system) % seen->backoff_ms;
    uint64_t now_ms = client_now_ms();
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    (void)poll(NULL, 0, (int)least(wait_ms, left_ms));
}

/* Waits as long as the node has asked for, and a little more by chance, so that many who were told
 * at once do not come back at once. */
static void wait_after(const struct seen *seen, uint64_t deadline_ms)
{
    uint64_t wait_ms = seen->retry_after_ms + random_next(&random_system) % BACKOFF_FIRST_MS;
    uint64_t now_ms = client_now_ms();
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    (void)poll(NULL, 0, (int)least(wait_ms, left_ms));
}

/* "127.0.0.1:7201: connection refused; 127.0.0.1:7202: timed out" */
static void list_reasons(const struct conclave_client *client, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < client->endpoint_count && used < size; i++) {
        const struct client_endpoint *endpoint = &client->endpoints[i];
        if (endpoint->why[0] == '\0') {
            continue;
        }
        int rv = snprintf(text + used, size - used, "%s%s: %s", used == 0 ? "" : "; ",
                          endpoint->address.text, endpoint->why);
        ASSERT(rv >= 0);
        used += (size_t)rv;
    }
}

/* No time will make a certificate good: the call ends when every endpoint has been tried. */
static bool is_hopeless(const struct conclave_client *client, const struct seen *seen)
{
    return seen->distrusted >= client->endpoint_count && !seen->taken;
}

static enum conclave_code give_up(struct conclave_client *client, const struct client_call *call,
                                  const struct seen *seen)
{
    enum conclave_code code = CONCLAVE_UNREACHABLE;
    const char *what = "no node could be reached";
    if (is_hopeless(client, seen)) {
        code = CONCLAVE_UNAUTHORISED;
        what = "no node's certificate is trusted, or none trusts ours";
    } else if (seen->taken && call->command) {
        code = CONCLAVE_UNKNOWN_OUTCOME;
        what = "the command was sent, but no node said in time what became of it";
    } else if (seen->taken) {
        code = CONCLAVE_NO_LEADER;
        what = "no answer in time: the cluster may have no quorum";
    } else if (seen->refused != CONCLAVE_OK) {
        code = seen->refused == CONCLAVE_NOT_LEADER ? CONCLAVE_NO_LEADER : seen->refused;
        what = conclave_code_text(code);
    }
    char reasons[300];
    char message[512];
    list_reasons(client, reasons, sizeof reasons);
    snprintf(message, sizeof message, "%s%s%s%s", what, reasons[0] == '\0' ? "" : " (", reasons,
             reasons[0] == '\0' ? "" : ")");
    return client_fail(client, code, client->endpoints[client->current].address.text, message);
}

static enum conclave_code final_answer(struct conclave_client *client,
                                       const struct client_call *call, const struct seen *seen,
                                       const struct client_endpoint *endpoint,
                                       const struct client_rpc_outcome *outcome)
{
    ASSERT(outcome->code != CONCLAVE_OK);
    if (call->command && seen->taken && outcome->answered &&
        !depends_on_bytes_only(outcome->code)) {
        /* An earlier try may have been decided, and what this node says came to be since then. */
        char message[512];
        snprintf(message, sizeof message,
                 "the command was sent and no answer came; sent again, a node said: %s",
                 outcome->message);
        return client_fail(client, CONCLAVE_UNKNOWN_OUTCOME, endpoint->address.text, message);
    }
    return client_fail(client, outcome->code, endpoint->address.text, outcome->message);
}

/* How long the next try may take. */
static uint64_t try_ms(const struct conclave_client *client, const struct client_call *call,
                       const struct seen *seen, uint64_t total_ms)
{
    const struct client_endpoint *endpoint = &client->endpoints[client->current];
    bool others = client->endpoint_count > 1 && seen->failures < client->endpoint_count;
    bool answered_before = call->command && client_connection_is_open(&endpoint->connection);
    if (others && !answered_before) {
        return least(TRY_FIRST_MS, total_ms / client->endpoint_count);
    }
    uint64_t share_ms = total_ms / TRY_SHARE;
    return (share_ms < TRY_LEAST_MS ? TRY_LEAST_MS : share_ms) + ANSWER_GRACE_MS;
}

enum conclave_code client_run(struct conclave_client *client, const struct client_call *call,
                              struct slice *result)
{
    ASSERT(client != NULL && call != NULL && result != NULL);
    ASSERT(client->endpoint_count > 0);
    struct seen seen = {0};
    uint64_t start_ms = client_now_ms();
    uint64_t total_ms = call->deadline_ms > start_ms ? call->deadline_ms - start_ms : 1;
    for (size_t i = 0; i < client->endpoint_count; i++) {
        client->endpoints[i].why[0] = '\0';
    }
    for (;;) {
        uint64_t now_ms = client_now_ms();
        if ((now_ms >= call->deadline_ms && now_ms != start_ms) || is_hopeless(client, &seen)) {
            return give_up(client, call, &seen);
        }
        uint64_t left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 1;
        struct client_endpoint *endpoint = &client->endpoints[client->current];
        struct client_rpc_outcome outcome;
        client_try(client, endpoint, &endpoint->connection, call,
                   least(try_ms(client, call, &seen, total_ms), left_ms), &outcome);
        if (judge(client, call, &outcome, &seen)) {
            if (outcome.code != CONCLAVE_OK) {
                return final_answer(client, call, &seen, endpoint, &outcome);
            }
            *result = outcome.result;
            return CONCLAVE_OK;
        }
        if (outcome.answered && outcome.code == CONCLAVE_RATE_LIMITED) {
            wait_after(&seen, call->deadline_ms); /* the others are not to be flooded instead */
            continue;
        }
        client->current = (client->current + 1) % client->endpoint_count;
        seen.failures++;
        if (seen.failures % client->endpoint_count == 0) {
            back_off(&seen, call->deadline_ms);
        }
    }
}
