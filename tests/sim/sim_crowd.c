/* Too many commands at once. */
#include "sim/sim_crowd.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/sim_commands.h"
#include "sim/sim_model.h"
#include "sim/sim_op.h"

#define COMMANDS 700u

struct waiting {
    struct sim_op *op;
    uint64_t token;
};

struct sim_crowd {
    struct waiting waiting[COMMANDS];
    unsigned count;
    unsigned sent;              /* over all gatherings of the run */
    uint64_t refused[COMMANDS]; /* hashes of what surely is not in the log */
    unsigned refused_count;
    unsigned node;
    uint64_t until_ms;
    uint64_t sent_ms;
    uint64_t looked_ms;
    struct buffer body;
};

void sim_crowd_open(struct sim *sim)
{
    sim->crowd = sim_checked(calloc(1, sizeof *sim->crowd));
    buffer_init(&sim->crowd->body, LIMIT_COMMAND_BYTES);
}

void sim_crowd_close(struct sim *sim)
{
    for (unsigned i = 0; i < sim->crowd->count; i++) {
        sim_op_free(sim->crowd->waiting[i].op);
    }
    buffer_close(&sim->crowd->body);
    free(sim->crowd);
}

void sim_crowd_gather(struct sim *sim, unsigned node, uint64_t until_ms)
{
    sim->crowd->node = node;
    sim->crowd->until_ms = until_ms;
}

static void send_one(struct sim *sim)
{
    struct sim_crowd *crowd = sim->crowd;
    const struct sim_model *model = sim->model;
    unsigned actor = 1 + (unsigned)sim_random_below(&sim->whim, SIM_PEOPLE);
    unsigned member = 0;
    while (member < model->member_count &&
           strcmp(model->members[member].id, sim_op_actor(sim, actor)->id) != 0) {
        member++;
    }
    if (member == model->member_count || model->poll_count == 0 || crowd->sent == COMMANDS) {
        return;
    }
    const struct sim_poll *poll = model->polls[sim_random_below(&sim->whim, model->poll_count)];
    const char *kind = sim_command_ballot(sim, &crowd->body, member, poll->id);
    struct waiting *waiting = &crowd->waiting[crowd->count++];
    crowd->sent++;
    waiting->op = sim_op_make(sim, actor, kind, buffer_slice(&crowd->body), 3600000);
    waiting->token =
        sim_submit(sim, crowd->node, slice_of(waiting->op->bytes, waiting->op->size), 2000);
}

/* Answers that can be looked up in the log by now. */
static void look(struct sim *sim)
{
    struct sim_crowd *crowd = sim->crowd;
    unsigned kept = 0;
    for (unsigned i = 0; i < crowd->count; i++) {
        struct waiting waiting = crowd->waiting[i];
        const struct sim_request *request = sim_request(sim, waiting.token);
        bool decided = request->state == SIM_ANSWERED && request->code == CONCLAVE_OK;
        if (request->state == SIM_WAITING ||
            (decided && sim_op_reply_index(request->reply) > sim->model->index)) {
            crowd->waiting[kept++] = waiting;
            continue;
        }
        if (decided) {
            sim_op_reply(sim, waiting.op, request->reply);
            SOMETIMES(sim, true, crowd_decided);
        }
        if (request->state == SIM_ANSWERED &&
            (request->code == CONCLAVE_BUSY || request->code == CONCLAVE_DISK_FULL)) {
            crowd->refused[crowd->refused_count++] = waiting.op->hash;
            SOMETIMES(sim, true, crowd_refused);
        }
        sim_op_free(waiting.op);
    }
    crowd->count = kept;
}

void sim_crowd_run(struct sim *sim)
{
    struct sim_crowd *crowd = sim->crowd;
    if (crowd->count > 0 && sim->now_ms >= crowd->looked_ms + 40) {
        crowd->looked_ms = sim->now_ms;
        look(sim);
    }
    if (sim->now_ms < crowd->until_ms && sim->now_ms != crowd->sent_ms && !sim->calm) {
        crowd->sent_ms = sim->now_ms;
        send_one(sim);
    }
}

void sim_crowd_check_end(struct sim *sim)
{
    const struct sim_crowd *crowd = sim->crowd;
    for (unsigned i = 0; i < crowd->refused_count; i++) {
        uint64_t index = sim_model_has(sim, crowd->refused[i]);
        if (index != 0 && !sim_op_elsewhere(sim, crowd->refused[i])) {
            sim_break(sim, "I2: the log has a command at %" PRIu64 " that was refused", index);
        }
    }
}
