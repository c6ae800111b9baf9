/* ballot.get and ballot.list. What was counted comes from the state; rationales and the origin of
 * imported ballots from the log.
 */
#include "model/ballot.h"
#include "model/member.h"
#include "model/query_poll.h"
#include "model/roll.h"

#define BALLOT_PAIRS 10u

static void write_choice(struct buffer *buffer, const struct tally_answer *answer)
{
    codec_write_text(buffer, "a");
    switch (answer->choice) {
    case TALLY_NONE:
        codec_write_nil(buffer);
        return;
    case TALLY_ABSTAIN:
        codec_write_text(buffer, "abstain");
        return;
    case TALLY_NO:
        codec_write_text(buffer, "no");
        return;
    case TALLY_YES:
        codec_write_text(buffer, "yes");
        return;
    case TALLY_SCORED:
        codec_write_u64(buffer, answer->score);
        return;
    }
    UNREACHABLE("choice");
}

/* The rationale of a question in the command's answers; empty when there is none. */
static struct slice find_why(const msgpack_object *answers, struct slice question)
{
    struct slice why = slice_of("", 0);
    if (answers == NULL || answers->type != MSGPACK_OBJECT_ARRAY) {
        return why;
    }
    for (uint32_t i = 0; i < answers->via.array.size; i++) {
        const msgpack_object *answer = &answers->via.array.ptr[i];
        const msgpack_object *named = query_map_value(answer, "q");
        const msgpack_object *given = query_map_value(answer, "why");
        struct slice id;
        if (named != NULL && given != NULL && codec_get_string(named, &id) == CONCLAVE_OK &&
            slice_equal(id, question) && codec_get_string(given, &why) == CONCLAVE_OK) {
            return why;
        }
    }
    return why;
}

static void write_answers(struct buffer *buffer, const struct poll *poll,
                          const struct ballot *ballot, const msgpack_object *body)
{
    static const char *const reviews[] = {"", "approve", "object"};
    const msgpack_object *answers = body == NULL ? NULL : query_map_value(body, "answers");
    uint32_t count = 0;
    for (uint32_t i = 0; i < poll->question_count; i++) {
        count += ballot_answers(&ballot->answers[i]) ? 1 : 0;
    }
    codec_write_text(buffer, "answers");
    codec_write_array(buffer, count);
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const struct tally_answer *answer = &ballot->answers[i];
        if (!ballot_answers(answer)) {
            continue;
        }
        codec_write_map(buffer, 5);
        pair_string(buffer, "q", poll->questions[i].id);
        write_choice(buffer, answer);
        pair_bool(buffer, "veto", answer->veto);
        pair_string_or_nil(buffer, "review", slice_of_text(reviews[answer->review]));
        pair_string_or_nil(buffer, "why", find_why(answers, poll->questions[i].id));
    }
}

static void write_imported(struct buffer *buffer, const msgpack_object *body)
{
    const msgpack_object *imported = body == NULL ? NULL : query_map_value(body, "imported");
    struct slice file = slice_of("", 0);
    struct slice sha256 = slice_of("", 0);
    struct slice timestamp = slice_of("", 0);
    codec_write_text(buffer, "imported");
    if (imported == NULL) {
        codec_write_nil(buffer);
        return;
    }
    const msgpack_object *value = query_map_value(imported, "timestamp");
    bool has_time = value != NULL && codec_get_string(value, &timestamp) == CONCLAVE_OK;
    value = query_map_value(imported, "file");
    bool has_file = value != NULL && codec_get_string(value, &file) == CONCLAVE_OK;
    value = query_map_value(imported, "sha256");
    bool has_hash = value != NULL && codec_get_bytes(value, &sha256) == CONCLAVE_OK;
    ASSERT(has_file && has_hash); /* the command was accepted */
    codec_write_map(buffer, 3);
    pair_string(buffer, "file", file);
    pair_bytes(buffer, "sha256", sha256);
    pair_string_or_nil(buffer, "timestamp", has_time ? timestamp : slice_of("", 0));
}

static void write_pairs(struct buffer *buffer, const struct poll *poll, struct slice member,
                        uint64_t weight, const struct ballot *ballot, const msgpack_object *body)
{
    pair_string(buffer, "poll", poll->id);
    pair_string(buffer, "member", member);
    pair_u64(buffer, "ballot", ballot->number);
    pair_u64(buffer, "index", ballot->index);
    pair_u64(buffer, "position", ballot->position);
    pair_u64(buffer, "time", ballot->time_ms);
    codec_write_text(buffer, "claimed_at");
    if (ballot->has_claimed) {
        codec_write_u64(buffer, ballot->claimed_at_ms);
    } else {
        codec_write_nil(buffer);
    }
    pair_u64(buffer, "weight", weight);
    write_imported(buffer, body);
    write_answers(buffer, poll, ballot, body);
}

/* Writes the pairs of one ballot, with what the log has of it. */
static enum conclave_code write_ballot(const struct query *query, struct buffer *buffer,
                                       const struct poll *poll, uint32_t member_number,
                                       const struct ballot *ballot)
{
    struct member member;
    struct roll_voter voter;
    enum conclave_code code = member_load(query->transaction, member_number, &member);
    if (code == CONCLAVE_OK) {
        code = roll_find(query->transaction, poll->number, member_number, &voter);
    }
    if (code != CONCLAVE_OK || ballot->answer_count != poll->question_count) {
        return code == CONCLAVE_NOT_FOUND || code == CONCLAVE_OK ? CONCLAVE_CORRUPT : code;
    }
    if (query->log == NULL) {
        write_pairs(buffer, poll, member.id, voter.weight, ballot, NULL);
        return CONCLAVE_OK;
    }
    struct buffer bytes;
    struct envelope envelope;
    buffer_init(&bytes, LIMIT_FRAME_BYTES);
    code = query_command(query, ballot->index, ballot->position, &bytes, &envelope);
    if (code == CONCLAVE_OK) {
        write_pairs(buffer, poll, member.id, voter.weight, ballot, envelope.body);
        envelope_close(&envelope);
    }
    buffer_close(&bytes);
    return code;
}

static enum conclave_code get_ballot(const struct query *query, const struct query_params *params,
                                     struct poll *poll)
{
    uint32_t member;
    struct ballot ballot;
    enum conclave_code code = query_load_poll(query, params->poll, poll);
    if (code == CONCLAVE_OK) {
        code = query_member_number(query, params->member, &member);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = ballot_load(query->transaction, poll->number, member, &ballot);
    if (code == CONCLAVE_NOT_FOUND) {
        return query_refuse(query, code, "member \"%.*s\" has no ballot in poll \"%.*s\"",
                            TEXT_ARGUMENTS(params->member), TEXT_ARGUMENTS(params->poll));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    query_begin_shape(query, BALLOT_PAIRS);
    return write_ballot(query, query->answer, poll, member, &ballot);
}

enum conclave_code query_ballot_get(const struct query *query)
{
    static const char *const wanted[] = {"!poll", "!member", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = get_ballot(query, &params, poll);
    poll_free(poll);
    return code;
}

static enum conclave_code fill_page(const struct query *query, const struct poll *poll,
                                    uint32_t after, struct page *page)
{
    struct key prefix;
    struct key from;
    struct scan scan;
    key_of_u32(&prefix, KEY_BALLOT, poll->number);
    key_of_u32_u32(&from, KEY_BALLOT, poll->number, after);
    scan_begin(&scan, &prefix);
    scan_after(&scan, &from);
    struct slice rest;
    struct slice value;
    enum conclave_code code;
    while ((code = scan_next(query->transaction, &scan, &rest, &value)) == CONCLAVE_OK) {
        if (page_full(page)) {
            return CONCLAVE_OK;
        }
        struct ballot ballot;
        code = rest.size == 4 ? ballot_decode(value, &ballot) : CONCLAVE_CORRUPT;
        if (code != CONCLAVE_OK) {
            return code;
        }
        codec_write_map(&page->item, BALLOT_PAIRS);
        code = write_ballot(query, &page->item, poll, load_be32(rest.data), &ballot);
        if (code != CONCLAVE_OK) {
            return code;
        }
        if (!page_take(page)) {
            return CONCLAVE_OK;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code query_ballot_list(const struct query *query)
{
    static const char *const wanted[] = {"!poll", "after", "limit", NULL};
    struct query_params params;
    uint32_t after = 0;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code == CONCLAVE_OK && params.after.size > 0) {
        code = query_member_number(query, params.after, &after);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = poll_new();
    if (poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct page page;
    page_open(&page, &params);
    code = query_load_poll(query, params.poll, poll);
    if (code == CONCLAVE_OK) {
        code = fill_page(query, poll, after, &page);
    }
    if (code == CONCLAVE_OK) {
        code = page_finish(&page, query);
    }
    page_close(&page);
    poll_free(poll);
    return code;
}
