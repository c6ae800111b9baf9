/* The shape "tally", and the query of that name. */
#include "model/decision.h"
#include "model/query_poll.h"

#define TALLY_PAIRS   19u
#define VERDICT_PAIRS 12u

enum conclave_code query_load_poll(const struct query *query, struct slice id, struct poll *poll)
{
    uint32_t number;
    enum conclave_code code = query_poll_number(query, id, &number);
    return code == CONCLAVE_OK ? poll_load(query->transaction, number, poll) : code;
}

static void write_verdict(struct buffer *buffer, const struct tally_verdict *verdict,
                          struct slice text)
{
    codec_write_text(buffer, "verdict");
    codec_write_map(buffer, VERDICT_PAIRS);
    pair_text(buffer, "outcome", tally_outcome_name(verdict->outcome));
    pair_string(buffer, "text", text);
    pair_two(buffer, "support", verdict->support, verdict->support_of);
    pair_bool(buffer, "passes", verdict->support_passes);
    pair_two(buffer, "quorum", verdict->quorum_have, verdict->quorum_of);
    pair_bool(buffer, "quorum_met", verdict->quorum_met);
    pair_two(buffer, "veto", verdict->veto_have, verdict->veto_of);
    pair_bool(buffer, "veto_rejects", verdict->veto_rejects);
    pair_bool(buffer, "veto_revises", verdict->veto_revises);
    pair_u64(buffer, "approvals", verdict->approvals);
    pair_u64(buffer, "objections", verdict->objections);
    pair_bool(buffer, "experts_met", verdict->experts_met);
}

static enum conclave_code write_verdict_of(const struct query *query, struct buffer *buffer,
                                           const struct poll *poll, uint32_t question)
{
    if (poll->state == POLL_STATE_OPEN) {
        struct tally_verdict verdict;
        char text[TALLY_TEXT_BYTES];
        decision_verdict_now(poll, question, &verdict);
        tally_explain(&verdict, &poll->questions[question].policy.rule, text);
        write_verdict(buffer, &verdict, slice_of_text(text));
        return CONCLAVE_OK;
    }
    struct decision decision;
    enum conclave_code code =
        decision_load(query->transaction, poll->id, poll->questions[question].id, &decision);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
    }
    write_verdict(buffer, &decision.verdict, decision.text);
    return CONCLAVE_OK;
}

static void write_figures(struct buffer *buffer, const struct poll *poll, uint32_t question)
{
    const struct tally *tally = &poll->counts[question].tally;
    uint64_t answers = tally->yes_heads + tally->no_heads + tally->abstain_heads +
                       tally->scored_heads;
    ASSERT(answers <= poll->cast_heads);
    pair_u64(buffer, "ballots", poll->voters);
    pair_u64(buffer, "answers", answers);
    pair_two(buffer, "yes", tally->yes_heads, tally->yes_weight);
    pair_two(buffer, "no", tally->no_heads, tally->no_weight);
    pair_two(buffer, "abstain", tally->abstain_heads, tally->abstain_weight);
    pair_two(buffer, "scored", tally->scored_heads, tally->scored_weight);
    pair_u64(buffer, "score_sum", tally->score_sum);
    pair_u64(buffer, "left_out", poll->cast_heads - answers);
}

enum conclave_code query_write_tally(const struct query *query, struct buffer *buffer,
                                     const struct poll *poll, uint32_t question)
{
    const struct poll_question *asked = &poll->questions[question];
    struct tally_roll roll = poll_question_roll(poll, question);
    codec_write_map(buffer, TALLY_PAIRS);
    pair_string(buffer, "question", asked->id);
    pair_string(buffer, "title", asked->title);
    pair_string_or_nil(buffer, "proposal", asked->proposal);
    pair_u64(buffer, "proposal_revision", asked->proposal_revision);
    pair_string(buffer, "policy", asked->policy_id);
    pair_u64(buffer, "policy_version", asked->policy_version);
    pair_text(buffer, "method", asked->policy.rule.method == TALLY_YESNO ? "yesno" : "score");
    codec_write_text(buffer, "rule");
    policy_write(buffer, &asked->policy);
    write_figures(buffer, poll, question);
    codec_write_text(buffer, "roll");
    codec_write_map(buffer, 4);
    pair_u64(buffer, "heads", roll.heads);
    pair_u64(buffer, "weight", roll.weight);
    pair_u64(buffer, "veto_class", roll.veto_heads);
    pair_u64(buffer, "experts", roll.expert_heads);
    pair_string_or_nil(buffer, "supersedes", asked->supersedes);
    return write_verdict_of(query, buffer, poll, question);
}

static enum conclave_code write_tallies(const struct query *query,
                                        const struct query_params *params, const struct poll *poll)
{
    uint32_t first = 0;
    uint32_t count = poll->question_count;
    if (params->question.data != NULL) {
        first = poll_question_find(poll, params->question);
        count = 1;
        if (first == UINT32_MAX) {
            return query_refuse(query, CONCLAVE_NOT_FOUND, "poll \"%.*s\" has no question \"%.*s\"",
                                TEXT_ARGUMENTS(params->poll), TEXT_ARGUMENTS(params->question));
        }
    }
    query_begin(query, 3);
    pair_string(query->answer, "poll", poll->id);
    pair_text(query->answer, "state", poll_state_name(poll->state));
    codec_write_text(query->answer, "questions");
    codec_write_array(query->answer, count);
    enum conclave_code code = CONCLAVE_OK;
    for (uint32_t i = first; code == CONCLAVE_OK && i < first + count; i++) {
        code = query_write_tally(query, query->answer, poll, i);
    }
    return code;
}

enum conclave_code query_tally(const struct query *query)
{
    static const char *const wanted[] = {"!poll", "question", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = query_load_poll(query, params.poll, poll);
    if (code == CONCLAVE_OK) {
        code = write_tallies(query, &params, poll);
    }
    poll_free(poll);
    return code;
}
