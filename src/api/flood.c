/* Rates and turns. See flood.h. */
#include "api/flood.h"

#include <inttypes.h>

#include "api/answer.h"
#include "api/session.h"
#include "base/memory.h"

/* Members' buckets: a table of sets, so that it has a size whatever comes. Where a set is full the
 * bucket that is nearest to full goes: forgetting it is a little lenient. The key is the start of
 * the member's public key. */
#define MEMBER_SETS 4096u
#define MEMBER_WAYS 4u

#define BURST_CONNECTION_S 2u /* seconds' worth of tokens in a full bucket */
#define BURST_MEMBER_S     10u
#define TURN_US            2000u
#define PRESSED_US         1000000u
#define FLOOD_ANSWER_MOST  1000u /* a process that slept is nobody's fault */
/* A hold lasts so long at least: to be told `rate_limited` and to be read again costs too. */
#define HOLD_LEAST_US 100000u

struct member_rate {
    uint64_t key;
    struct rate_bucket bucket;
};

struct flood_members {
    struct member_rate rates[MEMBER_SETS][MEMBER_WAYS];
};

struct api_limits api_limits_of(uint32_t connection_rate, uint32_t member_rate, uint64_t idle_ms)
{
    ASSERT(connection_rate <= RATE_MOST && member_rate <= RATE_MOST);
    return (struct api_limits){
        .connection = {connection_rate, connection_rate * BURST_CONNECTION_S},
        .member = {member_rate, member_rate * BURST_MEMBER_S},
        .idle_ms = idle_ms,
        .silent_ms = LIMIT_SILENT_MS,
        .message_ms = LIMIT_MESSAGE_MS,
        .turn_us = TURN_US,
    };
}

enum conclave_code flood_open(struct api *api, const struct api_limits *limits)
{
    ASSERT(api != NULL && limits != NULL);
    api->limits = *limits;
    if (limits->member.per_second == 0) {
        return CONCLAVE_OK;
    }
    api->members = memory_allocate_zeroed(1, sizeof *api->members);
    return api->members == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
}

void flood_close(struct api *api)
{
    memory_free(api->members);
}

/* --- rates --- */

static void refuse(struct api_request *request, uint64_t wait_us, const char *whose)
{
    uint64_t wait_ms = (wait_us + 999) / 1000;
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_RATE_LIMITED,
                     "more than %s in this time: nothing of this request was done; send it again "
                     "in %" PRIu64 " ms",
                     whose, wait_ms);
    answer_error_add_u64(&error, "retry_after_ms", wait_ms);
    answer_refuse(request, &error);
}

static void hold_for_rate(struct api *api, struct api_connection *connection, uint64_t until_us)
{
    ASSERT(connection->hold == HOLD_NONE);
    connection->hold = HOLD_RATE;
    connection->held_until_us = until_us;
    connection->held_next = api->rate_held;
    api->rate_held = connection;
    if (api->host->pause != NULL) {
        api->host->pause(api->host->context, connection->id, true);
    }
}

bool flood_hold_unread(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    if (api->host->unsent == NULL ||
        api->host->unsent(api->host->context, connection->id) <= LIMIT_UNREAD_BYTES) {
        return false;
    }
    hold_for_rate(api, connection, clock_monotonic_us(api->clock) + HOLD_LEAST_US);
    return true;
}

static bool is_pressed(const struct api *api, uint64_t now_us)
{
    return api->limits.turn_us == 0 || now_us < api->pressed_until_us;
}

bool flood_admit(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct api *api = request->api;
    const struct rate_limit *limit = &api->limits.connection;
    struct api_connection *connection = request->connection;
    uint64_t now_us = request->opened_us;
    uint64_t wait_us = rate_wait_us(&connection->rate, limit, now_us);
    if (wait_us == 0 ||
        (!is_pressed(api, now_us) && !rate_owes(&connection->rate, limit, now_us))) {
        rate_charge_to_empty(&connection->rate, limit, now_us, 1);
        return true;
    }
    wait_us = wait_us > HOLD_LEAST_US ? wait_us : HOLD_LEAST_US;
    hold_for_rate(api, connection, now_us + wait_us);
    refuse(request, wait_us, "a connection may ask");
    return false;
}

void flood_charge(struct api_request *request, uint32_t tokens)
{
    ASSERT(request != NULL);
    struct api *api = request->api;
    if (request->connection != NULL) {
        rate_charge(&request->connection->rate, &api->limits.connection,
                    clock_monotonic_us(api->clock), tokens);
    }
}

void flood_charge_answer(struct api_request *request, size_t answer_bytes, uint64_t since_us)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct api *api = request->api;
    uint64_t now_us = clock_monotonic_us(api->clock);
    uint64_t tokens = answer_bytes / FLOOD_ANSWER_BYTES + (now_us - since_us) / FLOOD_ANSWER_US;
    if (tokens > 0) {
        uint32_t charged = tokens < FLOOD_ANSWER_MOST ? (uint32_t)tokens : FLOOD_ANSWER_MOST;
        rate_charge_to_empty(&request->connection->rate, &api->limits.connection, now_us, charged);
    }
}

static struct rate_bucket *member_bucket(struct flood_members *members, const uint8_t *public_key)
{
    uint64_t key;
    uint32_t set;
    memcpy(&key, public_key, sizeof key);
    memcpy(&set, public_key + sizeof key, sizeof set);
    struct member_rate *rates = members->rates[set % MEMBER_SETS], *spare = &rates[0];
    for (unsigned i = 0; i < MEMBER_WAYS; i++) {
        if (rates[i].key == key) {
            return &rates[i].bucket;
        }
        if (rates[i].bucket.full_at < spare->bucket.full_at) {
            spare = &rates[i];
        }
    }
    *spare = (struct member_rate){.key = key};
    return &spare->bucket;
}

bool flood_admit_member(struct api_request *request)
{
    ASSERT(request != NULL);
    struct api *api = request->api;
    const struct api_limits *limits = &api->limits;
    if (limits->member.per_second > 0 && (request->keys.roles & ROLE_SET(ROLE_CHAIR)) == 0) {
        uint64_t now_us = clock_monotonic_us(api->clock);
        struct rate_bucket *bucket = member_bucket(api->members, request->keys.public_key);
        uint64_t wait_us = rate_wait_us(bucket, &limits->member, now_us);
        if (wait_us > 0) {
            flood_charge(request, FLOOD_COST_MEMBER_OVER_RATE);
            refuse(request, wait_us, "the author's commands may be");
            return false;
        }
        rate_charge(bucket, &limits->member, now_us, 1);
    }
    if (request->connection != NULL) {
        rate_refund(&request->connection->rate, &limits->connection, 1);
    }
    return true;
}

/* --- turns --- */

bool flood_turn_is_over(struct api *api)
{
    ASSERT(api != NULL);
    if (api->limits.turn_us == 0) {
        return false;
    }
    uint64_t now_us = clock_monotonic_us(api->clock);
    if (!api->turn_open) {
        api->turn_open = true;
        api->turn_us = now_us;
    }
    return now_us - api->turn_us > api->limits.turn_us;
}

void flood_end_turn(struct api *api)
{
    ASSERT(api != NULL);
    api->turn_open = false;
}

void flood_end_work(struct api *api)
{
    ASSERT(api != NULL);
    if (api_has_work(api)) {
        api->pressed_until_us = clock_monotonic_us(api->clock) + PRESSED_US;
    }
    flood_end_turn(api);
}

static void append(struct api *api, struct api_connection *connection)
{
    connection->hold = HOLD_TURN;
    connection->held_next = NULL;
    if (api->turn_last != NULL) {
        api->turn_last->held_next = connection;
    } else {
        api->turn_first = connection;
    }
    api->turn_last = connection;
}

void flood_hold_for_turn(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL && connection->hold == HOLD_NONE);
    append(api, connection);
    if (api->host->pause != NULL) {
        api->host->pause(api->host->context, connection->id, true);
    }
}

struct api_connection *flood_next(struct api *api)
{
    ASSERT(api != NULL);
    struct api_connection *connection = api->turn_first;
    if (connection == NULL) {
        return NULL;
    }
    api->turn_first = connection->held_next;
    if (api->turn_first == NULL) {
        api->turn_last = NULL;
    }
    connection->held_next = NULL;
    connection->hold = HOLD_NONE;
    if (!connection->closing && api->host->pause != NULL) {
        api->host->pause(api->host->context, connection->id, false);
    }
    return connection;
}

void flood_release(struct api *api)
{
    ASSERT(api != NULL);
    if (api->rate_held == NULL) {
        return;
    }
    uint64_t now_us = clock_monotonic_us(api->clock);
    struct api_connection **link = &api->rate_held;
    while (*link != NULL) {
        struct api_connection *connection = *link;
        if (connection->held_until_us > now_us) {
            link = &connection->held_next;
        } else {
            *link = connection->held_next;
            append(api, connection); /* it is paused already */
        }
    }
}

void flood_forget(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    bool of_rate = connection->hold == HOLD_RATE;
    struct api_connection **link = of_rate ? &api->rate_held : &api->turn_first;
    struct api_connection *before = NULL;
    while (connection->hold != HOLD_NONE && *link != connection) {
        ASSERT(*link != NULL);
        before = *link;
        link = &before->held_next;
    }
    if (connection->hold == HOLD_NONE) {
        return;
    }
    *link = connection->held_next;
    if (!of_rate && api->turn_last == connection) {
        api->turn_last = before;
    }
    connection->hold = HOLD_NONE;
}

bool api_has_work(const struct api *api)
{
    ASSERT(api != NULL);
    return api->ready_first != NULL || api->turn_first != NULL;
}

uint64_t api_deadline_ms(const struct api *api)
{
    ASSERT(api != NULL);
    uint64_t deadline_us = UINT64_MAX;
    for (const struct api_connection *at = api->rate_held; at != NULL; at = at->held_next) {
        deadline_us = at->held_until_us < deadline_us ? at->held_until_us : deadline_us;
    }
    return deadline_us == UINT64_MAX ? UINT64_MAX : (deadline_us + 999) / 1000;
}
