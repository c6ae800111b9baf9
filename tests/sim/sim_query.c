/* What nodes say, compared with what the model says. */
#include "sim/sim_query.h"

#include <inttypes.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "sim/sim_disk.h"
#include "sim/sim_model.h"
#include "sim/sim_unpack.h"

static enum conclave_code ask(struct sim *sim, unsigned node, const char *method,
                              const char *const pairs[][2], uint32_t pair_count,
                              struct buffer *reply)
{
    struct buffer params;
    buffer_init(&params, 4096);
    codec_write_map(&params, pair_count);
    for (uint32_t i = 0; i < pair_count; i++) {
        codec_write_text(&params, pairs[i][0]);
        codec_write_text(&params, pairs[i][1]);
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    ASSERT(msgpack_unpack_next(&unpacked, (const char *)params.data, params.size, NULL) ==
           MSGPACK_UNPACK_SUCCESS);
    struct codec_error error = {.text = ""};
    buffer_clear(reply);
    enum conclave_code rv = replica_query(sim->nodes[node].replica, slice_of_text(method),
                                          &unpacked.data, reply, &error);
    msgpack_unpacked_destroy(&unpacked);
    buffer_close(&params);
    return rv;
}

struct comparing {
    struct sim *sim;
    unsigned node;
    const char *poll;
    uint64_t index;
    unsigned question;
};

static void compare(const struct comparing *comparing, const char *what, uint64_t have,
                    uint64_t expected)
{
    if (have != expected) {
        sim_break(comparing->sim,
                  "I9: node %u shows %s %" PRIu64 " of poll %s, question %u, at %" PRIu64
                  ": a recount gives %" PRIu64,
                  comparing->node, what, have, comparing->poll, comparing->question,
                  comparing->index, expected);
    }
}

static void compare_two(const struct comparing *comparing, const char *what,
                        const msgpack_object *have, const uint64_t expected[2])
{
    compare(comparing, what, unpack_u64(unpack_item(have, 0), UINT64_MAX), expected[0]);
    compare(comparing, what, unpack_u64(unpack_item(have, 1), UINT64_MAX), expected[1]);
}

static void compare_figures(const struct comparing *comparing, const msgpack_object *tally,
                            const struct sim_figures *figures)
{
    compare(comparing, "ballots", unpack_u64(unpack_get(tally, "ballots"), UINT64_MAX),
            figures->ballots);
    compare(comparing, "left_out", unpack_u64(unpack_get(tally, "left_out"), UINT64_MAX),
            figures->left_out);
    compare(comparing, "score_sum", unpack_u64(unpack_get(tally, "score_sum"), UINT64_MAX),
            figures->score_sum);
    compare_two(comparing, "yes", unpack_get(tally, "yes"), figures->yes);
    compare_two(comparing, "no", unpack_get(tally, "no"), figures->no);
    compare_two(comparing, "abstain", unpack_get(tally, "abstain"), figures->abstain);
    compare_two(comparing, "scored", unpack_get(tally, "scored"), figures->scored);
    const msgpack_object *roll = unpack_get(tally, "roll");
    compare(comparing, "roll heads", unpack_u64(unpack_get(roll, "heads"), UINT64_MAX),
            figures->heads);
    compare(comparing, "roll weight", unpack_u64(unpack_get(roll, "weight"), UINT64_MAX),
            figures->weight);
    compare(comparing, "veto class", unpack_u64(unpack_get(roll, "veto_class"), UINT64_MAX),
            figures->veto_class);
    compare(comparing, "experts", unpack_u64(unpack_get(roll, "experts"), UINT64_MAX),
            figures->experts);
}

static void compare_verdict(const struct comparing *comparing, const msgpack_object *verdict,
                            const struct sim_figures *figures)
{
    const msgpack_object *outcome = unpack_get(verdict, "outcome");
    if (!unpack_is(outcome, figures->outcome)) {
        struct slice text = unpack_bytes(outcome);
        sim_break(comparing->sim,
                  "I9: node %u says %.*s of poll %s, question %u, at %" PRIu64
                  ": a recount gives %s",
                  comparing->node, (int)text.size, (const char *)text.data, comparing->poll,
                  comparing->question, comparing->index, figures->outcome);
        return;
    }
    compare_two(comparing, "quorum", unpack_get(verdict, "quorum"), figures->quorum);
    compare_two(comparing, "veto", unpack_get(verdict, "veto"), figures->veto);
    compare_two(comparing, "support", unpack_get(verdict, "support"), figures->support);
    compare(comparing, "approvals", unpack_u64(unpack_get(verdict, "approvals"), UINT64_MAX),
            figures->approvals);
    compare(comparing, "objections", unpack_u64(unpack_get(verdict, "objections"), UINT64_MAX),
            figures->objections);
}

static void compare_tally(struct comparing *comparing, const msgpack_object *root)
{
    struct sim *sim = comparing->sim;
    const struct sim_poll *poll = sim_model_poll(sim, comparing->poll);
    const struct sim_moment *moment = poll == NULL ? NULL
                                                   : sim_model_moment(poll, comparing->index);
    if (moment == NULL) {
        sim_break(sim, "I6: node %u shows poll %s at %" PRIu64 ", before it was opened",
                  comparing->node, comparing->poll, comparing->index);
        return;
    }
    const msgpack_object *questions = unpack_get(root, "questions");
    if (!unpack_is(unpack_get(root, "state"), moment->state) ||
        unpack_size(questions) != poll->question_count) {
        sim_break(sim, "I9: node %u has poll %s not %s at %" PRIu64, comparing->node,
                  comparing->poll, moment->state, comparing->index);
        return;
    }
    for (unsigned q = 0; q < poll->question_count; q++) {
        comparing->question = q;
        const msgpack_object *tally = unpack_item(questions, q);
        compare_figures(comparing, tally, &moment->figures[q]);
        compare_verdict(comparing, unpack_get(tally, "verdict"), &moment->figures[q]);
    }
}

static uint64_t applied_of(struct sim *sim, unsigned node)
{
    struct replica_status status;
    replica_status(sim->nodes[node].replica, &status);
    return status.applied_index;
}

uint64_t sim_query_tally(struct sim *sim, unsigned node, const char *poll)
{
    const char *const pairs[1][2] = {{"poll", poll}};
    struct comparing comparing = {.sim = sim, .node = node, .poll = poll};
    struct buffer reply;
    buffer_init(&reply, LIMIT_ANSWER_BYTES);
    enum conclave_code rv = ask(sim, node, "tally", pairs, 1, &reply);
    uint64_t applied = applied_of(sim, node);
    if (rv == CONCLAVE_OK) {
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        ASSERT(msgpack_unpack_next(&unpacked, (const char *)reply.data, reply.size, NULL) ==
               MSGPACK_UNPACK_SUCCESS);
        comparing.index = unpack_u64(unpack_get(&unpacked.data, "index"), 0);
        if (comparing.index != applied) {
            sim_break(sim, "I6: node %u answers for %" PRIu64 " and has applied %" PRIu64, node,
                      comparing.index, applied);
        }
        compare_tally(&comparing, &unpacked.data);
        msgpack_unpacked_destroy(&unpacked);
    } else if (rv == CONCLAVE_CORRUPT && sim_disk_state_rotten(sim->nodes[node].disk)) {
        sim_count(sim, SIM_state_rot_found);
    } else {
        const struct sim_poll *known = sim_model_poll(sim, poll);
        if (rv != CONCLAVE_UNKNOWN_POLL ||
            (known != NULL && sim_model_moment(known, applied) != NULL)) {
            sim_break(sim, "I6: node %u at %" PRIu64 " says %s of poll %s", node, applied,
                      conclave_code_name(rv), poll);
        }
    }
    sim_trace_bytes(sim, buffer_slice(&reply));
    buffer_close(&reply);
    return applied;
}

void sim_query_counts(struct sim *sim, unsigned node)
{
    struct buffer reply;
    buffer_init(&reply, LIMIT_ANSWER_BYTES);
    if (ask(sim, node, "cluster.get", NULL, 0, &reply) != CONCLAVE_OK) {
        sim_break(sim, "node %u does not answer cluster.get", node);
        buffer_close(&reply);
        return;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    ASSERT(msgpack_unpack_next(&unpacked, (const char *)reply.data, reply.size, NULL) ==
           MSGPACK_UNPACK_SUCCESS);
    const msgpack_object *counts = unpack_get(&unpacked.data, "counts");
    const struct {
        const char *name;
        uint64_t expected;
    } wanted[] = {{"members", sim->model->member_count},
                  {"polls", sim->model->poll_count},
                  {"ballots", sim->model->ballots},
                  {"commands", sim->model->commands},
                  {"refused", sim->model->refused}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        uint64_t have = unpack_u64(unpack_get(counts, wanted[i].name), UINT64_MAX);
        if (have != wanted[i].expected) {
            sim_break(sim, "I2: node %u counts %" PRIu64 " %s, a recount gives %" PRIu64, node,
                      have, wanted[i].name, wanted[i].expected);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    buffer_close(&reply);
}

void sim_query_ballots(struct sim *sim, unsigned node, const char *id)
{
    const struct sim_poll *poll = sim_model_poll(sim, id);
    struct buffer reply;
    buffer_init(&reply, LIMIT_ANSWER_BYTES);
    for (unsigned i = 0; i < poll->voter_count; i++) {
        const struct sim_voter *voter = &poll->voters[i];
        const char *member = sim->model->members[voter->member].id;
        const char *const pairs[2][2] = {{"poll", id}, {"member", member}};
        uint64_t number = 0;
        if (ask(sim, node, "ballot.get", pairs, 2, &reply) == CONCLAVE_OK) {
            msgpack_unpacked unpacked;
            msgpack_unpacked_init(&unpacked);
            ASSERT(msgpack_unpack_next(&unpacked, (const char *)reply.data, reply.size, NULL) ==
                   MSGPACK_UNPACK_SUCCESS);
            number = unpack_u64(unpack_get(&unpacked.data, "ballot"), 0);
            msgpack_unpacked_destroy(&unpacked);
        }
        if (number != voter->ballots) {
            sim_break(sim,
                      "I2: node %u has %" PRIu64 " ballots of %s in poll %s, a recount gives "
                      "%" PRIu64,
                      node, number, member, id, voter->ballots);
        }
    }
    buffer_close(&reply);
}
