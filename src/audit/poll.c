/* Polls: opening, ballots, closing. */
#include "audit/poll.h"

#include <search.h>

#include "base/memory.h"

#define SHOWN(text) (int)((text).size < 80 ? (text).size : 80), (const char *)(text).data

static int compare_ids(const void *left, const void *right)
{
    const struct audit_poll *one = left;
    const struct audit_poll *other = right;
    return strcmp(one->id, other->id);
}

static void free_nothing(void *node)
{
    (void)node;
}

static void poll_free(struct audit_poll *poll)
{
    for (size_t i = 0; i < poll->roll.count; i++) {
        memory_free(poll->roll.voters[i].answers);
    }
    memory_free(poll->roll.voters);
    memory_free(poll->questions);
    memory_free(poll);
}

void audit_polls_open(struct audit_polls *polls)
{
    *polls = (struct audit_polls){0};
    polls->last = &polls->first;
}

void audit_polls_close(struct audit_polls *polls)
{
    tdestroy(polls->by_id, free_nothing);
    for (struct audit_poll *poll = polls->first; poll != NULL;) {
        struct audit_poll *next = poll->next;
        poll_free(poll);
        poll = next;
    }
    audit_polls_open(polls);
}

static bool copy_id(char id[LIMIT_ID_BYTES + 1], struct slice text)
{
    if (text.size == 0 || text.size > LIMIT_ID_BYTES) {
        return false;
    }
    memset(id, 0, LIMIT_ID_BYTES + 1);
    memcpy(id, text.data, text.size);
    return true;
}

struct audit_poll *audit_polls_find(const struct audit_polls *polls, struct slice id)
{
    struct audit_poll wanted;
    if (!copy_id(wanted.id, id)) {
        return NULL;
    }
    void *const *found = tfind(&wanted, &polls->by_id, compare_ids);
    return found == NULL ? NULL : *found;
}

/* --- The roll --- */

static bool has_class(const struct audit_person *person, const msgpack_object *classes)
{
    for (uint32_t i = 0; i < value_count(classes); i++) {
        if (audit_labels_have(&person->classes, "", value_bytes(value_item(classes, i)))) {
            return true;
        }
    }
    return value_count(classes) == 0;
}

static struct audit_voter place_of(const struct audit_poll *poll, const struct audit_person *person,
                                   const msgpack_object *classes)
{
    struct audit_voter voter = {
        .member = person->number, .weight = person->weight, .elector = has_class(person, classes)};
    for (unsigned q = 0; q < poll->question_count; q++) {
        const struct audit_rule *rule = &poll->questions[q].rule;
        if (rule->veto && voter.elector &&
            audit_labels_have(&person->classes, "", slice_of_text(rule->veto_class))) {
            voter.vetoer |= UINT64_C(1) << q;
        }
        if (rule->experts &&
            audit_labels_have(&person->roles, "expert:", slice_of_text(rule->domain))) {
            voter.expert |= UINT64_C(1) << q;
        }
    }
    return voter;
}

static enum conclave_code freeze_roll(struct audit_poll *poll, const struct audit_people *people,
                                      const msgpack_object *classes)
{
    if (people->count == 0) {
        return CONCLAVE_OK;
    }
    poll->roll.voters = memory_allocate(people->count * sizeof *poll->roll.voters);
    if (poll->roll.voters == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (size_t i = 0; i < people->count; i++) {
        struct audit_voter voter = place_of(poll, people->all[i], classes);
        if (people->all[i]->active && (voter.elector || voter.expert != 0)) {
            poll->roll.voters[poll->roll.count++] = voter;
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code read_questions(struct audit_poll *poll,
                                         const struct audit_policies *policies,
                                         const msgpack_object *questions, struct codec_error *error)
{
    poll->question_count = value_count(questions);
    if (poll->question_count == 0 || poll->question_count > LIMIT_QUESTIONS) {
        codec_error_set(error, "the poll has %u questions", poll->question_count);
        return CONCLAVE_BAD_REQUEST;
    }
    poll->questions = memory_allocate_zeroed(poll->question_count, sizeof *poll->questions);
    if (poll->questions == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (unsigned i = 0; i < poll->question_count; i++) {
        const msgpack_object *map = value_item(questions, i);
        struct audit_question *question = &poll->questions[i];
        struct slice id = value_bytes(value_get(map, "policy"));
        const struct audit_policy *policy = audit_policies_find(policies, id);
        if (policy == NULL || !copy_id(question->id, value_bytes(value_get(map, "id")))) {
            codec_error_set(error, "a question has no id, or its policy \"%.*s\" does not exist",
                            SHOWN(id));
            return CONCLAVE_BAD_REQUEST;
        }
        memcpy(question->policy, policy->id, sizeof question->policy);
        question->policy_version = policy->version;
        question->rule = policy->rule;
    }
    return CONCLAVE_OK;
}

static enum conclave_code read_poll(struct audit_poll *poll, const struct audit_people *people,
                                    const struct audit_policies *policies,
                                    struct audit_moment moment, const msgpack_object *body,
                                    struct codec_error *error)
{
    uint64_t open_for_ms = value_u64(value_get(body, "open_for_ms"), 0);
    poll->opened_ms = moment.time_ms;
    poll->closes_ms = value_u64(value_get(body, "closes_at"), moment.time_ms + open_for_ms);
    if (!copy_id(poll->id, value_bytes(value_get(body, "id")))) {
        codec_error_set(error, "the poll has no id");
        return CONCLAVE_BAD_REQUEST;
    }
    enum conclave_code code = read_questions(poll, policies, value_get(body, "questions"), error);
    return code == CONCLAVE_OK ? freeze_roll(poll, people, value_get(body, "classes")) : code;
}

enum conclave_code audit_polls_begin(struct audit_polls *polls, const struct audit_people *people,
                                     const struct audit_policies *policies,
                                     struct audit_moment moment, const msgpack_object *body,
                                     struct codec_error *error)
{
    struct slice id = value_bytes(value_get(body, "id"));
    if (audit_polls_find(polls, id) != NULL) {
        codec_error_set(error, "poll \"%.*s\" is opened a second time", SHOWN(id));
        return CONCLAVE_BAD_REQUEST;
    }
    struct audit_poll *poll = memory_allocate_zeroed(1, sizeof *poll);
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = read_poll(poll, people, policies, moment, body, error);
    if (code == CONCLAVE_OK && tsearch(poll, &polls->by_id, compare_ids) == NULL) {
        code = CONCLAVE_NO_MEMORY;
    }
    if (code != CONCLAVE_OK) {
        poll_free(poll);
        return code;
    }
    *polls->last = poll;
    polls->last = &poll->next;
    polls->count++;
    polls->open_count++;
    return CONCLAVE_OK;
}

/* --- Ballots --- */

static int compare_members(const void *left, const void *right)
{
    const struct audit_voter *one = left;
    const struct audit_voter *other = right;
    return one->member < other->member ? -1 : one->member > other->member;
}

static struct audit_voter *voter_of(const struct audit_roll *roll, uint32_t member)
{
    struct audit_voter wanted = {.member = member};
    return roll->count == 0
               ? NULL
               : bsearch(&wanted, roll->voters, roll->count, sizeof *roll->voters, compare_members);
}

/* False when the value is no answer of the question's method. */
static bool read_choice(const struct audit_rule *rule, const msgpack_object *value,
                        struct audit_answer *answer)
{
    if (value == NULL) {
        return true;
    }
    if (value_is(value, "abstain")) {
        answer->choice = AUDIT_ABSTAIN;
        return true;
    }
    if (rule->score) {
        uint64_t score = value_u64(value, UINT64_MAX);
        answer->choice = AUDIT_SCORE;
        answer->score = (uint16_t)score;
        return score >= rule->min && score <= rule->max;
    }
    answer->choice = value_is(value, "yes") ? AUDIT_YES : AUDIT_NO;
    return value_is(value, "yes") || value_is(value, "no");
}

/* Where the trigger is a score, a low one by a member of the class is a veto if it is justified. */
static bool counts_as_veto(const struct audit_rule *rule, bool vetoer, const msgpack_object *map,
                           const struct audit_answer *answer)
{
    bool justified = value_bytes(value_get(map, "why")).size >= rule->justification_bytes;
    if (!rule->veto || !vetoer || !justified) {
        return false;
    }
    return rule->veto_explicit ? value_true(value_get(map, "veto"))
                               : answer->choice == AUDIT_SCORE && answer->score <= rule->veto_score;
}

static enum conclave_code take_answer(const struct audit_poll *poll,
                                      const struct audit_voter *voter, const msgpack_object *map,
                                      struct audit_answer *answers, struct codec_error *error)
{
    struct slice id = value_bytes(value_get(map, "q"));
    unsigned q = 0;
    while (q < poll->question_count && !slice_is_text(id, poll->questions[q].id)) {
        q++;
    }
    if (q == poll->question_count) {
        codec_error_set(error, "question \"%.*s\" is not on poll \"%s\"", SHOWN(id), poll->id);
        return CONCLAVE_BAD_REQUEST;
    }
    const struct audit_rule *rule = &poll->questions[q].rule;
    const msgpack_object *choice = value_get(map, "a");
    const msgpack_object *review = value_get(map, "review");
    struct audit_answer *answer = &answers[q];
    if (!read_choice(rule, choice, answer) || (choice != NULL && !voter->elector)) {
        codec_error_set(error, "the answer to \"%.*s\" is not one that its author may give",
                        SHOWN(id));
        return CONCLAVE_BAD_REQUEST;
    }
    if (review != NULL) {
        if ((voter->expert >> q & 1u) == 0) {
            codec_error_set(error, "a review of \"%.*s\" by somebody who is no expert of it",
                            SHOWN(id));
            return CONCLAVE_BAD_REQUEST;
        }
        answer->review = value_is(review, "approve") ? 1 : -1;
    }
    answer->veto = counts_as_veto(rule, (voter->vetoer >> q & 1u) != 0, map, answer);
    return CONCLAVE_OK;
}

/* Does either ballot answer or review a question that takes one ballot only? */
static bool is_final(const struct audit_poll *poll, const struct audit_answer *before,
                     const struct audit_answer *now)
{
    for (unsigned q = 0; q < poll->question_count; q++) {
        bool answered = before[q].choice != AUDIT_LEFT_OUT || before[q].review != 0 ||
                        now[q].choice != AUDIT_LEFT_OUT || now[q].review != 0;
        if (answered && poll->questions[q].rule.final) {
            return true;
        }
    }
    return false;
}

/* The ballot may count: on the roll and in time. */
static enum conclave_code check_ballot(const struct audit_poll *poll,
                                       const struct audit_voter *voter, struct audit_moment moment,
                                       struct codec_error *error)
{
    if (poll->state != AUDIT_POLL_OPEN || moment.time_ms > poll->closes_ms) {
        codec_error_set(error, "a ballot was accepted after poll \"%s\" had closed", poll->id);
        return CONCLAVE_BAD_REQUEST;
    }
    if (voter == NULL) {
        codec_error_set(error, "a ballot was accepted of somebody not on the roll of \"%s\"",
                        poll->id);
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

static enum conclave_code replace_ballot(const struct audit_poll *poll, struct audit_voter *voter,
                                         const msgpack_object *list, struct codec_error *error)
{
    struct audit_answer answers[LIMIT_QUESTIONS] = {0};
    for (uint32_t i = 0; i < value_count(list); i++) {
        enum conclave_code code = take_answer(poll, voter, value_item(list, i), answers, error);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    size_t size = poll->question_count * sizeof answers[0];
    if (voter->answers == NULL) {
        voter->answers = memory_allocate(size);
        if (voter->answers == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
    } else if (is_final(poll, voter->answers, answers)) {
        codec_error_set(error, "a second ballot was accepted where the first is final");
        return CONCLAVE_BAD_REQUEST;
    }
    memcpy(voter->answers, answers, size);
    voter->ballots++;
    return CONCLAVE_OK;
}

enum conclave_code audit_polls_cast(struct audit_polls *polls, const struct audit_person *author,
                                    struct audit_moment moment, const msgpack_object *body,
                                    struct codec_error *error)
{
    struct slice id = value_bytes(value_get(body, "poll"));
    struct audit_poll *poll = audit_polls_find(polls, id);
    if (poll == NULL) {
        codec_error_set(error, "a ballot was accepted for poll \"%.*s\", which does not exist",
                        SHOWN(id));
        return CONCLAVE_BAD_REQUEST;
    }
    struct audit_voter *voter = voter_of(&poll->roll, author->number);
    enum conclave_code code = check_ballot(poll, voter, moment, error);
    return code == CONCLAVE_OK ? replace_ballot(poll, voter, value_get(body, "answers"), error)
                               : code;
}

/* --- Closing --- */

static void end(struct audit_polls *polls, struct audit_poll *poll, struct audit_moment moment,
                enum audit_poll_state state)
{
    poll->state = state;
    poll->closed_index = moment.index;
    poll->closed_ms = moment.time_ms;
    polls->open_count--;
}

enum conclave_code audit_polls_end(struct audit_polls *polls, struct audit_moment moment,
                                   const msgpack_object *body, bool cancel,
                                   struct codec_error *error)
{
    struct slice id = value_bytes(value_get(body, "id"));
    struct audit_poll *poll = audit_polls_find(polls, id);
    if (poll == NULL || poll->state != AUDIT_POLL_OPEN ||
        (cancel && moment.time_ms > poll->closes_ms)) {
        codec_error_set(error, "poll \"%.*s\" was closed or cancelled, but is not open", SHOWN(id));
        return CONCLAVE_BAD_REQUEST;
    }
    end(polls, poll, moment, cancel ? AUDIT_POLL_CANCELLED : AUDIT_POLL_CLOSED);
    return CONCLAVE_OK;
}

static bool is_settled(const struct audit_poll *poll, uint64_t time_ms)
{
    for (unsigned q = 0; q < poll->question_count; q++) {
        const struct audit_rule *rule = &poll->questions[q].rule;
        if (!rule->early || !rule->final || time_ms < poll->opened_ms + rule->min_open_ms ||
            !audit_count_settled(&poll->roll, rule, q)) {
            return false;
        }
    }
    return true;
}

void audit_polls_close_due(struct audit_polls *polls, struct audit_moment moment, struct slice id)
{
    struct audit_poll *poll = audit_polls_find(polls, id);
    if (poll != NULL && poll->state == AUDIT_POLL_OPEN &&
        (moment.time_ms > poll->closes_ms || is_settled(poll, moment.time_ms))) {
        end(polls, poll, moment, AUDIT_POLL_CLOSED);
    }
}
