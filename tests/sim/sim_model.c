/* Governance, once more. */
#include "sim/sim_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim_op.h"
#include "sim/sim_policy.h"
#include "sim/sim_record.h"
#include "sim/sim_seats.h"
#include "sim/sim_unpack.h"

#define DAY_MS (24u * 3600u * 1000u)

void sim_model_open(struct sim *sim)
{
    struct sim_model *model = sim->model = sim_checked(calloc(1, sizeof *sim->model));
    /* The presets of docs/SEMANTICS.md that the simulator uses. */
    static const struct sim_policy presets[] = {
        {"simple-majority",
         {.base = 'd', .pass = {1, 2}, .quorum = 'h', .quorum_share = {1, 2}, .max = 1}},
        {"super-majority-80",
         {.base = 'd',
          .pass = {80, 100},
          .at_least = true,
          .quorum = 'h',
          .quorum_share = {1, 2},
          .max = 1}},
        {"unanimous",
         {.base = 'd',
          .pass = {1, 1},
          .at_least = true,
          .quorum = 'h',
          .quorum_share = {1, 1},
          .max = 1}},
    };
    memcpy(model->policies, presets, sizeof presets);
    model->policy_count = sizeof presets / sizeof presets[0];
}

void sim_model_close(struct sim *sim)
{
    struct sim_model *model = sim->model;
    for (unsigned i = 0; i < model->poll_count; i++) {
        free(model->polls[i]->moments);
        free(model->polls[i]);
    }
    free(model->decisions);
    free(model->kept);
    free(model);
}

static struct sim_member *member_of(struct sim_model *model, struct slice id)
{
    for (unsigned i = 0; i < model->member_count; i++) {
        if (slice_is_text(id, model->members[i].id)) {
            return &model->members[i];
        }
    }
    return NULL;
}

static struct sim_poll *poll_of(const struct sim_model *model, struct slice id)
{
    for (unsigned i = 0; i < model->poll_count; i++) {
        if (slice_is_text(id, model->polls[i]->id)) {
            return model->polls[i];
        }
    }
    return NULL;
}

struct sim_poll *sim_model_poll(const struct sim *sim, const char *id)
{
    return poll_of(sim->model, slice_of_text(id));
}

static bool has_label(char labels[SIM_LABELS][SIM_NAME], unsigned count, const char *prefix,
                      const char *label)
{
    size_t size = strlen(prefix);
    for (unsigned i = 0; i < count; i++) {
        if (strncmp(labels[i], prefix, size) == 0 && strcmp(labels[i] + size, label) == 0) {
            return true;
        }
    }
    return false;
}

static void set_labels(char labels[SIM_LABELS][SIM_NAME], unsigned *count,
                       const msgpack_object *array)
{
    if (array == NULL) {
        return;
    }
    *count = unpack_size(array);
    ASSERT(*count <= SIM_LABELS);
    for (unsigned i = 0; i < *count; i++) {
        sim_model_name(labels[i], unpack_item(array, i));
    }
}

/* --- Members --- */

static void update(struct sim_member *member, const msgpack_object *body)
{
    member->weight = unpack_u64(unpack_get(body, "weight"), member->weight);
    set_labels(member->classes, &member->class_count, unpack_get(body, "classes"));
    set_labels(member->roles, &member->role_count, unpack_get(body, "roles"));
    const msgpack_object *status = unpack_get(body, "status");
    if (status != NULL) {
        member->active = unpack_is(status, "active");
    }
}

static const char *admit(struct sim_model *model, const msgpack_object *body)
{
    if (member_of(model, unpack_bytes(unpack_get(body, "id"))) != NULL) {
        return "duplicate_id";
    }
    ASSERT(model->member_count < SIM_MEMBERS);
    struct sim_member *member = &model->members[model->member_count++];
    *member = (struct sim_member){.weight = 1, .active = true};
    sim_model_name(member->id, unpack_get(body, "id"));
    update(member, body);
    return "ok";
}

static const char *update_member(struct sim *sim, const msgpack_object *body)
{
    struct sim_member *member = member_of(sim->model, unpack_bytes(unpack_get(body, "id")));
    if (member == NULL) {
        return "unknown_member";
    }
    update(member, body);
    sim_count(sim, SIM_member_changed);
    return "ok";
}

/* --- Polls --- */

static void freeze_roll(struct sim_model *model, struct sim_poll *poll,
                        const msgpack_object *classes)
{
    for (unsigned m = 0; m < model->member_count; m++) {
        struct sim_member *member = &model->members[m];
        struct sim_voter voter = {.member = m, .weight = member->weight};
        bool on_roll = voter.elector = unpack_size(classes) == 0;
        for (uint32_t i = 0; i < unpack_size(classes); i++) {
            char label[SIM_NAME];
            sim_model_name(label, unpack_item(classes, i));
            on_roll = voter.elector = voter.elector ||
                                      has_label(member->classes, member->class_count, "", label);
        }
        for (unsigned q = 0; q < poll->question_count; q++) {
            const struct sim_rule *rule = &poll->rules[q];
            voter.vetoer[q] = rule->veto && voter.elector &&
                              has_label(member->classes, member->class_count, "", rule->veto_class);
            voter.expert[q] = rule->experts &&
                              has_label(member->roles, member->role_count, "expert:", rule->domain);
            on_roll = on_roll || voter.expert[q];
        }
        if (member->active && on_roll) {
            poll->voters[poll->voter_count++] = voter;
        }
    }
}

static const char *open_poll(struct sim_model *model, const msgpack_object *body)
{
    if (poll_of(model, unpack_bytes(unpack_get(body, "id"))) != NULL) {
        return "duplicate_id";
    }
    const msgpack_object *questions = unpack_get(body, "questions");
    ASSERT(unpack_size(questions) <= SIM_QUESTIONS && model->poll_count < SIM_POLLS);
    struct sim_poll *poll = sim_checked(calloc(1, sizeof *poll));
    sim_model_name(poll->id, unpack_get(body, "id"));
    poll->state = "open";
    poll->opened_ms = model->time_ms;
    poll->closes_ms = model->time_ms + unpack_u64(unpack_get(body, "open_for_ms"), 0);
    poll->question_count = unpack_size(questions);
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const msgpack_object *question = unpack_item(questions, i);
        sim_model_name(poll->questions[i], unpack_get(question, "id"));
        struct sim_policy *policy =
            sim_policy_of(model, unpack_bytes(unpack_get(question, "policy")));
        if (policy == NULL) {
            free(poll);
            return "unknown_policy";
        }
        poll->rules[i] = policy->rule;
    }
    freeze_roll(model, poll, unpack_get(body, "classes"));
    bool has_elector = false;
    for (unsigned i = 0; i < poll->voter_count; i++) {
        has_elector = has_elector || poll->voters[i].elector;
    }
    if (!has_elector) {
        free(poll);
        return "?";
    }
    poll->changed = true;
    model->polls[model->poll_count++] = poll;
    return "ok";
}

static bool settled(const struct sim_poll *poll, uint64_t time_ms)
{
    for (unsigned i = 0; i < poll->question_count; i++) {
        if (!poll->rules[i].early || !poll->rules[i].final ||
            time_ms < poll->opened_ms + poll->rules[i].min_open_ms ||
            !sim_recount_settled(poll, i)) {
            return false;
        }
    }
    return true;
}

static void end_poll(struct sim_poll *poll, const char *state)
{
    poll->state = state;
    poll->changed = true;
}

static void close_due(struct sim *sim, struct sim_poll *poll)
{
    if (poll == NULL || strcmp(poll->state, "open") != 0) {
        return;
    }
    if (sim->model->time_ms > poll->closes_ms) {
        sim_count(sim, SIM_poll_closed_by_deadline);
        end_poll(poll, "closed");
    } else if (settled(poll, sim->model->time_ms)) {
        sim_count(sim, SIM_poll_closed_settled);
        end_poll(poll, "closed");
    }
}

static const char *close_poll(struct sim *sim, const msgpack_object *body, bool cancel)
{
    struct sim_poll *poll = poll_of(sim->model, unpack_bytes(unpack_get(body, "id")));
    if (poll == NULL) {
        return "unknown_poll";
    }
    if (strcmp(poll->state, "open") != 0 || (cancel && sim->model->time_ms > poll->closes_ms)) {
        return "poll_closed";
    }
    sim_count(sim, cancel ? SIM_poll_cancelled : SIM_poll_closed_by_chair);
    end_poll(poll, cancel ? "cancelled" : "closed");
    return "ok";
}

/* --- Ballots --- */

static const char *take_choice(const struct sim_rule *rule, const struct sim_voter *voter,
                               const msgpack_object *value, struct sim_answer *given)
{
    if (value == NULL) {
        return "ok";
    }
    if (!voter->elector) {
        return "?";
    }
    if (unpack_is(value, "abstain")) {
        given->choice = SIM_ABSTAIN;
    } else if (rule->score) {
        given->choice = SIM_SCORE;
        given->score = unpack_u64(value, UINT64_MAX);
        return given->score >= rule->min && given->score <= rule->max ? "ok" : "?";
    } else if (unpack_is(value, "yes")) {
        given->choice = SIM_YES;
    } else if (unpack_is(value, "no")) {
        given->choice = SIM_NO;
    } else {
        return "?";
    }
    return "ok";
}

static const char *take_answer(const struct sim_poll *poll, struct sim_voter *voter,
                               const msgpack_object *map, struct sim_answer *answers)
{
    unsigned q = 0;
    while (q < poll->question_count && !unpack_is(unpack_get(map, "q"), poll->questions[q])) {
        q++;
    }
    if (q == poll->question_count) {
        return "?";
    }
    const struct sim_rule *rule = &poll->rules[q];
    struct sim_answer *given = &answers[q];
    size_t why_size = unpack_bytes(unpack_get(map, "why")).size;
    const msgpack_object *veto = unpack_get(map, "veto");
    const msgpack_object *review = unpack_get(map, "review");
    if (strcmp(take_choice(rule, voter, unpack_get(map, "a"), given), "ok") != 0) {
        return "?";
    }
    if (review != NULL && !voter->expert[q]) {
        return "?";
    }
    given->review = review == NULL ? 0 : unpack_is(review, "approve") ? 1 : -1;
    if (veto != NULL && veto->type == MSGPACK_OBJECT_BOOLEAN && veto->via.boolean) {
        bool may = rule->veto && rule->veto_explicit && voter->vetoer[q];
        bool fits = given->choice != SIM_LEFT_OUT && given->choice != SIM_YES;
        if (!may || !fits || why_size < rule->justification) {
            return "?";
        }
        given->veto = true;
    } else {
        given->veto = rule->veto && !rule->veto_explicit && voter->vetoer[q] &&
                      given->choice == SIM_SCORE && given->score <= rule->veto_score &&
                      why_size >= rule->justification;
    }
    if (given->choice == SIM_LEFT_OUT && given->review == 0) {
        return "?";
    }
    return rule->required && why_size == 0 && given->choice != SIM_LEFT_OUT ? "?" : "ok";
}

static bool answered(const struct sim_answer *given)
{
    return given->choice != SIM_LEFT_OUT || given->review != 0;
}

static const char *check_final(const struct sim_poll *poll, const struct sim_voter *voter,
                               const struct sim_answer *answers)
{
    for (unsigned q = 0; q < poll->question_count && voter->ballots > 0; q++) {
        if (poll->rules[q].final && (answered(&voter->answers[q]) || answered(&answers[q]))) {
            return "ballot_final";
        }
    }
    return "ok";
}

static void note_ballot(struct sim *sim, const struct sim_poll *poll, const struct sim_voter *voter)
{
    sim->model->ballots++;
    sim_count(sim, SIM_ballots_accepted);
    if (voter->ballots > 1) {
        sim_count(sim, SIM_ballot_revoted);
    }
    if (!sim->model->members[voter->member].active) {
        sim_count(sim, SIM_ballot_by_suspended);
    }
    if (sim->model->time_ms == poll->closes_ms) {
        sim_count(sim, SIM_ballot_at_last_instant);
    }
    for (unsigned q = 0; q < poll->question_count; q++) {
        sim->report.counts[SIM_veto_counted] += voter->answers[q].veto;
        sim->report.counts[SIM_review_counted] += voter->answers[q].review != 0;
    }
}

static const char *cast(struct sim *sim, unsigned author, const msgpack_object *body)
{
    struct sim_poll *poll = poll_of(sim->model, unpack_bytes(unpack_get(body, "poll")));
    if (poll == NULL) {
        return "unknown_poll";
    }
    if (strcmp(poll->state, "open") != 0 || sim->model->time_ms > poll->closes_ms) {
        sim_count(sim, SIM_ballot_late);
        return "poll_closed";
    }
    struct sim_voter *voter = NULL;
    for (unsigned i = 0; i < poll->voter_count; i++) {
        voter = poll->voters[i].member == author ? &poll->voters[i] : voter;
    }
    if (voter == NULL) {
        sim_count(sim, SIM_ballot_off_roll);
        return "not_on_roll";
    }
    struct sim_answer answers[SIM_QUESTIONS] = {0};
    const msgpack_object *list = unpack_get(body, "answers");
    const char *code = unpack_size(list) == 0 ? "?" : "ok";
    for (uint32_t i = 0; i < unpack_size(list) && strcmp(code, "ok") == 0; i++) {
        code = take_answer(poll, voter, unpack_item(list, i), answers);
    }
    if (strcmp(code, "ok") != 0) {
        sim_count(sim, SIM_ballot_malformed);
        return code;
    }
    code = check_final(poll, voter, answers);
    if (strcmp(code, "ok") != 0) {
        sim_count(sim, SIM_ballot_final);
        return code;
    }
    voter->ballots++;
    memcpy(voter->answers, answers, sizeof answers);
    poll->changed = true;
    note_ballot(sim, poll, voter);
    return "ok";
}

/* --- Commands --- */

static const char *apply(struct sim *sim, unsigned author, const msgpack_object *kind,
                         const msgpack_object *body)
{
    struct sim_model *model = sim->model;
    struct sim_member *member = &model->members[author];
    if (unpack_is(kind, "ballot.cast")) {
        return cast(sim, author, body);
    }
    if (!member->active) {
        return "not_active";
    }
    if (!has_label(member->roles, member->role_count, "", "chair")) {
        sim_count(sim, SIM_not_chair);
        return "not_chair";
    }
    if (unpack_is(kind, "member.admit")) {
        return admit(model, body);
    }
    if (unpack_is(kind, "member.update")) {
        return update_member(sim, body);
    }
    if (unpack_is(kind, "policy.put")) {
        return sim_policy_put(model, body);
    }
    if (unpack_is(kind, "poll.open")) {
        return open_poll(model, body);
    }
    if (unpack_is(kind, "node.add") || unpack_is(kind, "node.update") ||
        unpack_is(kind, "node.remove") || unpack_is(kind, "node.lead")) {
        return sim_seats_decide(sim, kind, body);
    }
    ASSERT(unpack_is(kind, "poll.close") || unpack_is(kind, "poll.cancel"));
    return close_poll(sim, body, unpack_is(kind, "poll.cancel"));
}

static void genesis(struct sim_model *model, const msgpack_object *body)
{
    const msgpack_object *chair = unpack_get(body, "chair");
    struct sim_member *member = &model->members[model->member_count++];
    *member = (struct sim_member){.weight = 1, .active = true, .role_count = 1};
    sim_model_name(member->id, unpack_get(chair, "id"));
    memcpy(member->roles[0], "chair", sizeof "chair");
}

static void keep(struct sim_model *model, unsigned author, struct slice nonce, size_t decision)
{
    if (model->kept_count == model->kept_capacity) {
        model->kept_capacity = model->kept_capacity * 2 + 256;
        model->kept = sim_checked(realloc(model->kept, model->kept_capacity * sizeof *model->kept));
    }
    struct sim_kept *kept = &model->kept[model->kept_count++];
    *kept = (struct sim_kept){.author = author, .decision = decision};
    ASSERT(nonce.size == sizeof kept->nonce);
    memcpy(kept->nonce, nonce.data, nonce.size);
}

static const struct sim_kept *find_kept(const struct sim_model *model, unsigned author,
                                        struct slice nonce)
{
    for (size_t i = model->kept_count; i > 0; i--) {
        const struct sim_kept *kept = &model->kept[i - 1];
        if (kept->author == author && slice_equal(nonce, slice_of(kept->nonce, 16))) {
            return kept;
        }
    }
    return NULL;
}

/* Fills in the code of the decision at hand, the last one. */
static void decide(struct sim *sim, const msgpack_object *envelope, struct sim_decision *decision)
{
    struct sim_model *model = sim->model;
    if (model->member_count == 0) {
        genesis(model, unpack_item(envelope, 6));
        decision->code = "ok";
        return;
    }
    if (!slice_equal(unpack_bytes(unpack_item(envelope, 1)), slice_of(sim->cluster_id, 16))) {
        decision->code = "wrong_cluster";
        return;
    }
    struct sim_member *member = member_of(model, unpack_bytes(unpack_item(envelope, 2)));
    uint64_t not_after_ms = unpack_u64(unpack_item(envelope, 4), 0);
    if (member == NULL || not_after_ms < model->time_ms) {
        decision->code = member == NULL ? "unknown_author" : "expired";
        sim->report.counts[SIM_command_expired] += member != NULL;
        return;
    }
    unsigned author = (unsigned)(member - model->members);
    struct slice nonce = unpack_bytes(unpack_item(envelope, 3));
    const struct sim_kept *kept = find_kept(model, author, nonce);
    if (kept == NULL) {
        decision->code =
            not_after_ms > model->time_ms + DAY_MS
                ? "not_after_too_far"
                : apply(sim, author, unpack_item(envelope, 5), unpack_item(envelope, 6));
        keep(model, author, nonce, model->decision_count - 1);
        return;
    }
    const struct sim_decision *first = &model->decisions[kept->decision];
    if (first->hash != decision->hash) {
        sim_count(sim, SIM_nonce_reused);
        decision->code = "nonce_reused";
        return;
    }
    sim_count(sim, SIM_command_twice_in_log);
    decision->first = false;
    decision->code = first->code;
    decision->answer_index = first->index;
    decision->answer_position = first->position;
}

static void command(struct sim *sim, uint32_t position, struct slice bytes)
{
    struct sim_model *model = sim->model;
    if (model->decision_count == model->decision_capacity) {
        model->decision_capacity = model->decision_capacity * 2 + 256;
        model->decisions = sim_checked(
            realloc(model->decisions, model->decision_capacity * sizeof *model->decisions));
    }
    struct sim_decision *decision = &model->decisions[model->decision_count++];
    *decision = (struct sim_decision){.index = model->index,
                                      .position = position,
                                      .time_ms = model->time_ms,
                                      .hash = XXH3_64bits(bytes.data, bytes.size),
                                      .first = true,
                                      .answer_index = model->index,
                                      .answer_position = position};
    if (!sim_op_signed(sim, decision->hash)) {
        sim_break(sim, "I7: the log has a command at %" PRIu64 ".%u that nobody signed",
                  model->index, position);
        return;
    }
    msgpack_unpacked outer;
    msgpack_unpacked inner;
    msgpack_unpacked_init(&outer);
    msgpack_unpacked_init(&inner);
    ASSERT(msgpack_unpack_next(&outer, (const char *)bytes.data, bytes.size, NULL) ==
           MSGPACK_UNPACK_SUCCESS);
    struct slice envelope = unpack_bytes(unpack_item(&outer.data, 0));
    ASSERT(msgpack_unpack_next(&inner, (const char *)envelope.data, envelope.size, NULL) ==
           MSGPACK_UNPACK_SUCCESS);
    decide(sim, &inner.data, decision);
    model->commands += decision->first;
    model->refused += decision->first && strcmp(decision->code, "ok") != 0;
    sim_count(sim, SIM_commands_decided);
    sim->report.counts[SIM_commands_accepted] += decision->first &&
                                                 strcmp(decision->code, "ok") == 0;
    sim_say(sim, "log %" PRIu64 ".%u: command %016" PRIx64 ": %.*s by %.*s: %s%s", model->index,
            position, decision->hash, (int)unpack_bytes(unpack_item(&inner.data, 5)).size,
            (const char *)unpack_bytes(unpack_item(&inner.data, 5)).data,
            (int)unpack_bytes(unpack_item(&inner.data, 2)).size,
            (const char *)unpack_bytes(unpack_item(&inner.data, 2)).data, decision->code,
            decision->first ? "" : " (again)");
    msgpack_unpacked_destroy(&inner);
    msgpack_unpacked_destroy(&outer);
}

/* --- History --- */

static void note_outcome(struct sim *sim, const struct sim_figures *figures)
{
    static const struct {
        const char *outcome;
        enum sim_count mark;
    } marks[] = {{"passed", SIM_outcome_passed},        {"failed", SIM_outcome_failed},
                 {"no_quorum", SIM_outcome_no_quorum},  {"rejected_by_veto", SIM_outcome_veto},
                 {"to_revision", SIM_outcome_revision}, {"experts_missing", SIM_outcome_experts}};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        sim->report.counts[marks[i].mark] += strcmp(figures->outcome, marks[i].outcome) == 0;
    }
    sim->report.counts[SIM_outcome_tie] += figures->yes[1] == figures->no[1] && figures->yes[1] > 0;
}

static void note_moment(struct sim *sim, struct sim_poll *poll)
{
    if (poll->moment_count == poll->moment_capacity) {
        poll->moment_capacity = poll->moment_capacity * 2 + 16;
        poll->moments =
            sim_checked(realloc(poll->moments, poll->moment_capacity * sizeof *poll->moments));
    }
    struct sim_moment *moment = &poll->moments[poll->moment_count++];
    *moment = (struct sim_moment){.index = sim->model->index, .state = poll->state};
    for (unsigned q = 0; q < poll->question_count; q++) {
        sim_recount(poll, q, &moment->figures[q]);
        if (strcmp(poll->state, "cancelled") == 0) {
            moment->figures[q].outcome = "cancelled";
        } else if (strcmp(poll->state, "closed") == 0) {
            note_outcome(sim, &moment->figures[q]);
        }
    }
    poll->changed = false;
}

void sim_model_entry(struct sim *sim, uint64_t index, const struct log_entry *entry)
{
    struct sim_model *model = sim->model;
    ASSERT(index == model->index + 1);
    model->index = index;
    if (entry->type != LOG_ENTRY_COMMAND) {
        sim_record_entry(sim, index, false, 0);
        return;
    }
    msgpack_unpacked batch;
    msgpack_unpacked_init(&batch);
    ASSERT(msgpack_unpack_next(&batch, (const char *)entry->data.data, entry->data.size, NULL) ==
           MSGPACK_UNPACK_SUCCESS);
    uint64_t time_ms = unpack_u64(unpack_item(&batch.data, 1), 0);
    /* A new leader that has not applied everything yet may stamp too low: log time stays. */
    model->time_ms = time_ms > model->time_ms ? time_ms : model->time_ms;
    const msgpack_object *closes = unpack_item(&batch.data, 2);
    for (uint32_t i = 0; i < unpack_size(closes); i++) {
        close_due(sim, poll_of(model, unpack_bytes(unpack_item(closes, i))));
    }
    const msgpack_object *commands = unpack_item(&batch.data, 3);
    for (uint32_t i = 0; i < unpack_size(commands); i++) {
        command(sim, i, unpack_bytes(unpack_item(commands, i)));
    }
    sim_record_entry(sim, index, unpack_size(closes) > 0, unpack_size(commands));
    sim->report.counts[SIM_batch_of_many] += unpack_size(commands) >= 5;
    for (unsigned i = 0; i < model->poll_count; i++) {
        if (model->polls[i]->changed) {
            note_moment(sim, model->polls[i]);
        }
    }
    msgpack_unpacked_destroy(&batch);
}

const struct sim_decision *sim_model_decision(const struct sim *sim, uint64_t index,
                                              uint64_t position)
{
    const struct sim_model *model = sim->model;
    size_t low = 0;
    size_t high = model->decision_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sim_decision *decision = &model->decisions[middle];
        if (decision->index == index && decision->position == position) {
            return decision;
        }
        if (decision->index < index ||
            (decision->index == index && decision->position < position)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

uint64_t sim_model_has(const struct sim *sim, uint64_t hash)
{
    for (size_t i = 0; i < sim->model->decision_count; i++) {
        if (sim->model->decisions[i].hash == hash) {
            return sim->model->decisions[i].index;
        }
    }
    return 0;
}

const struct sim_moment *sim_model_moment(const struct sim_poll *poll, uint64_t index)
{
    const struct sim_moment *moment = NULL;
    for (size_t i = 0; i < poll->moment_count && poll->moments[i].index <= index; i++) {
        moment = &poll->moments[i];
    }
    return moment;
}
