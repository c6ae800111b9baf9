/* One run: a world, faults, healing, and what must hold then. */
#include <inttypes.h>
#include <stdlib.h>

#include "sim/sim.h"
#include "sim/sim_check.h"
#include "sim/sim_clients.h"
#include "sim/sim_crowd.h"
#include "sim/sim_intruders.h"
#include "sim/sim_members.h"
#include "sim/sim_model.h"
#include "sim/sim_op.h"
#include "sim/sim_record.h"
#include "sim/sim_seats.h"

#define STORM_MS    10000u
#define PROGRESS_MS (10u * SIM_ELECTION_MS) /* I8 */
#define REST_MS     60000u
#define FINAL_MS    15000u
#define SEATS_MS    15000u

/* Mostly three and five nodes, which is what clusters have. */
static unsigned draw_nodes(struct sim_random *random)
{
    static const unsigned counts[] = {3, 3, 3, 5, 5, 5, 1, 2, 4, 7};
    return counts[sim_random_below(random, sizeof counts / sizeof counts[0])];
}

static void open_run(struct sim *sim, const struct sim_options *options)
{
    struct sim_random seed = {options->seed};
    *sim = (struct sim){.options = *options};
    sim->lot.state = sim_random_next(&seed);
    sim->chaos.state = sim_random_next(&seed);
    sim->whim.state = sim_random_next(&seed);
    sim->foe.state = sim_random_next(&seed);
    unsigned drawn = draw_nodes(&seed);
    sim->node_count = options->node_count == 0 ? drawn : options->node_count;
    ASSERT(sim->node_count >= 1 && sim->node_count <= SIM_NODES);
    sim->secure = sim_random_below(&seed, 2) == 0;
    sim->genesis_count = sim->node_count;
    sim->by_command = sim_random_below(&seed, 3) == 0;
    SOMETIMES(sim, sim->secure, secure);
    sim_model_open(sim);
    sim_members_open(sim);
    sim_seats_open(sim);
    sim_check_open(sim);
    sim_record_open(sim);
    sim_world_open(sim);
    sim_ops_open(sim);
    sim_clients_open(sim);
    sim_crowd_open(sim);
    sim_intruders_open(sim);
    sim_faults_open(sim);
    sim_count(sim, SIM_seeds);
    sim_count(sim, sim->node_count == 1   ? SIM_nodes_1
                   : sim->node_count == 3 ? SIM_nodes_3
                   : sim->node_count == 5 ? SIM_nodes_5
                                          : SIM_nodes_other);
    for (unsigned id = 1; id <= sim->node_count; id++) {
        sim_node_start(sim, id);
    }
}

static void close_run(struct sim *sim)
{
    sim_world_close(sim);
    sim_intruders_close(sim);
    sim_crowd_close(sim);
    sim_clients_close(sim);
    sim_ops_close(sim);
    sim_faults_close(sim);
    sim_record_close(sim);
    sim_check_close(sim);
    sim_seats_close(sim);
    sim_members_close(sim);
    sim_model_close(sim);
}

static bool stopped(const struct sim *sim)
{
    return sim->broken[0] != 0 ||
           (sim->options.until_step != 0 && sim->step >= sim->options.until_step);
}

static bool one_step(struct sim *sim)
{
    if (stopped(sim) || !sim_world_step(sim)) {
        return false;
    }
    sim_faults_run(sim);
    if (!stopped(sim)) {
        sim_clients_run(sim);
        sim_crowd_run(sim);
        sim_intruders_run(sim);
    }
    return !stopped(sim);
}

/* Until `done`, at most so long. */
static bool run_until(struct sim *sim, bool (*done)(struct sim *sim, uint64_t value),
                      uint64_t value, uint64_t timeout_ms)
{
    uint64_t end_ms = sim->now_ms + timeout_ms;
    while (sim->now_ms < end_ms) {
        if (done != NULL && done(sim, value)) {
            return true;
        }
        if (!one_step(sim)) {
            return false;
        }
    }
    return false;
}

static bool acknowledged_more(struct sim *sim, uint64_t than)
{
    return sim_op_acknowledged(sim) > than;
}

static bool idle(struct sim *sim, uint64_t value)
{
    (void)value;
    return sim_clients_idle(sim) && sim_intruders_gone(sim);
}

/* Everybody is up and has applied the same, all there is. */
static bool equal(struct sim *sim, uint64_t value)
{
    (void)value;
    uint64_t applied = sim_check_applied(sim);
    for (unsigned id = 1; id <= sim->node_count; id++) {
        struct replica_status status;
        if (!sim_seated(sim, id)) {
            continue;
        }
        if (!sim->nodes[id].up) {
            return false;
        }
        replica_status(sim->nodes[id].replica, &status);
        if (status.applied_index != applied || status.last_index != applied) {
            return false;
        }
    }
    return true;
}

static bool all_final(struct sim *sim, uint64_t value)
{
    (void)value;
    return sim_record_final(sim);
}

/* A poll whose time is long past by every clock must have been closed. */
static void check_closed(struct sim *sim)
{
    uint64_t wall_ms = sim_wall_ms(sim);
    int64_t behind_ms = 0;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        int64_t skew_ms = sim->nodes[id].skew_ms;
        behind_ms = skew_ms < behind_ms ? skew_ms : behind_ms;
    }
    for (unsigned i = 0; i < sim->model->poll_count; i++) {
        const struct sim_poll *poll = sim->model->polls[i];
        if (strcmp(poll->state, "open") == 0 &&
            (int64_t)poll->closes_ms + 1000 < (int64_t)wall_ms + behind_ms) {
            sim_break(sim, "I8: poll %s should have closed %" PRIu64 " ms ago", poll->id,
                      wall_ms - poll->closes_ms);
        }
    }
}

/* A change of the members that is asked for again and again must be taken. A server that was
 * removed comes in without a vote first. `change` is the server times two, plus the role. */
static bool change_taken(struct sim *sim, uint64_t change)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0) {
        return false;
    }
    uint64_t server = change / 2;
    int role = (int)(change % 2);
    int now = sim_members_role(sim, (unsigned)server);
    if (role == 1 && now != 0 && now != 1) {
        (void)sim_node_change(sim, leader, server, 0);
        return false;
    }
    return sim_node_change(sim, leader, server, role) == CONCLAVE_OK;
}

static bool settled(struct sim *sim, uint64_t value)
{
    (void)value;
    return sim_seats_settled(sim);
}

static void check_seats(struct sim *sim)
{
    if (!run_until(sim, settled, 0, SEATS_MS) && !stopped(sim)) {
        sim_break(sim, "I8: the nodes do not become what was commanded");
    }
    SOMETIMES(sim, !stopped(sim), members_as_commanded);
}

/* All servers vote, one stands by, and votes again. */
static void check_membership(struct sim *sim)
{
    if (!sim->membership_changed || stopped(sim)) {
        return;
    }
    if (sim->by_command) {
        check_seats(sim);
        return;
    }
    for (uint64_t change = 2; change < 2 * sim->node_count + 4u && !stopped(sim); change++) {
        bool each = change < 2 * sim->node_count + 2u;
        uint64_t server = each ? change / 2 : 1;
        uint64_t role = each ? 1 : change % 2;
        if (!run_until(sim, change_taken, server * 2 + role, 2 * PROGRESS_MS) && !stopped(sim)) {
            sim_break(sim, "I8: no change of the members is taken any more");
        }
    }
    SOMETIMES(sim, !stopped(sim), members_as_before);
}

static bool some_down(const struct sim *sim)
{
    bool down = false;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        down = down || !sim->nodes[id].up;
    }
    return down;
}

static void end_run(struct sim *sim)
{
    sim_faults_end(sim);
    uint64_t before = sim_op_acknowledged(sim);
    if (!run_until(sim, acknowledged_more, before, PROGRESS_MS)) {
        if (!stopped(sim)) {
            sim_break(sim, "I8: nothing was acknowledged for %u ms after the faults were over",
                      PROGRESS_MS);
        }
        return;
    }
    SOMETIMES(sim, some_down(sim), progress_by_bare_majority);
    sim_clients_rest(sim);
    if (!run_until(sim, idle, 0, REST_MS) && !stopped(sim)) {
        sim_break(sim, "I8: commands are still undecided %u ms after the faults were over",
                  REST_MS);
    }
    (void)run_until(sim, NULL, 0, 1500);
    check_membership(sim);
    if (!stopped(sim) && !run_until(sim, equal, 0, 2 * PROGRESS_MS) && !stopped(sim)) {
        sim_break(sim, "I8: the nodes do not become equal");
    }
    if (!stopped(sim) && !run_until(sim, all_final, 0, FINAL_MS) && !stopped(sim)) {
        sim_break(sim, "I8: the record does not become final");
    }
    if (!stopped(sim)) {
        SOMETIMES(sim, true, equal_at_end);
        check_closed(sim);
        sim_check_logs(sim);
        sim_record_check_end(sim);
        sim_clients_check_end(sim);
        sim_crowd_check_end(sim);
    }
}

void sim_run(const struct sim_options *options, struct sim_result *result)
{
    struct sim *sim = sim_checked(malloc(sizeof *sim));
    open_run(sim, options);
    (void)run_until(sim, NULL, 0, STORM_MS);
    if (!stopped(sim)) {
        end_run(sim);
    }
    sim_trace(sim, sim->step);
    sim->report.counts[SIM_steps] = sim->step;
    sim->report.counts[SIM_virtual_ms] = sim->now_ms;
    *result =
        (struct sim_result){.passed = sim->broken[0] == 0,
                            .stopped = options->until_step != 0 && sim->step >= options->until_step,
                            .step = sim->step,
                            .time_ms = sim->now_ms,
                            .node_count = sim->node_count,
                            .trace = sim->trace,
                            .report = sim->report};
    memcpy(result->broken, sim->broken, sizeof result->broken);
    close_run(sim);
    free(sim);
}
