/* Forwarding. */
#include "consensus/forward.h"

#include "base/mutant.h"
#include "consensus/batch.h"

#define WINDOW_ATTEMPTS 64u

static uint64_t retry_ms(const struct replica *replica)
{
    return 2u * (uint64_t)replica->config.election_ms;
}

static bool can_forward(const struct replica *replica)
{
    return !replica->failed && replica->leader_id != 0 &&
           replica->leader_id != replica->config.node_id;
}

static void send_record(struct replica *replica, struct pending_record *record)
{
    record->attempt = ++replica->attempts;
    record->forwards++;
    record->sent_ms = replica->now_ms;
    struct message_forward forward = {.incarnation = replica->incarnation,
                                      .attempt = record->attempt,
                                      .command = slice_of(record->bytes, record->size)};
    pending_mark_sent(&replica->pending, record);
    message_write_forward(&replica->message, &forward);
    replica_send(replica, replica->leader_id);
}

void forward_run(struct replica *replica)
{
    if (!can_forward(replica)) {
        return;
    }
    while (replica->pending.queued.first != NULL && !replica->failed) {
        send_record(replica, replica->pending.queued.first);
    }
    /* The oldest is at the front; what is sent again goes to the end. */
    struct pending_record *record = replica->pending.sent.first;
    while (record != NULL && replica->now_ms - record->sent_ms >= retry_ms(replica) &&
           !replica->failed) {
        send_record(replica, record);
        record = replica->pending.sent.first;
    }
}

uint64_t forward_deadline_ms(const struct replica *replica)
{
    uint64_t deadline_ms = replica->pending.deadline_ms;
    const struct pending_record *record = replica->pending.sent.first;
    if (record != NULL && can_forward(replica) &&
        record->sent_ms + retry_ms(replica) < deadline_ms) {
        deadline_ms = record->sent_ms + retry_ms(replica);
    }
    return deadline_ms;
}

bool forward_has_room(const struct replica *replica, size_t size)
{
    const struct pending *pending = &replica->pending;
    return pending->local_count < LIMIT_COMMANDS_IN_FLIGHT &&
           pending_count(pending) < LIMIT_COMMANDS_IN_FLIGHT &&
           pending->bytes + size <= LIMIT_COMMANDS_IN_FLIGHT_BYTES;
}

/* --- At the leader --- */

static struct forward_window *window_of(struct replica *replica, uint64_t node_id)
{
    const size_t count = sizeof replica->windows / sizeof replica->windows[0];
    struct forward_window *free_window = NULL;
    for (size_t i = 0; i < count; i++) {
        if (replica->windows[i].node_id == node_id) {
            return &replica->windows[i];
        }
        if (replica->windows[i].node_id == 0 && free_window == NULL) {
            free_window = &replica->windows[i];
        }
    }
    if (free_window == NULL) {
        free_window = &replica->windows[node_id % count]; /* more peers than there can be */
    }
    *free_window = (struct forward_window){.node_id = node_id};
    return free_window;
}

/* Is this attempt a new one? Notes it. */
static bool window_take(struct forward_window *window, uint64_t incarnation, uint64_t attempt)
{
    if (window->incarnation != incarnation) {
        *window = (struct forward_window){.node_id = window->node_id, .incarnation = incarnation};
    }
    if (attempt > window->highest) {
        uint64_t shift = attempt - window->highest;
        window->seen = shift >= WINDOW_ATTEMPTS ? 0 : window->seen << shift;
        window->seen |= 1;
        window->highest = attempt;
        return true;
    }
    uint64_t age = window->highest - attempt;
    if (age >= WINDOW_ATTEMPTS || (window->seen >> age & 1) != 0) {
        return false;
    }
    window->seen |= UINT64_C(1) << age;
    return true;
}

static void send_result(struct replica *replica, uint64_t node_id,
                        const struct message_forward_result *result)
{
    message_write_forward_result(&replica->message, result);
    replica_send(replica, node_id);
}

void forward_receive(struct replica *replica, uint64_t node_id,
                     const struct message_forward *forward)
{
    bool full = replica_leads(replica) && replica->room.full;
    if (!replica_can_propose(replica) && !full) {
        replica->messages_dropped++; /* the sender learns who leads, and sends it again */
        return;
    }
    if (!window_take(window_of(replica, node_id), forward->incarnation, forward->attempt) &&
        !MUTANT(41)) {
        replica->messages_dropped++;
        return;
    }
    uint8_t id[MESSAGE_COMMAND_ID_BYTES];
    pending_command_id(forward->command, id);
    bool known = pending_find(&replica->pending, id) != NULL;
    bool capped = batch_capped(replica);
    if (!known && (full || capped || !forward_has_room(replica, forward->command.size))) {
        replica->mitigations[8] += capped; /* M8 */
        struct message_forward_result busy = {.incarnation = forward->incarnation,
                                              .attempt = forward->attempt,
                                              .command_id = slice_of(id, sizeof id),
                                              .code = full ? CONCLAVE_DISK_FULL : CONCLAVE_BUSY};
        send_result(replica, node_id, &busy);
        return;
    }
    struct pending_record *record = pending_enter(&replica->pending, forward->command);
    struct pending_waiter waiter = {
        .node_id = node_id, .incarnation = forward->incarnation, .attempt = forward->attempt};
    if (record == NULL) {
        replica->messages_dropped++;
        return;
    }
    if (pending_wait(&replica->pending, record, &waiter) != CONCLAVE_OK) {
        replica->messages_dropped++;
        if (record->waiters == NULL) {
            pending_remove(&replica->pending, record);
            pending_record_free(record);
        }
    }
}

/* --- Results --- */

static void tell(struct replica *replica, uint64_t token, enum conclave_code code,
                 struct slice reply)
{
    const struct replica_host *host = replica->config.host;
    host->decided(host->context, token, code, reply);
}

void forward_decided(struct replica *replica, const struct pending_record *record,
                     struct slice reply)
{
    for (const struct pending_waiter *waiter = record->waiters; waiter != NULL;
         waiter = waiter->next) {
        if (waiter->node_id == 0) {
            tell(replica, waiter->token, CONCLAVE_OK, reply);
        } else if (replica_leads(replica) && !replica->failed) {
            struct message_forward_result result = {
                .incarnation = waiter->incarnation,
                .attempt = waiter->attempt,
                .command_id = slice_of(record->id, sizeof record->id),
                .code = CONCLAVE_OK,
                .reply = reply};
            send_result(replica, waiter->node_id, &result);
        }
    }
}

void forward_result(struct replica *replica, uint64_t node_id,
                    const struct message_forward_result *result)
{
    (void)node_id; /* a result of an earlier leader is as good */
    struct pending_record *record = pending_find(&replica->pending, result->command_id.data);
    if (record == NULL || result->incarnation != replica->incarnation) {
        return; /* decided here before, or given up */
    }
    if (result->code == CONCLAVE_OK) {
        pending_remove(&replica->pending, record);
        forward_decided(replica, record, result->reply);
        pending_record_free(record);
        return;
    }
    /* The decoder lets nothing else through. */
    ASSERT(result->code == CONCLAVE_BUSY || result->code == CONCLAVE_DISK_FULL);
    if (record->queued || record->proposed || record->forwards != 1 ||
        record->attempt != result->attempt) {
        return; /* it may be in the log by another way: it is sent again */
    }
    pending_remove(&replica->pending, record);
    for (const struct pending_waiter *waiter = record->waiters; waiter != NULL;
         waiter = waiter->next) {
        if (waiter->node_id == 0) {
            tell(replica, waiter->token, result->code, (struct slice){0});
        }
    }
    pending_record_free(record);
}

static void expire_waiter(void *context, const struct pending_record *record,
                          const struct pending_waiter *waiter)
{
    struct replica *replica = context;
    bool left = !MUTANT(28) && (record->proposed || record->forwards > 0);
    enum conclave_code refusal = replica->room.full ? CONCLAVE_DISK_FULL : CONCLAVE_NO_LEADER;
    tell(replica, waiter->token, left ? CONCLAVE_UNKNOWN_OUTCOME : refusal, (struct slice){0});
}

void forward_expire(struct replica *replica)
{
    pending_expire(&replica->pending, replica->now_ms, expire_waiter, replica);
}

void forward_give_up(struct replica *replica)
{
    pending_expire(&replica->pending, UINT64_MAX, expire_waiter, replica);
}
