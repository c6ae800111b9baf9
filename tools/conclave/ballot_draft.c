/* A ballot that is being filled in. */
#include "ballot_draft.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "convert.h"
#include "format.h"

void draft_init(struct draft *draft, const char *poll)
{
    ASSERT(draft != NULL && poll != NULL);
    *draft = (struct draft){.poll = poll};
}

void draft_close(struct draft *draft)
{
    ASSERT(draft != NULL);
    for (size_t i = 0; i < draft->answer_count; i++) {
        memory_free(draft->answers[i].why);
    }
    draft->answer_count = 0;
}

struct draft_answer *draft_answer(struct draft *draft, struct slice question)
{
    ASSERT(draft != NULL);
    if (!envelope_id_valid(question)) {
        snprintf(draft->problem, sizeof draft->problem, "\"%.*s\" is no question's id",
                 (int)(question.size < 64 ? question.size : 64), (const char *)question.data);
        return NULL;
    }
    for (size_t i = 0; i < draft->answer_count; i++) {
        if (slice_is_text(question, draft->answers[i].question)) {
            return &draft->answers[i];
        }
    }
    if (draft->answer_count == LIMIT_QUESTIONS) {
        snprintf(draft->problem, sizeof draft->problem, "more than %u questions", LIMIT_QUESTIONS);
        return NULL;
    }
    struct draft_answer *answer = &draft->answers[draft->answer_count++];
    *answer = (struct draft_answer){0};
    memcpy(answer->question, question.data, question.size);
    return answer;
}

/* Splits at the first `=`: ids have none. */
static struct draft_answer *split(struct draft *draft, const char *text, const char *form,
                                  const char **value)
{
    size_t size = strcspn(text, "=");
    if (text[size] != '=') {
        snprintf(draft->problem, sizeof draft->problem, "\"%.100s\" is not %s", text, form);
        return NULL;
    }
    *value = text + size + 1;
    return draft_answer(draft, slice_of(text, size));
}

static bool set_choice(struct draft *draft, struct draft_answer *answer, const char *choice)
{
    uint64_t score;
    bool known = strcmp(choice, "yes") == 0 || strcmp(choice, "no") == 0 ||
                 strcmp(choice, "abstain") == 0 || format_parse_u64(choice, &score);
    if (!known || strlen(choice) >= sizeof answer->choice) {
        snprintf(draft->problem, sizeof draft->problem,
                 "%s=%.40s: an answer is yes, no, abstain or a whole number", answer->question,
                 choice);
        return false;
    }
    snprintf(answer->choice, sizeof answer->choice, "%s", choice);
    return true;
}

bool draft_take_answer(struct draft *draft, const char *text)
{
    const char *value;
    struct draft_answer *answer = split(draft, text, "QUESTION=ANSWER", &value);
    if (answer == NULL) {
        return false;
    }
    if (answer->choice[0] != '\0') {
        snprintf(draft->problem, sizeof draft->problem, "%s is answered twice", answer->question);
        return false;
    }
    return set_choice(draft, answer, value);
}

bool draft_set_why(struct draft *draft, struct draft_answer *answer, const char *why)
{
    ASSERT(draft != NULL && answer != NULL && why != NULL);
    size_t size = strlen(why) + 1;
    char *copy = memory_allocate(size);
    if (copy == NULL) {
        snprintf(draft->problem, sizeof draft->problem, "out of memory");
        return false;
    }
    memcpy(copy, why, size);
    memory_free(answer->why);
    answer->why = copy;
    return true;
}

bool draft_take_why(struct draft *draft, const char *text)
{
    const char *value;
    struct draft_answer *answer = split(draft, text, "QUESTION=TEXT", &value);
    return answer != NULL && draft_set_why(draft, answer, value);
}

bool draft_take_veto(struct draft *draft, const char *text)
{
    struct draft_answer *answer = draft_answer(draft, slice_of_text(text));
    if (answer != NULL) {
        answer->veto = true;
    }
    return answer != NULL;
}

static bool set_review(struct draft *draft, struct draft_answer *answer, const char *review)
{
    if (strcmp(review, "approve") != 0 && strcmp(review, "object") != 0) {
        snprintf(draft->problem, sizeof draft->problem, "%s=%.40s: a review is approve or object",
                 answer->question, review);
        return false;
    }
    snprintf(answer->review, sizeof answer->review, "%s", review);
    return true;
}

bool draft_take_review(struct draft *draft, const char *text)
{
    const char *value;
    struct draft_answer *answer = split(draft, text, "QUESTION=approve or QUESTION=object", &value);
    return answer != NULL && set_review(draft, answer, value);
}

static bool take_json_answer(struct draft *draft, const json_t *item)
{
    static const char *const known[] = {"q", "a", "why", "veto", "review"};
    const char *key;
    json_t *value;
    json_t *object = (json_t *)(uintptr_t)item; /* iterating changes nothing in it */
    json_object_foreach(object, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            snprintf(draft->problem, sizeof draft->problem,
                     "an answer has q, a, why, veto and review, not \"%.60s\"", key);
            return false;
        }
    }
    struct draft_answer *answer = draft_answer(draft, slice_of_text(convert_text(item, "q")));
    if (answer == NULL) {
        return false;
    }
    const json_t *choice = json_object_get(item, "a");
    char number[24];
    if (json_is_integer(choice)) {
        snprintf(number, sizeof number, "%" PRId64, (int64_t)json_integer_value(choice));
        if (!set_choice(draft, answer, number)) {
            return false;
        }
    } else if (choice != NULL && !json_is_null(choice) &&
               !set_choice(draft, answer, convert_text(item, "a"))) {
        return false;
    }
    if (!convert_is_null(item, "review") &&
        !set_review(draft, answer, convert_text(item, "review"))) {
        return false;
    }
    answer->veto = convert_bool(item, "veto");
    return convert_is_null(item, "why") || draft_set_why(draft, answer, convert_text(item, "why"));
}

bool draft_take_json(struct draft *draft, const json_t *ballot)
{
    ASSERT(draft != NULL);
    const json_t *answers = json_object_get(ballot, "answers");
    const char *poll = convert_text(ballot, "poll");
    if (poll[0] != '\0' && strcmp(poll, draft->poll) != 0) {
        snprintf(draft->problem, sizeof draft->problem, "the file is a ballot for the poll %.64s",
                 poll);
        return false;
    }
    if (!json_is_array(answers)) {
        snprintf(draft->problem, sizeof draft->problem, "the file has no array \"answers\"");
        return false;
    }
    for (size_t i = 0; i < json_array_size(answers); i++) {
        size_t before = draft->answer_count;
        if (!take_json_answer(draft, json_array_get(answers, i))) {
            return false;
        }
        if (draft->answer_count == before) {
            snprintf(draft->problem, sizeof draft->problem, "%s is answered twice",
                     convert_text(json_array_get(answers, i), "q"));
            return false;
        }
    }
    return true;
}

static void write_answer(const struct draft_answer *answer, struct buffer *buffer)
{
    uint64_t score;
    uint32_t count = 1u + (answer->choice[0] != '\0') + (answer->why != NULL) + answer->veto +
                     (answer->review[0] != '\0');
    codec_write_map(buffer, count);
    codec_write_text(buffer, "q");
    codec_write_text(buffer, answer->question);
    if (answer->choice[0] != '\0') {
        codec_write_text(buffer, "a");
        if (format_parse_u64(answer->choice, &score)) {
            codec_write_u64(buffer, score);
        } else {
            codec_write_text(buffer, answer->choice);
        }
    }
    if (answer->why != NULL) {
        codec_write_text(buffer, "why");
        codec_write_text(buffer, answer->why);
    }
    if (answer->veto) {
        codec_write_text(buffer, "veto");
        codec_write_bool(buffer, true);
    }
    if (answer->review[0] != '\0') {
        codec_write_text(buffer, "review");
        codec_write_text(buffer, answer->review);
    }
}

void draft_write(const struct draft *draft, uint64_t claimed_ms, struct body *body)
{
    ASSERT(draft != NULL && body != NULL);
    body_text(body, "poll", draft->poll);
    body_key(body, "answers");
    codec_write_array(&body->pairs, (uint32_t)draft->answer_count);
    for (size_t i = 0; i < draft->answer_count; i++) {
        write_answer(&draft->answers[i], &body->pairs);
    }
    body_u64(body, "claimed_at", claimed_ms);
}
