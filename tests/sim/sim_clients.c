/* Clients: what they do, and how they check what they are told. */
#include "sim/sim_clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_commands.h"
#include "sim/sim_model.h"
#include "sim/sim_op.h"
#include "sim/sim_query.h"
#include "sim/sim_seats.h"
#include "sim/sim_unpack.h"

#define READERS 4u /* who only read, and often */
#define CLIENTS (2 * SIM_PEOPLE + SIM_LATECOMER + 2 + READERS)
#define COPIES  2u

enum doing {
    IDLE,
    SUBMITTING,
    READING
};

struct client {
    unsigned actor; /* 0: the chair */
    bool reader;
    enum doing doing;
    struct sim_op *op;
    uint64_t tokens[COPIES]; /* 0: none */
    uint64_t wake_ms;
    uint64_t floor; /* of the read */
    char poll[SIM_NAME];
};

struct sim_clients {
    struct client clients[CLIENTS];
    struct sim_op *lost; /* abandoned ones */
    size_t lost_count, lost_capacity;
    struct buffer body;
    unsigned setup; /* commands of the setup begun */
    unsigned polls; /* opened, or tried to */
    unsigned admitted;
    unsigned pace_ms;
    unsigned answer_loss;
    bool rest;
};

static uint64_t lot(struct sim *sim, uint64_t bound)
{
    return sim_random_below(&sim->whim, bound);
}

void sim_clients_open(struct sim *sim)
{
    struct sim_clients *clients = sim->clients = sim_checked(calloc(1, sizeof *clients));
    for (unsigned i = 0; i < CLIENTS; i++) { /* the chair and the first members have two each */
        struct client *client = &clients->clients[i];
        client->actor = i < 2 ? 0 : i < 2 + SIM_PEOPLE ? i - 1 : i - 1 - SIM_PEOPLE;
        client->reader = i >= CLIENTS - READERS;
        client->actor = client->reader ? 1 : client->actor;
    }
    buffer_init(&clients->body, LIMIT_COMMAND_BYTES);
    clients->pace_ms = 20 + (unsigned)lot(sim, 400);
    clients->answer_loss = sim_random_rate(&sim->whim, 2000);
}

void sim_clients_close(struct sim *sim)
{
    struct sim_clients *clients = sim->clients;
    for (unsigned i = 0; i < CLIENTS; i++) {
        sim_op_free(clients->clients[i].op);
    }
    free(clients->lost);
    buffer_close(&clients->body);
    free(clients);
}

static unsigned any_node(struct sim *sim)
{
    return 1 + (unsigned)lot(sim, sim->node_count);
}

/* --- Sending --- */

static void send_op(struct sim *sim, struct client *client)
{
    struct sim_op *op = client->op;
    bool twice = lot(sim, 12) == 0;
    for (unsigned i = 0; i < (twice ? 2u : 1u); i++) {
        /* One after the other: the order in which arguments are worked out is the compiler's. */
        unsigned node = any_node(sim);
        uint64_t timeout_ms = 100 + lot(sim, 3000);
        client->tokens[i] = sim_submit(sim, node, slice_of(op->bytes, op->size), timeout_ms);
    }
    if (twice) {
        sim_count(sim, SIM_command_sent_twice);
    }
    client->doing = SUBMITTING;
}

static void begin(struct sim *sim, struct client *client, const char *kind)
{
    struct actor *actor = sim_op_actor(sim, client->actor);
    uint64_t life_ms = lot(sim, 25) == 0 ? lot(sim, 3000) : 12u * 3600u * 1000u;
    if (actor->nonces > 2 && lot(sim, 60) == 0) {
        actor->nonces--; /* a careless client uses a nonce again */
        life_ms += 1;    /* never for the very same bytes: that would be the same command */
    }
    client->op = sim_op_make(sim, client->actor, kind, buffer_slice(&sim->clients->body), life_ms);
    send_op(sim, client);
}

static void finish(struct sim *sim, struct client *client)
{
    sim_op_free(client->op);
    client->op = NULL;
    client->doing = IDLE;
    client->wake_ms = sim->now_ms + 1 + lot(sim, sim->clients->pace_ms * 2u);
}

static void abandon(struct sim *sim, struct client *client)
{
    struct sim_clients *clients = sim->clients;
    if (clients->lost_count == clients->lost_capacity) {
        clients->lost_capacity = clients->lost_capacity * 2 + 16;
        clients->lost =
            sim_checked(realloc(clients->lost, clients->lost_capacity * sizeof *clients->lost));
    }
    clients->lost[clients->lost_count++] = *client->op;
    sim_count(sim, SIM_command_abandoned);
    finish(sim, client);
}

/* A failed attempt: is it sure that this sending did not reach the log? */
static void note_failure(struct sim *sim, struct sim_op *op, const struct sim_request *request)
{
    sim_say(sim, "command %016" PRIx64 ": node %u: %s", op->hash, request->node,
            request->state == SIM_LOST ? "lost" : conclave_code_name(request->code));
    if (request->state == SIM_LOST) {
        sim_count(sim, SIM_answered_never);
        op->maybe = true;
        return;
    }
    switch (request->code) {
    case CONCLAVE_BUSY:
        sim_count(sim, SIM_answered_busy);
        break;
    case CONCLAVE_DISK_FULL:
        sim_count(sim, SIM_refused_without_room);
        break;
    case CONCLAVE_NO_LEADER:
        sim_count(sim, SIM_answered_no_leader);
        break;
    case CONCLAVE_UNREACHABLE:
    case CONCLAVE_SHUTTING_DOWN:
        break;
    case CONCLAVE_UNKNOWN_OUTCOME:
        sim_count(sim, SIM_answered_unknown);
        op->maybe = true;
        break;
    default:
        op->maybe = true;
        break;
    }
}

/* All copies of a sending are answered or lost. */
static void end_sending(struct sim *sim, struct client *client)
{
    struct sim_op *op = client->op;
    bool decided = false;
    for (unsigned i = 0; i < COPIES; i++) {
        if (client->tokens[i] == 0) {
            continue;
        }
        const struct sim_request *request = sim_request(sim, client->tokens[i]);
        client->tokens[i] = 0;
        if (request->state != SIM_ANSWERED || request->code != CONCLAVE_OK) {
            note_failure(sim, op, request);
        } else if (sim_random_happens(&sim->whim, sim->calm ? 0 : sim->clients->answer_loss)) {
            sim_count(sim, SIM_answer_lost);
            op->maybe = true;
        } else {
            sim_op_reply(sim, op, request->reply);
            decided = op->maybe = true;
            SOMETIMES(sim, sim_leader(sim) != request->node, command_via_follower);
        }
    }
    if (decided && lot(sim, 10) != 0) {
        finish(sim, client);
    } else if (!decided && !op->maybe && client->actor != 0 && lot(sim, 3) == 0) {
        abandon(sim, client);
    } else { /* again, by another node; sometimes though it is answered */
        client->doing = SUBMITTING;
        client->wake_ms = sim->now_ms + 5 + lot(sim, 200);
        sim_count(sim, SIM_command_sent_again);
    }
}

/* --- Reading --- */

static void begin_read(struct sim *sim, struct client *client)
{
    const struct sim_model *model = sim->model;
    if (model->poll_count == 0) {
        return;
    }
    memcpy(client->poll, model->polls[lot(sim, model->poll_count)]->id, SIM_NAME);
    unsigned node = any_node(sim);
    if (sim->deposed != 0 && client->reader) {
        node = sim->deposed;
    } else if (lot(sim, 4) == 0) {
        if (sim->nodes[node].up) { /* stale: what it shows must have been true once */
            uint64_t index = sim_query_tally(sim, node, client->poll);
            sim_count(sim, SIM_stale_reads_checked);
            SOMETIMES(sim, index < sim_op_acknowledged_index(sim), stale_read_behind);
        }
        client->wake_ms = sim->now_ms + 1 + lot(sim, sim->clients->pace_ms * 2u);
        return;
    }
    client->floor = sim_op_acknowledged_index(sim);
    client->doing = READING;
    client->tokens[0] = sim_read(sim, node, client->reader ? 30 : 100 + lot(sim, 2000));
}

static void end_read(struct sim *sim, struct client *client)
{
    const struct sim_request *request = sim_request(sim, client->tokens[0]);
    client->tokens[0] = 0;
    client->doing = IDLE;
    client->wake_ms = sim->now_ms + 1 + lot(sim, client->reader ? 20 : sim->clients->pace_ms * 2u);
    if (request->state != SIM_ANSWERED || request->code != CONCLAVE_OK ||
        !sim->nodes[request->node].up) {
        sim_count(sim, SIM_read_refused);
        return;
    }
    uint64_t index = sim_query_tally(sim, request->node, client->poll);
    if (index < client->floor) {
        sim_break(sim,
                  "I6: a read by node %u shows %" PRIu64 ", but %" PRIu64
                  " was acknowledged before it began",
                  request->node, index, client->floor);
    }
    sim_op_shown(sim, index); /* later reads must show this too */
    sim_count(sim, SIM_reads_checked);
    sim_count(sim, sim_leader(sim) == request->node ? SIM_read_by_leader : SIM_read_by_follower);
}

/* --- Choosing --- */

static void begin_setup(struct sim *sim, struct client *client)
{
    struct sim_clients *clients = sim->clients;
    unsigned step = clients->setup++;
    const char *kind;
    if (step < SIM_PEOPLE) {
        kind = sim_command_admit(sim, &clients->body, sim_op_actor(sim, 1 + step));
    } else {
        kind = sim_command_policy(sim, &clients->body, step - SIM_PEOPLE);
    }
    begin(sim, client, kind);
}

static void begin_chair(struct sim *sim, struct client *client)
{
    struct sim_clients *clients = sim->clients;
    const struct sim_model *model = sim->model;
    if (clients->setup < SIM_PEOPLE + SIM_POLICIES) {
        begin_setup(sim, client);
        return;
    }
    unsigned open = 0;
    for (unsigned i = 0; i < model->poll_count; i++) {
        open += strcmp(model->polls[i]->state, "open") == 0;
    }
    const char *kind;
    uint64_t choice = lot(sim, 100);
    if (sim->by_command && lot(sim, 5) == 0) {
        kind = sim_seats_command(sim, &clients->body);
    } else if ((open < 3 || choice < 8) && clients->polls < SIM_POLLS) {
        unsigned number = clients->polls > 0 && choice < 2 ? clients->polls - 1 : clients->polls++;
        kind = sim_command_open(sim, &clients->body, number);
    } else if (model->member_count > 1 && (choice < 50 || model->poll_count == 0)) {
        unsigned member = 1 + (unsigned)lot(sim, model->member_count - 1);
        kind = sim_command_update(sim, &clients->body, member);
    } else if (choice < 65 && clients->admitted < SIM_LATECOMER) {
        unsigned number = 1 + SIM_PEOPLE + clients->admitted++;
        kind = sim_command_admit(sim, &clients->body, sim_op_actor(sim, number));
    } else if (choice < 80 || model->poll_count == 0) {
        kind = sim_command_policy(sim, &clients->body, (unsigned)lot(sim, SIM_POLICIES));
    } else {
        const struct sim_poll *poll = model->polls[lot(sim, model->poll_count)];
        kind = sim_command_end(sim, &clients->body, poll->id, choice < 84);
    }
    begin(sim, client, kind);
}

static unsigned member_number(const struct sim *sim, const struct actor *actor)
{
    const struct sim_model *model = sim->model;
    for (unsigned i = 0; i < model->member_count; i++) {
        if (strcmp(model->members[i].id, actor->id) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void begin_member(struct sim *sim, struct client *client)
{
    struct sim_clients *clients = sim->clients;
    const struct sim_model *model = sim->model;
    unsigned number = member_number(sim, sim_op_actor(sim, client->actor));
    if (number == UINT32_MAX || model->poll_count == 0) {
        client->wake_ms = sim->now_ms + 100;
        return;
    }
    const struct sim_poll *poll = model->polls[lot(sim, model->poll_count)];
    for (unsigned i = 0; i < 6 && strcmp(poll->state, "open") != 0; i++) {
        poll = model->polls[lot(sim, model->poll_count)];
    }
    if (lot(sim, 5) == 0) {
        begin_read(sim, client);
    } else if (lot(sim, 40) == 0) { /* not theirs to do */
        begin(sim, client, sim_command_end(sim, &clients->body, poll->id, false));
    } else {
        begin(sim, client, sim_command_ballot(sim, &clients->body, number, poll->id));
    }
}

/* All copies are answered, and what they were answered can be looked up: a node that dies in the
 * event in which it answers leaves it to others to show the entry. */
static bool all_answered(const struct sim *sim, const struct client *client)
{
    for (unsigned i = 0; i < COPIES; i++) {
        if (client->tokens[i] == 0) {
            continue;
        }
        const struct sim_request *request = sim_request(sim, client->tokens[i]);
        if (request->state == SIM_WAITING ||
            sim_op_reply_index(request->reply) > sim->model->index) {
            return false;
        }
    }
    return true;
}

static void turn(struct sim *sim, struct client *client)
{
    if (client->tokens[0] != 0) {
        if (!all_answered(sim, client)) {
            return;
        }
        if (client->doing == READING) {
            end_read(sim, client);
        } else {
            end_sending(sim, client);
        }
        return;
    }
    if (client->wake_ms > sim->now_ms) {
        return;
    }
    if (client->op != NULL) {
        send_op(sim, client);
    } else if (client->reader && !sim->clients->rest) {
        begin_read(sim, client);
    } else if (!sim->clients->rest && client->actor == 0) {
        begin_chair(sim, client);
    } else if (!sim->clients->rest) {
        begin_member(sim, client);
    }
}

void sim_clients_run(struct sim *sim)
{
    for (unsigned i = 0; i < CLIENTS && sim->broken[0] == 0; i++) {
        turn(sim, &sim->clients->clients[i]);
    }
}

void sim_clients_rest(struct sim *sim)
{
    sim->clients->rest = true;
}

bool sim_clients_idle(const struct sim *sim)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (sim->clients->clients[i].doing != IDLE) {
            return false;
        }
    }
    return true;
}

void sim_clients_check_end(struct sim *sim)
{
    const struct sim_clients *clients = sim->clients;
    for (size_t i = 0; i < clients->lost_count; i++) {
        uint64_t index = sim_model_has(sim, clients->lost[i].hash);
        if (index != 0 && !sim_op_elsewhere(sim, clients->lost[i].hash)) {
            sim_break(sim,
                      "I2: the log has a command at %" PRIu64
                      " that every node asked had refused to take",
                      index);
        }
    }
    for (unsigned node = 1; node <= sim->node_count && sim->broken[0] == 0; node++) {
        if (!sim_seated(sim, node)) {
            continue;
        }
        sim_query_counts(sim, node);
        for (unsigned i = 0; i < sim->model->poll_count; i++) {
            (void)sim_query_tally(sim, node, sim->model->polls[i]->id);
            sim_query_ballots(sim, node, sim->model->polls[i]->id);
        }
    }
}
