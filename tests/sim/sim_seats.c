/* Nodes by command. */
#include "sim/sim_seats.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "sim/sim_members.h"
#include "sim/sim_unpack.h"

#define VOTES       1
#define STANDS_BY   0
#define TOKEN_BYTES 32u
#define VOTERS_MIN  2u

static uint64_t lot(struct sim *sim, uint64_t bound)
{
    return sim_random_below(&sim->whim, bound);
}

void sim_seats_open(struct sim *sim)
{
    sim->seats = sim_checked(calloc(1, sizeof *sim->seats));
    for (unsigned id = 1; id <= sim->genesis_count; id++) {
        sim->seats->wanted[id] = SIM_SEAT_VOTER;
    }
}

void sim_seats_close(struct sim *sim)
{
    free(sim->seats);
}

/* --- Commands --- */

static void pair(struct buffer *body, const char *name, const char *value)
{
    codec_write_text(body, name);
    codec_write_text(body, value);
}

static void pair_number(struct buffer *body, const char *name, uint64_t value)
{
    codec_write_text(body, name);
    codec_write_u64(body, value);
}

static void pair_address(struct buffer *body, const char *name, unsigned port)
{
    char address[LIMIT_ADDRESS_BYTES + 1];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    pair(body, name, address);
}

/* Wired meshes know the nodes of genesis (sim_door.c): those runs have no new ones. */
static bool may_add(const struct sim *sim)
{
    return !sim->wired && sim->node_count < SIM_NODES;
}

static const char *add(struct sim *sim, struct buffer *body)
{
    static const uint8_t token[TOKEN_BYTES] = {1};
    bool again = lot(sim, 10) == 0; /* an id that is taken */
    unsigned id = again ? 1 + (unsigned)lot(sim, sim->node_count) : sim->node_count + 1;
    bool votes = lot(sim, 4) != 0;
    unsigned replaces = votes && lot(sim, 3) == 0 ? 1 + (unsigned)lot(sim, sim->node_count) : 0;
    if (!again) {
        sim_node_join(sim);
    }
    buffer_clear(body);
    codec_write_map(body, replaces != 0 ? 6 : 5);
    pair_number(body, "id", id);
    pair_address(body, "peer", 7100 + id);
    pair_address(body, "client", 7200 + id);
    codec_write_text(body, "token");
    codec_write_bytes(body, slice_of(token, sizeof token));
    pair(body, "role", votes ? "voter" : "standby");
    if (replaces != 0) {
        pair_number(body, "replaces", replaces);
    }
    return "node.add";
}

const char *sim_seats_command(struct sim *sim, struct buffer *body)
{
    sim->membership_changed = true;
    uint64_t choice = lot(sim, 10);
    if (choice < 3 && may_add(sim)) {
        return add(sim, body);
    }
    bool removes = choice == 9;
    bool leads = choice == 8;
    uint64_t id = 1 + lot(sim, sim->node_count + 1);
    buffer_clear(body);
    codec_write_map(body, removes || leads ? 1 : 2);
    pair_number(body, "id", id);
    if (removes || leads) {
        return removes ? "node.remove" : "node.lead";
    }
    pair(body, "role", lot(sim, 2) == 0 ? "standby" : "voter");
    return "node.update";
}

/* --- Decisions --- */

static unsigned count_of(const struct sim_seats *seats, bool voters_only)
{
    unsigned count = 0;
    for (unsigned id = 1; id <= SIM_NODES; id++) {
        count += seats->wanted[id] == SIM_SEAT_VOTER ||
                 (seats->wanted[id] == SIM_SEAT_STANDBY && !voters_only);
    }
    return count;
}

static bool present(const struct sim_seats *seats, uint64_t id)
{
    return id <= SIM_NODES &&
           (seats->wanted[id] == SIM_SEAT_VOTER || seats->wanted[id] == SIM_SEAT_STANDBY);
}

static void want(struct sim_seats *seats, uint64_t id, enum sim_seat seat)
{
    seats->wanted[id] = seat;
    seats->commanded[id] = true;
}

static const char *decide_add(struct sim *sim, const msgpack_object *body)
{
    struct sim_seats *seats = sim->seats;
    uint64_t id = unpack_u64(unpack_get(body, "id"), 0);
    uint64_t replaces = unpack_u64(unpack_get(body, "replaces"), 0);
    ASSERT(id >= 1 && id <= SIM_NODES);
    if (seats->wanted[id] != SIM_SEAT_NONE) {
        return "duplicate_id";
    }
    if (count_of(seats, false) >= LIMIT_NODES) {
        return "limit_reached";
    }
    if (replaces != 0 && !present(seats, replaces)) {
        return "unknown_node";
    }
    if (replaces != 0 && seats->wanted[replaces] == SIM_SEAT_VOTER && count_of(seats, true) == 1) {
        return "last_voter";
    }
    want(seats, id,
         unpack_is(unpack_get(body, "role"), "voter") ? SIM_SEAT_VOTER : SIM_SEAT_STANDBY);
    sim_count(sim, SIM_node_added);
    if (replaces != 0) {
        want(seats, replaces, SIM_SEAT_REMOVED);
        sim_count(sim, SIM_node_replaced);
    }
    return "ok";
}

const char *sim_seats_decide(struct sim *sim, const msgpack_object *kind,
                             const msgpack_object *body)
{
    struct sim_seats *seats = sim->seats;
    if (unpack_is(kind, "node.add")) {
        return decide_add(sim, body);
    }
    bool removes = unpack_is(kind, "node.remove");
    bool votes = unpack_is(unpack_get(body, "role"), "voter");
    uint64_t id = unpack_u64(unpack_get(body, "id"), 0);
    if (!present(seats, id)) {
        return "unknown_node";
    }
    if (unpack_is(kind, "node.lead")) {
        bool may = seats->wanted[id] == SIM_SEAT_VOTER;
        seats->commanded[id] = seats->commanded[id] || may;
        SOMETIMES(sim, may, node_to_lead);
        return may ? "ok" : "bad_value";
    }
    if (!votes && seats->wanted[id] == SIM_SEAT_VOTER && count_of(seats, true) <= VOTERS_MIN) {
        return "last_voter";
    }
    want(seats, id, removes ? SIM_SEAT_REMOVED : votes ? SIM_SEAT_VOTER : SIM_SEAT_STANDBY);
    sim_count(sim, removes ? SIM_node_removed : SIM_node_changed);
    return "ok";
}

/* --- What came of it --- */

bool sim_seated(const struct sim *sim, unsigned node)
{
    int role = sim_members_role(sim, node);
    return !sim->by_command || role == VOTES || role == STANDS_BY;
}

bool sim_seats_settled(const struct sim *sim)
{
    const struct sim_seats *seats = sim->seats;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        int role = sim_members_role(sim, id);
        bool is = seats->wanted[id] == SIM_SEAT_VOTER     ? role == VOTES
                  : seats->wanted[id] == SIM_SEAT_STANDBY ? role == STANDS_BY
                                                          : role < 0;
        if (seats->commanded[id] && !is) {
            return false;
        }
    }
    return true;
}
