/* See ballot_check.h. Messages name the question and the value. */
#include "model/ballot_check.h"

#include "base/mutant.h"

struct answer_body {
    struct slice question;
    const msgpack_object *answer;
    struct slice why;
    bool veto;
    struct slice review;
};

/* One answer on its way from the body to the record. */
struct check {
    struct model_context *context;
    const struct poll_question *question;
    const struct answer_body *body;
    bool elector;
    bool in_veto_class;
    bool expert;
    struct tally_answer answer;
};

#define QUESTION(check_) TEXT_ARGUMENTS((check_)->question->id)

static enum conclave_code check_yesno(struct check *check)
{
    static const struct {
        const char *name;
        enum tally_choice choice;
    } names[] = {{"yes", TALLY_YES}, {"no", TALLY_NO}, {"abstain", TALLY_ABSTAIN}};
    struct slice name;
    if (codec_get_string(check->body->answer, &name) == CONCLAVE_OK) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (slice_is_text(name, names[i].name)) {
                check->answer.choice = names[i].choice;
                return CONCLAVE_OK;
            }
        }
        return refuse(check->context, CONCLAVE_BAD_ANSWER,
                      "answer \"%.*s\" to question \"%.*s\" is not yes, no or abstain",
                      TEXT_ARGUMENTS(name), QUESTION(check));
    }
    return refuse(check->context, CONCLAVE_BAD_ANSWER,
                  "the answer to question \"%.*s\" is not \"yes\", \"no\" or \"abstain\"",
                  QUESTION(check));
}

static enum conclave_code check_score(struct check *check)
{
    const struct tally_rule *rule = &check->question->policy.rule;
    struct slice name;
    if (codec_get_string(check->body->answer, &name) == CONCLAVE_OK &&
        slice_is_text(name, "abstain")) {
        check->answer.choice = TALLY_ABSTAIN;
        return CONCLAVE_OK;
    }
    if (check->body->answer->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return refuse(check->context, CONCLAVE_SCORE_OUT_OF_RANGE,
                      "score %lld is outside %u..%u for question \"%.*s\"",
                      (long long)check->body->answer->via.i64, rule->score_min, rule->score_max,
                      QUESTION(check));
    }
    uint64_t score;
    if (codec_get_u64(check->body->answer, &score) != CONCLAVE_OK) {
        return refuse(check->context, CONCLAVE_BAD_ANSWER,
                      "the answer to question \"%.*s\" is neither an integer in %u..%u "
                      "nor \"abstain\"",
                      QUESTION(check), rule->score_min, rule->score_max);
    }
    if (score < rule->score_min || score > rule->score_max) {
        return refuse(check->context, CONCLAVE_SCORE_OUT_OF_RANGE,
                      "score %llu is outside %u..%u for question \"%.*s\"",
                      (unsigned long long)score, rule->score_min, rule->score_max, QUESTION(check));
    }
    check->answer.choice = TALLY_SCORED;
    check->answer.score = (uint32_t)score;
    return CONCLAVE_OK;
}

static enum conclave_code check_choice(struct check *check)
{
    if (check->body->answer == NULL) {
        return CONCLAVE_OK;
    }
    if (!check->elector) {
        return refuse(check->context, CONCLAVE_NOT_ON_ROLL,
                      "question \"%.*s\": the member is on the roll as an expert only, "
                      "who reviews and does not vote",
                      QUESTION(check));
    }
    return check->question->policy.rule.method == TALLY_YESNO ? check_yesno(check)
                                                              : check_score(check);
}

static enum conclave_code check_review(struct check *check)
{
    struct slice review = check->body->review;
    if (review.data == NULL) {
        return CONCLAVE_OK;
    }
    if (!check->expert) {
        return refuse(check->context, CONCLAVE_NOT_EXPERT,
                      check->question->policy.rule.has_experts
                          ? "question \"%.*s\": the member is no expert of its domain"
                          : "question \"%.*s\" has no expert review",
                      QUESTION(check));
    }
    if (slice_is_text(review, "approve")) {
        check->answer.review = TALLY_APPROVE;
    } else if (slice_is_text(review, "object")) {
        check->answer.review = TALLY_OBJECT;
    } else {
        return refuse(check->context, CONCLAVE_BAD_ANSWER,
                      "review \"%.*s\" of question \"%.*s\" is not approve or object",
                      TEXT_ARGUMENTS(review), QUESTION(check));
    }
    return CONCLAVE_OK;
}

/* Sets answer.veto. An explicit veto must be in order; a score that triggers one without its
 * justification is only a score. */
static enum conclave_code check_veto(struct check *check)
{
    const struct policy *policy = &check->question->policy;
    bool explicit_trigger = policy->rule.has_veto && policy->rule.trigger == TALLY_TRIGGER_EXPLICIT;
    size_t why_bytes = check->body->why.size;
    if (!check->body->veto) {
        check->answer.veto = policy->rule.has_veto && !explicit_trigger && check->in_veto_class &&
                             check->answer.choice == TALLY_SCORED &&
                             check->answer.score <= policy->rule.trigger_score &&
                             why_bytes >= policy->justification_min;
        return CONCLAVE_OK;
    }
    if (!explicit_trigger) {
        return refuse(check->context, CONCLAVE_VETO_NOT_ALLOWED,
                      "question \"%.*s\" takes no explicit veto", QUESTION(check));
    }
    if (!check->in_veto_class) {
        return refuse(check->context, CONCLAVE_VETO_NOT_ALLOWED,
                      "question \"%.*s\": only members of class \"%.*s\" have a veto",
                      QUESTION(check), TEXT_ARGUMENTS(policy->veto_class));
    }
    if (check->answer.choice == TALLY_NONE || check->answer.choice == TALLY_YES) {
        return refuse(check->context, CONCLAVE_BAD_ANSWER,
                      "question \"%.*s\": a veto needs an answer, and not yes", QUESTION(check));
    }
    if (!MUTANT(31) && why_bytes < policy->justification_min) {
        return refuse(check->context, CONCLAVE_JUSTIFICATION_LENGTH,
                      "question \"%.*s\": the veto's justification has %zu bytes, "
                      "at least %u are needed",
                      QUESTION(check), why_bytes, policy->justification_min);
    }
    check->answer.veto = true;
    return CONCLAVE_OK;
}

static bool has_section(struct slice why, struct slice section)
{
    return memmem(why.data, why.size, section.data, section.size) != NULL;
}

static enum conclave_code check_rationale(struct check *check)
{
    const struct policy *policy = &check->question->policy;
    struct slice why = check->body->why;
    if (why.size == 0) {
        if (policy->rationale == RATIONALE_REQUIRED && check->answer.choice != TALLY_NONE) {
            return refuse(check->context, CONCLAVE_RATIONALE_MISSING,
                          "question \"%.*s\" requires a rationale", QUESTION(check));
        }
        return CONCLAVE_OK;
    }
    if (why.size > LIMIT_RATIONALE_BYTES) {
        return refuse(check->context, CONCLAVE_RATIONALE_LENGTH,
                      "question \"%.*s\": the rationale has %zu bytes, at most %u are allowed",
                      QUESTION(check), why.size, LIMIT_RATIONALE_BYTES);
    }
    if (policy->rationale == RATIONALE_NONE) {
        /* Where no rationale is taken a veto may still be justified: that is not a rationale. */
        return check->answer.veto ? CONCLAVE_OK
                                  : refuse(check->context, CONCLAVE_RATIONALE_NOT_WANTED,
                                           "question \"%.*s\" takes no rationale", QUESTION(check));
    }
    if (why.size < policy->rationale_min || why.size > policy->rationale_max) {
        return refuse(check->context, CONCLAVE_RATIONALE_LENGTH,
                      "question \"%.*s\": the rationale has %zu bytes, %u to %u are allowed",
                      QUESTION(check), why.size, policy->rationale_min, policy->rationale_max);
    }
    for (uint32_t i = 0; i < policy->section_count; i++) {
        if (!has_section(why, policy->sections[i])) {
            return refuse(check->context, CONCLAVE_RATIONALE_SECTION,
                          "question \"%.*s\": the rationale lacks the section \"%.*s\"",
                          QUESTION(check), TEXT_ARGUMENTS(policy->sections[i]));
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_answer(struct check *check)
{
    enum conclave_code code = check_choice(check);
    if (code == CONCLAVE_OK) {
        code = check_review(check);
    }
    if (code == CONCLAVE_OK) {
        code = check_veto(check);
    }
    if (code == CONCLAVE_OK && !ballot_answers(&check->answer)) {
        return refuse(check->context, CONCLAVE_BAD_ANSWER,
                      "question \"%.*s\" is named, but neither answered nor reviewed",
                      QUESTION(check));
    }
    return code == CONCLAVE_OK ? check_rationale(check) : code;
}

static bool mask_has(uint64_t mask, uint8_t label)
{
    return label != POLL_NO_LABEL && (mask >> label & 1u) != 0;
}

/* Ballots mostly answer the questions in the poll's order: the nth answer is tried there first. */
static uint32_t find_question(const struct poll *poll, struct slice id, uint32_t nth)
{
    bool there = nth < poll->question_count && slice_equal(poll->questions[nth].id, id);
    return there ? nth : poll_question_find(poll, id);
}

static enum conclave_code take_answer(struct model_context *context, const struct poll *poll,
                                      const struct roll_voter *voter, const msgpack_object *map,
                                      uint32_t nth, struct ballot *ballot)
{
    static const struct codec_field fields[] = {
        {"q", CODEC_STRING, true, offsetof(struct answer_body, question), 0, 0},
        {"a", CODEC_ANY, false, offsetof(struct answer_body, answer), 0, 0},
        {"why", CODEC_STRING, false, offsetof(struct answer_body, why), 0, 0},
        {"veto", CODEC_BOOL, false, offsetof(struct answer_body, veto), 0, 0},
        {"review", CODEC_STRING, false, offsetof(struct answer_body, review), 0, 0},
    };
    struct answer_body body = {0};
    enum conclave_code code = codec_decode_map(map, fields, sizeof fields / sizeof fields[0], true,
                                               &body, &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t place = find_question(poll, body.question, nth);
    if (place == UINT32_MAX) {
        return refuse(context, CONCLAVE_UNKNOWN_QUESTION, "poll \"%.*s\" has no question \"%.*s\"",
                      TEXT_ARGUMENTS(poll->id), TEXT_ARGUMENTS(body.question));
    }
    if (ballot_answers(&ballot->answers[place])) {
        return refuse(context, CONCLAVE_DUPLICATE_ANSWER, "question \"%.*s\" is answered twice",
                      TEXT_ARGUMENTS(body.question));
    }
    const struct poll_question *question = &poll->questions[place];
    struct check check = {.context = context,
                          .question = question,
                          .body = &body,
                          .elector = voter->elector,
                          .in_veto_class = mask_has(voter->veto_mask, question->veto_label),
                          .expert = mask_has(voter->expert_mask, question->expert_label)};
    code = check_answer(&check);
    if (code == CONCLAVE_OK) {
        ballot->answers[place] = check.answer;
    }
    return code;
}

enum conclave_code ballot_check_answers(struct model_context *context, const struct poll *poll,
                                        const struct roll_voter *voter,
                                        const msgpack_object *answers, struct ballot *ballot)
{
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(answers, 0, UINT32_MAX, &items, &count) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_REQUEST, "field \"answers\": expected an array");
    }
    if (count == 0) {
        return refuse(context, CONCLAVE_BALLOT_EMPTY, "the ballot answers no question");
    }
    memset(ballot->answers, 0, sizeof ballot->answers);
    ballot->answer_count = poll->question_count;
    for (uint32_t i = 0; i < count; i++) {
        enum conclave_code code = take_answer(context, poll, voter, &items[i], i, ballot);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return CONCLAVE_OK;
}
