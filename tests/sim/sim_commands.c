/* Bodies of commands, by docs/PROTOCOL.md. */
#include "sim/sim_commands.h"

#include <stdio.h>

#include "codec/writer.h"
#include "sim/sim_model.h"

static uint64_t lot(struct sim *sim, uint64_t bound)
{
    return sim_random_below(&sim->whim, bound);
}

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

static void labels(struct sim *sim, struct buffer *body, const char *name, const char *const all[2])
{
    uint64_t which = lot(sim, 4);
    codec_write_text(body, name);
    codec_write_array(body, (uint32_t)((which & 1) + (which >> 1)));
    for (unsigned i = 0; i < 2; i++) {
        if ((which >> i & 1) != 0) {
            codec_write_text(body, all[i]);
        }
    }
}

static const char *const classes[2] = {"architect", "general"};
static const char *const roles[2] = {"expert:technical", "scribe"};

const char *sim_command_admit(struct sim *sim, struct buffer *body, const struct actor *who)
{
    buffer_clear(body);
    codec_write_map(body, 5);
    pair(body, "id", who->id);
    codec_write_text(body, "key");
    codec_write_bytes(body, slice_of(who->key.public_key, sizeof who->key.public_key));
    pair_number(body, "weight", 1 + lot(sim, 5));
    labels(sim, body, "classes", classes);
    labels(sim, body, "roles", roles);
    return "member.admit";
}

static void veto(struct sim *sim, struct buffer *body, bool score)
{
    codec_write_text(body, "veto");
    codec_write_map(body, 6);
    pair(body, "class", "architect");
    codec_write_text(body, "trigger");
    if (score && lot(sim, 2) == 0) {
        codec_write_array(body, 2);
        codec_write_text(body, "score");
        codec_write_u64(body, 2 + lot(sim, 2));
    } else {
        codec_write_text(body, "explicit");
    }
    pair_number(body, "justification", lot(sim, 20));
    pair(body, "share_of", lot(sim, 2) == 0 ? "roll" : "answered");
    uint64_t of = 3 + lot(sim, 4);
    uint64_t revise = 1 + lot(sim, of - 1);
    uint64_t reject = revise + lot(sim, of - revise + 1);
    codec_write_text(body, "reject");
    codec_write_array(body, 2);
    codec_write_u64(body, reject);
    codec_write_u64(body, of);
    codec_write_text(body, "revise");
    codec_write_array(body, 2);
    codec_write_u64(body, revise);
    codec_write_u64(body, of);
}

static void quorum(struct sim *sim, struct buffer *body)
{
    codec_write_text(body, "quorum");
    codec_write_array(body, 3);
    codec_write_u64(body, 1 + lot(sim, 2));
    codec_write_u64(body, 3);
    codec_write_text(body, lot(sim, 2) == 0 ? "heads" : "weight");
}

const char *sim_command_policy(struct sim *sim, struct buffer *body, unsigned number)
{
    static const char *const bases[] = {"decisive", "cast", "eligible"};
    char id[SIM_NAME];
    (void)snprintf(id, sizeof id, "policy-%u", number);
    bool score = lot(sim, 3) == 0;
    bool has_quorum = lot(sim, 2) == 0;
    bool has_veto = lot(sim, 2) == 0;
    bool has_experts = lot(sim, 3) == 0;
    bool required = lot(sim, 5) == 0;
    bool early = number % 2 == 0;
    bool final = early || lot(sim, 3) == 0;
    buffer_clear(body);
    codec_write_map(body, 2);
    pair(body, "id", id);
    codec_write_text(body, "policy");
    codec_write_map(body, (uint32_t)(3 + (score ? 2 : 1) + has_quorum + has_veto + has_experts +
                                     required + early));
    pair(body, "method", score ? "score" : "yesno");
    if (score) {
        pair_number(body, "min", 1);
        pair_number(body, "max", 10);
    } else {
        pair(body, "base", bases[lot(sim, 3)]);
    }
    codec_write_text(body, "pass");
    codec_write_array(body, 3);
    codec_write_u64(body, 1 + lot(sim, 2));
    codec_write_u64(body, 2 + lot(sim, 3));
    codec_write_text(body, lot(sim, 2) == 0 ? ">" : ">=");
    if (has_quorum) {
        quorum(sim, body);
    }
    if (has_veto) {
        veto(sim, body, score);
    }
    if (has_experts) {
        codec_write_text(body, "experts");
        codec_write_map(body, 3);
        pair(body, "domain", "technical");
        pair_number(body, "approvals", lot(sim, 3));
        pair_number(body, "objections", lot(sim, 2));
    }
    if (required) {
        codec_write_text(body, "rationale");
        codec_write_map(body, 1);
        pair(body, "mode", "required");
    }
    pair(body, "revote", final ? "final" : "allowed");
    if (early) {
        codec_write_text(body, "early_close");
        codec_write_map(body, 1);
        pair_number(body, "min_open_ms", lot(sim, 1500));
    }
    return "policy.put";
}

const char *sim_command_open(struct sim *sim, struct buffer *body, unsigned number)
{
    static const char *const presets[] = {"simple-majority", "super-majority-80", "unanimous"};
    char name[SIM_NAME];
    (void)snprintf(name, sizeof name, "poll-%u", number);
    bool some = lot(sim, 4) == 0;
    bool early = lot(sim, 2) == 0;
    uint32_t questions = 1 + (uint32_t)lot(sim, SIM_QUESTIONS);
    buffer_clear(body);
    codec_write_map(body, some ? 5 : 4);
    pair(body, "id", name);
    pair(body, "title", "What shall we do?");
    codec_write_text(body, "questions");
    codec_write_array(body, questions);
    for (uint32_t i = 0; i < questions; i++) {
        codec_write_map(body, 3);
        (void)snprintf(name, sizeof name, "q%u", i);
        pair(body, "id", name);
        pair(body, "title", "Shall we?");
        if (early || lot(sim, 4) != 0) {
            uint64_t policy = lot(sim, SIM_POLICIES);
            policy = early ? policy / 2 * 2 : policy; /* even ones close early */
            (void)snprintf(name, sizeof name, "policy-%u", (unsigned)policy);
            pair(body, "policy", name);
        } else {
            pair(body, "policy", presets[lot(sim, 3)]);
        }
    }
    pair_number(body, "open_for_ms",
                lot(sim, 3) == 0 ? 600 + lot(sim, 2000) : 2000 + lot(sim, 8000));
    if (some) {
        codec_write_text(body, "classes");
        codec_write_array(body, 1);
        codec_write_text(body, classes[lot(sim, 2)]);
    }
    return "poll.open";
}

const char *sim_command_update(struct sim *sim, struct buffer *body, unsigned member)
{
    const struct sim_member *known = &sim->model->members[member];
    buffer_clear(body);
    codec_write_map(body, 2);
    pair(body, "id", known->id);
    switch (lot(sim, 4)) {
    case 0:
        pair_number(body, "weight", 1 + lot(sim, 9));
        break;
    case 1:
        labels(sim, body, "classes", classes);
        break;
    case 2:
        labels(sim, body, "roles", roles);
        break;
    default:
        pair(body, "status", lot(sim, 2) == 0 ? "suspended" : "active");
        break;
    }
    return "member.update";
}

const char *sim_command_end(struct sim *sim, struct buffer *body, const char *poll, bool cancel)
{
    (void)sim;
    buffer_clear(body);
    codec_write_map(body, cancel ? 2 : 1);
    pair(body, "id", poll);
    if (cancel) {
        pair(body, "reason", "It is moot.");
    }
    return cancel ? "poll.cancel" : "poll.close";
}

static void choose(struct sim *sim, struct buffer *body, const struct sim_rule *rule)
{
    static const char *const answers[] = {"yes", "yes", "no", "no", "abstain", "perhaps"};
    codec_write_text(body, "a");
    if (!rule->score) {
        codec_write_text(body, answers[lot(sim, lot(sim, 20) == 0 ? 6 : 5)]);
    } else if (lot(sim, 8) == 0) {
        codec_write_text(body, "abstain");
    } else {
        codec_write_u64(body, lot(sim, 20) == 0 ? 11 : 1 + lot(sim, 10));
    }
}

static void write_answer(struct sim *sim, struct buffer *body, const struct sim_poll *poll,
                         const struct sim_voter *voter, unsigned question)
{
    static const char reason[] = "for reasons that were given in the meeting";
    const struct sim_rule *rule = &poll->rules[question];
    bool elector = voter == NULL || voter->elector;
    bool has_veto = rule->veto && rule->veto_explicit && voter != NULL &&
                    lot(sim, voter->vetoer[question] ? 3 : 12) == 0;
    bool has_review = rule->experts && voter != NULL && voter->expert[question] && lot(sim, 2) == 0;
    bool has_choice = elector || !has_review || lot(sim, 8) == 0;
    bool has_why = rule->required ? lot(sim, 15) != 0 : lot(sim, 2) == 0;
    codec_write_map(body, (uint32_t)(1 + has_veto + has_review + has_choice + has_why));
    pair(body, "q", poll->questions[question]);
    if (has_choice) {
        choose(sim, body, rule);
    }
    if (has_why) {
        codec_write_text(body, "why");
        codec_write_string(body, slice_of(reason, 1 + (size_t)lot(sim, sizeof reason - 1)));
    }
    if (has_veto) {
        codec_write_text(body, "veto");
        codec_write_bool(body, true);
    }
    if (has_review) {
        pair(body, "review", lot(sim, 4) == 0 ? "object" : "approve");
    }
}

const char *sim_command_ballot(struct sim *sim, struct buffer *body, unsigned member,
                               const char *id)
{
    const struct sim_poll *poll = sim_model_poll(sim, id);
    ASSERT(poll != NULL);
    const struct sim_voter *voter = NULL;
    for (unsigned i = 0; i < poll->voter_count; i++) {
        voter = poll->voters[i].member == member ? &poll->voters[i] : voter;
    }
    bool included[SIM_QUESTIONS] = {false};
    uint32_t count = 0;
    for (unsigned q = 0; q < poll->question_count; q++) {
        included[q] = poll->question_count == 1 ? lot(sim, 30) != 0 : lot(sim, 5) != 0;
        count += included[q];
    }
    bool claims = lot(sim, 2) == 0;
    buffer_clear(body);
    codec_write_map(body, claims ? 3 : 2);
    pair(body, "poll", id);
    codec_write_text(body, "answers");
    codec_write_array(body, count);
    for (unsigned q = 0; q < poll->question_count; q++) {
        if (included[q]) {
            write_answer(sim, body, poll, voter, q);
        }
    }
    if (claims) { /* a claim, never used: here, an hour too early */
        pair_number(body, "claimed_at", sim_wall_ms(sim) - 3600000);
    }
    return "ballot.cast";
}
